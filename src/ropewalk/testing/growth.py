"""Random nodes that are more than a call: loops, mapped pipelines, trees, waits, questions, what tasks decide on."""

from __future__ import annotations

import json
from random import Random
from typing import Any, TypeAlias

from ropewalk.core import expr as ex
from ropewalk.core.cache import Cache
from ropewalk.core.expr import Expr, Ref
from ropewalk.core.graph import Body, MapSpec, Node, body_to_json
from ropewalk.core.policy import Policy
from ropewalk.core.retry import Retry
from ropewalk.core.special import Approval, Each, Grow, Loop, Reduce, Wait

NEVER_S = 1e9  # what is waited for does not come
Bodies: TypeAlias = dict[str, Body]
Known: TypeAlias = dict[str, Node]


def random_special(rng: Random, node_id: str, known: Known, bodies: Bodies) -> Node:
    """A node that is more than a call, and the bodies that it needs.

    Args:
        known: the nodes before it.
        bodies: those of the graph; its own are added.
    """
    makers = (_loop, _loop, _each, _each, _reduce, _wait, _approval, _grow)
    return rng.choice(makers)(rng, node_id, known, bodies)


def _loop(rng: Random, node_id: str, known: Known, bodies: Bodies, depth: int = 0) -> Node:
    outer: list[str] = []
    output = _body(rng, node_id, (f"state@{node_id}",), known, bodies, outer, depth)
    if rng.random() < 0.5:
        until = ex.Op("ge", (output, ex.constant(rng.choice((30, 60, 100)))))
        bodies[node_id] = _with_until(bodies[node_id], until)
    mapped = rng.random() < 0.3
    start = ex.constant([1, 2]) if mapped else _input(rng, known, outer)
    mapping = MapSpec("zip", ("start",)) if mapped else None
    return Node(node_id, "owner", {"start": start}, map=mapping, after=_after(outer), special=Loop(rng.randint(1, 4)))


def _each(rng: Random, node_id: str, known: Known, bodies: Bodies, depth: int = 0) -> Node:
    outer: list[str] = []
    _body(rng, node_id, (f"x@{node_id}",), known, bodies, outer, depth)
    lists = [node.id for node in known.values() if node.map is not None or node.task == "several"]
    items: Expr = (
        Ref(rng.choice(lists)) if lists and rng.random() < 0.7 else ex.constant([1, 2, 3][: rng.randint(0, 3)])
    )
    return Node(node_id, "owner", {"x": items}, map=MapSpec("zip", ("x",)), after=_after(outer), special=Each())


def _reduce(rng: Random, node_id: str, known: Known, bodies: Bodies) -> Node:
    lists = [node.id for node in known.values() if node.map is not None or node.task == "several"]
    items: Expr = Ref(rng.choice(lists)) if lists else ex.constant(list(range(rng.randint(0, 7))))
    bindings = {"items": items, "own": ex.constant(node_id)}
    return Node(node_id, "total", bindings, Policy(Retry(rng.randint(0, 2))), special=Reduce(rng.choice((2, 3))))


def _wait(rng: Random, node_id: str, known: Known, bodies: Bodies) -> Node:
    comes_s = rng.choice((0.0, 5.0, 20.0, NEVER_S))
    timeout_s = 60.0 if comes_s == NEVER_S or rng.random() < 0.5 else None
    wait = Wait(rng.choice((1.0, 7.0)), rng.choice((1, 2)), 20.0, timeout_s, rng.random() < 0.5)
    bindings = {"after_s": ex.constant(comes_s), "own": ex.constant(node_id)}
    policy = Policy(Retry(rng.randint(0, 2)), Cache(False))
    return Node(node_id, "found", bindings, policy, after=_after(_some(rng, known)), special=wait)


def _approval(rng: Random, node_id: str, known: Known, bodies: Bodies) -> Node:
    question = Approval("go on?", expires_s=rng.choice((60.0, 120.0)))
    return Node(node_id, "approve", {}, Policy(cache=Cache(False)), after=_after(_some(rng, known)), special=question)


def _grow(rng: Random, node_id: str, known: Known, bodies: Bodies) -> Node:
    made = _grown(rng, node_id)
    return Node(
        node_id, "owner", {"nodes": ex.constant(json.dumps(made))}, after=_after(_some(rng, known)), special=Grow()
    )


def _grown(rng: Random, node_id: str) -> dict[str, Any]:
    """What a task would have decided on."""
    bodies: Bodies = {}
    _body(rng, node_id, (), {}, bodies, [], 2)
    return body_to_json(bodies[node_id])


def _body(
    rng: Random, owner: str, slots: tuple[str, ...], known: Known, bodies: Bodies, outer: list[str], depth: int
) -> Ref:
    """Make a body, some of whose nodes are fed by its slots; the result of its last one."""
    inner: Known = {}
    last = rng.randint(1, 3)
    for index in range(1, last + 1):
        node_id = f"{owner}/*/b{index}"
        if depth < 2 and index < last and rng.random() < 0.25:
            node = rng.choice((_loop, _each))(rng, node_id, {}, bodies, depth + 1)
        else:
            bindings: dict[str, Expr] = {"own": ex.constant(f"b{index}")}
            if slots:
                bindings["slot"] = ex.Slot(slots[0])
            if inner:
                bindings["inner"] = Ref(rng.choice(sorted(inner)))
            if rng.random() < 0.2:
                bindings["outer"] = _input(rng, known, outer)
            when = _rarely(rng, inner)
            node = Node(node_id, "number", bindings, _policy(rng), when=when)
        inner[node_id] = node
    output = Ref(f"{owner}/*/b{last}")
    bodies[owner] = Body(inner, output, slots)
    return output


def _rarely(rng: Random, inner: Known) -> Expr | None:
    numbers = sorted(node.id for node in inner.values() if node.special is None)
    return ex.Op("ge", (Ref(rng.choice(numbers)), ex.constant(20))) if numbers and rng.random() < 0.1 else None


def _policy(rng: Random) -> Policy:
    return Policy(Retry(rng.choice((0, 0, 1, 3)), delay=rng.choice((0, 2))), Cache(rng.random() < 0.8))


def _input(rng: Random, known: Known, outer: list[str]) -> Expr:
    """The result of a node outside, or a constant."""
    given = [node.id for node in known.values() if not isinstance(node.special, Approval)]
    if not given:
        return ex.constant(7)
    outer.append(rng.choice(sorted(given)))
    return Ref(outer[-1])


def _some(rng: Random, known: Known) -> list[str]:
    return rng.sample(sorted(known), min(len(known), rng.choice((0, 1, 2))))


def _after(nodes: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(nodes))


def _with_until(body: Body, until: Expr) -> Body:
    return Body(body.nodes, body.output, body.slots, until)
