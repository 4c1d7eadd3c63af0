"""What a run came to, read from its rows: that takes less than the fold of all its events does."""

from __future__ import annotations

from ropewalk.core.nesting import may_grow
from ropewalk.core.state import RunState
from ropewalk.core.taskstate import FAILED, READY, SUCCEEDED
from ropewalk.engine.client import Client
from ropewalk.store import tasks
from ropewalk.store.runs import Run


def outcome(client: Client, run: Run) -> RunState:
    """The state of a run that has failed, as far as its errors tell of it; not to be changed.

    It knows which nodes have succeeded as a whole and, of each task run that has failed, why and after how many
    attempts. Only where nodes have come into being, or items have names, it knows the rest, too.
    """
    graph = client.graph(run.graph)
    if may_grow(graph) or any(node.map is not None and node.map.key for node in graph.nodes.values()):
        return client.past.state(run)
    state, lengths = RunState(graph), tasks.lengths(client.db, run.number)
    counts = {(count.node, count.state): count.number for count in tasks.counts(client.db, run.number)}
    for node_id in state.nodes.keys() & lengths.keys():
        node, length = state.nodes[node_id], lengths[node_id]
        node.open(length, SUCCEEDED if counts.get((node_id, SUCCEEDED.label), 0) == length else READY)
        for row in tasks.urgent(client.db, run.number, node_id, counts.get((node_id, FAILED.label), 0)):
            if row.failure is None:  # somebody has tried it again since the counts were read
                continue
            node.move(row.item, FAILED)
            node.failures[row.item] = row.failure
            if row.attempts:
                node.attempts[row.item] = row.attempts
    return state
