"""Approvals: a question is put into the store, and a person's answer is found there."""

from __future__ import annotations

from collections.abc import Iterator

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.materialize import save
from ropewalk.core import events as ev
from ropewalk.core.answer import Answer
from ropewalk.core.artifact import Failure, Outputs
from ropewalk.core.special import Approval
from ropewalk.core.state import RunState
from ropewalk.engine.attempt import split_result
from ropewalk.store import approvals
from ropewalk.store.database import Database


class Asker:
    """Asks, and looks for answers, for one run."""

    def __init__(self, db: Database, blobs: Blobs, run: int, author: str, state: RunState) -> None:
        self._db = db
        self._blobs = blobs
        self._run = run
        self._author = author
        self._state = state
        self._open = {(n, i) for n, node in state.nodes.items() for i in node.asked}

    def __bool__(self) -> bool:
        """Whether somebody is awaited."""
        return bool(self._open)

    @property
    def awaited(self) -> list[str]:
        """The nodes whose question is not answered."""
        return sorted({node for node, _ in self._open})

    def ask(self, node_id: str, item: int, now: float) -> ev.Event:
        """The question of a task run that is ready."""
        approval = self._state.nodes[node_id].node.special
        assert isinstance(approval, Approval)
        self._open.add((node_id, item))
        expires_at = None if approval.expires_s is None else now + approval.expires_s
        excluded = self._author if approval.exclude_author else ""
        return ev.Asked(node_id, item, now, expires_at, approval.message, approval.role, excluded)

    def answers(self, now: float) -> Iterator[ev.Event]:
        """What follows from answers that have come, and from questions whose time is over."""
        for answer in approvals.of_run(self._db, self._run) if self._open else ():
            place = (answer.node, answer.item)
            if place not in self._open:
                continue
            if answer.item not in self._state.nodes[answer.node].asked:
                self._open.discard(place)  # it was cancelled
            elif answer.verdict:
                self._open.discard(place)
                yield from self._take(answer, answer.verdict, answer.by, answer.reason, answer.at or now)
            elif answer.expires_at is not None and now >= answer.expires_at and approvals.expire(self._db, answer, now):
                self._open.discard(place)
                yield from self._take(answer, approvals.EXPIRED, "", approvals.TOO_LATE, now)

    def _take(self, question: approvals.Approval, verdict: str, by: str, reason: str, at: float) -> Iterator[ev.Event]:
        node, item = question.node, question.item
        yield ev.Answered(node, item, verdict, by, reason, at)
        if verdict == "approved":
            yield ev.Gathered(node, item, self._saved(node, Answer(approved=True, by=by, reason=reason, at=at)))
        else:
            who = f" by {by}" if by else ""
            message = f"{verdict}{who}" + (f": {reason}" if reason else "")
            yield ev.AttemptFailed(node, item, 0, Failure("rejected", message, retryable=False))

    def _saved(self, node: str, answer: Answer) -> Outputs:
        spec = self._state.spec(node).outputs
        if spec.kind == "single":
            return {"result": save(answer, self._blobs)}
        return {name: save(value, self._blobs) for name, value in split_result(spec, answer).items()}

    def has_answers(self) -> bool:
        """Whether somebody has answered a question of which the run does not know yet."""
        return bool(self._open) and any(
            (question.node, question.item) in self._open and question.verdict and self._is_asked_now(question)
            for question in approvals.of_run(self._db, self._run)
        )

    def _is_asked_now(self, question: approvals.Approval) -> bool:
        """It is not one that the run had asked before it was reopened, and is about to ask again."""
        return self._state.nodes[question.node].asked.get(question.item) == question.asked_at
