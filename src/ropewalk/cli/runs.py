"""`runs`: the list of runs."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ropewalk.cli.awaiting import rest_json
from ropewalk.cli.console import Terminal, table
from ropewalk.cli.declare import Choice, Number, command, option
from ropewalk.cli.moments import moment
from ropewalk.cli.numbers import show_age, show_took
from ropewalk.cli.rows import MARKS
from ropewalk.cli.session import Session
from ropewalk.core.noderun import PART
from ropewalk.engine.client import Client
from ropewalk.engine.owner import is_alive
from ropewalk.store import approvals, tasks
from ropewalk.store import runs as stored
from ropewalk.store.runs import Run
from ropewalk.store.tasks import Count

STATES = ["queued", "running", "paused", "interrupted", "succeeded", "failed", "cancelled"]
_BY_OWNER = ("queued", "running", "interrupted")
_LIMIT = 20


@dataclass(frozen=True, slots=True)
class Totals:
    """What became of the task runs of a run."""

    ran: int
    cached: int
    failed: int

    def __str__(self) -> str:
        return f"{self.ran:,} run, {self.cached:,} cached" + (f", {self.failed:,} failed" if self.failed else "")


def totals(client: Client, run: Run) -> Totals:
    """What became of the task runs of a run; those that only had nodes of their own do not count."""
    counts = tasks.counts(client.db, run.number)
    succeeded = [c for c in counts if c.state == "succeeded"]
    ran = sum(c.executed for c in succeeded)
    failed = sum(c.number if c.started_at else _failed(client, run, c) for c in counts if c.state == "failed")
    given = {question.node for question in approvals.of_run(client.db, run.number) if question.verdict == "approved"}
    answers = sum(c.number for c in succeeded if c.node in given)
    return Totals(ran + answers, sum(c.keyed for c in succeeded) - ran, failed)


def _failed(client: Client, run: Run, count: Count) -> int:
    """Of task runs that failed without an attempt, those that did not fail since a part of theirs did."""
    rows = tasks.listing(client.db, run.number, count.node)
    return sum(row.state == "failed" and (row.failure is None or row.failure.kind != PART) for row in rows)


def shown_state(run: Run) -> str:
    """The state of a run; one whose scheduler is gone was interrupted, whatever its row says."""
    return "interrupted" if run.is_open and run.state != "paused" and not is_alive(run.owner) else run.state


def paint_state(state: str, terminal: Terminal) -> str:
    """A state with its mark, in its colour."""
    mark, style = MARKS.get(state, ("✗", "yellow"))
    return f"{terminal.paint(mark, style)} {state}"


@command(examples=["ropewalk runs", "ropewalk runs --pipeline train-iris --state failed --since 7d --json"])
@option("--limit", type=Number(1, 100_000), default=_LIMIT, show_default=True, help="List at most so many.")
@option("--before", type=Number(1), metavar="RUN", help="List runs older than this one: the next page.")
@option("--pipeline", help="List runs of this pipeline only.")
@option("--state", type=Choice(STATES), help="List runs in this state only.")
@option("--author", help="List runs that this person started only.")
@option("--since", metavar="MOMENT", help='List runs started since then only: "7d", "2026-11-21", "2026-11-21T14:00".')
def runs(
    session: Session,
    limit: int,
    before: int | None,
    pipeline: str | None,
    state: str | None,
    author: str | None,
    since: str | None,
) -> None:
    """List runs, newest first, page by page; with --json, `next` is what --before takes for the next page."""
    now = time.time()
    choice = stored.Choice(pipeline, state, author, None if since is None else moment(since, now, "--since"))
    several = list(islice(_chosen(session.client, choice, before), limit + 1)) if session.has_store else []
    found = several[:limit]
    following = found[-1].number if len(several) > limit else None
    if session.as_json:
        session.emit({"runs": [_to_json(session.client, run) for run in found], "next": following})
    elif found:
        rows = [_row(session, run, now) for run in found]
        head = ("RUN", "NAME", "PIPELINE", "STATE", "STARTED", "TOOK", "TASKS")
        lines = table([head, *rows], width=session.out.width, right=(0, 5))
        session.out.write("\n".join([session.out.paint(lines[0], "dim"), *lines[1:]]))
        if following is not None:
            given = {"limit": limit if limit != _LIMIT else None, "pipeline": pipeline, "state": state,
                     "author": author, "since": since}  # fmt: skip
            session.note(f"more: {_command(following, given)}")
    else:
        chosen = choice != stored.ALL or before is not None
        session.note("There are no such runs." if chosen else "There are no runs here yet: ropewalk run")


def _command(before: int, given: Mapping[str, object]) -> str:
    """What lists the next page."""
    words = ["ropewalk", "runs", *(w for name, v in given.items() if v is not None for w in (f"--{name}", str(v)))]
    return shlex.join([*words, "--before", str(before)])


def _chosen(client: Client, choice: stored.Choice, before: int | None) -> Iterator[Run]:
    """Runs with a state that is told apart by whether the scheduler lives are looked through, all others looked up."""
    if choice.state not in _BY_OWNER:
        return stored.all_runs(client.db, choice, before=before)
    open_ones = stored.in_states(client.db, ("queued", "running"), choice, before=before)
    return (run for run in open_ones if shown_state(run) == choice.state)


def _row(session: Session, run: Run, now: float) -> tuple[str, ...]:
    took = (run.finished_at or now) - run.created_at
    state = shown_state(run)
    return (
        str(run.number),
        run.name,
        run.pipeline,
        paint_state(state, session.out),
        show_age(run.created_at, now),
        "" if state == "interrupted" else show_took(took),
        str(totals(session.client, run)),
    )


def _to_json(client: Client, run: Run) -> dict[str, Any]:
    found = totals(client, run)
    return {
        **run.to_json(),
        "state": shown_state(run),
        "took_s": None if run.finished_at is None else run.finished_at - run.created_at,
        "ran": found.ran,
        "cached": found.cached,
        "failed": found.failed,
        **rest_json(client, run),
    }
