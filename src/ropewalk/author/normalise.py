"""Syntax as reuse sees it: text without comments, docstrings, layout and types, and the names that it reads.

Two pieces of source with equal text do the same, as long as their names mean the same. What the names mean is
found out elsewhere (`closure`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ropewalk.author.nodes import Chain, Comprehension, Function, callee_of, chain_of, is_noise, parameters_of, text_of
from ropewalk.author.piece import Decorator, Imported, Load, Piece, Reading

# Decorators that never look at annotations; below any other, annotations are part of the code.
_BLIND = frozenset(
    "abstractmethod cache cached_property classmethod contextmanager deleter getter lru_cache property setter "
    "staticmethod wraps".split()
)
_QUERIES = frozenset({"eval", "execute", "query", "sql"})  # methods whose text may name variables: pandas, DuckDB
_IDENTIFIER = re.compile(r"[^\W\d]\w*")


def read(node: ast.AST) -> Reading:
    """Takes a function, lambda, class or statement apart."""
    reader = _Reader()
    if isinstance(node, ast.ClassDef):
        _class_body(reader, node)
        return Reading(reader.piece(), _decorators(node.decorator_list))
    if isinstance(node, Function):
        _function_body(reader, node)
        returns = [] if node.returns is None else [node.returns]
        notes = [a.annotation for a in parameters_of(node.args) if a.annotation is not None]
        return Reading(reader.piece(), _decorators(node.decorator_list), _annotations(notes), _annotations(returns))
    reader.visit(node)
    return Reading(reader.piece())


def is_blind(callee: Chain) -> bool:
    """True for decorators that never look at annotations."""
    return bool(callee) and callee[-1] in _BLIND


def _decorators(nodes: Iterable[ast.expr]) -> tuple[Decorator, ...]:
    found = []
    for node in nodes:
        reader = _Reader()
        reader.visit(node)
        found.append(Decorator(reader.piece(), callee_of(node)))
    return tuple(found)


def _annotations(nodes: Iterable[ast.expr]) -> Piece:
    reader = _Reader()
    for node in nodes:
        reader.annotation(node)
    return reader.piece()


@dataclass(slots=True)
class _Scope:
    transparent: bool = False  # a class body: what it binds is not seen by the functions in it
    comprehension: bool = False
    bound: set[str] = field(default_factory=set)
    declared: set[str] = field(default_factory=set)  # by `global`
    borrowed: set[str] = field(default_factory=set)  # by `nonlocal`
    imports: dict[str, list[Imported]] = field(default_factory=dict)
    loads: dict[Chain, None] = field(default_factory=dict)


class _Reader:
    """One pass over a syntax tree: writes its text, and resolves the names that are bound inside it."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.free: dict[Load, None] = {}
        self.scopes = [_Scope(transparent=True)]
        self.in_annotation = False

    def piece(self) -> Piece:
        """Closes the outermost scope."""
        self.leave()
        return Piece("".join(self.out), tuple(self.free))

    # -- scopes ------------------------------------------------------------------------------------

    def enter(self, *, transparent: bool = False, comprehension: bool = False) -> None:
        self.scopes.append(_Scope(transparent, comprehension))

    def leave(self) -> None:
        scope = self.scopes.pop()
        for chain in scope.loads:
            name = chain[0]
            for imported in scope.imports.get(name, ()):
                self.free[Load(chain, imported)] = None
            if name in scope.declared or not self.scopes:
                self.free[Load(chain)] = None
            elif scope.transparent or name not in scope.bound or name in scope.borrowed:
                self.scopes[-1].loads[chain] = None

    def load(self, chain: Chain) -> None:
        self.scopes[-1].loads[chain] = None

    def bind(self, name: str | None) -> None:
        if name is not None:
            self.scopes[-1].bound.add(name)

    # -- writing -----------------------------------------------------------------------------------

    def visit(self, node: ast.AST) -> None:
        kind = type(node)
        special = _SPECIAL.get(kind)
        if special is not None:
            special(self, node)
        else:
            self.plain(node)

    def plain(self, node: ast.AST) -> None:
        kind = type(node)
        self.out.append(kind.__name__ + "(")
        for name in _FIELDS[kind]:
            value = getattr(node, name, None)
            if value is not None:
                self.out.append(name + "=")
                self.value(value)
        self.out.append(")")

    def value(self, value: object) -> None:
        if isinstance(value, list):
            self.sequence(value)
        elif isinstance(value, ast.AST):
            self.visit(value)
        else:
            self.out.append(repr(value) + ",")

    def sequence(self, nodes: Iterable[object]) -> None:
        self.out.append("[")
        for node in nodes:
            if not (isinstance(node, ast.AST) and is_noise(node)):
                self.value(node)
        self.out.append("]")

    def annotation(self, node: ast.expr) -> None:
        before, self.in_annotation = self.in_annotation, True
        self.out.append(":")
        self.visit(node)
        self.in_annotation = before


