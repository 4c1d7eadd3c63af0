"""Plain Python values as typed JSON: `1`, `1.0`, `True` and `"1"` stay four different things.

What JSON has no word for is a tagged object, `{"$": "tuple", "v": [1, 2]}`. The text is deterministic, so
equal values of equal types have equal digests, in every process.
"""

from __future__ import annotations

import base64
import dataclasses
import enum
import hashlib
import importlib
import json
import sys
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Any
from uuid import UUID

from ropewalk.core.compact import compact
from ropewalk.core.errors import DefinitionError, UnstorableError

_PLAIN = frozenset({type(None), bool, int, float, str})
MAX_DEPTH = 200


def canonical(value: Any) -> bytes:
    """The value as deterministic JSON text.

    Raises:
        UnstorableError: some part of it is not a plain value; the message names the path to it.
    """
    if type(value) in _PLAIN:
        return compact(value).encode()
    return compact(encode(value)).encode()


def digest(data: bytes) -> str:
    """SHA-256 in lower-case hex: the name of everything that is addressed by content."""
    return hashlib.sha256(data).hexdigest()


def parse(text: bytes | str) -> Any:
    """The value that `canonical` wrote."""
    return decode(json.loads(text if isinstance(text, str) else text.decode()))


def encode(value: Any, path: str = "value", depth: int = 0) -> Any:
    """The value as JSON-able data with type tags; `path` is how an error names it."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if depth > MAX_DEPTH:
        raise UnstorableError(f"`{path[:80]}…` is nested deeper than {MAX_DEPTH} levels, or contains itself")
    if kind is list:
        return [encode(v, f"{path}[{i}]", depth + 1) for i, v in enumerate(value)]
    if kind is dict:
        return _encode_dict(value, path, depth)
    if kind is tuple:
        return _tag("tuple", [encode(v, f"{path}[{i}]", depth + 1) for i, v in enumerate(value)])
    if kind in (set, frozenset):
        items = [encode(v, f"{path}{{…}}", depth + 1) for v in value]
        return _tag(kind.__name__, sorted(items, key=compact))
    for types, name, to_data, _ in _SIMPLE:
        if kind in types:
            return _tag(name, to_data(value))
    if isinstance(value, PurePath):
        return _tag("path", str(value))
    return _encode_object(value, path, depth)


def _encode_dict(value: dict[Any, Any], path: str, depth: int) -> Any:
    if all(type(k) is str for k in value) and "$" not in value:
        return {k: encode(v, f"{path}[{k!r}]", depth + 1) for k, v in value.items()}
    pairs = [
        [encode(k, f"{path} key {k!r}", depth + 1), encode(v, f"{path}[{k!r}]", depth + 1)] for k, v in value.items()
    ]
    return _tag("dict", pairs)


def _encode_object(value: Any, path: str, depth: int) -> Any:
    kind = type(value)
    if isinstance(value, enum.Enum):
        return _tag("enum", value.name, kind)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in dataclasses.fields(value)]
    elif isinstance(value, tuple) and hasattr(kind, "_fields"):
        names = list(kind._fields)
    else:
        raise UnstorableError(
            f"`{path}` is a `{kind.__module__}.{kind.__qualname__}`, which is not a plain value",
            facts=["plain values are numbers, text, bytes, dates, paths, enums, dataclasses and containers of them"],
        )
    return _tag("object", {n: encode(getattr(value, n), f"{path}.{n}", depth + 1) for n in names}, kind)


def _tag(name: str, data: Any, kind: type | None = None) -> dict[str, Any]:
    tagged = {"$": name, "v": data}
    if kind is not None:
        tagged["t"] = path_of(kind)
    return tagged


def decode(data: Any) -> Any:
    """The value that `encode` turned into `data`; classes are imported by their path."""
    kind = type(data)
    if kind is list:
        return [decode(v) for v in data]
    if kind is not dict:
        return data
    tag = data.get("$")
    if tag is None:
        return {k: decode(v) for k, v in data.items()}
    return _DECODERS[tag](data)


def path_of(thing: Any) -> str:
    """Where a class or function can be found, "module:qualname"; of a running script by the name of its file."""
    module = str(thing.__module__)
    return f"{main_name() or module if module == '__main__' else module}:{thing.__qualname__}"


def main_name() -> str:
    """The name under which the running script could be imported; empty: none."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name).removesuffix(".__main__")
    file = str(getattr(main, "__file__", None) or "")
    return Path(file).stem if file.endswith(".py") else ""


def find(path: str) -> Any:
    """The object at "module:qualname"; what the running script defines is not imported a second time.

    Raises:
        ImportError, AttributeError: there is none.
    """
    module, _, name = path.partition(":")
    is_main = module == main_name() and module not in sys.modules
    target: Any = sys.modules["__main__"] if is_main else importlib.import_module(module)
    for part in name.split("."):
        target = getattr(target, part)
    return target


