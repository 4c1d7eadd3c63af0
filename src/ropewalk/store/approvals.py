"""Questions to persons, and their answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ropewalk.core.errors import NotFoundError, UsageError
from ropewalk.store.database import Database, Row

EXPIRED, TOO_LATE = "expired", "nobody answered in time"


@dataclass(frozen=True, slots=True)
class Approval:
    """A question of a run, and the answer if there is one."""

    run: int
    node: str
    item: int
    message: str
    role: str
    excluded: str  # who must not answer
    asked_at: float
    expires_at: float | None
    verdict: str  # approved | rejected | expired; empty: none so far
    by: str
    reason: str
    at: float | None

    def to_json(self) -> dict[str, Any]:
        """What a listing shows."""
        return {name: getattr(self, name) for name in Approval.__dataclass_fields__}


def of_run(db: Database, run: int) -> list[Approval]:
    """The questions of a run."""
    return [_approval(row) for row in db.query("approval_of_run", run=run)]


def listing(db: Database, *, everything: bool = False) -> list[Approval]:
    """Questions that nobody has answered, oldest first; or all."""
    return [_approval(row) for row in db.query("approval_list", everything=int(everything))]


def answer(db: Database, question: Approval, verdict: str, by: str, reason: str, at: float) -> None:
    """Write a person's answer down.

    Raises:
        NotFoundError: the question is not there any more.
        UsageError: it has been answered already, its time is over, or this person must not answer.
    """
    name = f"{question.run}/{question.node}"
    if question.excluded and by == question.excluded:
        raise UsageError(
            f"`{by}` started run {question.run}, and so must not answer for `{question.node}`",
            code="P331", help=[f"ask somebody else to: ropewalk approve {name} --reason …"],
        )  # fmt: skip
    if question.expires_at is not None and at >= question.expires_at:
        raise UsageError(f"the time to answer `{name}` is over", code="P332", help=[f"ropewalk resume {question.run}"])
    with db.transaction():
        db.query(
            "approval_answer", run=question.run, node=question.node, item=question.item, verdict=verdict, by=by,
            reason=reason, at=at,
        )  # fmt: skip
        if db.changes() == 0:
            now = [a for a in of_run(db, question.run) if (a.node, a.item) == (question.node, question.item)]
            if not now:
                raise NotFoundError(f"nobody is asked for `{name}` any more", code="P333")
            raise UsageError(f"`{name}` was {now[0].verdict} by {now[0].by or 'nobody'} already", code="P332")


def expire(db: Database, question: Approval, at: float) -> bool:
    """Note that nobody has answered in time; False: somebody has."""
    with db.transaction():
        db.query(
            "approval_answer", run=question.run, node=question.node, item=question.item, verdict=EXPIRED, by="",
            reason=TOO_LATE, at=at,
        )  # fmt: skip
        return db.changes() > 0


def _approval(row: Row) -> Approval:
    return Approval(*row)
