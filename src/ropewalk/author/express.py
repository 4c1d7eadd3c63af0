"""Arguments of a call as expressions: constants, parameters, references, and containers of them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from ropewalk.author.constants import literal, parameter_of, plain
from ropewalk.author.outputs import field_names
from ropewalk.author.refs import foreign, handle_of, is_reference
from ropewalk.core import expr as ex
from ropewalk.core.errors import UnstorableError
from ropewalk.core.values import MAX_DEPTH, path_of

if TYPE_CHECKING:
    from ropewalk.author.trace import Trace


def express(value: Any, trace: Trace, path: str) -> ex.Expr:
    """A value with references anywhere inside as an expression; `path` is how an error names it.

    Raises:
        UnstorableError: something inside is neither a reference nor a plain value.
        DefinitionError: a reference belongs to another build.
    """
    if is_reference(value):
        handle = handle_of(value)
        if handle.trace is not trace:
            raise foreign(value)
        trace.check_reach(handle.expr, handle.label)
        return handle.expr
    if parameter_of(value) or not is_live(value):
        return literal(value, path)
    kind = type(value)
    if kind in (list, tuple):
        items = tuple(express(v, trace, f"{path}[{i}]") for i, v in enumerate(value))
        return ex.Build(kind.__name__, (), items)
    if kind is dict:
        items = tuple(express(v, trace, f"{path}[{k!r}]") for k, v in value.items())
        return ex.Build("dict", tuple(plain(k) for k in value), items)
    if (names := _made_from(kind)) and "<" not in kind.__qualname__:
        items = tuple(express(getattr(value, n), trace, f"{path}.{n}") for n in names)
        return ex.Build(path_of(kind), names, items)
    raise UnstorableError(
        f"`{path}` is a `{kind.__qualname__}` with references inside",
        facts=["references may stand in lists, tuples, dicts, and dataclasses at the top level of a module"],
    )


def _made_from(kind: type) -> tuple[str, ...]:
    """The fields that an object is made from; none when it has others, which could not be given."""
    if dataclasses.is_dataclass(kind) and not all(f.init for f in dataclasses.fields(kind)):
        return ()
    return field_names(kind)


def is_live(value: Any, depth: int = 0) -> bool:
    """Whether a reference or a parameter stands anywhere inside."""
    kind = type(value)
    if is_reference(value) or parameter_of(value):
        return True
    if depth > MAX_DEPTH:  # contains itself perhaps; the encoder will say so
        return False
    if kind in (list, tuple, set, frozenset):
        return any(is_live(v, depth + 1) for v in value)
    if kind is dict:
        return any(is_live(v, depth + 1) for v in value.values())
    if dataclasses.is_dataclass(kind) or (isinstance(value, tuple) and hasattr(kind, "_fields")):
        return any(is_live(getattr(value, n, None), depth + 1) for n in field_names(kind))
    return False
