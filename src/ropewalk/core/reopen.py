"""What starts over when a person continues a run that had stopped."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ropewalk.core import expr as ex
from ropewalk.core.needs import wire_part
from ropewalk.core.special import Loop
from ropewalk.core.state import RunState
from ropewalk.core.taskstate import CANCELLED, FAILED, SUCCEEDED
from ropewalk.core.wiring import Wiring


def stale(state: RunState, changed: Iterable[str]) -> tuple[str, ...]:
    """Nodes whose results do not count any more when a run is reopened.

    These are the `changed` ones, and those with an input that may come out differently now, because something before
    it had failed, been cancelled or undone: a report over whatever had succeeded, or the other option of a `first_of`.
    """
    found, wiring = set(changed), dict[str, Wiring]()
    for node_id in state.nodes:
        wiring[node_id] = wire_part(state, node_id, wiring)
    while True:  # once more for each level of nodes inside of nodes
        unsure = _spread(state, wiring, found)
        owners = {owner[0] for part, owner in state.owners.items() if part in unsure and _matters(state, part, found)}
        if owners <= found:
            return tuple(node_id for node_id in state.nodes if node_id in found)
        found |= owners


def _spread(state: RunState, wirings: Mapping[str, Wiring], found: set[str]) -> set[str]:
    """Add to those found what depends on them; all nodes whose results may come out differently."""
    unsure = set[str]()
    undone = {node_id for node_id, _ in state.undone.values()}  # of those `Reopened` takes back what was undone
    for node_id, run in state.nodes.items():
        wiring = wirings[node_id]
        anew = any(up in found or up in undone for up in (*wiring.aligned, *(up for up, _ in wiring.picked)))
        lacking = any(state.nodes[up].state(item) is not SUCCEEDED for up, item in wiring.picked)
        other = anew or lacking or not unsure.isdisjoint(wiring.barriers)
        if run.has_results and other and node_id not in state.undone:
            found.add(node_id)
        sure = run.settled and not run.counts[FAILED] and not run.counts[CANCELLED] and node_id not in undone
        if node_id in found or other or not sure or not unsure.isdisjoint(wiring.aligned):
            unsure.add(node_id)
    return unsure


def _matters(state: RunState, part: str, found: Collection[str]) -> bool:
    """Whether a task run has to get its own nodes anew, since one of them may come out differently.

    So it is when it has succeeded with what comes of that one, or when it is a loop that went on after it.
    """
    node_id, item = state.owners[part]
    run = state.nodes[node_id]
    parts = run.parts[item]
    if isinstance(run.node.special, Loop) and part in found:
        turn = state.node_of(part).turn[len(run.node.turn)]
        if turn < parts.turn:
            return True
    used = [parts.output] if parts.until is None else [parts.output, parts.until]
    return run.state(item) is SUCCEEDED and any(ref.node == part for expr in used for ref in ex.refs(expr))


def with_owners(state: RunState, chosen: Mapping[str, list[int]] | None) -> dict[str, list[int]] | None:
    """Failed task runs that are to be tried again, and those that failed since these are among their own nodes."""
    if chosen is None:
        return None
    found = {node_id: set(items) for node_id, items in chosen.items()}
    todo = list(chosen)
    for node_id in todo:  # grows while we walk
        if (owner := state.owners.get(node_id)) is not None:
            if owner[0] not in found:
                todo.append(owner[0])
            found.setdefault(owner[0], set()).add(owner[1])
    return {node_id: sorted(items) for node_id, items in found.items()}
