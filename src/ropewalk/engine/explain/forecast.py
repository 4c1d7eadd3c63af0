"""What a plan says of nodes with nodes of their own, of which the walk knows as much as nothing new decides on."""

from __future__ import annotations

from collections.abc import Iterable

from ropewalk.core.graph import Node
from ropewalk.core.nesting import Spot, grows, kind_in_words, spot_of
from ropewalk.core.special import Loop, Reduce
from ropewalk.core.state import RunState
from ropewalk.core.taskstate import SKIPPED, SUCCEEDED
from ropewalk.engine.explain.memory import Inside
from ropewalk.engine.explain.reasons import Reasons
from ropewalk.engine.explain.walk import Walk


def inside_of_all(state: RunState) -> dict[str, list[str]]:
    """For each node of the graph as written what is inside of it, without what only has others inside."""
    found: dict[str, list[str]] = {}
    for node_id, owner in state.owners.items():
        top = owner[0]
        while top in state.owners:
            top = state.owners[top][0]
        if not grows(state.nodes[node_id].node):
            found.setdefault(top, []).append(node_id)
    return found


def told_of_owner(
    node: Node, walk: Walk, before: Inside | None, reasons: Reasons, inside: Iterable[str], action: str
) -> tuple[str, ...]:
    """What is known of it, most telling first: its size, as it was the last time, and why any of it would run."""
    run = walk.state.nodes[node.id]
    if action == "skip":
        return reasons.of(node, action)
    if run.counts[SUCCEEDED] == run.length and run.length:
        hits = {v.hit.run for n in inside for v in walk.verdicts[n].values() if v.hit is not None}
        return (f"{_size(node, walk)}, from run {', '.join(map(str, sorted(hits, reverse=True)[:3]))}",)
    size = [_plural(run.length, "item")] if run.opened and node.map is not None else []
    kind = kind_in_words(node)
    if isinstance(node.special, Loop) and before is not None:
        kind += f", {'up to ' if node.map is not None else ''}{before.turns} in run {before.run}"
    first = _first_to_run(walk, inside)
    if first is not None:
        spot = spot_of(first, walk.state.graph.nodes)
        why = reasons.of(walk.state.nodes[first].node, action if action != "reuse" else "maybe")
        return (", ".join([kind, *size]), *(f"{_place(spot)}{text}" for text in why[:1]))
    if run.opened:
        return (", ".join([kind, *size]),)
    found = reasons.of(node, action)
    awaited = [up for up in node.upstream if not walk.state.nodes[up].all_succeeded]
    return (kind, *(found or ([f"input may change: {', '.join(awaited)}"] if awaited else [])))


def _place(spot: Spot | None) -> str:
    """Where something is that is told of an owner."""
    if spot is None:
        return ""
    if spot.turn is not None:
        return f"turn {spot.turn}: "
    return f"item {spot.item}: " if spot.item else ""


def _first_to_run(walk: Walk, inside: Iterable[str]) -> str | None:
    """The first node inside of which some task run is not reused, though its inputs are known."""
    for node_id in inside:
        if any(verdict.action != "reuse" for verdict in walk.verdicts[node_id].values()):
            return node_id
    return None


def _size(node: Node, walk: Walk) -> str:
    run = walk.state.nodes[node.id]
    if isinstance(node.special, Loop):
        turns = sum(parts.turn for parts in run.parts.values())
        return _plural(turns, "turn")
    if node.map is not None:
        skipped = f", {run.counts[SKIPPED]:,} skipped" if run.counts[SKIPPED] else ""
        return _plural(run.length, "item") + skipped
    if 0 not in run.parts:
        return kind_in_words(node)
    count, noun = len(run.parts[0].nodes), "call" if isinstance(node.special, Reduce) else "task"
    return _plural(count, noun)


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
