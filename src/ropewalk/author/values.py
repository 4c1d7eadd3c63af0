"""Values that code reads: what they are, and a text that is equal for equal values in every process.

`1`, `1.0`, `True` and `"1"` stay four things. Functions, classes and modules inside a value are not written out but
returned as links, for their code counts. Anything that can be pickled is taken apart the way pickle does it. What
cannot (an open file, a lock) stands for its type only, and the result says that it is not complete.
"""

from __future__ import annotations

import copyreg
import enum
import functools
import hashlib
import marshal
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePath
from types import (
    BuiltinFunctionType,
    FunctionType,
    MappingProxyType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any, TypeAlias

from ropewalk.author.packages import Owners, compiled_digest, file_of

Code: TypeAlias = FunctionType | type | ModuleType  # first-party code, to be read
MAX_ITEMS = 1_000_000  # of one value that is not plain; a bigger one counts as incomplete

_ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes})
_LITERALS = frozenset({type(None), bool, float, complex, range, type(...), type(NotImplemented)})
_DESCRIPTORS = (BuiltinFunctionType, MethodDescriptorType, WrapperDescriptorType)


@dataclass(frozen=True, slots=True)
class External:
    """Somebody else's code: its name stands for it, and the version of its package."""

    text: str
    module: str = ""  # where it comes from, when that is an installed package
    inner: tuple[Code, ...] = ()  # first-party code that it wraps


@dataclass(frozen=True, slots=True)
class Encoded:
    text: str
    links: tuple[Code, ...]
    modules: tuple[str, ...]  # of installed packages
    complete: bool


def encode(value: object, owners: Owners, root: str) -> Encoded:
    """The value as text; `root` is the folder of the project, which does not count."""
    encoder = _Encoder(owners, root)
    try:
        encoder.add(value)
    except Exception:  # noqa: BLE001 - users' objects may do anything when they are looked at
        encoder = _Encoder(owners, root)
        encoder.type_only(value)
    return Encoded("".join(encoder.out), tuple(encoder.links), tuple(encoder.modules), encoder.complete)


def is_plain(value: object) -> bool:
    """True for numbers, text and bytes, and for lists, tuples and dicts of nothing else."""
    kind = type(value)
    if kind in _ATOMS:
        return True
    if kind is dict:
        items: list[Any] = [*value.keys(), *value.values()]  # type: ignore[attr-defined]
    elif kind is list or kind is tuple:
        items = list(value)  # type: ignore[call-overload]
    else:
        return False
    others = set(map(type, items)) - _ATOMS
    return not others or (others <= {dict, list, tuple} and all(is_plain(v) for v in items if type(v) in others))


def identify(value: object, owners: Owners) -> Code | External | None:
    """First-party code, somebody else's code, or None: data."""
    value = task_function(value)
    if isinstance(value, External):
        return value
    kind = type(value)
    if kind is FunctionType:
        return _identify_function(value, owners)  # type: ignore[arg-type]
    if issubclass(kind, type):
        return _own_or_external(value, str(value.__module__), value.__qualname__, owners)  # type: ignore[attr-defined]
    if issubclass(kind, ModuleType):
        return _own_or_external(value, value.__name__, "", owners)  # type: ignore[attr-defined]
    if kind in _DESCRIPTORS and isinstance(getattr(value, "__self__", None), ModuleType | None):
        holder = getattr(value, "__objclass__", None)
        module = getattr(value, "__module__", None) or getattr(holder, "__module__", None) or "builtins"
        return external(str(module), getattr(value, "__qualname__", ""), owners)
    wrapped = wrapped_function(value)
    if wrapped is not None and owners.of(kind.__module__) != "first_party":
        return external(kind.__module__, kind.__qualname__, owners, tuple(_wrapped_code(wrapped, owners)))
    if kind.__module__ == "logging":
        return External(f"logging.{kind.__qualname__}")  # how a logger is set up is no business of the code
    return None


def external(module: str, name: str, owners: Owners, inner: tuple[Code, ...] = ()) -> External:
    owner = owners.of(module)
    text = f"{module}.{name}" if name else module
    if owner == "first_party":
        text += compiled_digest(file_of(module))
    return External(text, module if owner == "package" else "", inner)


def task_function(value: object) -> object:
    """The plain function of a task; any other value as it is."""
    if is_ropewalk(type(value).__module__) and callable(getattr(value, "fn", None)):
        return value.fn  # type: ignore[attr-defined]
    return value


def is_ropewalk(module: object) -> bool:
    return isinstance(module, str) and module.partition(".")[0] == "ropewalk"


def module_of(function: FunctionType) -> str:
    """The module that a function was written in; `__module__` would be that of what it wraps."""
    return str(function.__globals__.get("__name__") or function.__module__ or "")


def _own_or_external(value: Any, module: str, name: str, owners: Owners) -> Code | External:
    return value if owners.of(module) == "first_party" else external(module, name, owners)


def _identify_function(function: FunctionType, owners: Owners) -> Code | External:
    module = module_of(function)
    if owners.of(module, function.__code__.co_filename) == "first_party":
        return function
    wraps = function.__closure__ is not None or bool(vars(function))
    inner = tuple(_wrapped_code(function, owners)) if wraps else ()
    return external(module, function.__code__.co_qualname, owners, inner)


def _wrapped_code(wrapper: object, owners: Owners) -> Iterable[Code]:
    """First-party code that somebody else's decorator keeps in its wrapper."""
    waiting = [wrapper]
    seen = {id(wrapper)}
    while waiting:
        value = task_function(waiting.pop(0))
        if isinstance(value, FunctionType | type):
            module = module_of(value) if isinstance(value, FunctionType) else value.__module__
            if owners.of(module) == "first_party":
                yield value
                continue
        for held in _held(value):
            if id(held) not in seen and len(seen) < 1000:
                seen.add(id(held))
                waiting.append(held)


