"""Moments as people type them: how long ago, or a date with or without a time."""

from __future__ import annotations

from datetime import datetime

from ropewalk.core.errors import DefinitionError, UsageError
from ropewalk.core.quantity import seconds


def moment(text: str, now: float, option: str) -> float:
    """Seconds since the epoch of "7d" (so long ago), "2026-11-21" or "2026-11-21T14:00"; the viewer's zone is meant.

    Raises:
        UsageError: it is neither.
    """
    try:
        return now - seconds(text, option)
    except DefinitionError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"`{option}` is no moment: {text!r:.60}",
            facts=["it is how long ago, in ms, s, m, h, d, w, or a date with or without a time"],
            help=[f"{option} 7d", f"{option} 2026-11-21", f"{option} 2026-11-21T14:00"],
        ) from None
