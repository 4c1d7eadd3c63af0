"""`debug` and `replay`: something that ran, again."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace as replaced
from typing import TYPE_CHECKING

from ropewalk.cli.complete import complete_run
from ropewalk.cli.declare import Choice, Number, argument, command, option, verbosity
from ropewalk.cli.session import Session
from ropewalk.core.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from ropewalk.cli.places import Place
    from ropewalk.engine.explain.replaying import Replay

_VERDICTS = {
    "identical": ("=", "cyan"), "recorded": ("=", "dim"), "affected": ("▸", "yellow"), "changed": ("▸", "yellow"),
    "different": ("✗", "red"), "incomplete": ("✗", "red"),
}  # fmt: skip


@command(examples=["ropewalk debug 3/train", "ropewalk debug last --first-line"])
@argument("task", default="last", metavar="[RUN[/TASK[/ITEM]]]", shell_complete=complete_run)
@option("--first-line", is_flag=True, help="Stop at the first line of the task already.")
@option("--no-debugger", is_flag=True, help="Only call it, and say how it ends.")
def debug(session: Session, task: str, first_line: bool, no_debugger: bool) -> int:
    """Call a task with the inputs and the seed that it had in a run, in this process, and stop at the error.

    Without a task the first one that failed is meant. The code is the present one, and nothing is recorded; what the
    task does to the outside world, it does again. Where there is no terminal, no debugger is opened.
    """
    from ropewalk.cli.places import existing_store, find_place
    from ropewalk.cli.target import work_of_run
    from ropewalk.engine.explain.debugging import debug as call_again

    existing_store(session)
    place = _failed(session, find_place(session.client, task))
    interactive = sys.stdin.isatty() and not no_debugger and not session.as_json
    with _stdout_to_stderr() if session.as_json else contextlib.nullcontext():
        found = call_again(
            session.client, place.run, place.node or "", place.item or 0, work_of_run(place.run),
            interactive=interactive, stop_first=first_line and interactive, say=session.err.write,
        )  # fmt: skip
    if session.as_json:
        session.emit(found.to_json())
    elif found.failure is not None and not interactive:
        session.out.write(found.failure.traceback.rstrip() or found.failure.message)
    elif found.failure is None:
        session.out.write(f"it did not fail this time: {found.result!r:.200}")
    return 0 if found.failure is None else 1


def _failed(session: Session, place: Place) -> Place:
    """The task run to debug: the one that is named, or the first that failed."""
    mapped = place.node is not None and place.graph.nodes[place.node].map is not None
    if place.node is not None and not place.inside and (place.item is not None or not mapped):
        return place
    from ropewalk.core.noderun import PART
    from ropewalk.store import tasks

    order = list(place.graph.nodes)
    found = tasks.listing(session.client.db, place.run.number, None if place.inside else place.node)
    rows = [row for row in found if row.state == "failed" and place.covers(row.node, row.item)]
    rows = [row for row in rows if row.failure is None or row.failure.kind != PART]
    if not rows:
        noun = "task" if place.inside else "item"
        what = f"`{place}` has no {noun} that" if place.node else f"run {place.run.number} has no task that"
        raise NotFoundError(
            f"{what} failed", help=[f"name one: ropewalk debug {place.run.number}/{place.node or order[0]}"]
        )
    first = min(rows, key=lambda row: (order.index(row.node), row.item))
    return replaced(place, node=first.node, item=first.item, turn=None, label="")


@contextlib.contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """Keep what the task prints, itself or through programs that it starts, out of the JSON."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@command(examples=["ropewalk replay 3", "ropewalk replay last --effects --json"])
@argument("run", shell_complete=complete_run)
@option("--effects", is_flag=True, help="Execute tasks with cache=False as well: what they do, they do again.")
@option("--executor", type=Choice(["processes", "inline"]), default="processes", help="Where tasks run.")
@option("--workers", type=Number(1, 1000), help="Number of worker processes; one for each CPU if not given.")
@verbosity
def replay(session: Session, run: str, effects: bool, executor: str, workers: int | None) -> int:
    """Execute a past run again, with the same parameters and seed, and compare every result with the one it had.

    The exit code is 0 if everything came out the same.
    """
    from ropewalk.cli.places import existing_store, find_run
    from ropewalk.cli.progress import Progress
    from ropewalk.cli.target import work_of_run
    from ropewalk.engine.client import Options
    from ropewalk.engine.explain.replaying import replay as run_again

    existing_store(session)
    chosen = find_run(session.client, run)
    if chosen.is_open:
        raise UsageError(f"run {chosen.number} is not finished", code="P303", help=[f"ropewalk resume {chosen.number}"])
    work, progress, began = work_of_run(chosen), Progress(session), time.monotonic()
    try:
        found = run_again(session.client, chosen, work, Options(executor, workers), progress, effects=effects)
    except BaseException:
        progress.close()
        raise
    progress.close(found.state, time.monotonic() - began)
    if session.as_json:
        session.emit(found.to_json())
    else:
        _tell(session, found)
    return 0 if found.is_identical else 1


def _tell(session: Session, found: Replay) -> None:
    from ropewalk.cli.console import table

    out = session.out
    rows = []
    for row in found.rows:
        mark, style = _VERDICTS[row.verdict]
        about = "; ".join(part for part in (", ".join(row.differing[:3]), row.where, *row.reasons) if part)
        rows.append((f"{out.paint(mark, style)} {row.node}", row.verdict, about))
    for line in table(rows, width=None if out.width is None else out.width - 2):
        out.write(f"  {line}")
    mark = out.paint("✓", "green") if found.is_identical else out.paint("✗", "red")
    out.write(f"{mark} {found.title}")
    for note in found.notes:
        out.write(f"  {out.paint('=', 'cyan')} {note}")
    if found.state == "failed":
        out.write(f"  why: ropewalk show {found.replay}")
