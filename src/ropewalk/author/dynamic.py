"""Tasks that add tasks: called in a worker, they record what they call, and the run grows by it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ropewalk.author.bodies import close
from ropewalk.author.finish import made_bodies, own_nodes, renamed, task_specs
from ropewalk.author.hints import UNKNOWN, resolve_hints
from ropewalk.author.ids import assign
from ropewalk.author.interpret import interpret
from ropewalk.author.trace import Recorded, Trace, recording
from ropewalk.core import expr as ex
from ropewalk.core.artifact import ArtifactRef
from ropewalk.core.graph import Body, Node, body_to_json, make_body, make_graph
from ropewalk.core.grow import TEMPLATE

BUILD = "/build"  # follows the name of the node in that of the task run that decides on its nodes


def record_nodes(
    name: str, function: Callable[..., Any], call: Callable[[], Any], keep: Callable[[Any], ArtifactRef]
) -> str:
    """Call a task and record the calls that it makes; a body as JSON text.

    What it says is the same whichever node makes it, since it may be reused by another: its names begin where that of
    the node ends.

    Args:
        name: of the task.
        function: of the task, for its annotations.
        call: calls it with its arguments.
        keep: stores a value that no graph can hold, such as a frame.

    Raises:
        Exception: whatever the task raises.
    """
    trace, whole = _record(name, function, call, keep)
    ids = assign(whole.inner, TEMPLATE)
    nodes = {made.id: _waiting(made) for made in own_nodes(trace, "", ids)}
    body = make_body(nodes, renamed(trace, _output(whole), ids))
    inner = {key: _all_waiting(one) for key, one in made_bodies(trace, ids).items()}
    return json.dumps(body_to_json(replace(body, tasks=task_specs(trace), bodies=inner)))


def run_now(name: str, function: Callable[..., Any], call: Callable[[], Any]) -> Any:
    """Call a task and then all that it calls, in memory; what comes of it."""
    held: list[Any] = []

    def keep(value: Any) -> ArtifactRef:
        held.append(value)
        return ArtifactRef(str(len(held) - 1), 0, "", type(value).__name__)

    trace, whole = _record(name, function, call, keep)
    ids = assign(whole.inner)
    nodes = {node.id: node for node in own_nodes(trace, "", ids)}
    output = renamed(trace, _output(whole), ids)
    graph = make_graph(name, task_specs(trace), nodes, output=output, bodies=made_bodies(trace, ids))
    return interpret(graph, {key: task.fn for key, task in trace.tasks.items()}, {}, held)


def _record(
    name: str, function: Callable[..., Any], call: Callable[[], Any], keep: Callable[[Any], ArtifactRef]
) -> tuple[Trace, Recorded]:
    trace = Trace(name, keep=keep)
    whole = Recorded(trace.scopes[0])
    with recording(trace):
        output = call()
        close(trace, whole, output, resolve_hints(function).get("return", UNKNOWN))
    return trace, whole


def _output(whole: Recorded) -> ex.Expr:
    assert whole.output is not None  # it was closed
    return whole.output


def _all_waiting(body: Body) -> Body:
    return replace(body, nodes={node_id: _waiting(node) for node_id, node in body.nodes.items()})


def _waiting(node: Node) -> Node:
    """A node that needs something kept waits for the task run that keeps it, should that get lost."""
    if not any(_holds(binding) for binding in node.bindings.values()):
        return node
    return replace(node, after=(*node.after, BUILD))


def _holds(expr: ex.Expr) -> bool:
    return isinstance(expr, ex.Held) or any(_holds(part) for part in ex.parts(expr))
