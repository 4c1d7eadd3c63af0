"""What starts over when a person continues a run that had stopped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ropewalk.core.state import RunState
from ropewalk.core.taskstate import CANCELLED, FAILED
from ropewalk.core.wiring import wire


def stale(state: RunState, changed: Iterable[str]) -> tuple[str, ...]:
    """Nodes whose results do not count any more when a run is reopened.

    These are the `changed` ones, and those with an input that may come out differently now, because something before
    it had failed, been cancelled or undone: a report over whatever had succeeded, or the other option of a `first_of`.
    """
    found, unsure = set(changed), set[str]()
    undone = {node_id for node_id, _ in state.undone.values()}  # of those `Reopened` takes back what was undone
    for node_id, run in state.nodes.items():
        wiring = wire(state.node_of, run.node)
        anew = any(up in found or up in undone for up in wiring.aligned)
        other = anew or not unsure.isdisjoint(wiring.barriers)
        if run.has_results and other and node_id not in state.undone:
            found.add(node_id)
        sure = run.settled and not run.counts[FAILED] and not run.counts[CANCELLED] and node_id not in undone
        if node_id in found or not sure or not unsure.isdisjoint(run.node.upstream):
            unsure.add(node_id)
    return tuple(node_id for node_id in state.nodes if node_id in found)


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
