"""How durations, moments, sizes and metrics look."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from ropewalk.core.quantity import show_duration


def show_took(duration_s: float) -> str:
    """How long a whole run took: "0.02s", "0.4s", "2m 05s"."""
    return f"{duration_s:.1f}s" if 0.095 <= duration_s < 59.95 else show_duration(duration_s)


def show_metric(value: float) -> str:
    """A metric: "0.967", "12", "3.4e-05"."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.3f}" if 0.001 <= abs(value) < 10_000 else f"{value:.3g}"


def show_change(value: float, before: float) -> str:
    """How a metric has changed: "(+0.020)", with a true minus sign; empty when it has not."""
    change = value - before
    if not math.isfinite(change) or change == 0:
        return ""
    shown = show_metric(abs(change))
    return f"({'+' if change > 0 else '−'}{shown})"


def show_count(number: int, noun: str) -> str:
    """A number with its noun: "1 run", "2,000 runs"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def show_moment(at: float) -> str:
    """A moment in the viewer's zone, with the offset: "2026-11-21 14:02:11 +01:00"."""
    local = datetime.fromtimestamp(at, UTC).astimezone()
    offset = f"{local:%z}"
    return f"{local:%Y-%m-%d %H:%M:%S} {offset[:3]}:{offset[3:5]}"


def show_age(at: float, now: float) -> str:
    """A moment for a list: "12s ago", "3h ago", and from a day on the date."""
    age_s = max(0.0, now - at)
    for unit, size_s, most_s in (("s", 1, 60), ("m", 60, 3600), ("h", 3600, 86400)):
        if age_s < most_s:
            return f"{int(age_s / size_s)}{unit} ago"
    return f"{datetime.fromtimestamp(at, UTC).astimezone():%Y-%m-%d %H:%M}"


def finite(value: Any) -> Any:
    """JSON-able data without the numbers that JSON has no word for: they become texts."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return value
