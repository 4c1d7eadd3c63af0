"""Where the author's code stands: file, line, and the variable that a call is assigned to."""

from __future__ import annotations

import ast
import contextlib
import linecache
import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from types import CodeType, FrameType

from ropewalk.core.errors import Where

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_BETWEEN = (_HERE, contextlib.__file__)  # our own frames, and those of `with`

Position = tuple[int | None, int | None, int | None, int | None]  # first line, last line, first column, last column


@dataclass(frozen=True, slots=True)
class CallSite:
    """A place in the author's source."""

    file: str  # relative to the working directory when below it
    line: int
    text: str = ""
    variable: str = ""  # the variable that takes the result of the call; empty: none

    def where(self) -> Where:
        return Where(self.file, self.line, self.text)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class SourceIndex:
    """The syntax tree of a file, by position and upwards."""

    nodes: dict[Position, list[ast.AST]]  # outermost first
    parents: dict[ast.AST, ast.AST]


def here() -> CallSite:
    """The author's line that is being executed."""
    frame = _author_frame()
    return CallSite(
        show_file(frame.f_code.co_filename),
        frame.f_lineno,
        linecache.getline(frame.f_code.co_filename, frame.f_lineno, frame.f_globals).strip("\n"),
        _variable(frame),
    )


def declared(function: object) -> CallSite:
    """Where a function is defined: the line of its `def`, not of its decorators."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return CallSite("?", 0)
    line = _def_line(code.co_filename, code.co_firstlineno)
    return CallSite(show_file(code.co_filename), line, linecache.getline(code.co_filename, line).strip("\n"))


def show_file(path: str) -> str:
    """A path relative to the working directory when it is below it."""
    if path.startswith("<"):
        return path
    absolute = os.path.abspath(path)
    try:
        below = os.getcwd() + os.sep
    except FileNotFoundError:
        return absolute
    return absolute.removeprefix(below)


def current_nodes() -> tuple[list[ast.AST], dict[ast.AST, ast.AST]]:
    """Syntax at the author's current instruction, outermost first, and every node's parent; empty when unknown."""
    frame = _author_frame()
    index = _index(frame)
    position = _position(frame)
    if index is None or position is None:
        return [], {}
    return index.nodes.get(position, []), index.parents


def _author_frame() -> FrameType:
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(_BETWEEN) and frame.f_back is not None:
        frame = frame.f_back
    return frame


def _variable(frame: FrameType) -> str:
    index = _index(frame)
    position = _position(frame)
    if index is None or position is None:
        return ""
    for node in index.nodes.get(position, []):
        if isinstance(node, ast.Call):
            return _assigned_to(node, index.parents)
    return ""


def _position(frame: FrameType) -> Position | None:
    positions = _positions(frame.f_code, frame.f_code.co_linetable)
    return next(islice(positions, frame.f_lasti // 2, None), None)


@lru_cache(maxsize=512)
def _positions(code: CodeType, line_table: bytes) -> tuple[Position, ...]:
    """Positions of all instructions; the line table is in the key since equal code may stand elsewhere."""
    return tuple(code.co_positions())


_indexes: dict[str, tuple[list[str], SourceIndex | None]] = {}  # by file name, with the lines that it was made from


def _index(frame: FrameType) -> SourceIndex | None:
    filename = frame.f_code.co_filename
    lines = linecache.getlines(filename, frame.f_globals)
    known = _indexes.get(filename)
    if known is None or known[0] is not lines:
        known = _indexes[filename] = (lines, _parse("".join(lines)))
    return known[1]


def _parse(source: str) -> SourceIndex | None:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None
    nodes: dict[Position, list[ast.AST]] = {}
    parents: dict[ast.AST, ast.AST] = {}
    for node in ast.walk(tree):  # breadth first, so parents come before children
        for child in ast.iter_child_nodes(node):
            parents[child] = node
        if isinstance(node, (ast.expr, ast.stmt)):
            position = (node.lineno, node.end_lineno, node.col_offset, node.end_col_offset)
            nodes.setdefault(position, []).append(node)
    return SourceIndex(nodes, parents)


def _assigned_to(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> str:
    """The name that takes the value of a call, looking through `.after(...)`, projections and `>>`."""
    while True:
        parent = parents.get(node)
        if isinstance(parent, ast.NamedExpr):
            return parent.target.id
        if isinstance(parent, ast.AnnAssign):
            return _target_name(parent.target)
        if isinstance(parent, ast.Assign):
            return _target_name(parent.targets[0])
        if isinstance(parent, ast.Tuple):
            return _unpacked_name(node, parent, parents.get(parent))
        if not _passes_value_on(node, parent):
            return ""
        assert parent is not None
        node = parent


def _passes_value_on(node: ast.AST, parent: ast.AST | None) -> bool:
    if isinstance(parent, (ast.Attribute, ast.Subscript)):
        return parent.value is node
    if isinstance(parent, ast.Call):
        return parent.func is node and isinstance(node, ast.Attribute) and node.attr == "after"
    return isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.RShift) and parent.right is node


def _unpacked_name(node: ast.AST, values: ast.Tuple, statement: ast.AST | None) -> str:
    """The `b` of `a, b = first(), second()` for the second value."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], (ast.Tuple, ast.List)):
        return ""
    targets = statement.targets[0].elts
    if len(targets) != len(values.elts) or any(isinstance(t, ast.Starred) for t in [*targets, *values.elts]):
        return ""
    return _target_name(targets[[v is node for v in values.elts].index(True)])


def _target_name(target: ast.AST) -> str:
    if isinstance(target, ast.Name):
        return target.id
    if isinstance(target, ast.Attribute):
        return target.attr
    if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
        key = target.slice.value
        return key if isinstance(key, str) and key.isidentifier() else ""
    if isinstance(target, (ast.Tuple, ast.List)):
        names = [_target_name(t) for t in target.elts]
        return "_".join(names) if all(names) else ""
    return ""


def _def_line(filename: str, first_line: int) -> int:
    """The line of `def` at or after the line where a decorated function starts."""
    for number, text in enumerate(islice(linecache.getlines(filename), first_line - 1, first_line + 49), first_line):
        if text.lstrip().startswith(("def ", "async def ", "class ")) or "lambda" in text:
            return number
    return first_line
