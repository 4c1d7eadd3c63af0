"""Files of source, each parsed once per process, with an index from what runs to where it is written."""

from __future__ import annotations

import ast
import linecache
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, TypeAlias

from ropewalk.author.nodes import Function, first_line
from ropewalk.author.normalise import read
from ropewalk.author.piece import Imported, Reading

Place: TypeAlias = tuple[int, str]  # first line, decorators included, and name


@dataclass(slots=True)
class ModuleNames:
    """What the top level of a module binds."""

    statements: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, Imported] = field(default_factory=dict)
    stars: list[Imported] = field(default_factory=list)


@dataclass(slots=True)
class SourceFile:
    path: str
    tree: ast.Module
    functions: dict[Place, list[Function]]
    classes: dict[str, list[ast.ClassDef]]  # by qualified name
    codes: dict[Place, list[CodeType]] | None  # compiled now; None where the text cannot have changed since
    _lambdas: dict[int, list[ast.Lambda]] | None = None
    _names: ModuleNames | None = None
    _readings: dict[ast.AST, Reading] = field(default_factory=dict)

    def function(self, code: CodeType) -> Function | ast.Lambda | None:
        """The definition of a loaded function; None when the file no longer says what is running."""
        place = (code.co_firstlineno, code.co_name)
        if self.codes is not None and code not in self.codes.get(place, ()):
            return None
        if code.co_name == "<lambda>":
            return _narrow(self.lambdas().get(code.co_firstlineno, []), code)
        return _narrow(self.functions.get(place, []), code)

    def lambdas(self) -> dict[int, list[ast.Lambda]]:
        if self._lambdas is None:
            self._lambdas = {}
            for node in ast.walk(self.tree):
                if isinstance(node, ast.Lambda):
                    self._lambdas.setdefault(node.lineno, []).append(node)
        return self._lambdas

    def names(self) -> ModuleNames:
        if self._names is None:
            self._names = ModuleNames()
            for statement in _statements(self.tree):
                _note(statement, self._names)
        return self._names

    def reading(self, node: ast.AST) -> Reading:
        found = self._readings.get(node)
        if found is None:
            found = self._readings[node] = read(node)
        return found


_FILES: dict[str, tuple[object, SourceFile | None]] = {}


def open_source(path: str, surroundings: Mapping[str, Any]) -> SourceFile | None:
    """The parsed source at `path`, or None when there is none.

    Args:
        path: a file, or the name of a notebook cell that `linecache` knows.
        surroundings: globals of the module, whose loader may have the text.
    """
    stamp, text = _stamp(path, surroundings)
    known = _FILES.get(path)
    if known is None or known[0] != stamp:
        known = _FILES[path] = (stamp, _parse(path, text))
    return known[1]


def forget_sources() -> None:
    _FILES.clear()


def path_of(code: CodeType, surroundings: Mapping[str, Any]) -> str:
    """Where the code was read from; a script's own path is relative to where Python was started."""
    path, file = code.co_filename, surroundings.get("__file__")
    if isinstance(file, str) and not os.path.isabs(path) and os.path.basename(path) == os.path.basename(file):
        return file
    return path


def _stamp(path: str, surroundings: Mapping[str, Any]) -> tuple[object, str | None]:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        text = "".join(linecache.getlines(path, dict(surroundings)))
        return text, text
    return (status.st_mtime_ns, status.st_size), None


def _parse(path: str, text: str | None) -> SourceFile | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they were shown when the module was imported
            tree = ast.parse(_bytes_of(path) if text is None else text)
            code = compile(tree, path, "exec", dont_inherit=True) if text is None else None
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not tree.body:
        return None
    file = SourceFile(path, tree, {}, {}, None if code is None else _codes_in(code))
    _index(tree, "", file)
    return file


def _bytes_of(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _index(node: ast.AST, prefix: str, file: SourceFile) -> None:
    for child in _statements(node):
        if isinstance(child, Function):
            file.functions.setdefault((first_line(child), child.name), []).append(child)
            _index(child, f"{prefix}{child.name}.<locals>.", file)
        elif isinstance(child, ast.ClassDef):
            file.classes.setdefault(prefix + child.name, []).append(child)
            _index(child, f"{prefix}{child.name}.", file)


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    """The statements of one scope, those inside `if`, `try`, `with` and loops included."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        for child in getattr(node, name, ()):
            if isinstance(child, ast.stmt):
                yield child
            if not isinstance(child, Function | ast.ClassDef):
                yield from _statements(child)


def _codes_in(code: CodeType) -> dict[Place, list[CodeType]]:
    found: dict[Place, list[CodeType]] = {}
    waiting = [code]
    while waiting:
        for constant in waiting.pop().co_consts:
            if isinstance(constant, CodeType):
                found.setdefault((constant.co_firstlineno, constant.co_name), []).append(constant)
                waiting.append(constant)
    return found


def _note(statement: ast.stmt, names: ModuleNames) -> None:
    if isinstance(statement, ast.ImportFrom):
        for alias in statement.names:
            imported = Imported(statement.module or "", statement.level, alias.name)
            if alias.name == "*":
                names.stars.append(imported)
            else:
                names.imports[alias.asname or alias.name] = imported
    elif isinstance(statement, Function | ast.ClassDef):
        names.statements.setdefault(statement.name, []).append(statement)
    else:
        for name in _targets(statement):
            names.statements.setdefault(name, []).append(statement)


def _targets(statement: ast.stmt) -> Iterator[str]:
    """The names that an assignment, a `for` or a `with` binds."""
    holders: list[Any] = [*getattr(statement, "targets", ()), getattr(statement, "target", None)]
    holders += [item.optional_vars for item in getattr(statement, "items", ())]
    for holder in holders:
        for node in ast.walk(holder) if holder is not None else ():
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id


def _narrow(candidates: Sequence[Function | ast.Lambda], code: CodeType) -> Function | ast.Lambda | None:
    """Of definitions that start on one line, the one that the code was compiled from."""
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    spans = [
        ((line, column), (end_line, end_column))
        for line, end_line, column, end_column in code.co_positions()
        if line is not None and end_line is not None and column is not None and end_column is not None and end_column
    ]
    around = [
        node
        for node in candidates
        if spans and all(_start(node) <= start and end <= _end(node) for start, end in spans)
    ]
    return max(around, key=_start, default=None)


def _start(node: Function | ast.Lambda) -> tuple[int, int]:
    inner = node.body if isinstance(node, ast.Lambda) else node
    return inner.lineno, inner.col_offset


def _end(node: Function | ast.Lambda) -> tuple[int, int]:
    inner = node.body if isinstance(node, ast.Lambda) else node
    return inner.end_lineno or 0, inner.end_col_offset or 0
