"""Why a value cannot be kept, and where inside it the reason sits.

Pickle is asked again with every object that it visits noted down; what it visited last is the culprit. A walk from the
value then finds the path to it. Values may be hostile: nothing here trusts their `__repr__`, `__eq__`, `__getattr__`,
`__dict__`, iteration or size.
"""

from __future__ import annotations

import pickle
import types
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ropewalk.artifacts.blame import Blame, blame_of, is_known
from ropewalk.artifacts.format import is_exactly, label, shorten
from ropewalk.core.errors import UnstorableError

_MAX_OBJECTS = 500_000  # looked at before the path is given up
_TRAIL = 1_000  # how many of the last visited objects are kept
_MAX_PATH_CHARS = 200
_ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes, bytearray, type, type(Ellipsis)})
_LIGHT = ("numpy.ndarray", "pandas.DataFrame", "pandas.Series", "polars.DataFrame", "pyarrow.Table")


def explain(value: Any, name: str, error: BaseException | None) -> UnstorableError:
    """The error for a value that no format can keep.

    Args:
        value: what was to be kept.
        name: how the path to it starts, e.g. "result".
        error: what pickle said, if it was asked.
    """
    trail, second = _visited(value)
    reason = second or error
    try:
        path, culprit = _locate(value, trail, reason)
        blame = blame_of(culprit, reason)
    except Exception:  # noqa: BLE001 - the value's own, from a corner that nobody thought of
        path, blame = (
            "",
            Blame("something that pickle cannot keep", "its class breaks what is asked of it", (), known=False),
        )
    where = name + path
    facts = [f"the path inside the value: {where}"] if path else []
    return UnstorableError(
        f"`{where}` cannot be stored: it is {blame.noun}",
        facts=[*facts, blame.why, *_said(reason, blame)],
        help=[*blame.help],
    )


def _said(reason: BaseException | None, blame: Blame) -> list[str]:
    if reason is None or blame.known:
        return []
    return [f"pickling it said: {type(reason).__name__}: {shorten(_text(reason), 200)}"]


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the value's own
        return "(its message cannot be shown)"


def _is_atom(obj: Any) -> bool:
    try:
        return type(obj) in _ATOMS
    except Exception:  # noqa: BLE001 - a metaclass that forbids hashing or comparing
        return False


class _Nowhere:
    def write(self, data: Any) -> int:
        return len(data)


class _NotingPickler(pickle.Pickler):
    """Notes every object that pickle is about to take apart; arrays and tables, which are fine, are left out."""

    def __init__(self, trail: deque[Any]) -> None:
        super().__init__(_Nowhere(), protocol=5)
        self._trail = trail

    def persistent_id(self, obj: Any) -> str | None:
        if _is_atom(obj):
            return None
        self._trail.append(obj)
        return "light" if _is_light(obj) else None


def _is_light(obj: Any) -> bool:
    try:
        if not is_exactly(obj, *_LIGHT):
            return False
        dtypes = [obj.dtype] if hasattr(obj, "dtype") else list(getattr(obj, "dtypes", ()))
        return not any(str(dtype) in ("object", "Object") for dtype in dtypes)
    except Exception:  # noqa: BLE001 - the value's own
        return False


def _visited(value: Any) -> tuple[deque[Any], BaseException | None]:
    """The objects that pickle looked at last, and what it stumbled over."""
    trail: deque[Any] = deque(maxlen=_TRAIL)
    try:
        _NotingPickler(trail).dump(value)
    except Exception as error:  # noqa: BLE001 - the value's own
        return trail, error
    return trail, None


@dataclass(frozen=True, slots=True, eq=False)
class _Node:
    """An object on the way, and how the walk came to it."""

    value: Any
    step: str
    above: _Node | None