def _class(path: str) -> Any:
    try:
        return find(path)
    except (ImportError, AttributeError) as error:
        module = path.partition(":")[0]
        raise DefinitionError(
            f"a value of the class `{path}` cannot be read here: {error}",
            code="P320",
            facts=["a value is kept with the name of its class, which must be found where it is read"],
            help=[f"put `{module}.py` where Python finds it, or run the pipeline from its own folder"],
        ) from error


def show(data: Any) -> str:
    """A value in its encoding as a person would write it; no class is imported for that."""
    if isinstance(data, list):
        return f"[{', '.join(map(show, data))}]"
    if not isinstance(data, dict):
        return repr(data)
    tag, content = data.get("$"), data.get("v")
    if tag is None:
        return "{" + ", ".join(f"{key!r}: {show(value)}" for key, value in data.items()) + "}"
    if tag == "enum":
        return f"{data['t'].rpartition(':')[2]}.{content}"
    if tag == "object" and isinstance(content, dict):
        return f"{data['t'].rpartition(':')[2]}({', '.join(f'{k}={show(v)}' for k, v in content.items())})"
    if tag == "tuple" and isinstance(content, list):
        return f"({', '.join(map(show, content))}{',' if len(content) == 1 else ''})"
    if tag == "dict" and isinstance(content, list):
        return "{" + ", ".join(f"{show(key)}: {show(value)}" for key, value in content) + "}"
    if tag in ("set", "frozenset") and isinstance(content, list):
        return f"{{{', '.join(map(show, content))}}}" if content else f"{tag}()"
    return repr(decode(data))


def _decode_object(data: dict[str, Any]) -> Any:
    kind: type = _class(data["t"])
    fields = {k: decode(v) for k, v in data["v"].items()}
    if not dataclasses.is_dataclass(kind):
        return kind(**fields)
    made: Any = object.__new__(kind)  # not __init__, which may have side effects or leave fields out
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made


def _from_datetime(value: datetime) -> Any:
    """The text, and what it does not say: the name of the zone, and which of two equal readings of a clock is meant."""
    zone = getattr(value.tzinfo, "key", None)
    return [value.isoformat(), zone, value.fold] if zone or value.fold else value.isoformat()


def _from_time(value: time) -> Any:
    return [value.isoformat(), value.fold] if value.fold else value.isoformat()


def _to_time(data: Any) -> time:
    return time.fromisoformat(data) if type(data) is str else time.fromisoformat(data[0]).replace(fold=data[1])


def _to_datetime(data: Any) -> datetime:
    if isinstance(data, str):
        return datetime.fromisoformat(data)
    from zoneinfo import ZoneInfo  # loads the interpreter's build settings, which few values are worth

    text, zone, fold = data
    value = datetime.fromisoformat(text)
    return value.replace(tzinfo=ZoneInfo(zone) if zone else value.tzinfo, fold=fold)


_Simple = tuple[tuple[type, ...], str, Callable[[Any], Any], Callable[[Any], Any]]
_SIMPLE: tuple[_Simple, ...] = (
    ((bytes,), "bytes", lambda v: base64.b64encode(v).decode(), base64.b64decode),
    ((bytearray,), "bytearray", lambda v: base64.b64encode(v).decode(), lambda d: bytearray(base64.b64decode(d))),
    ((datetime,), "datetime", _from_datetime, _to_datetime),
    ((date,), "date", date.isoformat, date.fromisoformat),
    ((time,), "time", _from_time, _to_time),
    ((timedelta,), "timedelta", lambda v: [v.days, v.seconds, v.microseconds], lambda d: timedelta(*d)),
    ((Decimal,), "decimal", str, Decimal),
    ((UUID,), "uuid", str, UUID),
    ((complex,), "complex", lambda v: [v.real, v.imag], lambda d: complex(*d)),
    ((range,), "range", lambda v: [v.start, v.stop, v.step], lambda d: range(*d)),
)

_DECODERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "tuple": lambda d: tuple(decode(v) for v in d["v"]),
    "set": lambda d: {decode(v) for v in d["v"]},
    "frozenset": lambda d: frozenset(decode(v) for v in d["v"]),
    "dict": lambda d: {decode(k): decode(v) for k, v in d["v"]},
    "path": lambda d: Path(d["v"]),
    "enum": lambda d: _class(d["t"])[d["v"]],
    "object": _decode_object,
}


def _untag(from_data: Callable[[Any], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda data: from_data(data["v"])


_DECODERS.update({name: _untag(from_data) for _, name, _, from_data in _SIMPLE})


def fields_of(policy: Any) -> dict[str, Any]:
    """The fields of a dataclass as JSON-able data; `asdict` takes twenty times as long, which large graphs feel."""
    found = {name: getattr(policy, name) for name in policy.__dataclass_fields__}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}
