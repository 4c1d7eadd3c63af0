"""What a task returns: how it becomes artifacts, and what its parts are."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args, get_origin

from ropewalk.author.hints import UNKNOWN, bare, resolve_hints
from ropewalk.core.expr import Step
from ropewalk.core.graph import OutputSpec
from ropewalk.core.values import path_of


class NoSuchPart(Exception):
    """A value of this type certainly has no such part; `known` are the names that it has."""

    def __init__(self, known: tuple[str, ...]) -> None:
        super().__init__(known)
        self.known = known


def output_spec(hint: Any, text: str) -> OutputSpec:
    """How a return value annotated so is kept: one artifact, or one for each field of a class or item of a tuple."""
    kind = bare(hint)
    if get_origin(kind) is tuple:
        count = fixed_length(kind)
        return OutputSpec("tuple", tuple(map(str, range(count))), text) if count else OutputSpec(type=text)
    owner = get_origin(kind) or kind
    fields = field_names(owner)
    if fields and "<" not in owner.__qualname__:  # a class inside a function could not be found again
        return OutputSpec("fields", fields, path_of(owner))
    return OutputSpec(type=text)


def field_names(kind: Any) -> tuple[str, ...]:
    """The fields of a NamedTuple or dataclass; of other types none."""
    kind = get_origin(kind) or kind
    if not isinstance(kind, type):
        return ()
    if dataclasses.is_dataclass(kind):
        return tuple(f.name for f in dataclasses.fields(kind))
    return tuple(kind._fields) if issubclass(kind, tuple) and hasattr(kind, "_fields") else ()


def fixed_length(hint: Any) -> int:
    """How many items a `tuple[A, B]` or NamedTuple has; 0 when that is not known."""
    hint = bare(hint)
    if get_origin(hint) is tuple:
        args = get_args(hint)
        return 0 if Ellipsis in args or args == ((),) else len(args)
    kind = get_origin(hint) or hint
    return len(field_names(kind)) if isinstance(kind, type) and issubclass(kind, tuple) else 0


def part(hint: Any, step: Step) -> tuple[Step, Any]:
    """One step into a value annotated so: the step as it is recorded, and what is known of the part's type.

    Fields are always reached as attributes and the items of a `tuple[A, B]` by their index from the front, so that
    only the artifact that is used is a dependency.

    Raises:
        NoSuchPart: a value of this type certainly has no such part.
    """
    hint = bare(hint)
    if hint is None:
        raise NoSuchPart(())
    owner = get_origin(hint) or hint
    if not isinstance(owner, type):
        return step, UNKNOWN
    fields = field_names(owner)
    if fields:
        return _field(owner, fields, step)
    if step[0] == "attr":
        return _attribute(owner, step)
    return _item(hint, owner, step)


def _field(owner: type, fields: tuple[str, ...], step: Step) -> tuple[Step, Any]:
    name = step[1]
    if isinstance(name, int) and issubclass(owner, tuple) and -len(fields) <= name < len(fields):
        name = fields[name]
    if name in fields:
        return ("attr", name), resolve_hints(owner).get(name, UNKNOWN)
    if step[0] == "attr" and hasattr(owner, name):
        return step, UNKNOWN  # a property
    raise NoSuchPart(fields)


def _attribute(owner: type, step: Step) -> tuple[Step, Any]:
    if owner.__module__ == "builtins" and not hasattr(owner, step[1]):
        raise NoSuchPart(())
    return step, UNKNOWN


def _item(hint: Any, owner: type, step: Step) -> tuple[Step, Any]:
    key, args = step[1], get_args(hint)
    count = fixed_length(hint)
    if count:
        if not isinstance(key, int) or not -count <= key < count:
            raise NoSuchPart(tuple(map(str, range(count))))
        return ("item", key % count), args[key]
    if owner in (list, tuple) and args:
        return step, args[0]
    if owner is dict and len(args) == 2:
        return step, args[1]
    if owner in (int, float, bool, complex, type(None)):
        raise NoSuchPart(())
    return step, UNKNOWN
