"""Which nodes of a run belong to which: those that came into being in it say so in their names, `owner/3/inner`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ropewalk.core.graph import Graph, Node
from ropewalk.core.special import GROWING, Each, Loop, Reduce


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a node is that came into being: in an item or turn of another one."""

    owner: str
    item: str  # of an owner that is mapped what the item is called; else empty
    turn: int | None  # of a loop
    name: str  # what it is called there

    def __str__(self) -> str:
        """For people, after what it is about: "turn 3 of `step`"."""
        places = [f"turn {self.turn}"] if self.turn is not None else []
        places += [f"item {self.item}"] if self.item else []
        return " of ".join([*places, f"`{self.owner}`"])


def grows(node: Node) -> bool:
    """Whether the task runs of a node have nodes of their own."""
    return isinstance(node.special, GROWING)


def may_grow(graph: Graph) -> bool:
    """Whether a run of a graph may get nodes that the graph does not have."""
    return any(grows(node) or node.policy.undo for node in graph.nodes.values())


def spot_of(node_id: str, nodes: Mapping[str, Node]) -> Spot | None:
    """Where a node is; None: it is not inside of another one."""
    end = len(node_id)
    while (end := node_id.rfind("/", 0, end)) > 0:
        owner = nodes.get(node_id[:end])
        if owner is not None and grows(owner) and (spot := _spot(owner, node_id[end + 1 :])) is not None:
            return spot
    return None


def _spot(owner: Node, rest: str) -> Spot | None:
    item, number, name = "", *rest.partition("/")[::2]
    if owner.map is not None:
        item = number
        if isinstance(owner.special, Loop):
            number, _, name = name.partition("/")
    numbered = owner.map is None or isinstance(owner.special, Loop)
    if not name or (numbered and not number.isdecimal()):
        return None
    return Spot(owner.id, item, int(number) if isinstance(owner.special, Loop) else None, name)


def template_of(node_id: str, nodes: Mapping[str, Node]) -> str:
    """The name of a node without the items and turns that it is in: "per_store/*/total"."""
    spot = spot_of(node_id, nodes)
    if spot is None:
        return node_id
    owner = nodes[spot.owner]
    return f"{template_of(spot.owner, nodes)}/*" + ("" if isinstance(owner.special, Reduce) else f"/{spot.name}")


def nested(nodes: Mapping[str, Node], *, inside_first: bool = False) -> list[str]:
    """All nodes, those inside of another one together after it, or before it; otherwise in the order given."""
    inside: dict[str, list[str]] = {}
    for node_id in nodes:
        spot = spot_of(node_id, nodes)
        inside.setdefault(spot.owner if spot else "", []).append(node_id)
    found: list[str] = []
    stack = inside.get("", [])[::-1] if not inside_first else list(inside.get("", []))
    while stack:  # owners first; from the back for owners last
        node_id = stack.pop()
        found.append(node_id)
        stack += inside.get(node_id, []) if inside_first else inside.get(node_id, [])[::-1]
    return found[::-1] if inside_first else found


def as_written(graph: Graph) -> dict[str, Node]:
    """The nodes of a graph as the pipeline says it, those of its bodies included."""
    bodies = {node.id: node for body in graph.bodies.values() for node in body.nodes.values()}
    return {**graph.nodes, **bodies}


def kind_in_words(node: Node) -> str:
    """What a node that grows is, for people."""
    if isinstance(node.special, Loop):
        return f"loop, at most {node.special.at_most} turns"
    if isinstance(node.special, Reduce):
        return f"tree, {node.special.width} at a time"
    return "mapped pipeline" if isinstance(node.special, Each) else "tasks that are decided on in the run"


def inside_of(owner: str, nodes: Iterable[str]) -> list[str]:
    """The nodes that came into being for an owner, and those inside of these."""
    return [node_id for node_id in nodes if node_id.startswith(f"{owner}/")]
