"""Whose turn it is: nodes by rank, unless one has waited for too long."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice, takewhile

from ropewalk.plan.workload import Rank

FEW = 64  # nodes of one rank that are looked at before all of them are


def _equal(_: str) -> Rank:
    return ()


def _no_time() -> float:
    return 0.0


class Turns:
    """Nodes that wait for a turn, in the order of their aged ranks; those of equal rank first come, first served.

    `plan.order.aged` defines that order; here it is kept up without sorting. Joining, leaving and having a
    turn cost the logarithm of the number of different ranks.

    Args:
        rank: of a node, asked when it joins; the smallest is served first. None: all are equal.
        patience_s: a node that had no turn for so long goes before all others, the longest wait first.
        clock: gives seconds; without one nobody's patience ends.
    """

    def __init__(
        self,
        rank: Callable[[str], Rank] | None = None,
        patience_s: float = math.inf,
        clock: Callable[[], float] = _no_time,
    ) -> None:
        self._rank = rank or _equal
        self._patience_s = patience_s
        self._clock = clock
        self._ranks: list[Rank] = []  # different ones, sorted
        self._by_rank: dict[Rank, OrderedDict[str, None]] = {}
        self._rank_of: dict[str, Rank] = {}
        self._since: OrderedDict[str, float] = OrderedDict()  # when each joined or had its last turn, in that order

    def __len__(self) -> int:
        return len(self._rank_of)

    def __contains__(self, node: str) -> bool:
        return node in self._rank_of

    def join(self, node: str) -> None:
        """A node waits for a turn. Harmless when it does already."""
        if node in self._rank_of:
            return
        rank = self._rank(node)
        if rank not in self._by_rank:
            insort(self._ranks, rank)
            self._by_rank[rank] = OrderedDict()
        self._by_rank[rank][node] = None
        self._rank_of[node] = rank
        self._since[node] = self._clock()

    def leave(self, node: str) -> None:
        """A node that waits does so no more."""
        rank = self._rank_of.pop(node)
        del self._since[node]
        del self._by_rank[rank][node]
        if not self._by_rank[rank]:
            del self._by_rank[rank]
            del self._ranks[bisect_left(self._ranks, rank)]

    def served(self, node: str) -> None:
        """A node had a turn and waits for the next: its patience begins anew, its place among equals stays."""
        self._since[node] = self._clock()
        self._since.move_to_end(node)

    def first(self) -> str:
        """Whose turn it is; somebody has to be there."""
        return next(self._tired(), None) or next(iter(self._by_rank[self._ranks[0]]))

    def order(self) -> Iterator[str]:
        """Every node, in turn. Each may leave once it has been given out, before the next is asked for."""
        tired = dict.fromkeys(self._tired())
        yield from tired
        for rank in list(self._ranks):
            nodes = self._by_rank.get(rank, OrderedDict())
            few = dict.fromkeys(node for node in islice(nodes, FEW) if node not in tired)
            yield from few
            if len(nodes) > FEW - len(few):  # most often nobody asks for more
                yield from [node for node in nodes if node not in tired and node not in few]

    def _tired(self) -> Iterator[str]:
        """Nodes that have waited for too long, the longest wait first."""
        now = self._clock()
        return takewhile(lambda node: now - self._since[node] >= self._patience_s, self._since)

    def before(self, other: Turns) -> bool:
        """Whether the best rank here is better than the best there."""
        return bool(self._ranks and other._ranks) and self._ranks[0] < other._ranks[0]
