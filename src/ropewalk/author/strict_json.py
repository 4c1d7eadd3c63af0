"""JSON without its traps: no NaN, no infinity, no repeated keys, no bottomless nesting."""

from __future__ import annotations

import json
import math
from typing import Any

MAX_BYTES = 256 * 1024


class BadJson(Exception):
    """The text is not JSON, or holds a trap; the message says where."""


def parse_json(text: str) -> Any:
    """The value that a JSON text means.

    Raises:
        BadJson: it is not valid, or larger than 256 KiB.
    """
    if len(text) > MAX_BYTES:
        raise BadJson(f"it is longer than {MAX_BYTES // 1024} KiB")
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
    except json.JSONDecodeError as error:
        place = f"character {error.colno}" if "\n" not in text else f"line {error.lineno}, character {error.colno}"
        raise BadJson(f"{error.msg} at {place}") from None
    except RecursionError:
        raise BadJson("it is nested too deeply") from None
    except ValueError as error:  # an integer of thousands of digits
        raise BadJson(str(error)) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise BadJson(f"the key {twice!r} is given twice")
    return made


def _constant(name: str) -> Any:
    raise BadJson(f"{name} is not a number that JSON has")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise BadJson(f"{text} is too large for a number")
    return number
