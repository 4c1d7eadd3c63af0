"""Durations and sizes as people write them: "1h30m", "250ms", "4Gi", "500m"."""

from __future__ import annotations

import math
import re

from ropewalk.core.errors import DefinitionError

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
MAX_S = 1e11  # three thousand years: more is a slip of the pen
_BYTES = {"": 1, "B": 1}
for _power, _letter in enumerate("kMGTP", start=1):
    _BYTES[_letter] = _BYTES[_letter + "B"] = 1000**_power
    _BYTES[_letter.upper() + "i"] = _BYTES[_letter.upper() + "iB"] = 1024**_power
_BYTES["K"] = _BYTES["KB"] = 1000

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")


def seconds(value: float | str, what: str = "duration") -> float:
    """A duration in seconds from a number of seconds or a text such as "1h30m".

    Raises:
        DefinitionError: it is neither, or it is negative or not finite.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if math.isfinite(value) and 0 <= value <= MAX_S:
            return float(value)
    elif isinstance(value, str):
        text = value.replace(" ", "")
        parts = _PART.findall(text)
        duration_s = sum(float(number) * _SECONDS[unit] for number, unit in parts)
        if parts and duration_s <= MAX_S and "".join(number + unit for number, unit in parts) == text:
            return duration_s
    raise DefinitionError(
        f"`{what}` is not a duration: {value!r:.60}",
        code="P220",
        facts=["a duration is a number of seconds or a text with units ms, s, m, h, d, w"],
        help=[f'{what}="90s"   or   {what}="1h30m"'],
    )


def size_bytes(value: float | str, what: str = "memory") -> int:
    """A size in bytes from a number of bytes or a text such as "4Gi" (binary) or "4G" (decimal)."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0:
        return int(value)
    if isinstance(value, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", value.strip())
        if match and match[2] in _BYTES and float(match[1]) > 0:
            return int(float(match[1]) * _BYTES[match[2]])
    raise DefinitionError(
        f"`{what}` is not a size: {value!r}",
        code="P221",
        facts=["units are k, M, G, T (powers of 1000) and Ki, Mi, Gi, Ti (powers of 1024)"],
        help=[f'{what}="4Gi"'],
    )


def cores(value: float | str, what: str = "cpu") -> float:
    """A number of CPU cores from a number or a text such as "500m" (half a core)."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0:
        return float(value)
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)(m?)", value)) and float(match[1]) > 0:
        return float(match[1]) / (1000 if match[2] else 1)
    raise DefinitionError(
        f"`{what}` is not a number of cores: {value!r}", code="P222", help=[f"{what}=2", f'{what}="500m"']
    )


def show_duration(duration_s: float) -> str:
    """A duration for people: "0.02s", "4.1s", "2m 05s", "3h 10m"."""
    if duration_s < 1:
        return f"{duration_s:.2f}s"
    if duration_s < 60:
        return f"{duration_s:.1f}s"
    minutes, rest = divmod(round(duration_s), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02d}m"


def show_size(number: float) -> str:
    """A size for people in binary units: "512 B", "3.1 KiB", "4.0 GiB"."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"
