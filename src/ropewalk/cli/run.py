"""`run`, `resume`, `retry`, `cancel`."""

from __future__ import annotations

import getpass
from contextlib import suppress

from ropewalk.cli.arguments import read
from ropewalk.cli.complete import complete_run, complete_target
from ropewalk.cli.declare import Choice, Number, argument, command, option, verbosity
from ropewalk.cli.session import Session
from ropewalk.core.errors import UsageError

LARGEST_SEED = 2**63 - 1
_LEFTOVERS = {"ignore_unknown_options": True, "allow_extra_args": True}


@command(
    examples=["ropewalk run", "ropewalk run pipeline.py:train -p train.c=0.1 --month 7"],
    context_settings=dict(_LEFTOVERS),
)
@argument("words", nargs=-1, metavar="[TARGET] [--PARAMETER VALUE]...", shell_complete=complete_target)
@option(
    "-p",
    "--param",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the pipeline, or TASK.PARAMETER.",
)
@option("--executor", type=Choice(["processes", "inline"]), default="processes", help="Where tasks run.")
@option("--workers", type=Number(1, 1000), help="Number of worker processes; one for each CPU if not given.")
@option("--seed", type=Number(0, LARGEST_SEED), default=0, help="Runs with different seeds share no results.")
@option("--no-cache", is_flag=True, help="Execute everything, whatever is known.")
@option("--force", multiple=True, metavar="TASK", help="Execute this task, whatever is known.")
@verbosity
def run(
    session: Session,
    words: tuple[str, ...],
    params: tuple[str, ...],
    executor: str,
    workers: int | None,
    seed: int,
    no_cache: bool,
    force: tuple[str, ...],
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
    return start(session, work, Options(executor, workers, seed, reuse=not no_cache))


@command(examples=["ropewalk resume", "ropewalk resume 12 --workers 2"])
@argument("run", required=False, shell_complete=complete_run)
@option("--executor", type=Choice(["processes", "inline"]), default="processes", help="Where tasks run.")
@option("--workers", type=Number(1, 1000), help="Number of worker processes; one for each CPU if not given.")
@verbosity
def resume(session: Session, run: str | None, executor: str, workers: int | None) -> int:
    """Continue a run that was interrupted, cancelled or failed; what succeeded is kept.

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
@option("--executor", type=Choice(["processes", "inline"]), default="processes", help="Where tasks run.")
@option("--workers", type=Number(1, 1000), help="Number of worker processes; one for each CPU if not given.")
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
    if not session.client.cancel(chosen, _user()):
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


def _user() -> str:
    with suppress(Exception):  # no user name in some containers
        return getpass.getuser()
    return "a person"
