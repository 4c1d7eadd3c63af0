"""Answers that a test gives in place of persons, where a pipeline runs in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from ropewalk.core.answer import Answer
from ropewalk.core.errors import ExecutionError

_given: ContextVar[bool | Mapping[str, bool] | None] = ContextVar("ropewalk_answers", default=None)


@contextmanager
def answers(approved: bool | Mapping[str, bool] = True) -> Iterator[None]:
    """Answer the approvals of pipelines that are called as functions in this `with` block.

    Called as a function a pipeline runs in memory, where nobody can be asked, and without an answer an approval raises:
    it is never given by accident.

    Args:
        approved: the answer to all questions, or for each the answer by its message.
    """
    token = _given.set(approved)
    try:
        yield
    finally:
        _given.reset(token)


def answer_to(message: str) -> Answer:
    """The answer that a test gives to a question.

    Raises:
        ExecutionError: it gives none, or rejects.
    """
    given = _given.get()
    approved = given.get(message) if isinstance(given, Mapping) else given
    if approved is None:
        raise ExecutionError(
            f"approval `{message:.60}` needs a person, and nobody can be asked in memory",
            code="P334",
            facts=["a pipeline that is called as a function runs in this process, without a store"],
            help=["pipeline.run(…)   or   ropewalk run", "in a test:   with ropewalk.testing.answers(True): …"],
        )
    if not approved:
        raise ExecutionError(f"approval `{message:.60}` was rejected", code="P335")
    return Answer(approved=True, by="test")
