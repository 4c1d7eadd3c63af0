"""What of the ready work goes first: a rank for every node, by policy, and what a long wait does to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import get_args

from ropewalk.core.policy import Order
from ropewalk.plan.workload import Load, Rank, least_s, makespan_s

POLICIES: tuple[Order, ...] = get_args(Order)
LEAST_PATIENCE_S = 3600.0
LOOKAHEAD = 10_000  # simulated nodes and task runs that a better order may cost: about 20 ms
_TINY = 1e-9  # what sums of floats may be off by


@dataclass(frozen=True, slots=True)
class Ranking:
    """Who goes first in one run. It is called with a node and gives its rank; the smaller one goes first.

    Attributes:
        ranks: by node; empty: first come, first served.
        patience_s: a node that has been ready for so long without a turn goes before all ranks.
    """

    policy: Order = "fifo"
    ranks: Mapping[str, Rank] = field(default_factory=dict)
    patience_s: float = LEAST_PATIENCE_S

    def __call__(self, node: str) -> Rank:
        """The rank of a node; one that grew while the run goes on has that of the node that it belongs to."""
        while node not in self.ranks:
            node, _, inside = node.rpartition("/")
            if not inside:
                return ()  # before all others, as somebody waits for it since before it was there
        return self.ranks[node]


def ranking(loads: Sequence[Load], workers: int, policy: Order = "critical-path") -> Ranking:
    """Rank the nodes of a graph.

    `critical-path`: who has the longest chain still to go, itself included; `deadline`: whose deadline, or that of
    somebody who needs it, leaves it the earliest moment to be done by; `priority`: who has the highest one, or is
    needed by somebody who has, above 0; `fifo`: who was ready first. Ties of the second and third are broken by the
    first.

    Args:
        loads: in topological order; needs that are not among them count as done. Nodes that were never timed are
            taken to be as long as the mean of the others, and all alike when there are no others.
        workers: number of task runs at the same time, at least 1.
    """
    ranks: dict[str, Rank] = {}
    patience_s = LEAST_PATIENCE_S  # with a run of the expected length nobody's ends
    if policy != "fifo":
        known = _timed(loads)
        chains = remaining_s(known, workers)
        patience_s += 2 * (sum(load.work_s for load in known) / workers + max(chains.values(), default=0.0))
        if policy == "critical-path":
            chains = _look_ahead(known, workers, chains)
        first = {"deadline": _due_s, "priority": _urgency}.get(policy, _nothing)(known, workers)
        ranks = {node: (*first[node], -chain_s) for node, chain_s in chains.items()}
    return Ranking(policy, ranks, patience_s)


def aged(rank: Rank, waited_s: float, patience_s: float) -> Rank:
    """The rank of a node after a wait: what has waited for long enough goes first, and the longest wait before all."""
    return (0.0, -waited_s) if waited_s >= patience_s else (1.0, *rank)


def remaining_s(loads: Sequence[Load], workers: int) -> dict[str, float]:
    """Seconds of the longest chain from the start of each node to the end of the run: its upward rank."""
    users = _users(loads)
    found: dict[str, float] = {}
    for load in reversed(loads):
        found[load.node] = load.alone_s(workers) + max((found[user] for user in users[load.node]), default=0.0)
    return found


def _timed(loads: Sequence[Load]) -> list[Load]:
    """With the mean for what was never timed; if nothing was, chains are measured in tasks."""
    usual_s = fmean([load.item_s for load in loads if load.item_s is not None] or [1.0])
    return [replace(load, item_s=usual_s) if load.item_s is None else load for load in loads]


def _look_ahead(loads: Sequence[Load], workers: int, chains: dict[str, float]) -> dict[str, float]:
    """Chains of which some count as the longest of all, where the simulated run then ends sooner.

    The longest chain first is near the best order, but blind to what it keeps waiting: a short task may open the way
    for much other work. One node at a time is put first; what helps is kept, until nothing helps or it costs too much.
    Where first come, first served beats the chains, it is what one begins with.
    """
    tries = LOOKAHEAD // sum((1 + load.items for load in loads), start=1)
    if tries < 3:  # nothing could be tried
        return chains
    equal, floor_s = dict.fromkeys(chains, 0.0), least_s(loads, workers) * (1 + _TINY)
    best_s, best = _end_s(loads, workers, chains), chains
    if best_s > floor_s:
        best_s, best = min((best_s, best), (_end_s(loads, workers, equal), equal), key=lambda pair: pair[0])
    by_chain = sorted(chains, key=lambda node: -chains[node])
    position = 0
    while best_s > floor_s and position < len(by_chain) and tries > 2:
        changed = {**best, by_chain[position]: max(best.values()) + 1.0}
        end_s = _end_s(loads, workers, changed)
        position, tries = position + 1, tries - 1
        if end_s < best_s * (1 - _TINY):
            best, best_s, position = changed, end_s, 0
    return best


def _end_s(loads: Sequence[Load], workers: int, chains: Mapping[str, float]) -> float:
    return makespan_s(loads, workers, lambda node: (-chains[node],))


def _nothing(loads: Sequence[Load], _: int) -> dict[str, Rank]:
    return {load.node: () for load in loads}


def _due_s(loads: Sequence[Load], workers: int) -> dict[str, Rank]:
    """When each node has to be done so that it and all that need it can meet their deadlines; perhaps never."""
    users, by_name = _users(loads), {load.node: load for load in loads}
    due: dict[str, float] = {}
    for load in reversed(loads):
        own = float("inf") if load.deadline_s is None else load.deadline_s
        due[load.node] = min([own, *(due[user] - by_name[user].alone_s(workers) for user in users[load.node])])
    return {node: (due_s,) for node, due_s in due.items()}


def _urgency(loads: Sequence[Load], _: int) -> dict[str, Rank]:
    """Priorities; what somebody urgent waits for is as urgent. Below 0 nothing is passed on."""
    users = _users(loads)
    found: dict[str, int] = {}
    for load in reversed(loads):
        inherited = (found[user] for user in users[load.node] if found[user] > 0)
        found[load.node] = max([load.priority, *inherited])
    return {node: (-float(priority),) for node, priority in found.items()}


def _users(loads: Iterable[Load]) -> dict[str, list[str]]:
    users: dict[str, list[str]] = {}
    for load in loads:
        users[load.node] = []
        for need in set(load.needs) & users.keys():
            users[need].append(load.node)
    return users
