"""`when`, `otherwise` and `first_of`: which tasks of a pipeline run is decided by results."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, TypeVar, cast

from ropewalk.author.callsite import here
from ropewalk.author.constants import literal, plain
from ropewalk.author.express import express
from ropewalk.author.hints import UNKNOWN, show_type, union_of
from ropewalk.author.refs import Handle, Reference, foreign, handle_of, is_reference
from ropewalk.author.trace import Trace, current
from ropewalk.author.types import fits
from ropewalk.core import expr as ex
from ropewalk.core.answer import Answer
from ropewalk.core.errors import DefinitionError, UnstorableError

T = TypeVar("T")
_ALWAYS = object()


class _Branch(AbstractContextManager[None]):
    """A `with` block whose task calls depend on a condition."""

    def __init__(self, trace: Trace, condition: ex.Expr, rest: ex.Expr | None) -> None:
        self._block = trace.branch(condition, rest)
        self._trace = trace
        trace.unused[id(self)] = here()

    def __enter__(self) -> None:
        self._trace.unused.pop(id(self), None)
        self._block.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return self._block.__exit__(kind, error, traceback)


def when(condition: Any) -> AbstractContextManager[None]:
    """The tasks called in this `with` block run only if `condition` holds; else they are skipped.

    Args:
        condition: a comparison of references, joined with `&`, `|` and `~`; the result of a task that returns bool;
            or a plain bool.

    Raises:
        DefinitionError: it is called outside a pipeline, or with something that is neither true nor false.
    """
    trace = needed_trace("when")
    holds = condition_of(condition, trace)
    return _Branch(trace, holds, ex.Op("not", (holds,)))


def otherwise(condition: Any = _ALWAYS) -> AbstractContextManager[None]:
    """The tasks called in this `with` block run if no branch before it was taken, and `condition` holds.

    It directly follows the block of a `when`, or of an `otherwise` with a condition.

    Raises:
        DefinitionError: no such block stands before it.
    """
    trace = needed_trace("otherwise")
    rest = trace.blocks[-1].rest
    if rest is None:
        raise DefinitionError(
            "`otherwise` does not follow a `when`",
            code="P214",
            where=here().where(),
            facts=["it stands on the level of its `with when(…):` and directly after that block"],
            help=["with when(condition): …   then   with otherwise(): …"],
        )
    if condition is _ALWAYS:
        return _Branch(trace, rest, None)
    holds = condition_of(condition, trace)
    return _Branch(trace, ex.Op("and", (rest, holds)), ex.Op("and", (rest, ex.Op("not", (holds,)))))


def first_of(*options: T) -> T:
    """The first of several results whose task was not skipped; a plain value at the end is what is left then.

    Raises:
        DefinitionError: it is called outside a pipeline, with nothing, or with what no graph can hold.
    """
    trace = needed_trace("first_of")
    references = [option for option in options if is_reference(option)]
    if not references:
        raise DefinitionError(
            "`first_of` needs results of tasks to choose from",
            code="P207", where=here().where(), help=["first_of(result, other_result)"],
        )  # fmt: skip
    handles = [handle_of(cast(Reference, r)) for r in references]
    try:
        expr = ex.FirstOf(tuple(express(o, trace, f"option {i + 1}") for i, o in enumerate(options)))
    except UnstorableError as problem:
        raise DefinitionError(
            "`first_of` takes results of tasks and plain values",
            code="P204", where=here().where(), facts=[problem.title, *problem.facts], help=["make it in a task"],
        ) from None  # fmt: skip
    hints = [h.hint for h in handles] + [type(o) for o in options if not is_reference(o)]
    mapped = len(references) == len(options) and all(h.mapped for h in handles)
    if not mapped and any(h.mapped for h in handles):
        hints = [UNKNOWN]
    label = f"first_of({', '.join(h.label for h in handles)})"
    return cast(T, Reference(Handle(trace, expr, label, union_of(hints), mapped, source=handles[0].source)))


def needed_trace(what: str) -> Trace:
    trace = current()
    if trace is None:
        raise DefinitionError(
            f"`{what}` is used outside a pipeline",
            code="P208",
            where=here().where(),
            facts=["it decides which tasks of a graph run, and no graph is being made here"],
            help=["move it into a function made a @pipeline; inside a task, write a plain `if`"],
        )
    return trace


def condition_of(condition: Any, trace: Trace, what: str = "when") -> ex.Expr:
    """Something that is true or false as an expression.

    Raises:
        DefinitionError: it is neither.
    """
    if is_reference(condition):
        handle = handle_of(condition)
        if handle.trace is not trace:
            raise foreign(condition)
        trace.check_reach(handle.expr, handle.label)
        if handle.mapped:
            raise _no_condition(what, f"`{handle.label}` is a list of results", "decide in a task that takes the list")
        if handle.hint is Answer:
            return condition_of(cast(Any, condition).approved, trace, what)
        if not fits(handle.hint, bool):
            raise _no_condition(
                what, f"`{handle.label}` is a `{show_type(handle.hint)}`", f"compare it: when({handle.label} > 0)"
            )
        return handle.expr
    if isinstance(plain(condition), bool):
        return literal(condition)
    raise _no_condition(what, f"{plain(condition)!r:.60} is neither", "compare it: when(value > 0)")


def _no_condition(what: str, fact: str, fix: str) -> DefinitionError:
    return DefinitionError(
        f"`{what}` needs something that is true or false: {fact}", code="P207", where=here().where(), help=[fix]
    )
