"""Binding the arguments of a task call: by the rules of Python, by type, and as expressions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ropewalk.author.callsite import CallSite, here
from ropewalk.author.constants import literal
from ropewalk.author.each import MAX_ITEMS, Each, mapped_length
from ropewalk.author.express import express
from ropewalk.author.hints import signature_text
from ropewalk.author.misfit import check_type
from ropewalk.author.refs import is_reference
from ropewalk.core import expr as ex
from ropewalk.core.errors import DefinitionError, UnstorableError, did_you_mean
from ropewalk.core.graph import MapSpec
from ropewalk.core.values import MAX_DEPTH

if TYPE_CHECKING:
    from ropewalk.author.trace import Trace


class Callee(Protocol):
    """A task or a pipeline, as far as calling it goes."""

    @property
    def name(self) -> str: ...
    @property
    def fn(self) -> Callable[..., Any]: ...
    @property
    def signature(self) -> inspect.Signature: ...
    @property
    def hints(self) -> Mapping[str, Any]: ...
    @property
    def declared(self) -> CallSite: ...


@dataclass(frozen=True, slots=True)
class Bound:
    """The arguments of one call in terms of the graph."""

    bindings: dict[str, ex.Expr]
    map: MapSpec | None
    length: int | None  # of a mapped call, where it is known


def bind(task: Callee, args: tuple[Any, ...], kwargs: Mapping[str, Any], trace: Trace) -> Bound:
    """Every parameter of the task with what it is bound to; defaults are made explicit.

    Raises:
        DefinitionError: the call does not fit the signature, an argument does not fit its annotation, or a
            constant is not a plain value.
    """
    given = arguments(task, args, kwargs)
    mapped = {name: value for name, value in given.items() if isinstance(value, Each)}
    for name, value in given.items():
        check_type(task, name, value)
    defaults = {
        p.name: p.default
        for p in task.signature.parameters.values()
        if p.name not in given and p.default is not inspect.Parameter.empty
    }
    values = {**defaults, **given}
    names = [*task.signature.parameters, *(name for name in given if name not in task.signature.parameters)]
    bindings = {name: _express(task, name, values[name], trace) for name in names if name in values}
    if not mapped:
        return Bound(bindings, None, None)
    return Bound(bindings, map_spec(task, mapped), mapped_length(list(mapped.values())))


def arguments(callee: Callee, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """What was given for which parameter, those of `**kwargs` among them.

    Raises:
        DefinitionError: unknown, missing or repeated arguments; all of them are named.
    """
    problems, fixes = _misfits(callee.signature, args, kwargs)
    if problems:
        one = len(problems) == 1
        raise DefinitionError(
            f"call of `{callee.name}`: {problems[0]}" if one else f"call of `{callee.name}`: {len(problems)} problems",
            code="P203",
            where=here().where(),
            facts=[
                *([] if one else problems),
                f"`{signature_text(callee.name, callee.fn)}` is declared at {callee.declared}",
            ],
            help=fixes,
        )
    given = callee.signature.bind_partial(*args, **kwargs).arguments
    rest = _rest_name(callee.signature)
    extra = given.pop(rest, {}) if rest else {}
    return {**given, **extra}


def _misfits(
    signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[list[str], list[str]]:
    parameters = signature.parameters
    positional = [p.name for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    problems, fixes = [], []
    if len(args) > len(positional):
        problems.append(f"{len(args)} positional arguments, but it takes {len(positional)}")
    taken = set(positional[: len(args)])
    known = [p.name for p in parameters.values() if p.kind is not p.VAR_KEYWORD]
    for name in kwargs:
        if name in taken:
            problems.append(f"`{name}` is given twice")
        elif name not in known and not _rest_name(signature):
            problems.append(f"there is no parameter `{name}`")
            guess = did_you_mean(name, [k for k in known if k not in kwargs])
            fixes += [f"did you mean `{guess}`?"] if guess else []
    missing = [
        p.name
        for p in parameters.values()
        if p.default is p.empty and p.kind is not p.VAR_KEYWORD and p.name not in taken and p.name not in kwargs
    ]
    if missing:
        problems.append(f"{', '.join(f'`{m}`' for m in missing)} {'is' if len(missing) == 1 else 'are'} missing")
        fixes.append("add " + ", ".join(f"{m}=…" for m in missing))
    return problems, fixes


def _rest_name(signature: inspect.Signature) -> str:
    return next((p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD), "")


def _express(task: Callee, name: str, value: Any, trace: Trace) -> ex.Expr:
    if isinstance(value, Each):
        value = value.items
    try:
        return express(value, trace, name)
    except UnstorableError as problem:
        if trace.keep is not None:
            return ex.Held(trace.keep(value))
        raise DefinitionError(
            f"`{task.name}` is given a `{type(value).__name__}` for `{name}`, which a graph cannot hold",
            code="P204",
            where=here().where(),
            facts=[problem.title, *problem.facts, f"`{task.name}` is declared at {task.declared}"],
            help=[_advice(_culprit(value))],
        ) from None


def _culprit(value: Any, depth: int = 0) -> Any:
    """The innermost part that is to blame, inside lists, tuples and dicts."""
    parts = value.values() if type(value) is dict else value if type(value) in (list, tuple) else ()
    for part in parts if depth < MAX_DEPTH else ():
        if type(part) in (list, tuple, dict):
            found = _culprit(part, depth + 1)
            if found is not part:
                return found
        elif not is_reference(part) and not _is_plain(part):
            return part
    return value


def _is_plain(value: Any) -> bool:
    try:
        literal(value)
    except UnstorableError:
        return False
    return True


def _advice(value: Any) -> str:
    if isinstance(value, Each):
        return "each(...) must be an argument itself, not a part of one"
    family = type(value).__module__.partition(".")[0]
    if family in ("numpy", "pandas", "polars", "pyarrow", "torch", "sklearn", "lightgbm", "scipy"):
        return "load or make it in a task, and pass the result of that task"
    if isinstance(value, (set, frozenset)):
        return "pass a list"
    if inspect.isgenerator(value):
        return "make it a list: list(...)"
    if callable(value):
        name = getattr(value, "__name__", "it")
        return f"call it inside the task; to pass what a task returns, call that: {name}(...)"
    if hasattr(value, "fileno"):
        return "pass the path, and open the file inside the task"
    return "pass plain values, and make the object inside the task"


def map_spec(task: Callee, mapped: dict[str, Each]) -> MapSpec:
    """How a call takes its arguments apart.

    Raises:
        DefinitionError: the lists do not go together.
    """
    crossed = {value.crossed for value in mapped.values()}
    if len(crossed) == 2:
        raise DefinitionError(
            f"call of `{task.name}`: `each` and `cross` cannot stand in one call",
            code="P219", where=here().where(), help=["put every list into cross(...), or make the combinations first"],
        )  # fmt: skip
    lengths = {name: value.length for name, value in mapped.items() if value.length is not None}
    if not crossed.pop():
        if len(set(lengths.values())) > 1:
            raise DefinitionError(
                f"call of `{task.name}`: several `each` go in step, but they have different lengths",
                code="P219", where=here().where(), facts=[f"`{name}` has {n} items" for name, n in lengths.items()],
                help=["give lists of one length, or **cross(...) for every combination"],
            )  # fmt: skip
        keyed = [name for name, value in mapped.items() if value.key]
        if len(keyed) > 1:
            raise DefinitionError(
                f"call of `{task.name}`: items can have one key, but there are several",
                code="P219", where=here().where(), help=["give `key` to one of the `each`"],
            )  # fmt: skip
        names = [*keyed, *(name for name in mapped if name not in keyed)]
        return MapSpec("zip", tuple(names), mapped[keyed[0]].key if keyed else "")
    count = mapped_length(list(mapped.values()))
    if count is not None and count > MAX_ITEMS:
        raise DefinitionError(
            f"call of `{task.name}`: `cross` makes {count:,} combinations; at most {MAX_ITEMS:,} fit in one call",
            code="P213", where=here().where(), help=["cross fewer values, or sample the combinations in a task"],
        )  # fmt: skip
    return MapSpec("cross", tuple(mapped))


def refuse_live(callee: Callee, values: list[Any]) -> None:
    """Raise if a value means something only while a graph is made, though none is."""
    for value in values:
        if is_reference(value) or isinstance(value, Each):
            what = "a reference" if is_reference(value) else "each(...)"
            raise DefinitionError(
                f"`{callee.name}` is called with {what} outside a pipeline",
                code="P218", where=here().where(),
                facts=["references and each() mean something only inside a function made a @pipeline"],
                help=["move the call into the pipeline, or pass a plain value"],
            )  # fmt: skip
