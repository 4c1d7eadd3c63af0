"""A node with nodes of its own in detail: turn by turn, or what is inside of one item."""

from __future__ import annotations

from ropewalk.cli.listing import Listing
from ropewalk.cli.numbers import show_count
from ropewalk.cli.places import Place
from ropewalk.cli.rows import lay_out
from ropewalk.cli.session import Session
from ropewalk.cli.taskruns import show_task_run
from ropewalk.core.errors import NotFoundError
from ropewalk.core.nesting import spot_of
from ropewalk.core.special import Loop
from ropewalk.store import tasks

MOST_TURNS = 20  # the last ones are listed


def show_inside(session: Session, place: Place) -> None:
    """A node with nodes of its own, an item of it, or a turn."""
    listing = Listing(session.client, place)
    chosen = listing.inside(place)
    if place.turn is not None and not chosen:
        last = _last_turn(place)
        raise NotFoundError(
            f"`{place.node}` has no turn {place.turn} in run {place.run.number}",
            facts=[f"its turns are 1 to {last}" if last else "it has taken none"],
        )
    if session.as_json and place.turn is not None:
        rows = {node_id: tasks.listing(session.client.db, place.run.number, node_id) for node_id in chosen}
        session.emit({
            "run": place.run.number,
            "task": place.node,
            "item": place.label or place.item,
            "turn": place.turn,
            "inside": {node_id: [row.to_json() for row in found] for node_id, found in rows.items()},
        })  # fmt: skip
        return
    if place.turn is None:
        show_task_run(session, place)
    else:
        name = session.out.paint(str(place).partition("/")[2], "bold")
        session.out.write(f"{name}  turn {place.turn} of `{place.node}`  run {place.run.number}  {place.run.name}")
    if session.as_json:
        return
    first = _first_shown(place)
    if first > 1:
        turns = show_count(first - 1, "turn")
        session.out.write(f"  … {turns} before; one of them: ropewalk show {place}/{first - 1}")
    shown = [node_id for node_id in chosen if (_turn(place, node_id) or first) >= first]
    for text in lay_out(list(listing.lines(shown, place.inside)), session.out):
        session.out.write(text)


def _turn(place: Place, node_id: str) -> int | None:
    spot = spot_of(node_id, place.graph.nodes)
    return None if spot is None else spot.turn


def _last_turn(place: Place) -> int:
    return max((_turn(place, n) or 0 for n in place.graph.nodes if n.startswith(f"{place.node}/")), default=0)


def _first_shown(place: Place) -> int:
    """The first of the last turns that are shown."""
    node = place.graph.nodes[place.node or ""]
    if place.turn is not None or not isinstance(node.special, Loop):
        return 1
    turns = [_turn(place, node_id) or 0 for node_id in place.graph.nodes if node_id.startswith(place.inside)]
    return max(1, max(turns, default=0) - MOST_TURNS + 1)
