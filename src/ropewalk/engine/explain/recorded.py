"""What a run left behind: its graph, and the results of its nodes, read from rows when they are first needed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from ropewalk.core.errors import NotFoundError, did_you_mean
from ropewalk.core.graph import Graph, Node
from ropewalk.core.state import RunState
from ropewalk.core.taskstate import READY, TaskState
from ropewalk.engine.client import Client
from ropewalk.engine.explain.keys import KeyReader
from ropewalk.engine.explain.parts import KeyParts
from ropewalk.store import tasks
from ropewalk.store.runs import Run
from ropewalk.store.tasks import TaskRun

_STATES = {state.label: state for state in TaskState}


class Recorded:
    """One run, as far as somebody asks for it; in a run that is under way, what was done when it was asked for.

    Args:
        graph: as much of the run's graph as is of interest; None: with all nodes that have come into being in it.
    """

    def __init__(self, client: Client, run: Run, graph: Graph | None = None) -> None:
        self.client = client
        self.run = run
        self.graph = client.run_graph(run) if graph is None else graph
        self.state = RunState(self.graph)
        self.reader = KeyReader(self.state, run.params, run.seed, client.load, self.fill)
        self._rows: dict[str, list[TaskRun]] = {}

    @cached_property
    def lengths(self) -> dict[str, int]:
        """Number of task runs of each node that was opened."""
        return tasks.lengths(self.client.db, self.run.number)

    def node(self, node_id: str) -> Node:
        """A node of the run's graph.

        Raises:
            NotFoundError: there is none of this name.
        """
        if node_id not in self.graph.nodes:
            guess = did_you_mean(node_id, self.graph.nodes)
            raise NotFoundError(
                f"run {self.run.number} has no task `{node_id}`",
                facts=[
                    f"it has: {', '.join(list(self.graph.nodes)[:20])}" + (" …" if len(self.graph.nodes) > 20 else "")
                ],
                help=[f"did you mean `{guess}`?"] if guess else [],
            )
        return self.graph.nodes[node_id]

    def rows(self, node_id: str) -> list[TaskRun]:
        """The task runs of a node that have gone beyond waiting, in order."""
        if node_id not in self._rows:
            self._rows[node_id] = tasks.listing(self.client.db, self.run.number, node_id)
        return self._rows[node_id]

    def row(self, node_id: str, item: int) -> TaskRun | None:
        """One task run; None when it has not gone beyond waiting.

        Raises:
            NotFoundError: the node has no such item.
        """
        length = self.lengths.get(node_id, 1)
        if not 0 <= item < max(length, 1):
            raise NotFoundError(
                f"`{node_id}` has no item {item} in run {self.run.number}", facts=[f"its items are 0 to {length - 1}"]
            )
        return tasks.get(self.client.db, self.run.number, node_id, item)

    def parts(self, node_id: str, item: int | None, key: str = "") -> KeyParts:
        """What the key of a task run covers; without an item, what all of the node's have in common."""
        return self.reader.parts(node_id, item if self.graph.nodes[node_id].map is not None else None, key)

    def fill(self, node_ids: Iterable[str]) -> None:
        """Put the results of these nodes into `state`."""
        for node_id in node_ids:
            node_run = self.state.nodes[node_id]
            if node_run.opened or node_id not in self.lengths:
                continue
            node_run.open(self.lengths[node_id], READY)
            for row in self.rows(node_id):
                if row.state != READY.label:
                    node_run.move(row.item, _STATES[row.state])
                if row.outputs:
                    node_run.outputs[row.item] = row.outputs
