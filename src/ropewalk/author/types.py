"""Whether a value of one type can go where another is wanted. Only what is certain counts as a misfit."""

from __future__ import annotations

import types
import typing
from collections import abc
from typing import Any, Literal, TypeVar, get_args, get_origin

from ropewalk.author.hints import UNKNOWN, bare, is_union

_NUMBERS: dict[type, tuple[type, ...]] = {float: (int,), complex: (int, float)}  # what a checker takes as well
_ONE_ARGUMENT = (list, set, frozenset, abc.Sequence, abc.Iterable, abc.Collection, abc.Set, abc.MutableSequence)
_TWO_ARGUMENTS = (dict, abc.Mapping, abc.MutableMapping)
MAX_ITEMS = 1000  # items of a constant that are looked at


def fits(produced: Any, wanted: Any, *, exact: bool = False) -> bool:
    """Whether a value annotated `produced` may be passed as `wanted`; False only when it certainly may not.

    Args:
        exact: the value is of this very type, not perhaps of a class derived from it.
    """
    if produced is wanted:  # as a rule
        return True
    produced, wanted = bare(produced), bare(wanted)
    if _says_nothing(produced) or _says_nothing(wanted):
        return True
    if is_union(produced):
        return any(fits(option, wanted, exact=exact) for option in get_args(produced))
    if is_union(wanted):
        return any(fits(produced, option, exact=exact) for option in get_args(wanted))
    if get_origin(wanted) is Literal:
        return _fits_literal(produced, wanted)
    if get_origin(produced) is Literal:
        return any(fits(type(choice), wanted, exact=True) for choice in get_args(produced))
    return _fits_class(produced, wanted, exact)


def accepts(value: Any, wanted: Any) -> bool:
    """Whether a constant may be passed as `wanted`; False only when it certainly may not."""
    if type(value) is wanted:  # as a rule
        return True
    wanted = bare(wanted)
    if _says_nothing(wanted):
        return True
    if is_union(wanted):
        return any(accepts(value, option) for option in get_args(wanted))
    if get_origin(wanted) is Literal:
        return any(value == choice and type(value) is type(choice) for choice in get_args(wanted))
    if not fits(type(value), wanted, exact=True):
        return False
    return all(accepts(part, hint) for part, hint in _parts(value, wanted))


def item_of(hint: Any) -> Any:
    """What the items of a collection are annotated to be; UNKNOWN when it does not say."""
    hint = bare(hint)
    origin, args = get_origin(hint), get_args(hint)
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        return args[0]
    if isinstance(origin, type) and len(args) == 1 and _is_any(origin, _ONE_ARGUMENT):
        return args[0]
    return UNKNOWN


def is_listable(hint: Any) -> bool:
    """Whether a value so annotated can be taken apart item by item; False only when it certainly cannot."""
    hint = bare(hint)
    if _says_nothing(hint):
        return True
    if is_union(hint):
        return any(is_listable(option) for option in get_args(hint))
    kind = _class_of(hint)
    return kind is None or (issubclass(kind, abc.Iterable) and not issubclass(kind, (str, bytes, abc.Mapping)))


def _says_nothing(hint: Any) -> bool:
    return hint is UNKNOWN or hint is object or isinstance(hint, (str, TypeVar, typing.ForwardRef))


def _fits_literal(produced: Any, wanted: Any) -> bool:
    choices = get_args(wanted)
    if get_origin(produced) is Literal:
        return bool(set(choices) & set(get_args(produced)))
    return any(fits(type(choice), produced) or fits(produced, type(choice)) for choice in choices)


def _fits_class(produced: Any, wanted: Any, exact: bool) -> bool:
    have, want = _class_of(produced), _class_of(wanted)
    if have is None or want is None or getattr(want, "_is_protocol", False):
        return True
    if have in _NUMBERS.get(want, ()) or (have is bool and want in (float, complex)):
        return True
    try:
        if issubclass(have, want):
            return _arguments_fit(produced, wanted)
        return not exact and issubclass(want, have)  # what is annotated with a base class may well be the wanted one
    except TypeError:  # a class that refuses to be asked
        return True


def _arguments_fit(produced: Any, wanted: Any) -> bool:
    have, want = get_args(produced), get_args(wanted)
    origins = (get_origin(produced), get_origin(wanted))
    if not have or not want or not all(isinstance(o, type) for o in origins):
        return True
    if origins[0] is tuple:
        return _tuple_fits(have, wanted)
    if len(have) == len(want) == 1 and all(_is_any(o, _ONE_ARGUMENT) for o in origins):
        return fits(have[0], want[0])
    if len(have) == len(want) == 2 and all(_is_any(o, _TWO_ARGUMENTS) for o in origins):
        return fits(have[0], want[0]) and fits(have[1], want[1])
    return True


def _tuple_fits(have: tuple[Any, ...], wanted: Any) -> bool:
    want = get_args(wanted)
    if get_origin(wanted) is not tuple or Ellipsis in want:
        items = [h for h in have if h is not Ellipsis]
        return all(fits(item, want[0]) for item in items)
    if Ellipsis in have:
        return all(fits(have[0], w) for w in want)
    return len(have) == len(want) and all(fits(h, w) for h, w in zip(have, want, strict=True))


def _parts(value: Any, wanted: Any) -> list[tuple[Any, Any]]:
    """What is inside a constant, with what is wanted of it."""
    args = get_args(wanted)
    if not args or isinstance(value, (str, bytes)):
        return []
    if isinstance(value, dict):
        pairs = list(value.items())[:MAX_ITEMS]
        return [(k, args[0]) for k, _ in pairs] + [(v, args[1]) for _, v in pairs] if len(args) == 2 else []
    if not isinstance(value, (list, tuple, set, frozenset)):
        return []
    if get_origin(wanted) is tuple and Ellipsis not in args:
        # of a length that cannot fit, nothing fits
        return list(zip(value, args, strict=True)) if len(value) == len(args) else [(value, Literal["another length"])]
    return [(v, args[0]) for v in list(value)[:MAX_ITEMS]]


def _class_of(hint: Any) -> type | None:
    """The class that a value of this type has; None when that is not certain."""
    if hint is None:
        return type(None)
    kind = get_origin(hint) or hint
    if kind in (abc.Callable, type) or not isinstance(kind, type) or isinstance(kind, types.GenericAlias):
        return None
    if typing.is_typeddict(kind):
        return dict
    return kind


def _is_any(kind: Any, known: tuple[type, ...]) -> bool:
    return any(kind is k for k in known)
