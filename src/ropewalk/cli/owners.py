"""Nodes with nodes of their own in a few words: the turn of a loop, the items of a mapped pipeline, a tree's calls."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from ropewalk.cli.numbers import show_count
from ropewalk.core.noderun import PART, NodeRun, Parts
from ropewalk.core.special import Loop, Reduce

MOST_FAILED = 5  # nodes inside of others that failed: so many are listed


def progress_of(run: NodeRun, done: int) -> str:
    """How far a node that is not mapped has come.

    Args:
        done: task runs of its own nodes that have succeeded.
    """
    parts, special = run.parts.get(0), run.node.special
    if parts is None:
        return ""
    if isinstance(special, Loop):
        return f"turn {parts.turn:,} of at most {special.at_most:,}"
    calls = show_count(len(parts.nodes), "call" if isinstance(special, Reduce) else "task")
    return f"{done:,} of {calls} done"


def outcome_of(run: NodeRun, held: Mapping[int, bool | None]) -> str:
    """What became of a node, all of its items taken together.

    Args:
        held: of a loop that took as many turns as it may, by item: whether its condition held in the end.
    """
    special, parts = run.node.special, run.parts
    if not parts:
        return ""
    if isinstance(special, Loop):
        return _loops(special, parts, held)
    if run.node.map is not None:
        return ""
    return show_count(len(parts[0].nodes), "call" if isinstance(special, Reduce) else "task")


def _loops(special: Loop, parts: Mapping[int, Parts], held: Mapping[int, bool | None]) -> str:
    turns = show_count(sum(part.turn for part in parts.values()), "turn")
    stopped = sum(held.get(item) is False for item in parts)
    if len(parts) > 1:
        return f"{turns}, {stopped} stopped at at_most={special.at_most}" if stopped else turns
    item, part = next(iter(parts.items()))
    if stopped:
        return f"stopped at at_most={special.at_most}"
    ended = part.until is not None and (part.turn < special.at_most or held.get(item))
    return f"ended after {turns}" if ended else turns


def failed_in(run: NodeRun) -> str:
    """In which turn a node failed that is not mapped; empty: nothing inside of it did."""
    if all(failure.kind != PART for failure in run.failures.values()):
        return ""
    if isinstance(run.node.special, Loop) and 0 in run.parts:
        return f"failed in turn {run.parts[0].turn:,} of at most {run.node.special.at_most:,}"
    return "a call failed" if isinstance(run.node.special, Reduce) else "a task of it failed"


def arranged(chosen: Collection[str], owner_of: Callable[[str], str]) -> list[tuple[str, int, str]]:
    """Nodes, each after the one that it is inside of: with how deep it is, and its name beside that one.

    Args:
        chosen: some nodes, in the order wanted for those that are side by side.
        owner_of: gives the node that a node is inside of; empty: none.
    """
    wanted = set(chosen)
    inside: dict[str, list[str]] = {}
    for node_id in chosen:
        owner = owner_of(node_id)
        while owner and owner not in wanted:
            owner = owner_of(owner)
        inside.setdefault(owner, []).append(node_id)
    found: list[tuple[str, int, str]] = []
    stack = [(node_id, 0, "") for node_id in reversed(inside.get("", []))]
    while stack:
        node_id, depth, owner = stack.pop()
        found.append((node_id, depth, node_id.removeprefix(f"{owner}/") if owner else node_id))
        stack += [(inner, depth + 1, node_id) for inner in reversed(inside.get(node_id, []))]
    return found
