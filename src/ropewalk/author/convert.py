"""Values of parameters from text, from JSON and from Python, by annotation and without guessing."""

from __future__ import annotations

import dataclasses
import enum
import math
import re
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, get_args, get_origin

from ropewalk.author.hints import UNKNOWN, bare, is_union, resolve_hints, show_type
from ropewalk.author.strict_json import BadJson, parse_json
from ropewalk.author.types import accepts

_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")
_INT = re.compile(r"[+-]?[0-9]+")
_LISTS = (list, tuple, set, frozenset, Sequence, Collection, Iterable, AbstractSet)
_MAPPINGS = (dict, Mapping)


class Unfit(Exception):
    """A value does not fit; the message says what is wrong with it, and is empty when that is plain."""


@dataclass(frozen=True, slots=True)
class Range:
    """Limits of a number, both included: `Annotated[int, Range(1, 12)]`."""

    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class Doc:
    """What a parameter means: `Annotated[float, Doc("least acceptable AUC")]`."""

    text: str


def annotation_of(hint: Any, kind: type) -> Any:
    """The `Range` or `Doc` in an `Annotated[...]`; None when there is none."""
    if get_origin(hint) is not Annotated:
        return None
    return next((extra for extra in get_args(hint)[1:] if isinstance(extra, kind)), None)


def convert(value: Any, hint: Any, *, text: bool) -> Any:
    """The value for a parameter annotated so; `text` says that it comes from a command line.

    Raises:
        Unfit: it does not fit, or lies outside its range.
    """
    made = from_text(value, hint) if text and isinstance(value, str) else from_python(value, hint)
    limits = annotation_of(hint, Range)
    if limits is not None and not _within(made, limits):
        raise Unfit("")
    return made


def _within(value: Any, limits: Range) -> bool:
    if value is None:
        return True
    if isinstance(value, (list, tuple)):
        return all(_within(v, limits) for v in value)
    low = limits.minimum is None or value >= limits.minimum
    return low and (limits.maximum is None or value <= limits.maximum)


def from_text(text: str, hint: Any) -> Any:
    """A value from a command line.

    Raises:
        Unfit: the text does not mean a value of this type.
    """
    hint = bare(hint)
    if hint is UNKNOWN or hint is str:
        return text
    if is_union(hint):
        options = [o for o in get_args(hint) if not (o is types.NoneType and str in get_args(hint))]
        return _first(options, lambda option: from_text(text, option))  # "none" is a text where texts are allowed
    if get_origin(hint) is Literal:
        return _choice(text, {str(c): c for c in get_args(hint)})
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _choice(text, {**{str(m.value): m for m in hint}, **hint.__members__})
    parse = _PARSERS.get(Path if _is_path(hint) else hint)
    if parse is not None:
        try:
            return parse(text)
        except ValueError as error:
            raise Unfit(str(error)) from error
    if is_structured(hint):
        try:
            return from_json(parse_json(text), hint)
        except BadJson as error:
            raise Unfit(f"not valid JSON: {error}") from error
    raise Unfit("it cannot be given as text")


def from_json(data: Any, hint: Any, at: str = "") -> Any:
    """A value from JSON, whose arrays and objects become what the annotation says.

    Raises:
        Unfit: it does not fit; the message names the place inside.
    """
    hint = bare(hint)
    if hint is UNKNOWN:
        return data
    if is_union(hint):
        return _first(get_args(hint), lambda option: from_json(data, option, at))
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _object(data, hint, at)
    origin = get_origin(hint) or hint
    if origin in _LISTS:
        return _list(data, hint, at, from_json)
    if origin in _MAPPINGS:
        return _mapping(data, hint, at, from_json)
    if isinstance(data, str) and hint is not str and get_origin(hint) is not Literal:
        return _at(at, lambda: from_text(data, hint)) if _written_as_text(hint) else _refuse(data, hint, at)
    return _leaf(data, hint, at)


def from_python(value: Any, hint: Any, at: str = "") -> Any:
    """A value given in Python: of the annotated type already, but for int as float and str as path.

    Raises:
        Unfit: it is of another type; the message names the place inside.
    """
    hint = bare(hint)
    if hint is UNKNOWN:
        return value
    if is_union(hint):
        return _first(get_args(hint), lambda option: from_python(value, option, at))
    origin = get_origin(hint) or hint
    if origin in _LISTS and isinstance(value, (list, tuple, set, frozenset, range)):
        return _list(value, hint, at, from_python)
    if origin in _MAPPINGS and isinstance(value, dict):
        return _mapping(value, hint, at, from_python)
    if isinstance(value, str) and _is_path(hint):
        return _at(at, lambda: _path(value))
    return _leaf(value, hint, at)


def is_structured(hint: Any) -> bool:
    """Whether values of this type are written as JSON on a command line."""
    hint = bare(hint)
    if is_union(hint):
        return any(is_structured(option) for option in get_args(hint))
    origin = get_origin(hint) or hint
    return origin in (*_LISTS, *_MAPPINGS) or (dataclasses.is_dataclass(hint) and isinstance(hint, type))


