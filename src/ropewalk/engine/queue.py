"""Task runs that wait for their turn: now, at a later time, or until somebody has computed their key."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from ropewalk.engine.turns import Turns

Ready: TypeAlias = tuple[str, int]  # node and item


class Queue:
    """Node by node in turn, items of one node in the order in which they came.

    A task run may be in it twice: who takes it looks whether it is still due.

    Args:
        turns: who goes first; None: who came first.
    """

    def __init__(self, turns: Turns | None = None) -> None:
        self.turns = Turns() if turns is None else turns  # nodes of which something can be taken now
        self._now: dict[str, deque[Iterator[int]]] = {}
        self._later: list[tuple[float, str, int]] = []
        self._parked: dict[str, list[Ready]] = {}  # by key
        self._released: list[Ready] = []

    def __bool__(self) -> bool:
        """Whether something can be taken now."""
        return bool(self._now)

    def add(self, node: str, items: Iterable[int], at: float | None, now: float) -> None:
        """Items of a node are ready, not before `at` (None: at once)."""
        if at is None or at <= now:
            self._put(node, items)
            return
        for item in items:
            heapq.heappush(self._later, (at, node, item))

    def take(self, most: int, now: float, is_due: Callable[[str, int], bool]) -> list[Ready]:
        """Up to `most` task runs whose time has come; those that are not due any more are dropped."""
        while self._later and self._later[0][0] <= now:
            _, node, item = heapq.heappop(self._later)
            self._put(node, (item,))
        taken: dict[Ready, None] = {}
        while self.turns and len(taken) < most:
            node = self.turns.first()
            batches = self._now[node]
            while batches and len(taken) < most:
                found = next(batches[0], None)
                if found is None:
                    batches.popleft()
                elif is_due(node, found):
                    taken[node, found] = None
            self._settle(node)
        return list(taken)

    def _put(self, node: str, items: Iterable[int]) -> None:
        if node not in self._now:
            self._now[node] = deque()
            self.turns.join(node)
        self._now[node].append(iter(items))

    def _settle(self, node: str) -> None:
        if self._now[node]:
            self.turns.served(node)
        else:
            del self._now[node]
            self.turns.leave(node)

    @property
    def later(self) -> bool:
        """Whether something waits for its time, or for the next `flush`."""
        return bool(self._later or self._released)

    def park(self, key: str, node: str, item: int) -> None:
        """Hold a task run back until its key, which is being computed elsewhere, is released."""
        self._parked.setdefault(key, []).append((node, item))

    def parked(self) -> list[str]:
        """Keys that something waits for."""
        return list(self._parked)

    def release(self, key: str) -> None:
        """The key is not being computed any more; who waits for it is ready after the next `flush`."""
        self._released += self._parked.pop(key, ())

    def flush(self) -> None:
        """What was released may look again: the result, if there is one, has been committed."""
        released, self._released = self._released, []
        for node, item in released:
            self._put(node, (item,))

    def next_s(self, now: float) -> float:
        """Seconds until something can be taken; infinite when only waiting helps."""
        if self._now:
            return 0.0
        return max(0.0, self._later[0][0] - now) if self._later else math.inf
