"""What of a pipeline is not as it was in a run."""

from __future__ import annotations

import json
from typing import Any

from ropewalk.core.errors import UsageError
from ropewalk.core.expr import to_json
from ropewalk.core.graph import Body, Graph, Node, body_to_json
from ropewalk.core.grow import TEMPLATE
from ropewalk.core.special import Wait
from ropewalk.core.special import to_json as special_to_json


def changed_nodes(old: Graph, new: Graph, *, code: bool = True) -> tuple[str, ...]:
    """Nodes whose results do not count any more in the new graph: what changed, and everything after it.

    Args:
        code: False: what was computed with other code counts all the same, unless it is called otherwise now.
    """
    changed: set[str] = set()
    for node_id in new.nodes:
        follows = any(up in changed for up in new.upstream[node_id])
        if follows or node_id not in old.nodes or _essence(old, node_id, code) != _essence(new, node_id, code):
            changed.add(node_id)
    return tuple(node_id for node_id in new.nodes if node_id in changed)


def altered_nodes(old: Graph, new: Graph) -> tuple[str, ...]:
    """Nodes of the new graph that are not what they were, whatever is before them."""
    return tuple(n for n in new.nodes if n not in old.nodes or _essence(old, n, True) != _essence(new, n, True))


def check_unchanged(run: int, old: Graph, new: Graph) -> None:
    """Refuse to go on with other code than a run has.

    Raises:
        UsageError: tasks have changed, or are gone.
    """
    changed = altered_nodes(old, new)
    if changed:
        several = f"{', '.join(f'`{node}`' for node in changed[:5])}" + (" …" if len(changed) > 5 else "")
        raise UsageError(
            f"{several} {'is' if len(changed) == 1 else 'are'} not as in run {run}: the code, or the call, has changed",
            code="P306",
            facts=["what is tried again would run with other code than the rest of the run"],
            help=["add --with-new-code     tries again with the present code, and whatever depends on it"],
        )
    if gone := [node for node in old.nodes if node not in new.nodes]:
        raise UsageError(
            f"`{gone[0]}` of run {run} is not in its pipeline any more",
            code="P306", help=["add --with-new-code     goes on with the pipeline as it is"],
        )  # fmt: skip


def _essence(graph: Graph, node_id: str, code: bool) -> str:
    node, spec = graph.nodes[node_id], graph.spec(node_id)
    bindings = {name: to_json(binding) for name, binding in node.bindings.items()}
    when = None if node.when is None else to_json(node.when)
    mapping = None if node.map is None else [node.map.mode, node.map.names]
    inside = node_id + TEMPLATE
    own = {key: body for key, body in graph.bodies.items() if key == node_id or key.startswith(inside)}
    bodies = {key: _body_essence(graph, body, code) for key, body in own.items()}
    return json.dumps(
        [spec.code.digest if code else "", bindings, when, mapping, _special_essence(node), bodies], default=str
    )


def _special_essence(node: Node) -> list[Any]:
    """What a node is besides a call; how often a wait looks changes nothing of what it has found."""
    special = node.special
    return [node.kind, None if special is None or isinstance(special, Wait) else special_to_json(special)]


def _body_essence(graph: Graph, body: Body, code: bool) -> list[Any]:
    codes = [graph.tasks[node.task].code.digest for node in body.nodes.values()] if code else []
    return [body_to_json(body, places=False), codes]
