"""Annotations of a function, as far as they can be known."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args, get_origin

UNKNOWN: Any = Any  # an annotation that is missing or cannot be resolved says nothing


def resolve_hints(target: Any) -> dict[str, Any]:
    """The annotations of a function or class by name, `return` included; what cannot be resolved is UNKNOWN."""
    try:
        return typing.get_type_hints(target, include_extras=True, localns=_closure(target))
    except Exception:  # noqa: BLE001  # an annotation is any expression, so evaluating it may raise anything
        return {name: _resolve(target, raw) for name, raw in getattr(target, "__annotations__", {}).items()}


def _resolve(target: Any, raw: Any) -> Any:
    holder = types.SimpleNamespace(__annotations__={"it": raw})
    names = getattr(target, "__globals__", None) or getattr(inspect.getmodule(target), "__dict__", {})
    try:
        return typing.get_type_hints(holder, globalns=names, localns=_closure(target), include_extras=True)["it"]
    except Exception:  # noqa: BLE001  # as above
        return UNKNOWN


def _closure(target: Any) -> dict[str, Any]:
    """Names of enclosing functions that the function uses itself, which an annotation may mention as well."""
    cells = getattr(target, "__closure__", None) or ()
    found = {}
    for name, cell in zip(getattr(getattr(target, "__code__", None), "co_freevars", ()), cells, strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return found


def annotation_text(raw: Any) -> str:
    """An annotation as its author wrote it, or as near to that as Python tells."""
    if raw is inspect.Parameter.empty:
        return ""
    return raw if isinstance(raw, str) else inspect.formatannotation(raw)


def bare(hint: Any) -> Any:
    """The hint without `Annotated` and `NewType` around it."""
    while True:
        if get_origin(hint) is Annotated:
            hint = get_args(hint)[0]
        elif isinstance(hint, typing.NewType):
            hint = hint.__supertype__
        else:
            return hint


def show_type(hint: Any) -> str:
    """A type for a message: `DataFrame`, `list[str]`, `int | None`."""
    hint = bare(hint)
    if hint is None or hint is type(None):
        return "None"
    if isinstance(hint, type) and not get_args(hint):
        return hint.__qualname__.rpartition("<locals>.")[2]
    if (args := get_args(hint)) and is_union(hint):
        return " | ".join(map(show_type, args))
    origin = get_origin(hint)
    if args and isinstance(origin, type) and all(isinstance(a, type) or get_origin(a) for a in args):
        return f"{origin.__name__}[{', '.join(map(show_type, args))}]"
    return str(hint).replace("typing.", "")


def is_union(hint: Any) -> bool:
    return get_origin(hint) in (typing.Union, types.UnionType)


def union_of(hints: list[Any]) -> Any:
    """A hint for a value that is of one of several types."""
    if any(h is UNKNOWN for h in hints):
        return UNKNOWN
    return typing.Union[tuple(hints)]  # noqa: UP007  # of a list that is known at run time only


def signature_text(name: str, function: Callable[..., Any], only: str = "") -> str:
    """`train(frame: DataFrame, …)`: the head of a function, or of it one parameter."""
    parameters: Mapping[str, inspect.Parameter] = inspect.signature(function).parameters
    names = list(parameters)
    if only in parameters:
        before, after = ["…"] if names[0] != only else [], ["…"] if names[-1] != only else []
        return f"{name}({', '.join([*before, _parameter_text(parameters[only]), *after])})"
    parts = [_parameter_text(p) for p in parameters.values()]
    first_keyword = next((i for i, p in enumerate(parameters.values()) if p.kind is p.KEYWORD_ONLY), None)
    if first_keyword is not None:
        parts.insert(first_keyword, "*")
    return f"{name}({', '.join(parts)})"


def _parameter_text(parameter: inspect.Parameter) -> str:
    stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
    annotation = annotation_text(parameter.annotation)
    text = f"{stars}{parameter.name}{': ' + annotation if annotation else ''}"
    if parameter.default is parameter.empty:
        return text
    default = repr(parameter.default)
    equals = " = " if annotation else "="
    return text + equals + (default if len(default) <= 30 else default[:29] + "…")
