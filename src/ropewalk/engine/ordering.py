"""The order of a run: what its graph says of urgency, and what earlier runs say of durations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from statistics import fmean

from ropewalk.core.graph import Graph, Node
from ropewalk.core.timing import Timing, deadline_at
from ropewalk.plan.order import Ranking, ranking
from ropewalk.plan.workload import Load
from ropewalk.store import history
from ropewalk.store.database import Database
from ropewalk.store.history import Expectation


def order_of(db: Database, graph: Graph, workers: int, began: float) -> Ranking:
    """Who goes first in a run of a graph: by its policy, and by how long its nodes took in earlier runs.

    Args:
        workers: number of task runs at the same time; 0 where a run is only brought to its end.
        began: when the run began, in seconds since the epoch.
    """
    if graph.policy.order == "fifo":
        return Ranking()
    expected = history.expectations(db, graph.name, graph.nodes)
    usual_s = _by_task(graph, expected)
    loads = []
    for node in graph.nodes.values():
        items, item_s = expected[node.id].items, expected[node.id].item_s
        item_s = usual_s.get(node.task) if item_s is None else item_s
        loads.append(load_of(graph, node, 1 if items is None else items, item_s, began))
    return ranking(loads, max(workers, 1), graph.policy.order)


def load_of(graph: Graph, node: Node, items: int, item_s: float | None, began: float) -> Load:
    """What a node asks of the workers, with its deadline, or that of the run if it is earlier, and its priority."""
    wishes = (deadline_at(times, began) for times in (node.policy.timing, Timing(deadline=graph.policy.deadline)))
    due_s = min((at - began for at in wishes if at is not None), default=None)
    return Load(node.id, items, item_s, graph.upstream[node.id], due_s, node.policy.priority)


def _by_task(graph: Graph, expected: Mapping[str, Expectation]) -> dict[str, float]:
    """What a task takes, judging by the nodes that call it: for a call that is new."""
    known: dict[str, list[float]] = defaultdict(list)
    for node in graph.nodes.values():
        if (item_s := expected[node.id].item_s) is not None:
            known[node.task].append(item_s)
    return {task: fmean(times) for task, times in known.items()}
