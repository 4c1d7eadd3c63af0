"""How a node depends on others: which of them it awaits whole, and which it follows item by item."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from ropewalk.core import expr as ex
from ropewalk.core.graph import Node

NodeOf: TypeAlias = Callable[[str], Node]


@dataclass(frozen=True, slots=True)
class Wiring:
    """How a node depends on others."""

    barriers: tuple[str, ...]  # must be settled as a whole
    aligned: tuple[str, ...]  # mapped nodes that it follows item by item
    picked: tuple[tuple[str, int], ...] = ()  # single items of mapped nodes that must be settled


def follows(node_of: NodeOf, binding: ex.Expr) -> bool:
    """Whether an input is the list of a mapped node's results, and not something made of it."""
    if not isinstance(binding, ex.Ref) or node_of(binding.node).map is None:
        return False
    return not (binding.path and binding.path[0][0] == "item")


def wire(node_of: NodeOf, node: Node) -> Wiring:
    """Which of a node's upstream nodes it can follow item by item, and which it has to await whole."""
    aligned: set[str] = set()
    if node.map is not None and node.map.mode == "zip" and node.policy.run_if == "all_succeeded":
        followed = [name for name in node.map.names if follows(node_of, node.bindings[name])]
        aligned = {ref.node for name in followed for ref in ex.refs(node.bindings[name])}
        for name, binding in node.bindings.items():
            if name not in followed:
                aligned -= {ref.node for ref in ex.refs(binding)}
        if node.when is not None:
            aligned -= {ref.node for ref in ex.refs(node.when)}
        aligned -= set(node.after)
    upstream = node.upstream
    return Wiring(tuple(u for u in upstream if u not in aligned), tuple(u for u in upstream if u in aligned))


def pick_of(ref: ex.Ref) -> tuple[str, int] | None:
    """The item that a reference is about; None: it is about the whole node."""
    return (ref.node, ref.path[0][1]) if ref.path and ref.path[0][0] == "item" else None


def narrow(wiring: Wiring, node: Node, above: Wiring, item: int) -> Wiring:
    """The wiring of one of the own nodes of a task run: of what that follows item by item it needs the one item only.

    Args:
        wiring: what it would be otherwise.
        above: that of the node whose task run it belongs to.
        item: of that node.
    """
    if not (above.aligned or above.picked):
        return wiring
    known = {*((up, item) for up in above.aligned), *above.picked}
    picks: dict[str, set[tuple[str, int] | None]] = {up: set() for up in wiring.barriers}
    for ref in node.refs():
        if ref.node in picks:
            picks[ref.node].add(pick_of(ref))
    picked = [(up, item) for up, item in known if picks.get(up) == {(up, item)}]
    single = {up for up, _ in picked}
    return Wiring(tuple(up for up in wiring.barriers if up not in single), wiring.aligned, tuple(sorted(picked)))
