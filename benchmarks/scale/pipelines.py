"""Pipelines to be simulated: what their task runs would do does not matter, how they depend on each other does."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from ropewalk.core import expr as ex
from ropewalk.core.code import CodeFingerprint
from ropewalk.core.expr import Ref
from ropewalk.core.graph import Graph, MapSpec, Node, TaskSpec, make_graph
from ropewalk.core.policy import Policy
from ropewalk.core.resources import Resources
from ropewalk.core.retry import Retry

LAYERS = 10
LINKS = 20  # of a chain
MOST_SINGLE = 10_000  # nodes that are not mapped: of larger pipelines more is mapped, not more written
FANS = (0.4, 0.3, 0.2, 0.1)  # shares of what is mapped
TASK = TaskSpec("work", "benchmarks:work", code=CodeFingerprint("0" * 64))


def ignore(**_: Any) -> None:
    """What a task would call; it is never called."""


FUNCTIONS = {"work": ignore}


def mixed(tasks: int, seed: int = 0, pool: str = "") -> Graph:
    """A pipeline of exactly so many task runs: fan-outs of two mapped stages and a sum, layers, and chains.

    Args:
        tasks: at least 10.
        pool: every task run needs a slot of this pool; empty: of none.
    """
    single = min(tasks * 15 // 100, MOST_SINGLE)
    layered = single * 2 // 3 // LAYERS * LAYERS
    rng = Random(f"{seed} {tasks}")  # to be had again
    nodes = [*_layers(layered, rng), *_chains(single - layered)]
    nodes += _fans(tasks - len(nodes))
    return _graph(nodes, pool)


def mapped(tasks: int) -> Graph:
    """One mapped node."""
    return _graph([_map("items", ex.constant(list(range(tasks))))])


def single(tasks: int) -> Graph:
    """Nodes that need nothing of each other."""
    return _graph([_node(f"n{number}") for number in range(tasks)])


def _graph(nodes: list[Node], pool: str = "") -> Graph:
    resources = Resources(pools={pool: 1} if pool else None)
    policy = Policy(Retry(3, delay="1s", backoff=2), resources=resources)
    placed = {node.id: replace(node, policy=policy) for node in nodes}
    return make_graph("scale", {"work": TASK}, placed)


def _node(node_id: str, *needs: str) -> Node:
    """A task run on the results of others."""
    bindings: dict[str, ex.Expr] = {f"i{k}": Ref(need) for k, need in enumerate(needs)}
    return Node(node_id, "work", bindings | {"own": ex.constant(node_id)})


def _map(node_id: str, items: ex.Expr) -> Node:
    return Node(node_id, "work", {"x": items, "own": ex.constant(node_id)}, map=MapSpec("zip", ("x",)))


def _layers(count: int, rng: Random) -> list[Node]:
    """Ten layers, each node on three of the layer before."""
    width = count // LAYERS
    return [
        _node(
            f"l{layer}_{k}", *[f"l{layer - 1}_{up}" for up in rng.sample(range(width), min(width, 3) if layer else 0)]
        )
        for layer in range(LAYERS)
        for k in range(width)
    ]


def _chains(count: int) -> list[Node]:
    return [
        _node(f"c{k // LINKS}_{k % LINKS}", *([f"c{k // LINKS}_{k % LINKS - 1}"] if k % LINKS else []))
        for k in range(count)
    ]


def _fans(count: int) -> list[Node]:
    """Fan-outs of two mapped stages, the second of which follows the first item by item, and one node on the whole."""
    nodes: list[Node] = []
    left = count
    for number, share in enumerate(FANS):
        width = (int(count * share) - 1) // 2
        if width > 0:
            first = _map(f"f{number}", ex.constant(list(range(width))))
            nodes += [first, _map(f"g{number}", Ref(first.id)), _node(f"s{number}", f"g{number}")]
            left -= 2 * width + 1
    return nodes + [_node(f"e{k}") for k in range(left)]


def lengths(nodes: dict[str, Node]) -> dict[str, int]:
    """How many task runs each node has, in topological order."""
    found: dict[str, int] = {}
    for node_id, node in nodes.items():
        items = node.bindings["x"] if node.map else None
        if isinstance(items, Ref):
            found[node_id] = found[items.node]
        else:
            found[node_id] = len(items.data) if isinstance(items, ex.Const) else 1
    return found
