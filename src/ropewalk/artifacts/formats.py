"""The table of formats: which one keeps a value, and which one reads what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from ropewalk.artifacts.arrays import NPY, SPARSE
from ropewalk.artifacts.figures import IMAGE
from ropewalk.artifacts.files import FILE, FOLDER
from ropewalk.artifacts.format import Format
from ropewalk.artifacts.models import LIGHTGBM, SKLEARN
from ropewalk.artifacts.pickles import PICKLE
from ropewalk.artifacts.plain import BYTES, JSON
from ropewalk.artifacts.tables import ARROW
from ropewalk.artifacts.tree import TREE
from ropewalk.core.errors import NotFoundError

ENTRY_POINTS = "ropewalk.formats"
BUILT_IN = (BYTES, FILE, FOLDER, IMAGE, ARROW, NPY, SPARSE, LIGHTGBM, SKLEARN, JSON, TREE)  # the first that matches


def candidates(value: Any) -> Iterator[Format]:
    """The formats that may keep the value, best first; pickle is always the last."""
    yield from (known for known in BUILT_IN if _matches(known, value))
    yield from (known for known in plugins() if _matches(known, value))
    yield PICKLE


def by_name(name: str) -> Format:
    """The format called so.

    Raises:
        NotFoundError: neither built in nor installed.
    """
    found = _built_in_by_name().get(name)
    if found is None:
        found = next((known for known in plugins() if known.name == name), None)
    if found is None:
        raise NotFoundError(
            f"there is no format `{name}` here",
            facts=[f"built in: {', '.join(sorted(_built_in_by_name()))}"],
            help=["install the package that brought it where this artifact was made"],
        )
    return found


@cache
def plugins() -> tuple[Format, ...]:
    """Formats of other packages; looked up once per process, and only when no built-in one matches."""
    from importlib.metadata import entry_points  # slow to load, and rarely needed

    found = (point.load() for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda p: p.name))
    return tuple(known for known in found if isinstance(known, Format))


@cache
def _built_in_by_name() -> dict[str, Format]:
    return {known.name: known for known in (*BUILT_IN, PICKLE)}


def _matches(format: Format, value: Any) -> bool:
    try:
        return bool(format.matches(value))
    except Exception:  # noqa: BLE001 - the value's class is broken in a way that only pickle, or nobody, can deal with
        return False
