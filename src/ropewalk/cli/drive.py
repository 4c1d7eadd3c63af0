"""Driving a run in this process: shown while it goes on, and told of when it is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress

from ropewalk.cli.invoke import INTERRUPTED
from ropewalk.cli.progress import Progress
from ropewalk.cli.report import report
from ropewalk.cli.session import Session
from ropewalk.cli.target import work_of_run
from ropewalk.core.errors import UsageError
from ropewalk.engine.client import Client, Options, Work
from ropewalk.engine.result import RunResult
from ropewalk.store import runs
from ropewalk.store.runs import OPEN_STATES, Run

_RESUMABLE = (*OPEN_STATES, "failed", "cancelled")


def start(session: Session, work: Work, options: Options) -> int:
    """Run something new; the exit code."""
    progress = Progress(session)
    return _drive(session, progress, lambda: session.client.run(work, options, progress))


def go_on(session: Session, run: Run, options: Options) -> int:
    """Continue a run that has stopped; the exit code."""
    session.client.check_resumable(run)
    work = work_of_run(run)
    progress = Progress(session, run)
    return _drive(session, progress, lambda: session.client.resume(run, work, options, progress))


def try_again(session: Session, run: Run, work: Work, options: Options, only: Mapping[str, Collection[int]]) -> int:
    """Try some task runs again that have failed in a run, and what depends on them; the exit code.

    Args:
        only: their items, by node.
    """
    progress = Progress(session, run)
    return _drive(session, progress, lambda: session.client.resume(run, work, options, progress, only=only))


def last_stopped(client: Client) -> Run:
    """The last run that can be continued.

    Raises:
        UsageError: there is none.
    """
    for run in runs.in_states(client.db, _RESUMABLE):
        with suppress(UsageError):
            client.check_resumable(run)
            return run
    raise UsageError(
        "no run is paused, was interrupted or cancelled, or has failed", code="P304", help=["ropewalk runs"]
    )


def _drive(session: Session, progress: Progress, drive: Callable[[], RunResult]) -> int:
    """Drive a run, show it, and tell how it ended."""
    began = time.monotonic()
    try:
        result = drive()
    except BaseException:
        progress.close()
        raise
    took_s = time.monotonic() - began
    progress.close(result.state, took_s)
    report(session, progress, result.run, progress.state or session.client.state(result.run), took_s)
    if progress.problem is not None:
        raise progress.problem
    interrupted = result.state == "cancelled" and progress.board is not None and progress.board.cancelled_by == "Ctrl-C"
    return INTERRUPTED if interrupted else 0 if result.state in ("succeeded", "paused") else 1
