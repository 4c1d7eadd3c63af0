"""Tasks of our own."""

from __future__ import annotations

from typing import Any

from ropewalk.author.task import task


@task(name="result")
def collect(value: Any) -> Any:
    """What a loop's turn or a mapped pipeline returns, where that is not the result of one task."""
    return value
