"""`approvals`, `approve`, `reject`: the questions that runs ask, and their answers."""

from __future__ import annotations

import time
from typing import Any

from ropewalk.cli.awaiting import place_of, verdict_of
from ropewalk.cli.complete import complete_question
from ropewalk.cli.console import table
from ropewalk.cli.declare import argument, command, option, verbosity
from ropewalk.cli.numbers import show_age
from ropewalk.cli.session import Session
from ropewalk.cli.wishes import takes_workers
from ropewalk.core.errors import LeaseLostError, NotFoundError, UsageError, did_you_mean
from ropewalk.engine.client import Options
from ropewalk.engine.owner import is_alive, whoami
from ropewalk.store import approvals as stored
from ropewalk.store import runs
from ropewalk.store.approvals import Approval
from ropewalk.store.runs import Run

_REASON = "Why; it is kept with the answer."
_BY = "Who answers; your user name if not given."
_NO_RESUME = "Only write the answer down; do not go on with the run."


@command(examples=["ropewalk approvals", "ropewalk approvals --all --json"])
@option("--all", "everything", is_flag=True, help="List those that were answered, too.")
def approvals(session: Session, everything: bool) -> None:
    """List the questions that runs ask and nobody has answered, oldest first."""
    found = stored.listing(session.client.db, everything=everything) if session.has_store else []
    if session.as_json:
        session.emit([question.to_json() for question in found])
    elif found:
        now = time.time()
        head = ("APPROVAL", "QUESTION", "ROLE", "ASKED", "ANSWER" if everything else "TIME LEFT")
        lines = table([head, *(_row(question, now) for question in found)], width=session.out.width)
        session.out.write("\n".join([session.out.paint(lines[0], "dim"), *lines[1:]]))
    else:
        session.note("Nobody was ever asked." if everything else "Nothing waits for an answer.")


def _row(question: Approval, now: float) -> tuple[str, ...]:
    asked = show_age(question.asked_at, now)
    return (place_of(question), question.message, question.role, asked, verdict_of(question, now).strip())


def _answering(function: Any) -> Any:
    """Give a command the question that it answers, who answers, and how the run goes on."""
    for decorate in (
        verbosity,
        takes_workers,
        option("--no-resume", is_flag=True, help=_NO_RESUME),
        option("--by", metavar="NAME", help=_BY),
        argument("question", metavar="RUN/TASK", shell_complete=complete_question),
    ):
        function = decorate(function)
    return function


@command(
    examples=['ropewalk approve 3/approval --reason "figures look right"', "ropewalk approve last/approval --no-resume"]
)
@option("--reason", default="", help=_REASON)
@_answering
def approve(
    session: Session, question: str, reason: str, by: str | None, no_resume: bool, executor: str, workers: int | None
) -> int:
    """Approve what a run asks, and go on with the run unless another process does.

    RUN alone will do where it asks one question only.
    """
    asked = _answer(session, question, "approved", by, reason)
    return _go_on(session, asked, "Approved", None if no_resume else Options(executor, workers))


@command(examples=['ropewalk reject 3/approval --reason "AUC fell"', 'ropewalk reject last --reason "not today"'])
@option("--reason", required=True, help=_REASON)
@_answering
def reject(
    session: Session, question: str, reason: str, by: str | None, no_resume: bool, executor: str, workers: int | None
) -> int:
    """Reject what a run asks: its task fails, and what depends on it is skipped."""
    asked = _answer(session, question, "rejected", by, reason)
    return _go_on(session, asked, "Rejected", None if no_resume else Options(executor, workers))


def _answer(session: Session, text: str, verdict: str, by: str | None, reason: str) -> Approval:
    from ropewalk.cli.places import existing_store, find_run

    existing_store(session)
    run_text, _, node = text.partition("/")
    question = _find(session, find_run(session.client, run_text), node)
    who = whoami() if by is None else by.strip()
    if not who:
        raise UsageError("`--by` must name somebody", help=["leave it out to answer under your user name"])
    stored.answer(session.client.db, question, verdict, who, reason.strip(), time.time())
    return question


def _find(session: Session, run: Run, node: str) -> Approval:
    """The question that a person means.

    Raises:
        NotFoundError: the run asks no such question.
        UsageError: it asks several, and none is named.
    """
    asked = stored.of_run(session.client.db, run.number)
    unanswered = [question for question in asked if not question.verdict]
    if not node and len(unanswered) > 1:
        raise UsageError(
            f"run {run.number} asks {len(unanswered)} questions",
            facts=[f"{place_of(q)}: {q.message}" for q in unanswered], help=["say which: RUN/TASK"],
        )  # fmt: skip
    if not node and unanswered:
        return unanswered[0]
    named = {place_of(question).partition("/")[2]: question for question in asked}
    if node in named:
        return named[node]
    guess = did_you_mean(node, named)
    raise NotFoundError(
        f"run {run.number} asks nobody for `{node[:80]}`" if node else f"run {run.number} asks nobody for anything",
        code="P333", help=[f"did you mean {run.number}/{guess}?"] if guess else ["ropewalk approvals --all"],
    )  # fmt: skip


def _go_on(session: Session, question: Approval, done: str, options: Options | None) -> int:
    from ropewalk.cli.drive import try_again
    from ropewalk.cli.target import work_of_run

    run = runs.get(session.client.db, question.run)
    if not session.as_json:
        session.out.write(f"{done} {place_of(question)}.")
        session.out.flush()
    if options is None or not _awaits_somebody(session, run):
        return _leave(session, question, run)
    try:
        return try_again(session, run, work_of_run(run), options, {})  # what has failed is not what was asked about
    except (LeaseLostError, UsageError):
        now = runs.get(session.client.db, question.run)
        if now.epoch == run.epoch:
            raise
        return _leave(session, question, now)  # somebody else has taken it up, and has found the answer


def _leave(session: Session, question: Approval, run: Run) -> int:
    """Say who goes on with the run."""
    if session.as_json:
        (now,) = [q for q in stored.of_run(session.client.db, run.number) if place_of(q) == place_of(question)]
        session.emit(now.to_json())
    elif _is_driven(session, run):
        session.note(f"run {run.number} goes on in process {run.owner.get('pid')}")
    elif not run.is_open:
        session.note(f"run {run.number} has {run.state}:  ropewalk show {run.number}")
    elif not run.target:
        session.note(f"run {run.number} was started from Python, and goes on there: client.resume(run, work)")
    else:
        session.note(f"go on:  ropewalk resume {run.number}")
    return 0


def _is_driven(session: Session, run: Run) -> bool:
    return run.is_open and is_alive(run.owner)


def _awaits_somebody(session: Session, run: Run) -> bool:
    """Whether a run would go on if somebody here took it up, and nobody wants it to rest."""
    if not run.target or not run.is_open or _is_driven(session, run):
        return False
    return not (run.state == "paused" and session.client.state(run).pause_requested)
