"""Tasks of our own."""

from __future__ import annotations

from typing import Any

from ropewalk.author.answers import answer_to
from ropewalk.author.task import task
from ropewalk.core.answer import Answer


@task(name="result")
def collect(value: Any) -> Any:
    """What a loop's turn or a mapped pipeline returns, where that is not the result of one task."""
    return value


@task(name="approval", cache=False)
def approve(message: str, role: str) -> Answer:
    """A question to a person. It is called in memory only: in a run the answer comes out of the store."""
    return answer_to(message)
