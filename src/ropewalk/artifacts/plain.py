"""Plain values as JSON, and bytes as they are."""

from __future__ import annotations

import dataclasses
import enum
import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from ropewalk.artifacts.format import Format, Inexact, Sink, Source, count, shorten
from ropewalk.core import values
from ropewalk.core.compact import compact

_PEEK_CHARS = 20_000
_SIZED = (dict, list, tuple, set, frozenset)
_PLAIN = frozenset(_SIZED) | {type(None), bool, int, float, str, bytes, bytearray, complex, range, datetime, date, time}
_PLAIN |= {timedelta, Decimal, UUID}


def to_json(value: Any) -> bytes:
    """The value as typed JSON.

    Raises:
        Inexact: part of it is not a plain value, stands for the content of a file, or has a class without a name.
    """
    try:
        encoded = values.encode(value)
        text = compact(encoded).encode()
    except Exception:  # noqa: BLE001 - not plain, too deep, too many digits, or broken in itself
        raise Inexact from None
    if b'"$":"path"' in text:
        raise Inexact  # a path stands for the content of its file: see `tree`
    if b'"t":"' in text and not classes_importable(encoded):
        raise Inexact
    return text


def _write_json(value: Any, sink: Sink) -> None:
    sink.write(to_json(value))


def classes_importable(encoded: Any) -> bool:
    """Whether every class that the encoded value names can be found by its name."""
    if isinstance(encoded, list):
        return all(map(classes_importable, encoded))
    if not isinstance(encoded, dict):
        return True
    if encoded.get("$") in ("object", "enum") and not _importable_path(encoded["t"]):
        return False
    return all(map(classes_importable, encoded.values()))


@lru_cache(maxsize=1024)
def _importable_path(path: str) -> bool:
    try:
        return isinstance(values.find(path), type)
    except (ImportError, AttributeError):
        return False


def importable(kind: type) -> bool:
    """Whether another process can find the class by its name; one defined inside a function it cannot."""
    return _importable_path(values.path_of(kind))


def read_json(source: Source, type_name: str) -> Any:
    """The value that `core.values` wrote."""
    return values.parse(bytes(source.data))


def preview_json(value: Any) -> str:
    """The value itself where it is short, else how many items it has."""
    if isinstance(value, str):
        return shorten(value)
    if value is None or type(value) in (bool, int, float):
        return shorten(repr(value))
    if type(value) in _SIZED:
        text = repr(value) if len(value) <= 4 and _all_short(value) else ""
        return text if 0 < len(text) <= 60 else _table_size(value) or count(len(value), "item")
    if dataclasses.is_dataclass(value) or isinstance(value, enum.Enum | tuple):
        return shorten(type(value).__qualname__)
    return shorten(str(value))


def _table_size(value: Any) -> str:
    """Rows and columns of a list of equally long rows; empty: it is no table."""
    if type(value) is not list or len(value) < 2 or type(value[0]) not in (list, tuple):
        return ""
    width = len(value[0])
    is_table = width > 1 and all(type(row) in (list, tuple) and len(row) == width for row in value)
    return f"{count(len(value), 'row')} × {width}" if is_table else ""


def _all_short(value: Any) -> bool:
    flat = [*value.keys(), *value.values()] if type(value) is dict else value
    return all(v is None or type(v) in (bool, int, float) or (type(v) is str and len(v) < 30) for v in flat)


def _peek_json(source: Source, rows: int) -> dict[str, Any]:
    # Not decoded: that would import classes, and so run code, of the user's project.
    text = bytes(source.data[: _PEEK_CHARS + 1])
    if len(text) > _PEEK_CHARS:
        return {"kind": "text", "text": text[:_PEEK_CHARS].decode(), "truncated": True}
    return {"kind": "json", "value": json.loads(text, parse_constant=str)}  # "NaN" as text: pages cannot read NaN


def _matches_json(value: Any) -> bool:
    kind = type(value)
    if kind in _PLAIN:
        return True
    return dataclasses.is_dataclass(kind) or issubclass(kind, enum.Enum) or is_named_tuple(kind)


def is_named_tuple(kind: type) -> bool:
    return issubclass(kind, tuple) and isinstance(getattr(kind, "_fields", None), tuple)


JSON = Format("json", _matches_json, _write_json, read_json, preview_json, _peek_json)


def _matches_bytes(value: Any) -> bool:
    return type(value) in (bytes, bytearray)


def _write_bytes(value: bytes | bytearray, sink: Sink) -> None:
    sink.write(value)


def _read_bytes(source: Source, type_name: str) -> bytes | bytearray:
    return bytearray(source.data) if type_name == "bytearray" else bytes(source.data)


def _preview_bytes(value: bytes | bytearray) -> str:
    return count(len(value), "byte")


def _peek_bytes(source: Source, rows: int) -> dict[str, Any]:
    head = bytes(source.data[: rows * 16])
    return {"kind": "bytes", "hex": [head[i : i + 16].hex(" ") for i in range(0, len(head), 16)]}


BYTES = Format("bytes", _matches_bytes, _write_bytes, _read_bytes, _preview_bytes, _peek_bytes)
