"""A task run in detail: state, inputs, results, what it used, and the story of its attempts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ropewalk.cli.awaiting import story_of
from ropewalk.cli.console import table
from ropewalk.cli.failures import inputs_of
from ropewalk.cli.listing import Listing
from ropewalk.cli.numbers import show_count, show_metric, show_moment
from ropewalk.cli.places import Place, labels_of
from ropewalk.cli.rows import describe, headline
from ropewalk.cli.runs import paint_state
from ropewalk.cli.session import Session
from ropewalk.core.errors import RopewalkError
from ropewalk.core.noderun import PART
from ropewalk.core.quantity import show_duration, show_size
from ropewalk.engine.checkpoint import newest
from ropewalk.engine.client import Client
from ropewalk.engine.explain.recorded import Recorded
from ropewalk.store import approvals, tasks
from ropewalk.store.tasks import TaskRun

MOST_ITEMS = 20


def show_items(session: Session, place: Place, limit: int | None = None, first: int | None = None) -> None:
    """The items of a mapped node: what failed first, and at most MOST_ITEMS; or as many as asked for, in their order.

    Args:
        limit: at most so many; None: MOST_ITEMS, and as JSON all.
        first: items from this one on; None: those that failed come first.
    """
    assert place.node is not None
    db, run, node = session.client.db, place.run.number, place.node
    length = tasks.lengths(db, run).get(node)
    if session.as_json:
        rows = tasks.page(db, run, node, first or 0, None if limit is None else limit + 1)
        session.emit({
            "run": run,
            "task": node,
            "items": length,
            "task_runs": [row.to_json() for row in rows[:limit]],
            "next": rows[limit].item if limit is not None and len(rows) > limit else None,
            "attempts": attempts_json(session.client, run, node),
        })  # fmt: skip
        return
    out, items, most = session.out, show_count(length or 0, "item"), limit or MOST_ITEMS
    out.write(f"{out.paint(node, 'bold')}  run {run}  {place.run.name}     {items}")
    rows = tasks.page(db, run, node, first or 0, most + 1)
    shown = rows[:most] if first is not None else tasks.urgent(db, run, node, most)
    _write_items(session, place, shown, length or 0)
    if len(rows) > most:
        left = tasks.how_many(db, run, node, first or 0) - most
        from_, limited = rows[most].item if shown == rows[:most] else 0, "" if limit is None else f" --limit {limit}"
        out.write(f"  … {left:,} more: ropewalk show {place} --from {from_}{limited}")


def _write_items(session: Session, place: Place, chosen: list[TaskRun], length: int) -> None:
    inside = Listing(session.client, place) if place.inside else None
    names = labels_of(session.client, place) or range(length)
    made = [(f"[{names[row.item]}]", *_item_line(session, row, inside, place)) for row in chosen]
    for text in table(made, width=session.out.width, right=(0, 3)):
        session.out.write("  " + text)


def _item_line(session: Session, row: TaskRun, inside: Listing | None, place: Place) -> tuple[str, ...]:
    state = "cached" if row.source is not None else row.state
    took = show_duration(row.wall_s) if row.wall_s and row.source is None else ""
    if inside is not None:
        took = inside.took_of(f"{place.inside}{inside.label_of(place.node or '', row.item)}/")
    detail = headline(row.failure) if row.failure is not None else describe(row.outputs, row.metrics, {}) or row.detail
    return (paint_state(state, session.out), detail, took)


def show_task_run(session: Session, place: Place) -> None:
    """One task run."""
    assert place.node is not None
    recorded = Recorded(session.client, place.run)
    row = recorded.row(place.node, place.item or 0)
    if session.as_json:
        session.emit(task_run_json(session.client, place, row, recorded))
        return
    for text in _story(session, place, row, recorded):
        session.out.write(text)


def _story(session: Session, place: Place, row: TaskRun | None, recorded: Recorded) -> Iterator[str]:
    out, node = session.out, recorded.node(place.node or "")
    name = f"{node.id}[{place.label or place.item}]" if place.item is not None else node.id
    state = "waiting" if row is None else "cached" if row.source is not None else row.state
    yield f"{out.paint(name, 'bold')}  run {place.run.number}  {place.run.name}     {paint_state(state, out)}"
    if row is not None:
        yield from (f"  {text}" for text in _facts(row))
    if node.kind in ("wait", "approval"):
        yield from (f"  {text}" for text in story_of(session.client, place.run, node.id, place.item or 0))
    if (saved := newest(session.client.home, place.run.number, node.id, place.item or 0)) is not None:
        yield f"  checkpoint {show_size(saved.ref.size_bytes)}, saved {show_moment(saved.at)}"
    if inputs := _inputs(recorded, place):
        yield from _section("inputs", inputs)
    if row is not None:
        yield from _section("results", list(_outputs(row)))
        yield from _section("metrics", [f"{k}  {show_metric(v)}" for k, v in row.metrics.items() if "@" not in k])
        yield from _section("attempts that failed", list(_attempts(session.client, place)))
        if row.failure is not None and row.failure.traceback:
            yield from ("", *row.failure.traceback.rstrip().split("\n"))


def _section(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"  {title}"
        yield from (f"    {line}" for line in lines)


def _facts(row: TaskRun) -> Iterator[str]:
    if row.source is not None:
        yield f"taken from run {row.source}, which took {show_duration(row.wall_s)} for it"
    elif row.started_at:
        used = f"took {show_duration(row.wall_s)}, {show_duration(row.cpu_s)} of CPU"
        yield f"started {show_moment(row.started_at)}, {used}" + (
            f", {show_size(row.peak_bytes)}" if row.peak_bytes else ""
        )
    if row.attempts > 1:
        yield f"{row.attempts} attempts"
    if row.detail:
        yield row.detail
    if row.failure is not None:
        yield headline(row.failure)
    if row.key:
        yield f"key {row.key[:16]}"


def _inputs(recorded: Recorded, place: Place) -> list[str]:
    try:
        return inputs_of(recorded, recorded.node(place.node or ""), place.item or 0, most=50)
    except (RopewalkError, LookupError):
        return []


def _outputs(row: TaskRun) -> Iterator[str]:
    rows = [(n, r.digest[:12], r.type, show_size(r.size_bytes), r.preview) for n, r in row.outputs.items()]
    yield from table(rows)


def _attempts(client: Client, place: Place) -> Iterator[str]:
    for _, _, attempt, at, failure, wall_s in tasks.attempts(client.db, place.run.number, place.node, place.item or 0):
        if failure.kind != PART:
            yield f"{attempt}  {show_moment(at)}  after {show_duration(wall_s)}  {failure.kind}: {headline(failure)}"


def attempts_json(client: Client, run: int, node: str | None, item: int | None = None) -> list[dict[str, Any]]:
    """Attempts that did not succeed."""
    return [
        {"task": n, "item": number, "attempt": attempt, "at": at, "wall_s": wall_s, "failure": failure.to_json()}
        for n, number, attempt, at, failure, wall_s in tasks.attempts(client.db, run, node, item)
    ]


def task_run_json(client: Client, place: Place, row: TaskRun | None, recorded: Recorded) -> dict[str, Any]:
    """One task run as JSON-able data."""
    item = place.item or 0
    attempts = attempts_json(client, place.run.number, place.node, item)
    data: dict[str, Any] = {"node": place.node, "item": item, "state": "waiting"} if row is None else row.to_json()
    places = {(q.node, q.item): q.to_json() for q in approvals.of_run(client.db, place.run.number)}
    more = {"approval": places[place.node or "", item]} if (place.node, item) in places else {}
    return {"run": place.run.number, **data, "inputs": _inputs(recorded, place), "attempt_failures": attempts, **more}
