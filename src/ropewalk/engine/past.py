"""What came into being in runs: folded from their events when it is asked for, and only where anything can have."""

from __future__ import annotations

from collections.abc import Callable

from ropewalk.core.graph import Graph
from ropewalk.core.nesting import may_grow
from ropewalk.core.state import RunState
from ropewalk.store.runs import Run

MOST_KEPT = 8  # states of runs that have ended


class Past:
    """The states of runs, to look at and not to change; those of runs that have ended are kept for a while."""

    def __init__(self, graph: Callable[[str], Graph], fold: Callable[[Run], RunState]) -> None:
        self._graph = graph
        self._fold = fold
        self._kept: dict[tuple[int, int], RunState] = {}

    def graph(self, run: Run) -> Graph:
        """The graph of a run with the nodes that have come into being in it."""
        graph = self._graph(run.graph)
        return self.state(run).graph if may_grow(graph) else graph

    def state(self, run: Run) -> RunState:
        """The state of a run; not to be changed."""
        if run.is_open:
            return self._fold(run)
        place = run.number, run.seq
        if place not in self._kept:
            if len(self._kept) == MOST_KEPT:
                self._kept.clear()
            self._kept[place] = self._fold(run)
        return self._kept[place]