def _locate(root: Any, trail: deque[Any], reason: BaseException | None) -> tuple[str, Any]:
    """Path and object of the last one visited that can be reached from the value.

    Where it is an inside of something that has a name, such as the lock of a queue, that is told instead.
    """
    ages = {id(obj): age for age, obj in enumerate(trail)}
    best: _Node | None = None
    best_age = -1
    count = 0
    for node in _walk(root):
        count += 1
        age = ages.get(id(node.value), -1)
        if age > best_age:
            best, best_age = node, age
        if age == len(trail) - 1:
            break
    if trail and best_age < len(trail) - 1 and count >= _MAX_OBJECTS:
        return " …", trail[-1]
    if best is None or isinstance(reason, RecursionError):
        return "", root
    node = _outermost_known(best)
    return _path(node), node.value


def _outermost_known(node: _Node) -> _Node:
    found, here = node, node.above
    while here is not None:
        if is_known(here.value):
            found = here
        here = here.above
    return found


def _path(node: _Node) -> str:
    steps = []
    here: _Node | None = node
    while here is not None:
        steps.append(here.step)
        here = here.above
    path = "".join(reversed(steps))
    return path if len(path) <= _MAX_PATH_CHARS else f"{path[:80]} … {path[-80:]}"


def _walk(root: Any) -> Iterator[_Node]:
    """Everything that can be reached, nearest first, each object once."""
    seen = {id(root)}
    queue = deque([_Node(root, "", None)])
    while queue:
        node = queue.popleft()
        yield node  # the node keeps its object alive, so that no other gets its id meanwhile
        for step, child in _children(node.value):
            if len(seen) < _MAX_OBJECTS and not _is_atom(child) and id(child) not in seen:
                seen.add(id(child))
                queue.append(_Node(child, step, node))


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    """The parts of an object with the step that leads to each; never calls a method that the object could override."""
    kind = type(value)
    if issubclass(kind, dict):
        for key, part in dict.items(value):
            yield f"[{label(key)}]", part
            yield f" key {label(key)}", key
    elif issubclass(kind, list):
        yield from _numbered(list.__iter__(value))
    elif issubclass(kind, tuple):
        yield from _numbered(tuple.__iter__(value), getattr(kind, "_fields", ()))
    elif issubclass(kind, set | frozenset):
        yield from (("{…}", part) for part in (set if issubclass(kind, set) else frozenset).__iter__(value))
    elif issubclass(kind, deque):
        yield from _numbered(deque.__iter__(value))
    elif kind is types.MethodType or kind is types.BuiltinMethodType:
        yield ".__self__", value.__self__
    if not issubclass(kind, type | types.FunctionType | types.ModuleType):
        yield from _attributes(value)
        yield from _cells(value)


def _numbered(parts: Iterator[Any], fields: Any = ()) -> Iterator[tuple[str, Any]]:
    names = fields if isinstance(fields, tuple) else ()
    for position, part in enumerate(parts):
        yield (f".{names[position]}" if position < len(names) else f"[{position}]"), part


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """Instance attributes: those in `__dict__`, those in slots and in members of C classes, e.g. `default_factory`."""
    try:
        own = object.__getattribute__(value, "__dict__")
    except Exception:  # noqa: BLE001 - the value's own
        own = None
    if isinstance(own, dict):
        for name, part in list(dict.items(own)):
            yield f".{name}" if type(name) is str else f".<{type(name).__name__}>", part
    for kind in type(value).__mro__:
        for name, member in list(vars(kind).items()):
            if isinstance(member, types.MemberDescriptorType):
                try:
                    yield f".{name}", member.__get__(value, kind)
                except Exception:  # noqa: BLE001, S112 - an empty slot, or a hostile class
                    continue


def _cells(value: Any) -> Iterator[tuple[str, Any]]:
    """The objects in an array or a frame's columns."""
    try:
        if is_exactly(value, "numpy.ndarray") and value.dtype.hasobject:
            yield from ((f"[{position}]", part) for position, part in enumerate(value.reshape(-1).tolist()))
        elif is_exactly(value, "pandas.DataFrame"):
            for name in value.columns:
                if str(value[name].dtype) == "object":
                    yield from ((f"[{label(name)}][{at}]", part) for at, part in enumerate(value[name].tolist()))
        elif is_exactly(value, "pandas.Series") and str(value.dtype) == "object":
            yield from ((f"[{at}]", part) for at, part in enumerate(value.tolist()))
    except Exception:  # noqa: BLE001 - a frame that is broken in itself
        return