def _leaf(value: Any, hint: Any, at: str) -> Any:
    """A value that is no container: exactly the type that is wanted."""
    if hint is float and type(value) is int:
        return _at(at, lambda: _finite(float(value)))
    if hint in (int, float) and isinstance(value, bool):
        return _refuse(value, hint, at)
    if hint is date and isinstance(value, datetime):
        return _refuse(value, hint, at)
    if isinstance(value, float) and not math.isfinite(value):
        return _refuse(value, hint, at)
    return value if accepts(value, hint) else _refuse(value, hint, at)


def _list(value: Any, hint: Any, at: str, one: Callable[[Any, Any, str], Any]) -> Any:
    if isinstance(value, str) or not isinstance(value, (list, tuple, set, frozenset, range)):
        return _refuse(value, hint, at)
    origin, args = get_origin(hint) or hint, get_args(hint)
    items = list(value)
    if origin is tuple and args and Ellipsis not in args:
        if len(items) != len(args):
            raise Unfit(_here(at, f"has {len(items)} items instead of {len(args)}"))
        hints = list(args)
    else:
        hints = [args[0] if args else UNKNOWN] * len(items)
    made = [one(v, h, f"{at}[{i}]") for i, (v, h) in enumerate(zip(items, hints, strict=True))]
    return origin(made) if origin in (tuple, set, frozenset) else made


def _mapping(value: Any, hint: Any, at: str, one: Callable[[Any, Any, str], Any]) -> dict[Any, Any]:
    if not isinstance(value, dict):
        _refuse(value, hint, at)
    args = get_args(hint) or (UNKNOWN, UNKNOWN)
    made = {}
    for key, item in value.items():
        place = f"{at}[{key!r}]"
        made[_key(key, args[0], place, one)] = one(item, args[1], place)
    return made


def _key(key: Any, hint: Any, place: str, one: Callable[[Any, Any, str], Any]) -> Any:
    """A key of a mapping; those of JSON are texts whatever they mean."""
    return _at(place, lambda: from_text(key, hint)) if one is from_json else one(key, hint, place)


def _object(data: Any, kind: type, at: str) -> Any:
    """A dataclass from a JSON object."""
    if not isinstance(data, dict):
        return _refuse(data, kind, at)
    fields = {f.name: f for f in dataclasses.fields(kind) if f.init}
    unknown = sorted(set(data) - set(fields))
    if unknown:
        raise Unfit(_here(at, f"has no field {unknown[0]!r}; the fields are {', '.join(fields)}"))
    hints = resolve_hints(kind)
    missing = [
        n
        for n, f in fields.items()
        if n not in data and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise Unfit(_here(at, f"lacks the field {missing[0]!r}"))
    try:
        return kind(**{n: from_json(v, hints.get(n, UNKNOWN), f"{at}.{n}") for n, v in data.items()})
    except (TypeError, ValueError) as error:  # what its __post_init__ finds
        raise Unfit(_here(at, str(error))) from error


def _first(options: Iterable[Any], make: Callable[[Any], Any]) -> Any:
    """What the first option that fits makes of it."""
    problem = Unfit("")
    for option in sorted(options, key=lambda o: o is str):  # text fits everything, so it comes last
        try:
            return make(option)
        except Unfit as unfit:
            problem = unfit if str(unfit) else problem
    raise problem


def _choice(text: str, choices: dict[str, Any]) -> Any:
    if text not in choices:
        raise Unfit("")
    return choices[text]


def _bool(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError("")


def _int(text: str) -> int:
    if not _INT.fullmatch(text):
        raise ValueError("")
    if len(text) > 4000:
        raise ValueError("it has more than 4000 digits")
    return int(text)


def _float(text: str) -> float:
    if "_" in text:
        raise ValueError("")
    try:
        return _finite(float(text))
    except ValueError:
        raise ValueError("") from None


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError("it is not finite")
    return number


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError("a path is not empty and holds no NUL")
    return Path(text)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("a date is written 2026-01-31") from None


def _datetime(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("a time is written 2026-01-31T08:30:00+00:00") from None


def _none(text: str) -> None:
    if text.lower() not in ("none", "null"):
        raise ValueError("")


_PARSERS: dict[Any, Callable[[str], Any]] = {
    bool: _bool, int: _int, float: _float, Path: _path, date: _date, datetime: _datetime,
    types.NoneType: _none, None: _none,
}  # fmt: skip


def _is_path(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, PurePath)


def _written_as_text(hint: Any) -> bool:
    """Whether JSON holds a value of this type as a text: what JSON has no word for."""
    return isinstance(hint, type) and issubclass(hint, (PurePath, date, enum.Enum))


def _at(at: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except (Unfit, ValueError) as error:
        raise Unfit(_here(at, str(error) or "does not fit")) from error


def _here(at: str, problem: str) -> str:
    return f"value{at} {problem}" if at else problem


def _refuse(value: Any, hint: Any, at: str) -> Any:
    raise Unfit(_here(at, f"is {value!r:.60}, not {show_type(hint)}") if at else "")
