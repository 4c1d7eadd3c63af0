"""When a run will be done: its work, how long it takes on a number of workers, and the longest chain in it."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """What one node asks of the workers."""

    node: str
    items: int  # task runs that will be executed; 0: none
    item_s: float  # seconds that each of them takes
    needs: tuple[str, ...] = ()  # nodes that have to be done before


def makespan_s(loads: Sequence[Load], workers: int) -> float:
    """Seconds from the first start to the last end, when a free worker always takes what has been ready for longest.

    A node begins when everything that it needs is done, though the scheduler lets items follow items one by one.

    Args:
        loads: in topological order; needs that are not among them count as done.
        workers: number of task runs at the same time, at least 1.
    """
    return _Simulation(loads, workers).end_s()


class _Simulation:
    def __init__(self, loads: Sequence[Load], workers: int) -> None:
        self._loads = {load.node: load for load in loads}
        self._users: dict[str, list[str]] = {node: [] for node in self._loads}
        self._pending = dict.fromkeys(self._loads, 0)  # needs that are not done
        for load in loads:
            for need in set(load.needs) & self._loads.keys():
                self._users[need].append(load.node)
                self._pending[load.node] += 1
        self._left = {load.node: load.items for load in loads}  # task runs that have not ended
        self._waiting = dict(self._left)  # task runs that have not begun
        self._ready: deque[str] = deque()  # nodes of which some may begin
        self._running: list[tuple[float, str, int]] = []  # when so many task runs of a node end
        self._free = workers
        self._now = 0.0

    def end_s(self) -> float:
        self._begin(node for node, count in self._pending.items() if count == 0)
        while self._ready or self._running:
            self._claim()
            self._now, node, ended = heapq.heappop(self._running)
            self._free += ended
            self._left[node] -= ended
            if not self._left[node]:
                self._begin(self._finish(node))
        return self._now

    def _begin(self, nodes: Iterable[str]) -> None:
        """Let nodes begin; one without task runs is done at once."""
        queue = deque(nodes)
        while queue:
            node = queue.popleft()
            if self._left[node]:
                self._ready.append(node)
            else:
                queue.extend(self._finish(node))

    def _finish(self, node: str) -> list[str]:
        for user in self._users[node]:
            self._pending[user] -= 1
        return [user for user in self._users[node] if self._pending[user] == 0]

    def _claim(self) -> None:
        while self._free and self._ready:
            node = self._ready[0]
            taken = min(self._free, self._waiting[node])
            self._free -= taken
            self._waiting[node] -= taken
            heapq.heappush(self._running, (self._now + self._loads[node].item_s, node, taken))
            if not self._waiting[node]:
                self._ready.popleft()


def critical_path(loads: Sequence[Load], workers: int) -> tuple[str, ...]:
    """The chain of nodes that takes longest: unless one of them gets faster, the run does not.

    A node counts with the time that it takes when it has all workers for itself; nodes without task runs are left out.

    Args:
        loads: in topological order.
        workers: number of task runs at the same time, at least 1.
    """
    ends: dict[str, float] = {}
    before: dict[str, str] = {}
    for load in loads:
        known = [need for need in load.needs if need in ends]
        latest = max(known, key=ends.__getitem__, default="")
        before[load.node] = latest
        ends[load.node] = ends.get(latest, 0.0) + math.ceil(load.items / workers) * load.item_s
    busy = [load.node for load in loads if load.items]
    node = max(busy, key=ends.__getitem__, default="")
    path = []
    while node:
        path.append(node)
        node = before[node]
    return tuple(node for node in reversed(path) if node in set(busy))