_SILENT = frozenset({"ctx", "kind", "type_comment", "type_ignores", "type_params"})
_FIELDS: dict[type, tuple[str, ...]] = {
    kind: tuple(f for f in kind._fields if f not in _SILENT)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}


# -- nodes that mean more than their fields --------------------------------------------------------


def _name(reader: _Reader, node: ast.Name) -> None:
    reader.out.append(node.id + ",")
    if type(node.ctx) is ast.Load:
        reader.load((node.id,))
    else:
        reader.bind(node.id)


def _attribute(reader: _Reader, node: ast.Attribute) -> None:
    chain = chain_of(node)
    if chain:
        reader.out.append(".".join(chain) + ",")
        reader.load(chain)
    else:
        reader.plain(node)


def _constant(reader: _Reader, node: ast.Constant) -> None:
    if reader.in_annotation and isinstance(node.value, str):
        try:
            reader.visit(ast.parse(node.value, mode="eval").body)
            return
        except (SyntaxError, ValueError):
            pass  # a text that is no type, as in Annotated[int, "metres"]
    reader.out.append(f"{type(node.value).__name__}:{node.value!r},")


def _subscript(reader: _Reader, node: ast.Subscript) -> None:
    quoted = reader.in_annotation
    if chain_of(node.value)[-1:] == ("Literal",):
        reader.in_annotation = False  # its strings are values, not types
    reader.plain(node)
    reader.in_annotation = quoted


def _call(reader: _Reader, node: ast.Call) -> None:
    """Also follows `import_module("name")`, `getattr(module, "name")` and names in the text of queries."""
    callee = chain_of(node.func)
    if callee[-1:] in {("import_module",), ("__import__",)}:
        name = text_of(node.args[:1])
        if name:
            reader.free[Load((name,), Imported(name.lstrip("."), len(name) - len(name.lstrip("."))))] = None
    elif callee == ("getattr",) and isinstance(node.args[0], ast.Name) and text_of(node.args[1:2]):
        reader.load(callee)
        reader.load((node.args[0].id, text_of(node.args[1:2])))
        reader.out.append(f"getattr({node.args[0].id},")
        reader.sequence(node.args[1:])
        return
    elif isinstance(node.func, ast.Attribute) and node.func.attr in _QUERIES:
        for part in (p for a in node.args for p in ast.walk(a)):
            for name in _IDENTIFIER.findall(text_of([part])):
                reader.load((name,))
    reader.plain(node)


def _annotated(reader: _Reader, node: ast.AnnAssign) -> None:
    """`x: int = 1` is `x = 1`, but in a class it makes a field."""
    if len(reader.scopes) > 1 and reader.scopes[-1].transparent:
        reader.visit(node.target)
        reader.annotation(node.annotation)
        reader.value([] if node.value is None else [node.value])
    elif node.value is None:
        reader.visit(node.target)
    else:
        reader.visit(ast.Assign(targets=[node.target], value=node.value))


def _import(reader: _Reader, node: ast.Import) -> None:
    for alias in node.names:
        module = alias.name if alias.asname else alias.name.partition(".")[0]
        _imported(reader, alias.asname or module, Imported(module))
    reader.plain(node)


def _import_from(reader: _Reader, node: ast.ImportFrom) -> None:
    for alias in node.names:
        _imported(reader, alias.asname or alias.name, Imported(node.module or "", node.level, alias.name))
    reader.plain(node)


def _imported(reader: _Reader, name: str, imported: Imported) -> None:
    reader.bind(name)
    reader.scopes[-1].imports.setdefault(name, []).append(imported)


def _global(reader: _Reader, node: ast.Global) -> None:
    reader.scopes[-1].declared.update(node.names)
    reader.plain(node)


