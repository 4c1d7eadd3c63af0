"""Containers of heavy values: a JSON skeleton whose heavy leaves are artifacts of their own.

Of a dictionary of a frame, a model and a score, the frame stays memory-mapped, the model keeps its own format and the
score stays readable. What only pickle can keep is pickled together, so that objects shared by such leaves stay shared.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from ropewalk.artifacts.figures import Image
from ropewalk.artifacts.format import Format, Inexact, Sink, Source, count, is_a, label, shorten, type_name
from ropewalk.artifacts.pickles import PICKLE
from ropewalk.artifacts.plain import classes_importable, importable, is_named_tuple
from ropewalk.core import values
from ropewalk.core.artifact import ArtifactRef
from ropewalk.core.errors import UnstorableError

_MAX_DEPTH = 100
_PLAIN = frozenset({type(None), bool, int, float, str})
_HEAVY_BYTES = 1024  # a longer bytes object becomes an artifact of its own
_PEEKED_PARTS = 10


def _matches(value: Any) -> bool:
    kind = type(value)
    return kind in (dict, list, tuple) or (_field_names(kind) is not None and importable(kind))


def _field_names(kind: type) -> list[str] | None:
    """The parts of a NamedTuple or dataclass, None for other classes."""
    if is_named_tuple(kind):
        return list(getattr(kind, "_fields", ()))
    if dataclasses.is_dataclass(kind) and kind is not Image:
        return [field.name for field in dataclasses.fields(kind)]
    return None


def _write(value: Any, sink: Sink) -> None:
    pickled: list[Any] = []
    skeleton = _Skeleton(sink, pickled).of(value, "", 0)
    document = {"tree": skeleton}
    if pickled:
        document["pickled"] = sink.child(pickled, "", PICKLE).to_json()
    sink.write(json.dumps(document, separators=(",", ":"), check_circular=False).encode())


@dataclasses.dataclass(frozen=True, slots=True)
class _Skeleton:
    sink: Sink
    pickled: list[Any]  # leaves that only pickle can keep, by position

    def of(self, value: Any, step: str, depth: int) -> Any:
        """The value as JSON; `step` leads to it from the whole. Tags are those of `core.values`, and three more."""
        kind = type(value)
        if kind in _PLAIN:
            return value
        if depth > _MAX_DEPTH:
            raise Inexact  # it may contain itself, which only pickle can keep
        if kind is list:
            return self._items(value, step, depth)
        if kind is tuple:
            return {"$": "tuple", "v": self._items(value, step, depth)}
        if kind is dict:
            return self._dict(value, step, depth)
        if _matches(value):
            parts = {name: getattr(value, name) for name in _field_names(kind) or ()}
            content = {name: self.of(v, f"{step}.{name}", depth + 1) for name, v in parts.items()}
            return {"$": "object", "v": content, "t": values.path_of(kind)}
        return self._leaf(value, step)

    def _items(self, items: Any, step: str, depth: int) -> list[Any]:
        return [self.of(v, f"{step}[{i}]", depth + 1) for i, v in enumerate(items)]

    def _dict(self, value: dict[Any, Any], step: str, depth: int) -> Any:
        if all(type(key) is str for key in value) and "$" not in value:
            return {k: self.of(v, f"{step}[{label(k)}]", depth + 1) for k, v in value.items()}
        try:
            keys = values.encode(list(value))
        except (UnstorableError, RecursionError):
            raise Inexact from None
        if not classes_importable(keys):
            raise Inexact
        contents = self._items(value.values(), step, depth)
        return {"$": "dict", "v": [list(pair) for pair in zip(keys, contents, strict=True)]}

    def _leaf(self, value: Any, step: str) -> Any:
        data = _as_json(value)
        if data is not None:
            return data
        try:
            return {"$": "artifact", "v": self.sink.child(value, step).to_json()}
        except Inexact:
            self.pickled.append(value)
            return {"$": "pickled", "v": len(self.pickled) - 1}


def _as_json(value: Any) -> Any:
    """A leaf as JSON, None if it should be an artifact of its own."""
    if type(value) in (bytes, bytearray) and len(value) > _HEAVY_BYTES:
        return None
    if isinstance(value, Path) and value.exists():
        return None  # it stands for the content of the file
    if is_a(value, "numpy.generic") and value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:
        return {"$": "numpy", "v": [str(value.dtype), value.item()]}
    try:
        data = values.encode(value)
    except (UnstorableError, RecursionError):
        return None
    return data if classes_importable(data) else None


def _read(source: Source, type_name: str) -> Any:
    document = json.loads(bytes(source.data))
    pickled = source.child(ArtifactRef.from_json(document["pickled"])) if "pickled" in document else []
    return values.decode(_filled(document["tree"], source, pickled))


def _filled(data: Any, source: Source, pickled: list[Any]) -> Any:
    """The skeleton with its leaves in place; a leaf is never a list or dict, so `values.decode` leaves it alone."""
    if isinstance(data, list):
        return [_filled(v, source, pickled) for v in data]
    if not isinstance(data, dict):
        return data
    tag = data.get("$")
    if tag == "artifact":
        return source.child(ArtifactRef.from_json(data["v"]))
    if tag == "pickled":
        return pickled[data["v"]]
    if tag == "numpy":
        import numpy as np

        return np.dtype(data["v"][0]).type(data["v"][1])
    return {k: _filled(v, source, pickled) for k, v in data.items()}


def _preview(value: Any) -> str:
    if type(value) in (list, tuple):
        return count(len(value), "item")
    names = list(value) if type(value) is dict else _field_names(type(value)) or []
    heading = count(len(names), "item") if type(value) is dict else type_name(type(value)).rpartition(".")[2]
    return shorten(f"{heading}: {', '.join(map(str, names[:20]))}")


def _peek(source: Source, rows: int) -> dict[str, Any]:
    document = json.loads(bytes(source.data), parse_constant=str)
    parts: list[dict[str, Any]] = []
    shown = _shown(document["tree"], "", source, parts)
    return {"kind": "tree", "value": shown, "parts": parts}


def _shown(data: Any, step: str, source: Source, parts: list[dict[str, Any]]) -> Any:
    """The skeleton as plain JSON, with a line of text for each part; collects the parts, the first with content."""
    if isinstance(data, list):
        return [_shown(v, f"{step}[{i}]", source, parts) for i, v in enumerate(data)]
    if not isinstance(data, dict):
        return data
    tag, content = data.get("$"), data.get("v")
    if tag == "artifact":
        ref = ArtifactRef.from_json(data["v"])
        few = len(parts) < _PEEKED_PARTS
        parts.append({"path": step} | (source.peek(ref) if few else {"type": ref.type, "preview": ref.preview}))
        return f"{ref.type}: {ref.preview}"
    if tag == "pickled":
        return "(pickle)"
    if tag == "numpy":
        return data["v"][1]
    if tag in ("tuple", "object"):
        return _shown(content, step, source, parts)
    return {k: _shown(v, f"{step}[{label(k)}]", source, parts) for k, v in data.items()}


TREE = Format("tree", _matches, _write, _read, _preview, _peek)
