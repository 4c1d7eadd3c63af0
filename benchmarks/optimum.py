"""The shortest schedule there is, by exhaustive search: for graphs of a handful of tasks only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ropewalk.plan.workload import Load, least_s, makespan_s


@dataclass(frozen=True, slots=True)
class _Partial:
    """A schedule of some of the tasks."""

    ends: dict[str, float]  # of the tasks that have a place
    free: tuple[float, ...]  # when each worker has nothing more to do, ascending
    last_s: float  # the latest start


def optimum_s(loads: Sequence[Load], workers: int) -> float:
    """The makespan of the best of all schedules, those that let a worker wait on purpose included.

    Tasks are placed in order of their starts, each as early as its needs and the workers allow. In this way the best
    schedule is met: starting one of its tasks earlier never makes another one later. What cannot become better than
    the best so far is left out, as is what has the same consequences as something before.
    """
    return _Search(loads, workers).best_s


class _Search:
    def __init__(self, loads: Sequence[Load], workers: int) -> None:
        self._loads = {load.node: load for load in loads}
        self._users = {load.node: [other.node for other in loads if load.node in other.needs] for load in loads}
        self._chains: dict[str, float] = {}
        for load in reversed(loads):
            after = max((self._chains[user] for user in self._users[load.node]), default=0.0)
            self._chains[load.node] = (load.item_s or 0.0) + after
        self._by_chain = sorted(self._chains, key=lambda node: -self._chains[node])
        self._floor_s = least_s(loads, workers)
        self._seen: set[object] = set()
        self.best_s = makespan_s(loads, workers)
        self._extend(_Partial({}, (0.0,) * workers, 0.0))

    def _extend(self, partial: _Partial) -> None:
        if len(partial.ends) == len(self._loads):
            self.best_s = min(self.best_s, max(partial.ends.values()))
            return
        if self.best_s <= self._floor_s or (state := self._state(partial)) in self._seen:
            return
        self._seen.add(state)
        for node in self._by_chain:
            load = self._loads[node]
            if node in partial.ends or not all(need in partial.ends for need in load.needs):
                continue
            start_s = max([partial.free[0], *(partial.ends[need] for need in load.needs)])
            if start_s >= partial.last_s and start_s + self._chains[node] < self.best_s:
                self._extend(_placed(partial, load, start_s))

    def _state(self, partial: _Partial) -> object:
        """All that the rest of the schedule depends on."""
        awaited = {
            node: end_s
            for node, end_s in partial.ends.items()
            if end_s > partial.free[0] and any(user not in partial.ends for user in self._users[node])
        }
        return (
            frozenset(partial.ends),
            partial.free,
            partial.last_s,
            frozenset(awaited.items()),
            max(partial.ends.values(), default=0.0),
        )


def _placed(partial: _Partial, load: Load, start_s: float) -> _Partial:
    end_s = start_s + (load.item_s or 0.0)
    free = list(partial.free)
    free[max(index for index, free_s in enumerate(free) if free_s <= start_s)] = end_s
    return _Partial({**partial.ends, load.node: end_s}, tuple(sorted(free)), start_s)
