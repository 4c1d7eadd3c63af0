"""The code that a task reaches: its helpers, their helpers, the classes and constants that they read.

Names are followed through the objects that they are bound to, not by searching text: aliases, re-exports, decorators,
dispatch tables and closures need no rules of their own.
"""

from __future__ import annotations

import enum
import os
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any

from ropewalk.author.bytecode import read_bytecode
from ropewalk.author.lookup import Found, Scope, display_name, look_up, origin, source_of
from ropewalk.author.nodes import Function
from ropewalk.author.normalise import is_blind
from ropewalk.author.packages import Owners, file_of
from ropewalk.author.piece import Decorator, Load, Piece, Reading
from ropewalk.author.sourcefile import SourceFile, open_source, path_of
from ropewalk.author.values import (
    Code,
    Encoded,
    External,
    cells_of,
    encode,
    identify,
    is_plain,
    is_ropewalk,
    module_of,
    wrapped_function,
)

_NO_MEMBERS = frozenset(
    "__module__ __qualname__ __doc__ __dict__ __weakref__ __firstlineno__ __static_attributes__".split()
)
_WHOLE_MODULE = frozenset({"eval", "exec", "globals"})  # builtins that can reach any name


@dataclass(slots=True)
class Part:
    """A function, class, module or constant of the closure."""

    kind: str
    name: str
    file: str = ""
    line: int = 0
    text: list[str] = field(default_factory=list)
    links: list[tuple[str, int]] = field(default_factory=list)  # (label, index of the part)


