"""Where two values differ: the first place, as one would write it in Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from ropewalk.engine.explain.keys import short

MAX_DEPTH = 20


def difference(old: Any, new: Any) -> str:
    """The first place at which two values differ, with both sides; empty: none was found.

    Looks into containers, tables, arrays and the attributes of objects.
    """
    return next(_differences(old, new, "", MAX_DEPTH), "")


def _differences(old: Any, new: Any, path: str, depth: int) -> Iterator[str]:
    if type(old) is not type(new):
        yield f"{_at(path)}a {type(old).__name__} → a {type(new).__name__}"
    elif depth > 0:
        yield from _inside(old, new, path, depth)


def _inside(old: Any, new: Any, path: str, depth: int) -> Iterator[str]:
    if isinstance(old, Mapping):
        return _in_mappings(old, new, path, depth)
    if isinstance(old, (list, tuple)):
        return _in_sequences(old, new, path, depth)
    if hasattr(old, "columns") and hasattr(old, "dtypes"):
        return _in_tables(old, new, path)
    if hasattr(old, "dtype") and hasattr(old, "shape") and hasattr(old, "tolist"):
        return _in_arrays(old, new, path, depth)
    if hasattr(old, "__dict__"):
        return _in_mappings(vars(old), vars(new), path, depth, attributes=True)
    return iter([f"{_at(path)}{short(old)} → {short(new)}"] if repr(old) != repr(new) else [])


def _at(path: str) -> str:
    return f"at {path}: " if path else ""


def _in_mappings(
    old: Mapping[Any, Any], new: Mapping[Any, Any], path: str, depth: int, *, attributes: bool = False
) -> Iterator[str]:
    for key in old:
        place = f"{path}.{key}" if attributes else f"{path}[{key!r}]"
        if key not in new:
            yield f"{_at(place)}is gone"
            continue
        yield from islice(_differences(old[key], new[key], place, depth - 1), 1)
    for key in new:
        if key not in old:
            yield f"{_at(f'{path}[{key!r}]')}is new"
    if list(old) != list(new):
        yield f"{_at(path)}the keys have another order"


def _in_sequences(old: Sequence[Any], new: Sequence[Any], path: str, depth: int) -> Iterator[str]:
    for index, (before, after) in enumerate(zip(old, new, strict=False)):
        yield from islice(_differences(before, after, f"{path}[{index}]", depth - 1), 1)
    if len(old) != len(new):
        yield f"{_at(path)}{len(old)} items → {len(new)} items"


def _in_tables(old: Any, new: Any, path: str) -> Iterator[str]:
    before, after = list(map(str, old.columns)), list(map(str, new.columns))
    if before != after:
        yield f"{_at(path)}columns {short(before)} → {short(after)}"
        return
    if len(old) != len(new):
        yield f"{_at(path)}{len(old)} rows → {len(new)} rows"
        return
    for name in old.columns:
        yield from _in_columns(old[name], new[name], f"column {str(name)!r}")
    if hasattr(old, "index") and not callable(old.index) and list(old.index) != list(new.index):
        yield f"{_at(path)}the index differs"


def _in_columns(old: Any, new: Any, place: str) -> Iterator[str]:
    if str(old.dtype) != str(new.dtype):
        yield f"{place}: {old.dtype} → {new.dtype}"
        return
    pairs = zip(_cells(old), _cells(new), strict=True)
    rows = [(row, a, b) for row, (a, b) in enumerate(pairs) if a is not b and repr(a) != repr(b)]
    if rows:
        row, before, after = rows[0]
        yield f"{place}, row {row}: {short(before)} → {short(after)} ({len(rows)} of {len(old)} rows differ)"


def _cells(column: Any) -> list[Any]:
    return column.tolist() if hasattr(column, "tolist") else list(column)


def _in_arrays(old: Any, new: Any, path: str, depth: int) -> Iterator[str]:
    if str(old.dtype) != str(new.dtype):
        yield f"{_at(path)}{old.dtype} → {new.dtype}"
    elif old.shape != new.shape:
        yield f"{_at(path)}shape {old.shape} → {new.shape}"
    else:
        yield from _differences(old.tolist(), new.tolist(), path, depth)
