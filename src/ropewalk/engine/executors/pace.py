"""How long attempts take, from what was seen: it says how many fit into a batch."""

from __future__ import annotations

import math

BATCH_S = 0.02  # small tasks are sent together, about so much work at a time
MAX_BATCH = 512
OVERHEAD_S = 0.00005  # what a task costs a worker besides its body
_NEWEST_WEIGHS = 0.1


class Pace:
    """Seconds of an attempt, by node; of a node that was never seen, those of its task in other nodes."""

    def __init__(self) -> None:
        self._nodes: dict[str, float] = {}
        self._tasks: dict[str, float] = {}

    def learn(self, node: str, task: str, wall_s: float) -> None:
        """An attempt took so long."""
        _add(self._nodes, node, wall_s + OVERHEAD_S)
        _add(self._tasks, task, wall_s + OVERHEAD_S)

    def mean_s(self, node: str, task: str) -> float:
        """How long the next attempt will probably take; infinite: nothing is known."""
        known = self._nodes.get(node)
        return self._tasks.get(task, math.inf) if known is None else known


def _add(means: dict[str, float], name: str, cost_s: float) -> None:
    before = means.get(name)
    # a slow one counts at once, so that the next batch is not long
    new = before is None or cost_s > before * 4
    means[name] = cost_s if new else (1 - _NEWEST_WEIGHS) * before + _NEWEST_WEIGHS * cost_s  # type: ignore[operator]


def batch(mean_s: float, load: float) -> int:
    """How many attempts a worker may be given that has a load, a share of `BATCH_S`, already; at least 1."""
    return max(1, min(int((1 - load) * BATCH_S / mean_s), MAX_BATCH))


def load_of(mean_s: float) -> float:
    """The share of a worker's batch that an attempt takes: 1 fills it."""
    return min(1.0, max(mean_s / BATCH_S, 1 / MAX_BATCH))