@dataclass(slots=True)
class Closure:
    """Grows from one task, breadth first, so that the order of parts depends on the code alone."""

    owners: Owners
    parts: list[Part] = field(default_factory=list)
    modules: dict[str, None] = field(default_factory=dict)  # of installed packages, as they are met
    _index: dict[tuple[int, str], int] = field(default_factory=dict)
    _waiting: deque[tuple[Part, Code]] = field(default_factory=deque)
    _alive: list[object] = field(default_factory=list)  # so that no id is used twice

    def grow(self, task: object, function: object) -> None:
        """Reads everything that `task` reaches; `function` is the innermost function that it wraps."""
        if isinstance(function, FunctionType | type):
            self._add(function)
        else:
            kind = type(function)
            scope = Scope(vars(sys.modules[kind.__module__]) if kind.__module__ in sys.modules else {})
            self._constant(Found(function, {}, getattr(function, "__qualname__", kind.__qualname__), scope))
        if task is not function:
            self._wrapping(self.parts[0], task, getattr(function, "__globals__", {}))
        while self._waiting:
            part, value = self._waiting.popleft()
            if isinstance(value, FunctionType):
                self._function(part, value)
            elif isinstance(value, type):
                self._class(part, value)
            else:
                self._module(part, value)

    def _wrapping(self, part: Part, task: object, names: Mapping[str, Any]) -> None:
        """What a partial or a wrapper adds to the function that it calls."""
        name = part.name.partition(":")[2]
        self._bind(part, "wrapped", Found(task, {}, f"{name}, as wrapped", Scope(names)))

    # -- from names to parts -----------------------------------------------------------------------

    def _follow(self, part: Part, loads: tuple[Load, ...], scope: Scope) -> None:
        for load in loads:
            label = ".".join(load.chain)
            try:
                found = look_up(load, scope, self.owners)
                if found is not None:
                    self._bind(part, label, found)
                elif label in _WHOLE_MODULE and label not in scope.names:
                    self._whole_module(part, label, scope)
            except Exception:  # noqa: BLE001 - a proxy, for example, that may be looked at only while a server runs
                part.text.append(f"{label}=unreadable;")

    def _whole_module(self, part: Part, label: str, scope: Scope) -> None:
        module = sys.modules.get(str(scope.names.get("__name__")))
        if module is not None and vars(module) is scope.names:
            part.links.append((label, self._add(module)))

    def _bind(self, part: Part, label: str, found: Found) -> None:
        code = identify(found.value, self.owners)
        if isinstance(code, External):
            self._external(part, label, code)
            if callable(found.value):
                self._made_by_others(part, label, found, shown=bool(code.inner))
        elif code is not None:
            part.links.append((label, self._add(code)))
        else:
            traced = origin(found, self.owners)
            if isinstance(traced, External):
                self._external(part, label, traced)
            else:
                part.links.append((label, self._constant(traced)))

    def _external(self, part: Part, label: str, code: External) -> None:
        part.text.append(f"{label}={code.text};")
        if code.module:
            self.modules[code.module] = None
        part.links += [(label, self._add(inner)) for inner in code.inner]

    def _made_by_others(self, part: Part, label: str, found: Found, *, shown: bool) -> None:
        """What somebody else's decorator or factory made counts by its statement, unless it shows what it wraps."""
        source = source_of(found.names) if found.is_global else None
        statements = [] if source is None else source.names().statements.get(found.name, [])
        if source is None or not statements or (shown and isinstance(statements[0], Function)):
            return
        key = (id(found.names), found.name)
        if key not in self._index:
            self._index[key] = len(self.parts)
            self._alive.append(found.names)
            kind = "function" if isinstance(statements[0], Function) else "constant"
            made = Part(kind, f"{display_name(found.names)}:{found.name}", short_path(source.path))
            self.parts.append(made)
            self._statements(made, found, source)
        part.links.append((label, self._index[key]))

    def _add(self, code: Code) -> int:
        key = (id(code), "")
        if key not in self._index:
            self._index[key] = len(self.parts)
            self._alive.append(code)
            kind = "function" if isinstance(code, FunctionType) else "class" if isinstance(code, type) else "module"
            part = Part(kind, _name_of(code))
            self.parts.append(part)
            self._waiting.append((part, code))
        return self._index[key]

    # -- functions ---------------------------------------------------------------------------------

    def _function(self, part: Part, function: FunctionType) -> None:
        code, names = function.__code__, function.__globals__
        path = path_of(code, names)
        part.file, part.line = short_path(path), code.co_firstlineno
        scope = Scope(names, cells_of(function), code.co_qualname.rpartition(".")[0])
        source = open_source(path, names)
        reading = None
        try:
            node = None if source is None else source.function(code)
            reading = None if node is None or source is None else source.reading(node)
            part.line = getattr(node, "lineno", part.line)
        except RecursionError:  # an expression with hundreds of levels
            pass
        if reading is None:
            part.kind = "bytecode"
            self._read(part, read_bytecode(code), scope)
        else:
            self._definition(part, reading, scope, is_task=part is self.parts[0])
        self._held(part, function, scope)

    def _definition(self, part: Part, reading: Reading, scope: Scope, *, is_task: bool) -> None:
        self._read(part, reading.body, scope)
        decorators = [d for d in reading.decorators if not self._is_policy(d, scope)]
        for decorator in decorators:
            part.text.append("@")
            self._read(part, decorator.piece, scope)
        if any(not is_blind(d.callee) for d in decorators):
            self._read(part, reading.parameters, scope)
            self._read(part, reading.returns, scope)
        elif is_task:
            # The types of a task's inputs are its code too: it calls their methods without naming them.
            self._follow(part, reading.parameters.loads, scope)
            part.text.append("->")
            self._read(part, reading.returns, scope)

    def _read(self, part: Part, piece: Piece, scope: Scope) -> None:
        part.text.append(piece.text)
        self._follow(part, piece.loads, scope)

    def _is_policy(self, decorator: Decorator, scope: Scope) -> bool:
        """Ropewalk's own decorators say how a task is run, not what it does."""
        if not decorator.callee:
            return False
        found = look_up(Load(decorator.callee), scope, self.owners)
        if found is None:
            return decorator.callee[-1] in {"task", "pipeline"}
        value: Any = getattr(found.value, "func", found.value)  # functools.partial(task, …)
        if isinstance(value, FunctionType):
            return is_ropewalk(module_of(value))
        if isinstance(value, ModuleType):
            return is_ropewalk(value.__name__)
        return is_ropewalk(getattr(value, "__module__", "")) or is_ropewalk(type(value).__module__)

    def _held(self, part: Part, function: FunctionType, scope: Scope) -> None:
        """Default values and attributes, which the text need not show."""
        held = [function.__defaults__, function.__kwdefaults__, dict(vars(function))]
        if any(held):
            self._encoded(part, "defaults", encode(held, self.owners, root_of(scope.names)))

    # -- classes -----------------------------------------------------------------------------------

    def _class(self, part: Part, kind: type) -> None:
        methods = [m for m in map(_plain_method, vars(kind).values()) if m is not None]
        scope = _class_scope(kind, methods)
        source = _class_source(kind, methods, scope)
        nodes = [] if source is None else source.classes.get(kind.__qualname__, [])
        part.text.append(part.name)
        if source is None or not nodes or _is_stale(source, methods):
            self._class_without_source(part, kind, scope)
        else:
            part.file, part.line = short_path(source.path), nodes[0].lineno
            for node in nodes:
                self._definition(part, source.reading(node), scope, is_task=False)
            plain = {n: v for n, v in vars(kind).items() if not _is_internal(n) and is_plain(v)}
            self._encoded(part, "attributes", encode(plain, self.owners, root_of(scope.names)))
        for index, base in enumerate((type(kind), *kind.__bases__)):
            if base not in {type, object}:
                self._bind(part, f"base {index}", Found(base, {}, "", scope))

    def _class_without_source(self, part: Part, kind: type, scope: Scope) -> None:
        """Named tuples and other classes that were made by a call."""
        members: dict[str, object] = {n: v for n, v in sorted(vars(kind).items()) if n not in _NO_MEMBERS}
        if issubclass(kind, tuple) and hasattr(kind, "_fields"):
            members = {n: members.get(n) for n in ("_fields", "_field_defaults")}
        elif issubclass(kind, enum.Enum):
            members = {n: m.value for n, m in kind.__members__.items()}
        self._encoded(part, "members", encode(members, self.owners, root_of(scope.names)))

    # -- modules and constants ---------------------------------------------------------------------

    def _module(self, part: Part, module: ModuleType) -> None:
        """A module that is used as a value: anything in it may be."""
        part.file = short_path(file_of(module.__name__))
        names = vars(module)
        self._follow(part, tuple(Load((name,)) for name in sorted(names) if not name.startswith("__")), Scope(names))

    def _constant(self, found: Found) -> int:
        key = (id(found.names), found.name)
        if key not in self._index:
            self._index[key] = len(self.parts)
            self._alive.append(found.names)
            prefix = f"{found.scope.prefix}." if found.scope.prefix and not found.is_global else ""
            part = Part("constant", f"{display_name(found.scope.names)}:{prefix}{found.name}")
            self.parts.append(part)
            source = source_of(found.scope.names)
            if source is not None:
                statements = source.names().statements.get(found.name) if found.is_global else None
                part.file, part.line = short_path(source.path), statements[0].lineno if statements else 0
            encoded = encode(found.value, self.owners, root_of(found.scope.names))
            self._encoded(part, "", encoded)
            if not encoded.complete and found.is_global and source is not None:
                self._statements(part, found, source)
        return self._index[key]

    def _statements(self, part: Part, found: Found, source: SourceFile) -> None:
        """What cannot be compared by value counts by the statements that make it."""
        for statement in source.names().statements.get(found.name, ()):
            part.line = part.line or statement.lineno
            reading = source.reading(statement)
            for piece in (reading.body, *(d.piece for d in reading.decorators)):
                self._read(part, piece, found.scope)

    def _encoded(self, part: Part, label: str, encoded: Encoded) -> None:
        part.text.append(f"{label}={encoded.text};")
        part.links += [(label, self._add(link)) for link in encoded.links]
        self.modules.update(dict.fromkeys(encoded.modules))


