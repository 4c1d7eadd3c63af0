"""`run`, `resume`, `retry`, `cancel`, `pause`."""

from __future__ import annotations

import getpass
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Unpack

from ropewalk.cli.arguments import read
from ropewalk.cli.complete import complete_run
from ropewalk.cli.declare import Choice, argument, command, option, verbosity
from ropewalk.cli.session import Session
from ropewalk.cli.wishes import LEFTOVERS, How, takes_options, takes_pipeline, takes_workers
from ropewalk.core.errors import UsageError

if TYPE_CHECKING:
    from ropewalk.engine.client import Work
    from ropewalk.store.runs import Run


@command(
    examples=["ropewalk run", "ropewalk run pipeline.py:train -p train.c=0.1 --month 7"],
    context_settings=dict(LEFTOVERS),
)
@takes_pipeline
@takes_options
@option(
    "--durability", type=Choice(["power", "process"]), default="power",
    help='What recorded results survive: a "power" cut, as is usual, or the end of a "process" only, which is faster.',
)  # fmt: skip
@verbosity
def run(
    session: Session,
    words: tuple[str, ...],
    params: tuple[str, ...],
    force: tuple[str, ...],
    durability: str,
    **how: Unpack[How],
) -> int:
    """Run a pipeline, and reuse every result that is known already.

    TARGET is `file.py`, `file.py:name`, `package.module:name`, or the name of a pipeline in `pipeline.py`, which is
    also meant when nothing is given. Parameters of the pipeline are options, too: `--month 7`; for one that has the
    name of an option below, write `-p NAME=VALUE`.
    """
    from ropewalk.cli.drive import start
    from ropewalk.cli.target import forced, make_work
    from ropewalk.engine.client import Options

    work = forced(make_work(session, read(words, params)), force)
    reuse = not how["no_cache"]
    return start(session, work, Options(how["executor"], how["workers"], how["seed"], reuse, durability))


@command(examples=["ropewalk resume", "ropewalk resume 12 --workers 2"])
@argument("run", required=False, shell_complete=complete_run)
@takes_workers
@verbosity
def resume(session: Session, run: str | None, executor: str, workers: int | None) -> int:
    """Continue a run that was paused, interrupted, cancelled or failed; what succeeded is kept.

    The pipeline is read again, so a repair counts. RUN is a number or a name; without it the last run that can be
    continued is meant.
    """
    from ropewalk.cli.drive import go_on, last_stopped
    from ropewalk.cli.places import existing_store, find_run
    from ropewalk.engine.client import Options

    existing_store(session)
    chosen = find_run(session.client, run) if run else last_stopped(session.client)
    return go_on(session, chosen, Options(executor, workers))


@command(examples=["ropewalk retry 3", "ropewalk retry last --executor inline"])
@argument("run", shell_complete=complete_run)
@takes_workers
@verbosity
def retry(session: Session, run: str, executor: str, workers: int | None) -> int:
    """Run again what failed in a run, and what depends on it; what succeeded is kept.

    The pipeline is read again, so a repair counts.
    """
    from ropewalk.cli.drive import go_on
    from ropewalk.cli.places import existing_store, find_run
    from ropewalk.engine.client import Options

    existing_store(session)
    return go_on(session, find_run(session.client, run), Options(executor, workers))


@command(examples=["ropewalk cancel 3", "ropewalk cancel swift-otter"])
@argument("run", shell_complete=complete_run)
def cancel(session: Session, run: str) -> int:
    """Ask a run to stop. Its tasks may clean up; what has succeeded is kept, and `resume` goes on from there."""
    from ropewalk.cli.places import existing_store, find_run
    from ropewalk.store import runs

    existing_store(session)
    chosen = find_run(session.client, run)
    if not session.client.cancel(chosen, _user(), partial(_work_of, chosen)):
        raise UsageError(
            f"run {chosen.number} has {chosen.state} already, so it cannot be cancelled",
            help=[f"ropewalk show {chosen.number}"],
        )
    now = runs.get(session.client.db, chosen.number)
    if session.as_json:
        session.emit({"run": now.number, "name": now.name, "state": now.state, "cancel_requested": True})
    else:
        session.out.write(
            f"Cancelled run {now.number}." if now.state == "cancelled" else f"Run {now.number} is stopping."
        )
    return 0


@command(examples=["ropewalk pause 3", "ropewalk pause last"])
@argument("run", shell_complete=complete_run)
def pause(session: Session, run: str) -> int:
    """Ask a run to rest: what is running ends, nothing new starts, and its process goes. `resume` wakes it."""
    from ropewalk.cli.places import existing_store, find_run
    from ropewalk.cli.runs import shown_state

    existing_store(session)
    chosen = find_run(session.client, run)
    if not session.client.pause(chosen, _user()):
        raise UsageError(
            f"run {chosen.number} is not running, so it cannot be paused: it is {shown_state(chosen)}",
            help=[f"ropewalk show {chosen.number}"],
        )
    if session.as_json:
        session.emit({"run": chosen.number, "name": chosen.name, "state": chosen.state, "pause_requested": True})
    else:
        session.out.write(f"Run {chosen.number} will rest once what is running has ended.")
    return 0


def _work_of(run: Run) -> Work:
    from ropewalk.cli.target import work_of_run  # it loads what traces pipelines

    return work_of_run(run)


def _user() -> str:
    with suppress(Exception):  # no user name in some containers
        return getpass.getuser()
    return "a person"
