"""From a recording to a graph: calls get names and become nodes."""

from __future__ import annotations

from typing import Any

from ropewalk.author.express import express
from ropewalk.author.ids import assign, rename
from ropewalk.author.trace import Trace
from ropewalk.core import expr as ex
from ropewalk.core.errors import DefinitionError, UnstorableError
from ropewalk.core.graph import Body, Graph, Node, TaskSpec, make_body, make_graph


def finish(trace: Trace, output: Any, **about: Any) -> Graph:
    """The finished graph.

    Raises:
        DefinitionError: it is empty or has a cycle, or what the pipeline returns is not a plain value.
    """
    if trace.unused:
        site = next(iter(trace.unused.values()))
        raise DefinitionError(
            "`when` is called without `with`, so it decides nothing",
            code="P214", where=site.where(), help=["with when(condition): …"],
        )  # fmt: skip
    ids = assign(trace.scopes[0])
    result = None if output is None else renamed(trace, _output(trace, output), ids)
    nodes = {node.id: node for node in own_nodes(trace, "", ids)}
    return make_graph(trace.name, task_specs(trace), nodes, output=result, bodies=made_bodies(trace, ids), **about)


def task_specs(trace: Trace) -> dict[str, TaskSpec]:
    """The tasks that are called, by key."""
    return {key: task.spec() for key, task in trace.tasks.items()} | trace.specs


def own_nodes(trace: Trace, body: str, ids: dict[str, str]) -> list[Node]:
    """The nodes of a body, or those of the pipeline itself."""
    slots = _slots(trace, ids)
    return [call.node(ids[n], ids, slots) for n, call in trace.calls.items() if call.body == body]


def renamed(trace: Trace, expr: ex.Expr, ids: dict[str, str]) -> ex.Expr:
    """An expression with the names that the graph has for nodes and slots."""
    return rename(expr, ids, _slots(trace, ids))


def made_bodies(trace: Trace, ids: dict[str, str]) -> dict[str, Body]:
    """The bodies of the graph, by the node that has them."""
    found = {}
    slots = _slots(trace, ids)
    for number, recorded in trace.bodies.items():
        nodes = {node.id: node for node in own_nodes(trace, number, ids)}
        until = None if recorded.until is None else rename(recorded.until, ids, slots)
        output = rename(recorded.output or ex.Const(None), ids, slots)
        found[ids[number]] = make_body(nodes, output, tuple(slots[s].name for s in recorded.slots), until)
    return found


def _slots(trace: Trace, ids: dict[str, str]) -> dict[str, ex.Slot]:
    """Slots by the names that they have while numbers are not ids."""
    return {
        slot: ex.Slot(f"{slot.partition('@')[0]}@{ids[number]}")
        for number, recorded in trace.bodies.items()
        for slot in recorded.slots
    }


def _output(trace: Trace, output: Any) -> ex.Expr:
    try:
        return express(output, trace, "result")
    except UnstorableError as problem:
        raise DefinitionError(
            f"pipeline `{trace.name}` returns a `{type(output).__name__}`, which a graph cannot hold",
            code="P204",
            facts=[problem.title, *problem.facts],
            help=["return results of tasks, plain values, or lists, tuples and dicts of them"],
        ) from None
