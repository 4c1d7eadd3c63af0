"""What one event costs the scheduler's pure core."""

from __future__ import annotations

import time

from benchmarks.workloads import fan_out
from ropewalk.core import events as ev
from ropewalk.core.artifact import ArtifactRef
from ropewalk.core.decide import Decider
from ropewalk.core.state import RunState


def cost_s(n: int) -> float:
    """Seconds of CPU for each event of a fan-out over n items, attempt by attempt."""
    state = RunState(fan_out(n).graph)
    decider = Decider(state)
    decider.recover()
    outputs = {"result": ArtifactRef("0" * 64, 1, "json", "int", inline=b"1")}
    started = time.process_time()
    _finish(decider, "numbers", 0, 1, outputs)
    decider.feed(ev.Opened("square", n))
    decider.take()
    for item in range(n):
        _finish(decider, "square", item, item + 2, outputs)
    decider.take()
    took = time.process_time() - started
    if not state.nodes["square"].all_succeeded:
        raise AssertionError(n)
    return took / (2 * n)


def _finish(decider: Decider, node: str, item: int, token: int, outputs: dict[str, ArtifactRef]) -> None:
    decider.feed(ev.Started(node, (item,), token, "w"))
    decider.feed(ev.Succeeded(node, item, token, "k", outputs))
