"""Values that are known while a graph is made: plain constants, and parameters that remember their name.

A parameter of type int, float, str or Path reaches the pipeline's body as a value of a subclass that remembers
which parameter it is. Handed to a task as it is, it binds the parameter; anything computed from it (`month + 1`,
`f"{month}"`) is an ordinary constant. So `if` and `range` work on parameters, and shape the graph. Parameters of
other types (bool, lists, dates, enums, dataclasses) are passed as they are, and become constants.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ropewalk.core import expr as ex
from ropewalk.core.errors import DefinitionError, UnstorableError
from ropewalk.core.values import MAX_DEPTH, decode, encode


class TracedInt(int):
    """An int that knows which parameter it is."""

    ropewalk_parameter = ""


class TracedFloat(float):
    """A float that knows which parameter it is."""

    ropewalk_parameter = ""


class TracedStr(str):  # noqa: SLOT000  # it has an attribute more than str
    """A str that knows which parameter it is."""

    ropewalk_parameter = ""


class TracedPath(type(Path())):  # type: ignore[misc]  # the class of paths is known at run time only
    """A path that knows which parameter it is; paths derived from it do not."""

    ropewalk_parameter = ""


_TRACED: dict[type, type] = {int: TracedInt, float: TracedFloat, str: TracedStr, type(Path()): TracedPath}
_PLAIN: dict[type, type] = {TracedInt: int, TracedFloat: float, TracedStr: str, TracedPath: Path}


def traced(name: str, value: Any) -> Any:
    """The value of a parameter as the pipeline's body sees it; of other types the value itself."""
    kind = _TRACED.get(type(value))
    if kind is None:
        return value
    made = kind(value)
    made.ropewalk_parameter = name
    return made


def parameter_of(value: Any) -> str:
    """The name of the parameter that a value is; empty: it is none."""
    return value.ropewalk_parameter if type(value) in _PLAIN else ""


def plain(value: Any, depth: int = 0) -> Any:
    """The value without a memory of parameters and of NumPy scalars, which become built-in numbers and texts."""
    kind = type(value)
    if kind in _PLAIN:
        return _PLAIN[kind](value)
    if depth > MAX_DEPTH:
        return value
    if kind in (list, tuple, set, frozenset):
        return kind(plain(v, depth + 1) for v in value)
    if kind is dict:
        return {plain(k, depth + 1): plain(v, depth + 1) for k, v in value.items()}
    if kind.__module__ == "numpy" and getattr(value, "shape", None) == () and hasattr(value, "item"):
        item = value.item()
        return item if type(item) in (int, float, bool, str) else value
    return value


def literal(value: Any, path: str = "value") -> ex.Const | ex.Param:
    """A value without references inside as an expression; `path` is how an error names it.

    Raises:
        UnstorableError: it is not a plain value, or of a class that could not be found again.
    """
    name = parameter_of(value)
    if name:
        return ex.Param(name)
    const = ex.Const(encode(plain(value), path))
    if type(const.data) in (dict, list):
        _check_findable(const, path)
    return const


def _check_findable(const: ex.Const, path: str) -> None:
    try:
        decode(const.data)
    except (DefinitionError, LookupError, TypeError, ValueError) as error:
        raise UnstorableError(
            f"`{path}` holds a value of a class that cannot be found again: {error}",
            facts=["a class must stand at the top level of a module, under its own name"],
        ) from error
