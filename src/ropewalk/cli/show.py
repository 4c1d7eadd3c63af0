"""`show`: a run as a list of its tasks, or one task in detail."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from ropewalk.cli.awaiting import rest_json, resting, what_to_type
from ropewalk.cli.complete import complete_run
from ropewalk.cli.declare import Number, argument, command, option
from ropewalk.cli.lateness import missed_json, missed_notes
from ropewalk.cli.listing import Listing
from ropewalk.cli.numbers import show_age, show_moment, show_took
from ropewalk.cli.places import Place, existing_store, find_place
from ropewalk.cli.rows import lay_out
from ropewalk.cli.runs import paint_state, shown_state, totals
from ropewalk.cli.session import Session
from ropewalk.cli.tolerated import parked_note
from ropewalk.core.nesting import spot_of
from ropewalk.engine.client import Client
from ropewalk.store import tasks
from ropewalk.store.runs import Run


@command(examples=["ropewalk show last", "ropewalk show 3/train"])
@argument("run", default="last", metavar="[RUN[/TASK[/ITEM]]]", shell_complete=complete_run)
@option("--limit", type=Number(1, 1_000_000), metavar="N", help="Show so many items of a mapped task; 20 if not given.")
@option(
    "--from",
    "first",
    type=Number(0, 1_000_000_000),
    metavar="ITEM",
    help="Show the items of a mapped task from this one on, in order.",
)
def show(session: Session, run: str, limit: int | None, first: int | None) -> None:
    """Show a run: its tasks with states and times, and why it failed. With a task: its inputs, results and attempts.

    RUN is a number, a name, the beginning of a name, or `last`. What is inside of a loop or a mapped pipeline is shown
    when that is named: RUN/TASK, or one turn or item of it, RUN/TASK/3, or one task inside, RUN/TASK/3/INNER. Of the
    items of a mapped task those come first that failed, unless --from says where to begin.
    """
    existing_store(session)
    place = find_place(session.client, run)
    if place.node is None:
        _show_run(session, place)
        return
    from ropewalk.cli.inside import show_inside  # these explain, which takes longer to load than a run to show
    from ropewalk.cli.taskruns import show_items, show_task_run

    if place.graph.nodes[place.node].map is not None and place.item is None:
        show_items(session, place, limit, first)
    elif place.inside:
        show_inside(session, place)
    else:
        show_task_run(session, place)


def _show_run(session: Session, place: Place) -> None:
    client, run, out = session.client, place.run, session.out
    if session.as_json:
        session.emit(_run_json(client, place))
        return
    lines = list(Listing(client, place).overview())
    for text in (*_head(session, run), *lay_out(lines, out), *_foot(client, place)):
        out.write(text)
    if run.state == "failed":
        from ropewalk.cli.errors import error_block
        from ropewalk.cli.failures import blocks
        from ropewalk.engine.explain.outcome import outcome

        for error in blocks(client, run, outcome(client, run)):
            out.write("\n" + error_block(error, out))


def _head(session: Session, run: Run) -> Iterator[str]:
    out, now = session.out, time.time()
    state = shown_state(run)
    yield f"{out.paint(run.pipeline, 'bold')}  run {run.number}  {run.name}     {paint_state(state, out)}"
    ago = show_age(run.created_at, now)
    when = f"started {show_moment(run.created_at)}" + (f" ({ago})" if ago.endswith("ago") else "")
    if run.finished_at:
        when += f", took {show_took(run.finished_at - run.created_at)}"
    if (rest := resting(session.client, run)) is not None:
        when += f", paused since {show_moment(rest[1])}"
    yield f"  {when}"
    given = {**{name: _shown(data) for name, data in run.encoded.items()}, **run.overrides}
    about = [f"{name}={value}" for name, value in given.items()] + ([f"seed {run.seed}"] if run.seed else [])
    if about:
        yield f"  {', '.join(about)}"
    commit = str(run.provenance.get("commit", ""))[:10]
    code = [run.target, f"commit {commit}{' with changes' if run.provenance.get('dirty') else ''}" if commit else ""]
    if (survives := run.provenance.get("durability", "power")) != "power":
        code.append(f"durability {survives}")
    if any(code):
        yield f"  {' · '.join(part for part in code if part)}"


def _shown(data: Any) -> str:
    """A parameter as it would be typed."""
    value = data["v"] if isinstance(data, dict) and "$" in data else data
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _foot(client: Client, place: Place) -> Iterator[str]:
    run = place.run
    yield f"  {totals(client, run)}"
    if shown_state(run) == "interrupted":
        yield f"  interrupted: its scheduler is gone; go on: ropewalk resume {run.number}"
    yield from (f"  {text}" for text in missed_notes(client, run, place.graph))
    yield from (f"  {text}" for text in what_to_type(client, run))
    if note := parked_note(client, run):
        yield f"  {note}"


def _run_json(client: Client, place: Place) -> dict[str, Any]:
    from ropewalk.cli.taskruns import attempts_json

    run = place.run
    found = totals(client, run)
    lengths = tasks.lengths(client.db, run.number)
    rows: dict[str, list[dict[str, Any]]] = {node_id: [] for node_id in place.graph.nodes}
    for row in tasks.listing(client.db, run.number):
        rows.setdefault(row.node, []).append(row.to_json())
    return {
        **run.to_json(),
        "state": shown_state(run),
        "ran": found.ran,
        "cached": found.cached,
        "failed": found.failed,
        **rest_json(client, run),
        **missed_json(client, run, place.graph),
        "tasks": [
            {"task": node_id, "mapped": node.map is not None, "items": lengths.get(node_id), "task_runs": rows[node_id],
             **_where(place, node_id)}
            for node_id, node in place.graph.nodes.items()
        ],
        "attempts": attempts_json(client, run.number, None),
    }  # fmt: skip


def _where(place: Place, node_id: str) -> dict[str, Any]:
    """In which item or turn of another node a node is; nothing: in none."""
    spot = spot_of(node_id, place.graph.nodes)
    return {} if spot is None else {"inside": {"task": spot.owner, "item": spot.item, "turn": spot.turn}}