def _held(value: object) -> Iterable[object]:
    if isinstance(value, FunctionType):
        return [*vars(value).values(), *cells_of(value).values()]
    if isinstance(value, dict | MappingProxyType):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, MethodType):
        return [value.__func__]
    wrapped = wrapped_function(value)
    return [] if wrapped is None else [wrapped]


def cells_of(function: FunctionType) -> dict[str, object]:
    """What a closure holds, by name; a variable that has no value yet is left out."""
    found: dict[str, object] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue
    found.pop("__class__", None)
    return found


def wrapped_function(value: object) -> object | None:
    """What objects like that of `functools.lru_cache` wrap."""
    try:
        attributes = object.__getattribute__(value, "__dict__")  # asks no proxy for what it stands for
    except AttributeError:
        return None
    found = (attributes.get(name) for name in ("__wrapped__", "py_func"))
    return next((inner for inner in found if callable(inner)), None)


@dataclass(slots=True)
class _Encoder:
    owners: Owners
    root: str
    out: list[str] = field(default_factory=list)
    links: list[Code] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)
    complete: bool = True
    seen: dict[int, int] = field(default_factory=dict)
    alive: list[object] = field(default_factory=list)  # so that no id is used twice

    def add(self, value: object) -> None:
        kind = type(value)
        if kind in _LITERALS:
            self.out.append(f"{kind.__name__}:{value!r},")
        elif kind is int:
            self.out.append(f"int:{value:x},")
        elif kind is str:
            self.text(value)  # type: ignore[arg-type]
        elif kind is bytes or kind is bytearray:
            self.out.append(f"{kind.__name__}:{hashlib.sha256(value).hexdigest()},")  # type: ignore[arg-type]
        elif not self.code(value):
            self.data(value)

    def text(self, value: str) -> None:
        if self.root and (value == self.root or value.startswith(self.root + os.sep)):
            value = "<project>" + value[len(self.root) :]
        self.out.append(f"str:{len(value)}:{value},")

    def code(self, value: object) -> bool:
        found = identify(value, self.owners)
        if isinstance(found, External):
            self.external(found)
        elif found is not None:
            self.out.append(f"@{getattr(found, '__qualname__', found.__name__)},")
            self.links.append(found)
        return found is not None

    def external(self, found: External) -> None:
        self.out.append(f"!{found.text},")
        self.links += found.inner
        if found.module:
            self.modules.append(found.module)

    def data(self, value: object) -> None:
        if id(value) in self.seen:
            self.out.append(f"^{self.seen[id(value)]},")
            return
        kind = type(value)
        if kind is not tuple and kind is not frozenset:  # equal constants may or may not be one object
            self.seen[id(value)] = len(self.seen)
            self.alive.append(value)
        if len(self.out) > MAX_ITEMS:
            self.type_only(value)
        elif kind in {list, tuple, dict} and len(value) > 1000 and is_plain(value):  # type: ignore[arg-type]
            self.out.append(f"{kind.__name__}:{hashlib.sha256(marshal.dumps(value, 2)).hexdigest()},")  # type: ignore[arg-type]
        else:
            self.container(value)

    def container(self, value: Any) -> None:
        kind = type(value)
        if kind is list or kind is tuple:
            self.sequence(kind.__name__, value)
        elif kind is dict or kind is MappingProxyType:
            self.sequence(kind.__name__, [part for item in value.items() for part in item])
        elif kind is set or kind is frozenset:
            self.unordered(kind.__name__, value)
        elif isinstance(value, enum.Enum):
            self.sequence("enum", [kind, value._name_, value._value_])
        elif isinstance(value, PurePath):
            self.sequence("path", [str(value)])
        elif kind is MethodType:
            self.sequence("method", [value.__func__, value.__self__])
        elif kind is staticmethod or kind is classmethod:
            self.sequence(kind.__name__, [value.__func__])
        elif kind is property:
            self.sequence("property", [value.fget, value.fset, value.fdel])
        else:
            self.pickled(value)

    def sequence(self, name: str, items: Iterable[object]) -> None:
        self.out.append(name + "(")
        for item in items:
            self.add(item)
        self.out.append(")")

    def unordered(self, name: str, items: Iterable[object]) -> None:
        parts: list[tuple[str, list[str], int, _Encoder]] = []
        for item in items:
            part = _Encoder(self.owners, self.root)
            part.seen, part.alive = dict(self.seen), self.alive
            part.add(item)
            where = [str(getattr(link, "__module__", "")) for link in part.links]
            parts.append(("".join(part.out), where, len(parts), part))
        self.out.append(name + "(")
        for text, _, _, part in sorted(parts):
            self.out.append(text)
            self.links += part.links
            self.modules += part.modules
            self.complete &= part.complete
        self.out.append(")")

    def pickled(self, value: Any) -> None:
        """Takes an object apart as pickle would."""
        try:
            reducer = copyreg.dispatch_table.get(type(value))
            reduced: Any = value.__reduce_ex__(4) if reducer is None else reducer(value)
            named = isinstance(reduced, str)  # something that is found by its name
            items = [external(str(value.__module__), reduced, self.owners)] if named else [*map(_listed, reduced)]
        except Exception:  # noqa: BLE001 - anything at all may stand in a user's __reduce__
            self.type_only(value)
            return
        self.sequence("object", [type(value), *items])

    def type_only(self, value: object) -> None:
        self.complete = False
        self.out.append("only ")
        self.code(type(value))


def _listed(part: object) -> object:
    """Pickle hands over the items of a list or dict subclass as iterators."""
    return list(part) if hasattr(part, "__next__") and hasattr(part, "__iter__") else part
