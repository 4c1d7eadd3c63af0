"""What earlier runs of a pipeline say about this one."""

from __future__ import annotations

from collections.abc import Mapping

from ropewalk.core.errors import RopewalkError
from ropewalk.core.graph import Graph
from ropewalk.engine.client import Client
from ropewalk.store import runs, tasks
from ropewalk.store.runs import Run

_LARGE = 1000  # nodes; the parameters of a larger graph are not compared
_MOST_CHANGES = 4


def run_before(client: Client, run: Run) -> Run | None:
    """The run of the same pipeline before this one."""
    found = runs.listing(client.db, runs.Choice(run.pipeline), most=1, before=run.number)
    return found[0] if found else None


class Before:
    """Metrics of the run before, looked up when they are wanted: for a node that is not mapped."""

    def __init__(self, client: Client, run: Run | None) -> None:
        self._client = client
        self._run = run

    def __call__(self, node: str) -> Mapping[str, float]:
        return {} if self._run is None else metrics_of(self._client, self._run.number, node)


def metrics_of(client: Client, run: int, node: str) -> Mapping[str, float]:
    """Metrics of a node in a run; of a reused result those of the run that computed it."""
    row = tasks.get(client.db, run, node, 0)
    if row is not None and row.source is not None:
        row = tasks.get(client.db, row.source, node, 0)
    return row.metrics if row is not None else {}


def changes(client: Client, run: Run, graph: Graph, before: Run | None) -> str:
    """How the parameters differ from those of the run before: "changed: train.c 1.0 → 0.1"."""
    if before is None or (before.graph == run.graph and before.encoded == run.encoded):
        return ""
    if len(graph.nodes) > _LARGE:
        return ""
    from ropewalk.engine.explain.compare import changed_params

    try:
        old = client.graph(before.graph)
    except RopewalkError:
        return ""
    found = [str(change) for change in changed_params(before.params, old, run.params, graph)]
    more = f" and {len(found) - _MOST_CHANGES} more" if len(found) > _MOST_CHANGES else ""
    return f"changed: {', '.join(found[:_MOST_CHANGES])}{more}" if found else ""
