"""Approvals: a question is put into the store, and a person's answer is found there."""

from __future__ import annotations

from collections.abc import Iterator

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.materialize import save
from ropewalk.core import events as ev
from ropewalk.core.artifact import Failure
from ropewalk.core.special import Approval
from ropewalk.core.state import RunState
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
            elif answer.expires_at is not None and now >= answer.expires_at:
                self._open.discard(place)
                yield from self._take(answer, "expired", "", "nobody answered in time", now)

    def _take(self, question: approvals.Approval, verdict: str, by: str, reason: str, at: float) -> Iterator[ev.Event]:
        node, item = question.node, question.item
        yield ev.Answered(node, item, verdict, by, reason, at)
        if verdict == "approved":
            answer = {"approved": True, "by": by, "reason": reason, "at": at}
            yield ev.Gathered(node, item, {"result": save(answer, self._blobs)})
        else:
            who = f" by {by}" if by else ""
            message = f"{verdict}{who}" + (f": {reason}" if reason else "")
            yield ev.AttemptFailed(node, item, 0, Failure("rejected", message, retryable=False))

    def next_s(self, now: float) -> float:
        """Seconds until a question expires; infinite: none does."""
        times = [a.expires_at for a in approvals.of_run(self._db, self._run) if not a.verdict and a.expires_at]
        return min((t - now for t in times), default=float("inf"))
