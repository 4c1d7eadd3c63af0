"""Parameters of a pipeline: what its signature says of them, and the values given for them."""

from __future__ import annotations

import enum
import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path, PurePath
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from ropewalk.author.callsite import CallSite
from ropewalk.author.constants import plain
from ropewalk.author.convert import Doc, Range, Unfit, annotation_of, convert, is_structured
from ropewalk.author.hints import UNKNOWN, annotation_text, bare, is_union, resolve_hints, show_type
from ropewalk.core.errors import DefinitionError, UnstorableError, UsageError, Where, did_you_mean
from ropewalk.core.graph import ParamSpec
from ropewalk.core.values import encode

_WORDS: dict[Any, str] = {
    int: "a whole number", float: "a number", bool: "true or false", str: "a text", Path: "a path",
    date: "a date", datetime: "a date and time",
}  # fmt: skip
_NAMES: dict[Any, str] = {int: "int", float: "float", bool: "bool", str: "str", Path: "path", date: "date",
                          datetime: "datetime"}  # fmt: skip
_EXAMPLES = {"int": "1", "float": "0.1", "bool": "true", "str": "text", "path": "data.csv", "date": "2026-01-31",
             "datetime": "2026-01-31T08:30", "json": "'[1, 2]'"}  # fmt: skip

MAX_LISTED = 30  # names in a message


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter, as data and as Python knows it."""

    spec: ParamSpec
    hint: Any
    default: Any


def parameters(function: Callable[..., Any], declared: CallSite) -> tuple[Parameter, ...]:
    """The parameters that a pipeline's signature declares.

    Raises:
        DefinitionError: a default does not fit its annotation, or cannot be kept.
    """
    hints = resolve_hints(function)
    return tuple(
        _parameter(p, hints.get(p.name, UNKNOWN), declared) for p in inspect.signature(function).parameters.values()
    )


def _parameter(parameter: inspect.Parameter, hint: Any, declared: CallSite) -> Parameter:
    required = parameter.default is parameter.empty
    default = None if required else parameter.default
    if bare(hint) is UNKNOWN and type(default) in _WORDS:
        hint = type(default)
    spec = parameter_spec(parameter.name, hint, parameter.annotation, required=required)
    if required:
        return Parameter(spec, hint, None)
    try:
        value = None if default is None else convert(plain(default), hint, text=False)
        return Parameter(replace(spec, default=encode(value)), hint, value)
    except (Unfit, UnstorableError) as problem:
        raise DefinitionError(
            f"the default of `{parameter.name}` is {_short(default)}, but it must be {expected(spec, hint)}",
            code="P226",
            where=declared.where(),
            facts=list(filter(None, [getattr(problem, "title", str(problem))])),
            help=["change the default or the annotation"],
        ) from None


def parameter_spec(name: str, hint: Any, annotation: Any, *, required: bool = False) -> ParamSpec:
    """A parameter as data, without its default; `annotation` is what the author wrote."""
    limits, doc = annotation_of(hint, Range) or Range(), annotation_of(hint, Doc)
    kind = kind_of(hint) or annotation_text(annotation)
    return ParamSpec(
        name, kind, required, None, limits.minimum, limits.maximum, choices_of(hint), doc.text if doc else ""
    )


def kind_of(hint: Any) -> str:
    """The kind of a parameter for people and forms; empty: none that a command line knows."""
    hint = bare(hint)
    if is_union(hint):
        kinds = {kind_of(option) for option in get_args(hint) if option is not NoneType}
        return kinds.pop() if len(kinds) == 1 else ("json" if is_structured(hint) else "")
    if get_origin(hint) is Literal:
        kinds = {_NAMES.get(type(choice), "") for choice in get_args(hint)}
        return kinds.pop() if len(kinds) == 1 else "str"
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return "str"
    if isinstance(hint, type) and issubclass(hint, PurePath):
        return "path"
    return _NAMES.get(hint, "json" if is_structured(hint) else "")


def choices_of(hint: Any) -> tuple[Any, ...]:
    """The values that a parameter may have, where they can be listed: of an Enum the names."""
    hint = bare(hint)
    if get_origin(hint) is Literal:
        return get_args(hint)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return tuple(hint.__members__)
    if is_union(hint):
        options = [option for option in get_args(hint) if option is not NoneType]
        return choices_of(options[0]) if len(options) == 1 else ()
    return ()


def expected(spec: ParamSpec, hint: Any) -> str:
    """What a value must be: `a whole number from 1 to 12 (int)`."""
    if spec.choices:
        return f"one of {', '.join(map(str, spec.choices))}"
    words = next((w for kind, w in _WORDS.items() if _NAMES[kind] == spec.type), "a value")
    if spec.minimum is not None and spec.maximum is not None:
        words += f" from {spec.minimum:g} to {spec.maximum:g}"
    elif spec.minimum is not None:
        words += f" of at least {spec.minimum:g}"
    elif spec.maximum is not None:
        words += f" of at most {spec.maximum:g}"
    return f"{words} ({show_type(hint)})"


def example(spec: ParamSpec) -> str:
    """A value that would do, as typed in a shell."""
    if spec.choices:
        return str(spec.choices[0])
    if spec.type in ("int", "float", "bool") and spec.default is not None:
        return str(spec.default).lower()
    if spec.type in ("int", "float") and spec.minimum is not None:
        return f"{spec.minimum:g}"
    return _EXAMPLES.get(spec.type, "…")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one parameter, in the words of a list and of a sentence."""

    given: str  # e.g. "month=13"; of a missing one its name
    short: str  # e.g. "expects a whole number from 1 to 12 (int)"
    title: str
    facts: tuple[str, ...] = ()
    help: tuple[str, ...] = ()  # a setting to type starts with "-p "
    declared: str = ""  # place, e.g. "pipeline.py:17"


