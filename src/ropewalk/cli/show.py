"""`show`: a run as a list of its tasks, or one task in detail."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from ropewalk.cli.awaiting import rest_json, resting, what_is_awaited, what_to_type
from ropewalk.cli.complete import complete_run
from ropewalk.cli.declare import argument, command
from ropewalk.cli.errors import error_block
from ropewalk.cli.failures import blocks
from ropewalk.cli.numbers import show_age, show_count, show_moment, show_took
from ropewalk.cli.places import Place, existing_store, find_place
from ropewalk.cli.rows import Line, describe, headline, lay_out
from ropewalk.cli.runs import paint_state, shown_state, totals
from ropewalk.cli.session import Session
from ropewalk.cli.taskruns import attempts_json, show_items, show_task_run
from ropewalk.core.quantity import show_duration
from ropewalk.engine.client import Client
from ropewalk.store import tasks
from ropewalk.store.runs import Run
from ropewalk.store.tasks import Count

_WORST_FIRST = ("failed", "running", "ready", "cancelled", "succeeded", "skipped")


@command(examples=["ropewalk show last", "ropewalk show 3/train"])
@argument("run", default="last", metavar="[RUN[/TASK[/ITEM]]]", shell_complete=complete_run)
def show(session: Session, run: str) -> None:
    """Show a run: its tasks with states and times, and why it failed. With a task: its inputs, results and attempts.

    RUN is a number, a name, the beginning of a name, or `last`.
    """
    existing_store(session)
    place = find_place(session.client, run)
    if place.node is None:
        _show_run(session, place)
    elif place.graph.nodes[place.node].map is not None and place.item is None:
        show_items(session, place)
    else:
        show_task_run(session, place)


def _show_run(session: Session, place: Place) -> None:
    client, run, out = session.client, place.run, session.out
    lines = list(_lines(client, place))
    if session.as_json:
        session.emit(_run_json(client, place))
        return
    for text in (*_head(session, run), *lay_out(lines, out), *_foot(client, run)):
        out.write(text)
    if run.state == "failed":
        for error in blocks(client, run, client.state(run)):
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
    if any(code):
        yield f"  {' · '.join(part for part in code if part)}"


def _shown(data: Any) -> str:
    """A parameter as it would be typed."""
    value = data["v"] if isinstance(data, dict) and "$" in data else data
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _foot(client: Client, run: Run) -> Iterator[str]:
    yield f"  {totals(client, run)}"
    if shown_state(run) == "interrupted":
        yield f"  interrupted: its scheduler is gone; go on: ropewalk resume {run.number}"
    yield from (f"  {text}" for text in what_to_type(client, run))


def _lines(client: Client, place: Place) -> Iterator[Line]:
    db, run = client.db, place.run
    lengths = tasks.lengths(db, run.number)
    running = {node: sum(1 for _ in items) for node, items in _running(client, run).items()}
    by_node: dict[str, list[Count]] = {}
    for count in tasks.counts(db, run.number):
        by_node.setdefault(count.node, []).append(count)
    awaited = _awaited(client, place)
    for node_id, node in place.graph.nodes.items():
        counts = by_node.get(node_id, [])
        state = _state(counts, lengths.get(node_id), running.get(node_id, 0))
        if node.map is not None and node_id in lengths:
            yield Line(state, node_id, _mapped(counts, lengths[node_id]), _took(counts))
        else:
            yield _single(client, run, node_id, state, awaited.get(node_id, ""))


def _awaited(client: Client, place: Place) -> dict[str, str]:
    """What there is to tell of nodes that wait for something outside, or for a person."""
    if not place.run.is_open or all(node.kind not in ("wait", "approval") for node in place.graph.nodes.values()):
        return {}
    return {node_id: what_is_awaited(run) for node_id, run in client.state(place.run).nodes.items()}


def _running(client: Client, run: Run) -> dict[str, list[int]]:
    if shown_state(run) != "running":
        return {}
    found: dict[str, list[int]] = {}
    for lease in tasks.leases(client.db, run.number):
        found.setdefault(lease.node, []).extend(lease.items)
    return found


def _state(counts: list[Count], length: int | None, running: int) -> str:
    states = {count.state for count in counts}
    if "failed" in states:
        return "failed"
    if running:
        return "running"
    if counts and sum(c.number for c in counts) == length and sum(c.reused for c in counts) == length:
        return "cached"
    return next((state for state in _WORST_FIRST if state in states), "waiting")


def _mapped(counts: list[Count], length: int) -> str:
    parts = [show_count(length, "item")]
    cached = sum(c.reused for c in counts)
    parts += [f"{cached:,} cached"] if cached else []
    parts += [f"{c.number:,} {c.state}" for c in counts if c.state != "succeeded"]
    return " · ".join(parts)


def _took(counts: list[Count]) -> str:
    starts = [c.started_at for c in counts if c.started_at]
    ends = [c.finished_at for c in counts if c.finished_at]
    return show_duration(max(0.0, max(ends) - min(starts))) if starts and ends else ""


def _single(client: Client, run: Run, node: str, state: str, awaited: str) -> Line:
    row = tasks.get(client.db, run.number, node, 0)
    if row is None:
        return Line(state, node, awaited if state == "waiting" else state, "")
    took = show_duration(row.wall_s) if row.wall_s and row.source is None else ""
    if row.source is not None:
        return Line("cached", node, f"cached from run {row.source}", "")
    if row.state == "skipped":
        return Line(state, node, f"skipped ({row.detail})" if row.detail else "skipped", "")
    if row.failure is not None:
        again = f"attempt {row.attempts + 1} follows {headline(row.failure)}"
        return Line(state, node, headline(row.failure) if row.state == "failed" else again, took)
    return Line(state, node, describe(row.outputs, row.metrics, {}) if row.outputs else row.state, took)


def _run_json(client: Client, place: Place) -> dict[str, Any]:
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
        "tasks": [
            {"task": n, "mapped": node.map is not None, "items": lengths.get(n), "task_runs": rows[n]}
            for n, node in place.graph.nodes.items()
        ],
        "attempts": attempts_json(client, run.number, None),
    }
