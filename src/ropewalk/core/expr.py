"""What a node's input is bound to: constants, parameters, results of other nodes, and pure expressions of them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ropewalk.core.artifact import ArtifactRef
from ropewalk.core.values import decode, encode, find
from ropewalk.core.values import show as show_value

Step: TypeAlias = tuple[str, Any]  # ("attr", name) or ("item", key)


@dataclass(frozen=True, slots=True)
class Const:
    """A value that is known when the graph is made, in the encoding of `core.values`."""

    data: Any


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter of the pipeline."""

    name: str


@dataclass(frozen=True, slots=True)
class Ref:
    """The result of a node, or the part of it at `path`; of a mapped node the list of its items' results."""

    node: str
    path: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Op:
    """A pure operator on expressions, such as `>=`, `&`, `~` or `+`."""

    name: str
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Build:
    """A list, tuple, dict or object with expressions inside."""

    kind: str  # list | tuple | dict, or the import path "module:qualname" of a dataclass or NamedTuple
    keys: tuple[Any, ...]  # of a dict, names of an object's fields, else empty
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class FirstOf:
    """The first of several results whose node was not skipped."""

    options: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a value at `path`."""

    of: Expr
    path: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Slot:
    """What a body of nodes is given each time it comes into being; it is filled then."""

    name: str


@dataclass(frozen=True, slots=True)
class Held:
    """An artifact that a task kept for the nodes that it adds."""

    ref: ArtifactRef


Leaf: TypeAlias = Ref | Param | Slot | Held
Expr: TypeAlias = Const | Leaf | Op | Build | FirstOf | Part

OPERATORS: dict[str, tuple[str, Callable[..., Any]]] = {
    "ge": (">=", operator.ge), "gt": (">", operator.gt), "le": ("<=", operator.le), "lt": ("<", operator.lt),
    "eq": ("==", operator.eq), "ne": ("!=", operator.ne), "and": ("&", lambda a, b: bool(a) and bool(b)),
    "or": ("|", lambda a, b: bool(a) or bool(b)), "not": ("~", operator.not_), "add": ("+", operator.add),
    "sub": ("-", operator.sub), "mul": ("*", operator.mul), "div": ("/", operator.truediv),
    "neg": ("-", operator.neg),
}  # fmt: skip


class Unavailable(Exception):
    """A reference has no value: its node was skipped, failed or cancelled."""


def constant(value: Any) -> Const:
    """A constant from a plain Python value.

    Raises:
        UnstorableError: it is not a plain value.
    """
    return Const(encode(value))


def evaluate(expr: Expr, value_of: Callable[[Leaf], Any]) -> Any:
    """The value of an expression; `value_of` gives what references and parameters stand for.

    Raises:
        Unavailable: a needed reference has no value.
    """
    if isinstance(expr, Const):
        return decode(expr.data)
    if isinstance(expr, (Ref, Param, Slot, Held)):
        return value_of(expr)
    if isinstance(expr, FirstOf):
        return _first_available(expr, value_of)
    if isinstance(expr, Part):
        return project(evaluate(expr.of, value_of), expr.path)
    if isinstance(expr, Op):
        return OPERATORS[expr.name][1](*(evaluate(a, value_of) for a in expr.args))
    return assemble(expr, [evaluate(item, value_of) for item in expr.items])


def assemble(build: Build, values: list[Any]) -> Any:
    """The container that `build` describes, with the values of its items."""
    if build.kind == "dict":
        return dict(zip(build.keys, values, strict=True))
    if ":" in build.kind:
        return find(build.kind)(**dict(zip(build.keys, values, strict=True)))
    return tuple(values) if build.kind == "tuple" else values


def _first_available(expr: FirstOf, value_of: Callable[[Leaf], Any]) -> Any:
    for option in expr.options:
        try:
            return evaluate(option, value_of)
        except Unavailable:
            continue
    raise Unavailable


def project(value: Any, path: tuple[Step, ...]) -> Any:
    """The part of `value` at `path`.

    Raises:
        AttributeError, KeyError, IndexError, TypeError: there is no such part.
    """
    for kind, key in path:
        value = getattr(value, key) if kind == "attr" else value[key]
    return value


def refs(expr: Expr) -> Iterator[Ref]:
    """Every reference inside an expression, those of `first_of` included."""
    if isinstance(expr, Ref):
        yield expr
    else:
        for part in parts(expr):
            yield from refs(part)


def hard_refs(expr: Expr) -> Iterator[Ref]:
    """References whose absence makes the expression impossible: those outside `first_of`."""
    if isinstance(expr, Ref):
        yield expr
    if not isinstance(expr, FirstOf):
        for part in parts(expr):
            yield from hard_refs(part)


def choices(expr: Expr) -> Iterator[FirstOf]:
    """Every `first_of` inside an expression."""
    if isinstance(expr, FirstOf):
        yield expr
    else:
        for part in parts(expr):
            yield from choices(part)


def parts(expr: Expr) -> tuple[Expr, ...]:
    """The expressions directly inside an expression."""
    if isinstance(expr, Op):
        return expr.args
    if isinstance(expr, Build):
        return expr.items
    if isinstance(expr, Part):
        return (expr.of,)
    return expr.options if isinstance(expr, FirstOf) else ()


def show(expr: Expr) -> str:
    """The expression as a person would write it."""
    if isinstance(expr, Const):
        return show_value(expr.data)
    if isinstance(expr, Param):
        return expr.name
    if isinstance(expr, Ref):
        return expr.node + show_path(expr.path)
    if isinstance(expr, FirstOf):
        return f"first_of({', '.join(map(show, expr.options))})"
    if isinstance(expr, Part):
        return (f"({show(expr.of)})" if isinstance(expr.of, Op) else show(expr.of)) + show_path(expr.path)
    if isinstance(expr, (Slot, Held)):
        return expr.name.partition("@")[0] if isinstance(expr, Slot) else expr.ref.preview or expr.ref.type
    if isinstance(expr, Op):
        sign = OPERATORS[expr.name][0]
        args = [f"({show(a)})" if isinstance(a, Op) else show(a) for a in expr.args]
        return f" {sign} ".join(args) if len(args) == 2 else sign + args[0]
    return _show_build(expr)


def _show_build(expr: Build) -> str:
    if expr.kind == "dict":
        return "{" + ", ".join(f"{k!r}: {show(v)}" for k, v in zip(expr.keys, expr.items, strict=True)) + "}"
    if ":" in expr.kind:
        name = expr.kind.rpartition(":")[2].rpartition(".")[2]
        return f"{name}({', '.join(f'{k}={show(v)}' for k, v in zip(expr.keys, expr.items, strict=True))})"
    inner = ", ".join(map(show, expr.items))
    return f"[{inner}]" if expr.kind == "list" else f"({inner})"


def show_path(path: tuple[Step, ...]) -> str:
    """A projection path as Python: `.train["x"]`."""
    return "".join(f".{key}" if kind == "attr" else f"[{key!r}]" for kind, key in path)


def to_json(expr: Expr) -> list[Any]:
    """The expression as JSON-able data."""
    if isinstance(expr, Const):
        return ["const", expr.data]
    if isinstance(expr, Param):
        return ["param", expr.name]
    if isinstance(expr, Ref):
        return ["ref", expr.node, [list(step) for step in expr.path]]
    if isinstance(expr, FirstOf):
        return ["first_of", [to_json(o) for o in expr.options]]
    if isinstance(expr, Part):
        return ["part", to_json(expr.of), [list(step) for step in expr.path]]
    if isinstance(expr, Slot):
        return ["slot", expr.name]
    if isinstance(expr, Held):
        return ["held", expr.ref.to_json()]
    if isinstance(expr, Op):
        return ["op", expr.name, [to_json(a) for a in expr.args]]
    return ["build", expr.kind, [encode(k) for k in expr.keys], [to_json(i) for i in expr.items]]


def from_json(data: list[Any]) -> Expr:
    """The expression that `to_json` wrote."""
    kind = data[0]
    if kind == "const":
        return Const(data[1])
    if kind == "param":
        return Param(data[1])
    if kind == "ref":
        return Ref(data[1], tuple((step[0], step[1]) for step in data[2]))
    if kind == "first_of":
        return FirstOf(tuple(map(from_json, data[1])))
    if kind == "op":
        return Op(data[1], tuple(map(from_json, data[2])))
    if kind == "part":
        return Part(from_json(data[1]), tuple((step[0], step[1]) for step in data[2]))
    if kind == "slot":
        return Slot(data[1])
    if kind == "held":
        return Held(ArtifactRef.from_json(data[1]))
    return Build(data[1], tuple(decode(k) for k in data[2]), tuple(map(from_json, data[3])))


def part(expr: Expr, path: tuple[Step, ...]) -> Expr:
    """The part of an expression's value at `path`, as directly as it can be said.

    Raises:
        AttributeError, KeyError, IndexError, TypeError: a constant or a container has no such part.
    """
    if not path:
        return expr
    if isinstance(expr, Ref):
        return Ref(expr.node, (*expr.path, *path))
    if isinstance(expr, Part):
        return Part(expr.of, (*expr.path, *path))
    if isinstance(expr, Const):
        if type(expr.data) is list and type(path[0][1]) is int:
            return part(Const(expr.data[path[0][1]]), path[1:])  # without decoding the rest of a long list
        return constant(project(decode(expr.data), path))
    if isinstance(expr, FirstOf):
        return FirstOf(tuple(part(option, path) for option in expr.options))
    if isinstance(expr, Build):
        keys = expr.keys or range(len(expr.items))
        return part(dict(zip(keys, expr.items, strict=True))[path[0][1]], path[1:])
    return Part(expr, path)


def fill(expr: Expr, slots: Mapping[str, Expr], name: Callable[[str], str]) -> Expr:
    """The expression with other expressions in place of slots, and other names of nodes."""
    if isinstance(expr, Ref):
        return Ref(name(expr.node), expr.path)
    if isinstance(expr, Slot):
        return slots.get(expr.name, expr)
    if isinstance(expr, Part):
        return part(fill(expr.of, slots, name), expr.path)
    if isinstance(expr, Op):
        return Op(expr.name, tuple(fill(a, slots, name) for a in expr.args))
    if isinstance(expr, Build):
        return Build(expr.kind, expr.keys, tuple(fill(i, slots, name) for i in expr.items))
    if isinstance(expr, FirstOf):
        return FirstOf(tuple(fill(o, slots, name) for o in expr.options))
    return expr
