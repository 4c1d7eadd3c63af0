"""What is said of nodes that wait for something outside or for a person, and of runs that rest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from ropewalk.cli.numbers import show_age, show_count, show_moment
from ropewalk.core import events as ev
from ropewalk.core.artifact import Outputs
from ropewalk.core.noderun import NodeRun
from ropewalk.core.quantity import show_duration
from ropewalk.core.special import Approval as Question
from ropewalk.core.special import Wait
from ropewalk.core.taskstate import READY, RUNNING
from ropewalk.engine.client import Client
from ropewalk.store import approvals
from ropewalk.store import events as log
from ropewalk.store.approvals import Approval
from ropewalk.store.runs import Run


def awaits(run: NodeRun) -> bool:
    """Whether a node waits for something outside, or for a person, and nothing of it is running."""
    return isinstance(run.node.special, (Wait, Question)) and not run.settled and not run.counts[RUNNING]


def what_is_awaited(run: NodeRun) -> str:
    """How a node that is not done stands: "next check in 40s", "asks release-manager: Deploy it?"; empty: no wait."""
    special = run.node.special
    if isinstance(special, Question):
        return _asks(special.role, special.message) if run.asked else ""
    if not isinstance(special, Wait) or run.settled or not run.opened:
        return ""
    if run.counts[RUNNING]:
        return "checking"
    if not (run.ready_at and run.counts[READY]):
        return ""
    pause_s = min(run.ready_at.values()) - time.time()
    return f"next check in {show_rest(pause_s)}" if pause_s > 0 else "next check is due"


def _asks(role: str, message: str) -> str:
    return f"asks {role}: {message}" if role else f"asks: {message}"


def show_rest(duration_s: float) -> str:
    """A time to come, in whole units: "40s", "6m 10s", "6d 23h"."""
    if duration_s < 60:
        return f"{max(1, round(duration_s))}s"
    if duration_s < 86400:
        return show_duration(duration_s)
    days, hours = divmod(round(duration_s / 3600), 24)
    return f"{days}d {hours:02d}h"


def answer_of(outputs: Outputs) -> str:
    """What came of an approval that was given."""
    by, reason = (outputs[name].preview.strip("'\"") if name in outputs else "" for name in ("by", "reason"))
    return f"approved by {by}" + (f": {reason}" if reason else "")


def verdict_of(question: Approval, now: float) -> str:
    """The answer to a question: "approved by ann: fine"; of one that nobody has answered how long there is time."""
    if question.verdict:
        return (f"{question.verdict} by {question.by}" if question.by else question.verdict) + (
            f": {question.reason}" if question.reason else ""
        )
    if question.expires_at is None:
        return ""
    left_s = question.expires_at - now
    return f"expires in {show_rest(left_s)}" if left_s > 0 else "its time is over"


def place_of(question: Approval) -> str:
    """What a person types for it: "3/approval"."""
    return f"{question.run}/{question.node}" + (f"/{question.item}" if question.item else "")


def open_questions(client: Client, run: Run) -> list[Approval]:
    """Questions of a run that nobody has answered."""
    return [question for question in approvals.of_run(client.db, run.number) if not question.verdict]


def resting(client: Client, run: Run) -> tuple[str, float] | None:
    """Why a run is paused, and since when; None: it is not."""
    if run.state != "paused":
        return None
    for batch in log.read(client.db, run.number, run.seq - 1):
        for event in batch.events:
            if isinstance(event, ev.Rested):
                return event.reason, batch.at
    return None


def rest_json(client: Client, run: Run) -> dict[str, Any]:
    """What `--json` tells of a run that is paused."""
    rest = resting(client, run)
    questions = [q.to_json() for q in approvals.of_run(client.db, run.number)] if rest else []
    return {"paused": None if rest is None else {"reason": rest[0], "since": rest[1], "approvals": questions}}


def what_to_type(client: Client, run: Run) -> Iterator[str]:
    """What a paused run waits for, and the commands that let it go on."""
    rest, now = resting(client, run), time.time()
    if rest is None:
        return
    questions = open_questions(client, run)
    if rest[0].startswith("paused") or not questions:
        why = rest[0] if rest[0].startswith("paused") else "its questions are answered"
        yield f"{why}; go on:  ropewalk resume {run.number}"
    for question in questions:
        left = verdict_of(question, now)
        yield f"{question.node} {_asks(question.role, question.message)}" + (f" ({left})" if left else "")
        if question.expires_at is not None and question.expires_at <= now:
            yield f"  ropewalk resume {run.number}     ends it: nobody answered in time"
            continue
        yield f"  ropewalk approve {place_of(question)} --reason …"
        yield f"  ropewalk reject {place_of(question)} --reason …"


def story_of(client: Client, run: Run, node: str, item: int) -> Iterator[str]:
    """What has happened to a wait or an approval, from the log of its run."""
    checks, first_at, now = 0, 0.0, time.time()
    for batch in log.read(client.db, run.number):
        for event in batch.events:
            if getattr(event, "node", "") != node:
                continue
            if isinstance(event, ev.Started) and item in event.items:
                checks, first_at = checks + 1, first_at or event.at
            elif isinstance(event, ev.Asked) and event.item == item:
                yield f"asked {event.role or 'everybody'} {show_moment(event.at)}: {event.message}"
            elif isinstance(event, ev.Answered) and event.item == item:
                by = f" by {event.by}" if event.by else ""
                reason = f": {event.reason}" if event.reason else ""
                yield f"{event.verdict}{by} {show_moment(event.at)}{reason}"
    if checks:
        yield f"{show_count(checks, 'check')}, the first {show_moment(first_at)} ({show_age(first_at, now)})"
