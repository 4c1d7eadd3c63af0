"""The parameters of a pipeline as JSON Schema, for forms and for the API."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import PurePath
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from ropewalk.author.convert import Doc, Range, annotation_of, is_structured
from ropewalk.author.hints import UNKNOWN, bare, is_union, resolve_hints
from ropewalk.author.params import Parameter

_SIMPLE: dict[Any, dict[str, Any]] = {
    bool: {"type": "boolean"}, int: {"type": "integer"}, float: {"type": "number"}, str: {"type": "string"},
    date: {"type": "string", "format": "date"}, datetime: {"type": "string", "format": "date-time"},
    NoneType: {"type": "null"}, None: {"type": "null"},
}  # fmt: skip


def parameter_schema(title: str, doc: str, parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    """JSON Schema (2020-12) of an object with a value for each parameter."""
    properties = {}
    for parameter in parameters:
        schema = type_schema(parameter.hint)
        if not parameter.spec.required:
            schema["default"] = _plain_json(parameter.default)
        properties[parameter.spec.name] = schema
    made = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "properties": properties,
        "required": [p.spec.name for p in parameters if p.spec.required],
        "additionalProperties": False,
    }
    return made | ({"description": doc} if doc else {})


def type_schema(hint: Any) -> dict[str, Any]:
    """JSON Schema of the values of one type; empty where anything goes."""
    limits, doc = annotation_of(hint, Range), annotation_of(hint, Doc)
    made = dict(_bare_schema(bare(hint)))
    if limits is not None:
        made |= {k: v for k, v in (("minimum", limits.minimum), ("maximum", limits.maximum)) if v is not None}
    return made | ({"description": doc.text} if doc else {})


def _bare_schema(hint: Any) -> dict[str, Any]:
    if hint is UNKNOWN:
        return {}
    if is_union(hint):
        return {"anyOf": [type_schema(option) for option in get_args(hint)]}
    if get_origin(hint) is Literal:
        return {"enum": list(get_args(hint))}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {"enum": list(hint.__members__)}
    if isinstance(hint, type) and issubclass(hint, PurePath):
        return {"type": "string", "format": "path"}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _object_schema(hint)
    return _SIMPLE.get(hint) or (_container_schema(hint) if is_structured(hint) else {})


def _container_schema(hint: Any) -> dict[str, Any]:
    origin, args = get_origin(hint) or hint, get_args(hint)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object"} | ({"additionalProperties": type_schema(args[1])} if args else {})
    if origin is tuple and args and Ellipsis not in args:
        return {"type": "array", "prefixItems": [type_schema(a) for a in args], "minItems": len(args), "items": False}
    unique = {"uniqueItems": True} if origin in (set, frozenset) else {}
    return {"type": "array"} | ({"items": type_schema(args[0])} if args else {}) | unique


def _object_schema(kind: type) -> dict[str, Any]:
    hints = resolve_hints(kind)
    fields = [f for f in dataclasses.fields(kind) if f.init]
    required = [f.name for f in fields if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING]
    return {
        "type": "object",
        "title": kind.__name__,
        "properties": {f.name: type_schema(hints.get(f.name, UNKNOWN)) for f in fields},
        "required": required,
        "additionalProperties": False,
    }


def _plain_json(value: Any) -> Any:
    """A default as JSON writes it."""
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, (PurePath, date)):
        return value.isoformat() if isinstance(value, date) else str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): _plain_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain_json(v) for v in value]
    return value