def bind_params(
    owner: str,
    declared: CallSite,
    known: Sequence[Parameter],
    given: Mapping[str, Any] | Iterable[tuple[str, Any]],
    *,
    text: bool = False,
) -> dict[str, Any]:
    """A value for every parameter, defaults included.

    Args:
        owner: name of the pipeline, for messages.
        declared: where it is declared.
        known: its parameters.
        given: values by name, or pairs, in which a name may come twice by mistake.
        text: texts among the values were typed on a command line, and are parsed.

    Raises:
        UsageError: unknown, missing, repeated or unfit parameters; all of them are named.
    """
    pairs = list(given.items()) if isinstance(given, Mapping) else list(given)
    by_name = {p.spec.name: p for p in known}
    values: dict[str, Any] = {p.spec.name: p.default for p in known}
    problems = [
        Problem(name, f"is given {count} times", f"parameter `{name}` is given {count} times")
        for name, count in Counter(name for name, _ in pairs).items()
        if count > 1
    ]
    for name, value in dict(pairs).items():
        if name not in by_name:
            problems.append(unknown_problem(owner, name, value, by_name))
            continue
        try:
            values[name] = _value(by_name[name], plain(value), text)
        except Unfit as unfit:
            problems.append(unfit_problem(owner, by_name[name], value, str(unfit), str(declared)))
    names = {name for name, _ in pairs}
    problems += [_missing(owner, p, str(declared)) for p in known if p.spec.required and p.spec.name not in names]
    if problems:
        raise parameter_error(owner, problems, declared, text=text)
    return values


def _value(parameter: Parameter, value: Any, text: bool) -> Any:
    if value is None and parameter.default is None and not parameter.spec.required:
        return None  # `month: int = None` says that None is fine
    return convert(value, parameter.hint, text=text)


def parameter_error(owner: str, problems: list[Problem], declared: CallSite, *, text: bool) -> UsageError:
    """One error for all problems with the parameters of a pipeline."""
    prefix = "ropewalk run -p " if text else ""
    fixes = [line.replace("-p ", prefix, 1) if line.startswith("-p ") else line for p in problems for line in p.help]
    where = declared.where()
    if len(problems) == 1:
        only = problems[0]
        facts = list(only.facts)
        if text:
            where = Where(f"command line, -p {only.given}" if "=" in only.given else "command line")
            facts += [f"declared at {only.declared}"] if only.declared else []
        return UsageError(only.title, code="P104", where=where, facts=facts, help=fixes)
    width = max(len(p.given) for p in problems)
    lines = [f"{p.given:<{width}}  {p.short}{', ' + p.declared if p.declared else ''}" for p in problems]
    title = f"{len(problems)} problems with the parameters of `{owner}`"
    return UsageError(
        title, code="P104", where=Where("command line") if text else where, facts=lines, help=dict.fromkeys(fixes)
    )


def unknown_problem(owner: str, name: str, value: Any, known: Iterable[str]) -> Problem:
    """A name that is none of `known`."""
    names = sorted(known)
    guess = did_you_mean(name, names)
    shown = _short(value)
    return Problem(
        f"{name}={shown}",
        "unknown" + (f"; did you mean `{guess}`?" if guess else ""),
        f"unknown parameter `{name}`",
        (f"{owner} has: {_listed(names)}",),
        (f"did you mean `{guess}`?", f"-p {guess}={shown}") if guess else (),
    )


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:MAX_LISTED])
    return shown + (f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else "") or "no parameters"


def unfit_problem(owner: str, parameter: Parameter, value: Any, reason: str, declared: str) -> Problem:
    """A value that is not what a parameter expects."""
    spec, shown = parameter.spec, _short(value)
    words = expected(spec, parameter.hint)
    guess = did_you_mean(str(value), map(str, spec.choices))
    fixes = [f"did you mean `{guess}`?"] if guess else []
    return Problem(
        f"{spec.name}={shown}",
        f"expects {words}" + (f": {reason}" if reason else ""),
        f"parameter `{spec.name}` of `{owner}` expects {words}, not `{shown}`",
        (reason,) if reason else (),
        (*fixes, f"-p {spec.name}={guess or example(spec)}"),
        declared,
    )


def _missing(owner: str, parameter: Parameter, declared: str) -> Problem:
    spec = parameter.spec
    words = expected(spec, parameter.hint)
    return Problem(
        spec.name,
        f"required, and has no default; expects {words}",
        f"parameter `{spec.name}` of `{owner}` is required, and has no default",
        (f"it expects {words}",),
        (f"-p {spec.name}={example(spec)}",),
        declared,
    )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = text.encode("unicode_escape").decode() if not text.isprintable() else text
    return text if len(text) <= 60 else text[:59] + "…"