def short_path(path: str) -> str:
    """Relative to the working folder when it lies below it."""
    return path.removeprefix(os.getcwd() + os.sep)


def root_of(names: Mapping[str, Any]) -> str:
    """The folder from which a module was imported: constants below it are the same wherever the project lies."""
    file = names.get("__file__")
    if not isinstance(file, str):
        return ""
    package = names.get("__package__")
    levels = package.count(".") + 1 if isinstance(package, str) and package else 0
    folder = os.path.dirname(file)
    for _ in range(levels):
        folder = os.path.dirname(folder)
    return folder


def _name_of(code: Code) -> str:
    if isinstance(code, FunctionType):
        return f"{display_name(code.__globals__)}:{code.__code__.co_qualname}"
    if isinstance(code, ModuleType):
        return f"{display_name(vars(code))}:"
    module = sys.modules.get(code.__module__)
    return f"{code.__module__ if module is None else display_name(vars(module))}:{code.__qualname__}"


def _plain_method(member: object) -> FunctionType | None:
    for inner in (member, getattr(member, "__func__", None), getattr(member, "fget", None), wrapped_function(member)):
        if isinstance(inner, FunctionType):
            return inner
    return None


def _class_scope(kind: type, methods: list[FunctionType]) -> Scope:
    cells: dict[str, object] = {}
    for method in methods:
        if method.__code__.co_qualname.startswith(f"{kind.__qualname__}."):
            cells |= cells_of(method)
    module = sys.modules.get(kind.__module__)
    names = vars(module) if module is not None else next((m.__globals__ for m in methods), {})
    return Scope(names, cells, kind.__qualname__.rpartition(".")[0])


def _class_source(kind: type, methods: list[FunctionType], scope: Scope) -> SourceFile | None:
    own = [m for m in methods if m.__code__.co_qualname.startswith(f"{kind.__qualname__}.")]
    for method in own:
        path = path_of(method.__code__, method.__globals__)
        source = None if path.startswith("<string") else open_source(path, method.__globals__)
        if source is not None:
            return source
    return source_of(scope.names)


def _is_stale(source: SourceFile, methods: list[FunctionType]) -> bool:
    codes = [m.__code__ for m in methods if path_of(m.__code__, m.__globals__) == source.path]
    return any(source.function(code) is None for code in codes)


def _is_internal(name: str) -> bool:
    return name.startswith("_") and name.endswith("_")
