"""When a run will be done: its work, how long it takes on a number of workers, and the longest chain in it."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Rank: TypeAlias = tuple[float, ...]  # of two nodes the one with the smaller rank goes first


@dataclass(frozen=True, slots=True)
class Load:
    """What one node asks of the workers."""

    node: str
    items: int  # task runs that will be executed; 0: none
    item_s: float | None  # seconds that each of them takes; None: never timed
    needs: tuple[str, ...] = ()  # nodes that have to be done before
    deadline_s: float | None = None  # seconds since the run began by which it has to be done
    priority: int = 0  # higher: more urgent

    @property
    def work_s(self) -> float:
        """Seconds that its task runs take together, as far as is known."""
        return self.items * (self.item_s or 0.0)

    def alone_s(self, workers: int) -> float:
        """Seconds that it takes when it has all workers for itself, as far as is known."""
        return math.ceil(self.items / workers) * (self.item_s or 0.0)


def makespan_s(loads: Sequence[Load], workers: int, rank: Callable[[str], Rank] | None = None) -> float:
    """Seconds from the first start to the last end, when a free worker takes the first by rank of what is ready.

    A node begins when everything that it needs is done, though the scheduler lets items follow items one by one.
    Nodes that were never timed take no time.

    Args:
        loads: in topological order; needs that are not among them count as done.
        workers: number of task runs at the same time, at least 1.
        rank: of each node; nodes of equal rank are served as they get ready. None: all are equal.
    """
    return max(ends_s(loads, workers, rank).values(), default=0.0)


def ends_s(loads: Sequence[Load], workers: int, rank: Callable[[str], Rank] | None = None) -> dict[str, float]:
    """When each node is done, in seconds since the first start; arguments as for `makespan_s`."""
    return _Simulation(loads, workers, rank or _equal).go()


def least_s(loads: Sequence[Load], workers: int) -> float:
    """What no order can beat: the longest chain of single task runs, and the work shared out evenly."""
    ends: dict[str, float] = {}
    for load in loads:
        before = max((ends[need] for need in load.needs if need in ends), default=0.0)
        ends[load.node] = before + ((load.item_s or 0.0) if load.items else 0.0)
    return max([sum(load.work_s for load in loads) / workers, *ends.values()])


def _equal(_: str) -> Rank:
    return ()


class _Simulation:
    def __init__(self, loads: Sequence[Load], workers: int, rank: Callable[[str], Rank]) -> None:
        self._rank = rank
        self._loads = {load.node: load for load in loads}
        self._users: dict[str, list[str]] = {node: [] for node in self._loads}
        self._pending = dict.fromkeys(self._loads, 0)  # needs that are not done
        for load in loads:
            for need in set(load.needs) & self._loads.keys():
                self._users[need].append(load.node)
                self._pending[load.node] += 1
        self._left = {load.node: load.items for load in loads}  # task runs that have not ended
        self._waiting = dict(self._left)  # task runs that have not begun
        self._ready: list[tuple[Rank, int, str]] = []  # nodes of which some may begin; a heap
        self._count = 0  # of the nodes that have been ready
        self._running: list[tuple[float, str, int]] = []  # when so many task runs of a node end
        self._free = workers
        self._now = 0.0
        self._ends: dict[str, float] = {}

    def go(self) -> dict[str, float]:
        self._begin(node for node, count in self._pending.items() if count == 0)
        while self._ready or self._running:
            self._claim()
            self._now = self._running[0][0]
            while self._running and self._running[0][0] == self._now:  # before anything is claimed, all that ends now
                self._end(*heapq.heappop(self._running)[1:])
        return self._ends

    def _end(self, node: str, ended: int) -> None:
        self._free += ended
        self._left[node] -= ended
        if not self._left[node]:
            self._begin(self._finish(node))

    def _begin(self, nodes: Iterable[str]) -> None:
        """Let nodes begin; one without task runs is done at once."""
        queue = deque(nodes)
        while queue:
            node = queue.popleft()
            if self._left[node]:
                heapq.heappush(self._ready, (self._rank(node), self._count, node))
                self._count += 1
            else:
                queue.extend(self._finish(node))

    def _finish(self, node: str) -> list[str]:
        self._ends[node] = self._now
        for user in self._users[node]:
            self._pending[user] -= 1
        return [user for user in self._users[node] if self._pending[user] == 0]

    def _claim(self) -> None:
        while self._free and self._ready:
            node = self._ready[0][2]
            taken = min(self._free, self._waiting[node])
            self._free -= taken
            self._waiting[node] -= taken
            heapq.heappush(self._running, (self._now + (self._loads[node].item_s or 0.0), node, taken))
            if not self._waiting[node]:
                heapq.heappop(self._ready)


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
        ends[load.node] = ends.get(latest, 0.0) + load.alone_s(workers)
    busy = [load.node for load in loads if load.items]
    node = max(busy, key=ends.__getitem__, default="")
    path = []
    while node:
        path.append(node)
        node = before[node]
    return tuple(node for node in reversed(path) if node in set(busy))