def _nonlocal(reader: _Reader, node: ast.Nonlocal) -> None:
    reader.scopes[-1].borrowed.update(node.names)
    reader.plain(node)


def _augmented(reader: _Reader, node: ast.AugAssign) -> None:
    if isinstance(node.target, ast.Name):
        reader.load((node.target.id,))
    reader.plain(node)


def _named_expression(reader: _Reader, node: ast.NamedExpr) -> None:
    holder = next(s for s in reversed(reader.scopes) if not s.comprehension)
    holder.bound.add(node.target.id)
    reader.out.append(f":={node.target.id},")
    reader.visit(node.value)


def _names_something(reader: _Reader, node: Any) -> None:
    """`except … as name` and the captures of `match`."""
    reader.bind(getattr(node, "name", None))
    reader.bind(getattr(node, "rest", None))
    reader.plain(node)


# -- nodes that open a scope ------------------------------------------------------------------------


def _comprehension(reader: _Reader, node: Comprehension) -> None:
    reader.out.append(type(node).__name__ + "(")
    reader.visit(node.generators[0].iter)  # evaluated outside
    reader.enter(comprehension=True)
    for index, generator in enumerate(node.generators):
        reader.out.append("async for " if generator.is_async else "for ")
        reader.visit(generator.target)
        if index:
            reader.visit(generator.iter)
        reader.sequence(generator.ifs)
    for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
        reader.visit(part)
    reader.leave()
    reader.out.append(")")


def _nested_function(reader: _Reader, node: Function) -> None:
    reader.bind(node.name)
    reader.sequence(node.decorator_list)
    if any(not is_blind(callee_of(d)) for d in node.decorator_list):
        for note in [*(a.annotation for a in parameters_of(node.args)), node.returns]:
            if note is not None:
                reader.annotation(note)
    _function_body(reader, node)


def _function_body(reader: _Reader, node: Function) -> None:
    reader.out.append(f"{type(node).__name__} {node.name}")
    _defaults(reader, node.args)
    reader.enter()
    _parameters(reader, node.args)
    reader.sequence(node.body)
    reader.leave()


def _lambda(reader: _Reader, node: ast.Lambda) -> None:
    reader.out.append("lambda")
    _defaults(reader, node.args)
    reader.enter()
    _parameters(reader, node.args)
    reader.visit(node.body)
    reader.leave()


def _defaults(reader: _Reader, arguments: ast.arguments) -> None:
    reader.sequence(arguments.defaults)
    reader.sequence(arguments.kw_defaults)


def _parameters(reader: _Reader, arguments: ast.arguments) -> None:
    for argument in parameters_of(arguments):
        reader.bind(argument.arg)
    groups = (
        ("", arguments.posonlyargs),
        ("/", arguments.args),
        ("*", [] if arguments.vararg is None else [arguments.vararg]),
        ("*,", arguments.kwonlyargs),
        ("**", [] if arguments.kwarg is None else [arguments.kwarg]),
    )
    for mark, group in groups:
        reader.out.append(mark + ",".join(a.arg for a in group))
    reader.out.append(":")


def _nested_class(reader: _Reader, node: ast.ClassDef) -> None:
    reader.bind(node.name)
    reader.sequence(node.decorator_list)
    _class_body(reader, node)


def _class_body(reader: _Reader, node: ast.ClassDef) -> None:
    reader.out.append(f"class {node.name}")
    reader.sequence(node.bases)
    reader.sequence(node.keywords)
    reader.enter(transparent=True)
    reader.sequence(node.body)
    reader.leave()


_SPECIAL: dict[type, Callable[[_Reader, Any], None]] = {
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Constant: _constant,
    ast.Subscript: _subscript,
    ast.Call: _call,
    ast.AnnAssign: _annotated,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.Global: _global,
    ast.Nonlocal: _nonlocal,
    ast.AugAssign: _augmented,
    ast.NamedExpr: _named_expression,
    ast.ExceptHandler: _names_something,
    ast.MatchAs: _names_something,
    ast.MatchStar: _names_something,
    ast.MatchMapping: _names_something,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.DictComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.FunctionDef: _nested_function,
    ast.AsyncFunctionDef: _nested_function,
    ast.Lambda: _lambda,
    ast.ClassDef: _nested_class,
}
