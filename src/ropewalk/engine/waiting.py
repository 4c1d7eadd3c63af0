"""Waits: a check that is made again and again, until what it returns is true or it is too late."""

from __future__ import annotations

import math
from collections.abc import Callable

from ropewalk.core import events as ev
from ropewalk.core.artifact import ArtifactRef, Failure, Succeeded, Usage
from ropewalk.core.noderun import NOT_YET, NodeRun
from ropewalk.core.quantity import show_duration
from ropewalk.core.special import Wait


def pause_s(wait: Wait, waited_s: float) -> float:
    """How long to wait for the next check; with a back-off it grows with the time that has passed."""
    if wait.backoff <= 1:
        return min(wait.every_s, wait.cap_s) if wait.cap_s else wait.every_s
    checks = math.log1p(waited_s * (wait.backoff - 1) / max(wait.every_s, 1e-3)) / math.log(wait.backoff)
    return float(min(wait.every_s * wait.backoff ** min(math.floor(checks + 1e-6), 1000), wait.cap_s))


def after_check(
    run: NodeRun, item: int, token: int, outcome: Succeeded, now: float, load: Callable[[ArtifactRef], object]
) -> list[ev.Event]:
    """What follows from a check that did not fail; empty: it has found what it looks for."""
    wait, node_id = run.node.special, run.node.id
    if not isinstance(wait, Wait) or load(outcome.outputs["result"]):
        return []
    waited_s = max(0.0, now - run.since.get(item, now))
    if wait.timeout_s is None or waited_s < wait.timeout_s:
        pause = pause_s(wait, waited_s)
        if wait.timeout_s is not None:
            pause = min(pause, max(wait.timeout_s - waited_s, 0.0))
        return [ev.AttemptFailed(node_id, item, token, Failure(NOT_YET, "not yet"), now + pause, counted=False)]
    late = f"nothing came within {show_duration(wait.timeout_s)}"
    if not wait.soft_fail:
        failure = Failure("timeout", late, retryable=False)
        return [ev.AttemptFailed(node_id, item, token, failure, None, usage=outcome.usage)]
    not_yet = ev.AttemptFailed(node_id, item, token, Failure(NOT_YET, late), now, counted=False, usage=Usage())
    return [not_yet, ev.Skipped(node_id, (item,), late)]
