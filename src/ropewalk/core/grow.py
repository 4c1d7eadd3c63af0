"""Nodes that come into being while a run goes on: a body of the graph, with its slots filled and names of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ropewalk.core import expr as ex
from ropewalk.core.expr import Expr
from ropewalk.core.graph import Body, Node, TaskSpec
from ropewalk.core.special import Loop

TEMPLATE = "/*/"  # in the names of a body's nodes, after that of the node they belong to


@dataclass(frozen=True, slots=True)
class Instance:
    """A body that has come into being."""

    nodes: tuple[Node, ...]
    output: Expr
    until: Expr | None
    bodies: dict[str, Body]  # of those of its nodes that can grow themselves, as `nest` has them
    tasks: Mapping[str, TaskSpec]


def nest(bodies: Mapping[str, Body]) -> dict[str, Body]:
    """Bodies by the node that they belong to, each with those that come into being inside of it."""
    inside: dict[str, dict[str, Body]] = {}
    for key, body in bodies.items():
        inside.setdefault(key.partition(TEMPLATE)[0], {})[key] = body
    return {owner: replace(several.pop(owner), bodies=several) for owner, several in inside.items()}


def flatten(bodies: Mapping[str, Body]) -> dict[str, Body]:
    """What `nest` was given."""
    inner = {key: body for outer in bodies.values() for key, body in outer.bodies.items()}
    return {**{key: replace(body, bodies={}) for key, body in bodies.items()}, **inner}


def place_of(owner: Node, item: str, turn: int) -> str:
    """What the names of a task run's own nodes begin with."""
    places = [owner.id]
    if owner.map is not None:
        places.append(item)
    if owner.map is None or isinstance(owner.special, Loop):
        places.append(str(turn))
    return "/".join(places) + "/"


def placed(body: Body, owner: str) -> Body:
    """A body whose names begin with a slash, as that of a node."""

    def name(node_id: str) -> str:
        return owner + node_id if node_id.startswith("/") else node_id

    inner = {name(key): _fill_body(b, {}, name) for key, b in body.bodies.items()}
    return replace(_fill_body(body, {}, name), bodies=inner)


def instantiate(owner: Node, item: str, turn: int, body: Body, args: Mapping[str, Expr]) -> Instance:
    """The nodes of one item or turn of a node.

    Args:
        item: what the item is called.
        body: with those that come into being inside of it.
        args: what the slots of the body are filled with.
    """
    template, place = owner.id + TEMPLATE, place_of(owner, item, turn)

    def name(node_id: str) -> str:
        return place + node_id.removeprefix(template) if node_id.startswith(template) else node_id

    turns = (*owner.turn, turn) if isinstance(owner.special, Loop) else owner.turn
    inner = {name(key): _fill_body(b, args, name) for key, b in body.bodies.items()}
    return Instance(
        tuple(replace(_fill_node(node, args, name), turn=turns) for node in body.nodes.values()),
        ex.fill(body.output, args, name),
        None if body.until is None else ex.fill(body.until, args, name),
        nest(inner),
        body.tasks,
    )


def _fill_body(body: Body, args: Mapping[str, Expr], name: Callable[[str], str]) -> Body:
    nodes = [_fill_node(node, args, name) for node in body.nodes.values()]
    until = None if body.until is None else ex.fill(body.until, args, name)
    return replace(body, nodes={n.id: n for n in nodes}, output=ex.fill(body.output, args, name), until=until)


def _fill_node(node: Node, args: Mapping[str, Expr], name: Callable[[str], str]) -> Node:
    return replace(
        node,
        id=name(node.id),
        bindings={parameter: ex.fill(binding, args, name) for parameter, binding in node.bindings.items()},
        when=None if node.when is None else ex.fill(node.when, args, name),
        after=tuple(name(up) for up in node.after),
    )
