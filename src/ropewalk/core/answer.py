"""What a person said to a question: the value of an approval that was given."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """An approval that was given: by whom, why, and when.

    Attributes:
        approved: always True in a run, where a rejection is a failure.
        by: who gave it.
        reason: what they said.
        at: seconds since the epoch.
    """

    approved: bool = True
    by: str = ""
    reason: str = ""
    at: float = 0.0
