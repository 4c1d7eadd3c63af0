"""Calls whose nodes come into being while the run goes on: loops, mapped pipelines and trees."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

from ropewalk.author.bind import bind, map_spec
from ropewalk.author.builtin import collect
from ropewalk.author.callsite import here
from ropewalk.author.constants import plain
from ropewalk.author.each import Each, mapped_length
from ropewalk.author.express import express, is_live
from ropewalk.author.flow import condition_of, needed_trace
from ropewalk.author.hints import UNKNOWN, show_type
from ropewalk.author.ids import Place
from ropewalk.author.misfit import check_type
from ropewalk.author.names import is_name
from ropewalk.author.outputs import output_spec
from ropewalk.author.refs import Handle, Reference, handle_of, is_reference
from ropewalk.author.task import Task
from ropewalk.author.trace import Call, Recorded, Trace
from ropewalk.author.types import accepts, fits, is_listable
from ropewalk.core import expr as ex
from ropewalk.core.code import CodeFingerprint
from ropewalk.core.errors import DefinitionError
from ropewalk.core.graph import MapSpec, OutputSpec, TaskSpec
from ropewalk.core.grow import TEMPLATE
from ropewalk.core.policy import Policy
from ropewalk.core.special import Each as EachItem
from ropewalk.core.special import Loop, Reduce, kind_of

T = TypeVar("T")
R = TypeVar("R")
MAX_TURNS = 10_000
MAX_WIDTH = 1_000


def map_pipeline(pipeline: Any, trace: Trace, given: Mapping[str, Any]) -> Reference:
    """Call a pipeline for every item of what is given as `each(...)`.

    Args:
        given: an argument for each parameter that has one.
    """
    mapped = {name: value for name, value in given.items() if isinstance(value, Each)}
    for name, value in mapped.items():
        check_type(pipeline, name, value)
    spec = map_spec(pipeline, mapped)
    number, site = trace.number(), here()
    place = Place(number, pipeline.name, site, inner=[], link=TEMPLATE)
    trace.scopes[-1].append(place)
    with trace.body(number) as body, trace.calling(pipeline):
        place.inner = body.inner
        slots = {
            name: _slot(trace, body, number, name, _item_hint(pipeline, name, each)) for name, each in mapped.items()
        }
        output = pipeline.fn(**{**given, **slots})
        outputs = close(trace, body, output, pipeline.hints.get("return", UNKNOWN))
    bindings = {name: express(each.items, trace, name) for name, each in mapped.items()}
    call = Call("", bindings, Policy(), spec, None, site, special=EachItem())
    handle = Handle(trace, ex.Ref(number), pipeline.name, _hint_of(output), True, mapped_length([*mapped.values()]))
    return _owner(number, call, outputs, handle)


def _item_hint(pipeline: Any, name: str, each: Each) -> Any:
    wanted = pipeline.hints.get(name, UNKNOWN)
    return each.item_hint if wanted is UNKNOWN else wanted


def loop(
    body: Callable[[T], T],
    start: T,
    until: Callable[[T], Any] | None = None,
    at_most: int | None = None,
) -> T:
    """Repeat a task or pipeline, each time on its own last result; the result is that of the last turn.

    Each turn is durable and has nodes of its own, `name/1/…`, `name/2/…`, so that a loop that was interrupted goes on
    with the turn that it was in. Equal turns are not taken for one another: the number of the turn is part of the key.

    Args:
        body: a task or pipeline with one parameter that has no default, or a function of one argument that calls some.
        start: what the first turn is given; `each(...)` makes one loop for each item.
        until: a condition on the result of a turn, such as `lambda state: state.loss < 0.1`, or a task that returns
            bool; the loop ends after the first turn for which it holds. None: it takes `at_most` turns.
        at_most: the most turns that it takes, 1 to 10,000.

    Raises:
        DefinitionError: `at_most` is missing or out of range, or the result cannot be given to the next turn.
    """
    trace = needed_trace("loop")
    turns = _turns(at_most)
    _check_body(body, start)
    name = getattr(body, "name", "") or getattr(body, "__name__", "")
    name = name if is_name(name) else "loop"  # a lambda's
    number, site = trace.number(), here()
    place = Place(number, name, site, pinned=getattr(body, "pinned", ""), inner=[], link=TEMPLATE)
    trace.scopes[-1].append(place)
    hint = start.item_hint if isinstance(start, Each) else _hint_of(start)
    with trace.body(number) as recorded:
        place.inner = recorded.inner
        state = _slot(trace, recorded, number, "state", hint)
        within = getattr(body, "within", None)  # of a pipeline, whose tasks are the turn's own
        result = within(trace, state) if within else body(cast(T, state))
        outputs = close(trace, recorded, result, _hint_of(result))
        _check_turn(name, hint, result)
        recorded.until = _until(trace, until, result)
    each = start if isinstance(start, Each) else None
    bindings = {"start": express(each.items if each else start, trace, "start")}
    call = Call(
        "", bindings, Policy(), MapSpec("zip", ("start",), each.key) if each else None, None, site, special=Loop(turns)
    )
    handle = Handle(trace, ex.Ref(number), name, _hint_of(result), each is not None, each.length if each else None)
    return cast(T, _owner(number, call, outputs, handle))


def _turns(at_most: int | None) -> int:
    at_most = plain(at_most)
    if type(at_most) is int and 1 <= at_most <= MAX_TURNS:
        return at_most
    said = "`at_most` is missing" if at_most is None else f"`at_most` must be from 1 to {MAX_TURNS:,}, not {at_most!r}"
    raise DefinitionError(
        f"`loop` has to end some time: {said}",
        code="P240", where=here().where(), help=["loop(step, start, until=lambda s: s.done, at_most=20)"],
    )  # fmt: skip


def _check_body(body: Any, start: Any) -> None:
    """Refuse what cannot be called on a result, and a start that a task or pipeline does not take."""
    if not callable(body):
        raise DefinitionError(
            f"`loop` repeats a task, a pipeline or a function that calls some, not {body!r:.60}",
            code="P241", where=here().where(), help=["loop(step, start, until=lambda s: s.done, at_most=20)"],
        )  # fmt: skip
    if isinstance(signature := getattr(body, "signature", None), inspect.Signature):
        first = next(iter(signature.parameters), None)
        if first is not None and not is_reference(start):
            check_type(body, first, start)


def _check_turn(name: str, given: Any, result: Any) -> None:
    returned = _hint_of(result)
    is_constant = not is_live(result)
    if is_constant and (result is None or not accepts(result, given)):
        shown = "nothing" if result is None else f"{result!r:.60}"
    elif is_constant or returned is UNKNOWN or given is UNKNOWN or fits(returned, given):
        return
    else:
        shown = f"a `{show_type(returned)}`"
    taken = "" if given is UNKNOWN else f"is given a `{show_type(given)}` and "
    raise DefinitionError(
        f"`{name}` {taken}returns {shown}, so it cannot be repeated",
        code="P241", where=here().where(), facts=["each turn is given the result of the turn before"],
        help=["return what it takes, or start with what it returns"],
    )  # fmt: skip


def _until(trace: Trace, until: Callable[[Any], Any] | None, result: Any) -> ex.Expr | None:
    if until is None:
        return None
    if not callable(until):
        raise DefinitionError(
            f"`until` must be a function of the result of a turn, not {until!r:.60}",
            code="P242", where=here().where(), help=["until=lambda state: state.loss < 0.1"],
        )  # fmt: skip
    return condition_of(until(result), trace, "until")


def reduce(task: Callable[..., R], items: Any, *, width: int = 16, **others: Any) -> R:
    """Fold a list as a tree: the task is called on up to `width` items at a time, then on what it returned.

    A task that would take 10,000 results at once takes 16 at a time this way, on all workers.

    Args:
        task: takes a list as its first parameter, and returns what may stand in such a list.
        items: the result of a mapped call, or a list.
        width: how many items one call takes, 2 to 1,000.
        others: further arguments of the task, the same in each call.

    Raises:
        DefinitionError: it is not a task that takes a list, or `width` is out of range.
    """
    trace = needed_trace("reduce")
    if not isinstance(task, Task):
        raise _no_reduce("`reduce` takes a task", "reduce(merge, parts)")
    first, width = _listed_parameter(task), plain(width)
    if type(width) is not int or not 2 <= width <= MAX_WIDTH:
        raise _no_reduce(f"`width` must be from 2 to {MAX_WIDTH:,}, not {width!r}", "width=16")
    if is_reference(items):
        handle = handle_of(items)
        if not handle.mapped and not is_listable(handle.hint):
            title = f"`reduce` needs a list, but `{handle.label}` is a `{show_type(handle.hint)}`"
            raise _no_reduce(title, "give it the result of a mapped call")
    bound = bind(task, ([],), others, trace)
    bindings = {**bound.bindings, first: express(items, trace, first)}
    number, site = trace.number(), here()
    key = trace.key(task, site)
    call = Call(key, bindings, trace.policy_of(task, None, site), None, None, site, special=Reduce(width))
    trace.add(number, call)
    trace.scopes[-1].append(Place(number, task.name, site, task.pinned))
    handle = Handle(trace, ex.Ref(number), task.name, task.returns, node=number, source=task.name)
    return cast(R, Reference(replace(handle, declared=task.declared)))


def _listed_parameter(task: Task[..., Any]) -> str:
    """The parameter that takes a list."""
    first = next(iter(task.signature.parameters), "")
    hint = task.hints.get(first, UNKNOWN)
    if not first or (hint is not UNKNOWN and not is_listable(hint)):
        raise _no_reduce(f"`{task.name}` does not take a list first", f"def {task.name}({first or 'parts'}: list[…])")
    return first


def _no_reduce(title: str, fix: str) -> DefinitionError:
    return DefinitionError(title, code="P243", where=here().where(), help=[fix])


def _slot(trace: Trace, body: Recorded, number: str, name: str, hint: Any) -> Reference:
    slot = f"{name}@{number[1:]}"
    body.slots.append(slot)
    return Reference(Handle(trace, ex.Slot(slot), name, hint))


def _hint_of(value: Any) -> Any:
    if not is_reference(value):
        return UNKNOWN
    handle = handle_of(value)
    if handle.mapped:
        return list if handle.hint is UNKNOWN else list[handle.hint]  # type: ignore[name-defined]  # built at run time
    return handle.hint


def close(trace: Trace, body: Recorded, output: Any, hint: Any) -> OutputSpec:
    """Make the result of a body the result of one of its nodes; how that is kept."""
    if is_reference(output):
        handle = handle_of(output)
        expr, here_ = handle.expr, trace.inside[-1]
        own = isinstance(expr, ex.Ref) and trace.calls[expr.node].body == here_
        if own and isinstance(expr, ex.Ref) and not expr.path and not handle.mapped:
            body.output = expr
            return _outputs(trace, expr.node)
    spec = output_spec(hint, show_type(hint)) if hint is not UNKNOWN else OutputSpec()
    task = Task(collect.fn, name="result", outputs=spec) if spec != OutputSpec() else collect
    body.output = handle_of(trace.record(task, bind(task, (output,), {}, trace))).expr
    return spec


def _outputs(trace: Trace, number: str) -> OutputSpec:
    key = trace.calls[number].key
    return trace.specs[key].outputs if key in trace.specs else trace.tasks[key].outputs


def _owner(number: str, call: Call, outputs: OutputSpec, handle: Handle) -> Reference:
    """Record the call that has a body, after the body."""
    trace, name = handle.trace, handle.label
    spec = TaskSpec(name, "", tuple((n, "") for n in call.bindings), outputs, CodeFingerprint(""))
    call.key = _key(trace, f"{kind_of(call.special)}:{name}", spec)
    trace.add(number, call)
    call.after += trace.outside(number)
    return Reference(replace(handle, node=number, source=name))


def _key(trace: Trace, base: str, spec: TaskSpec) -> str:
    key, count = base, 1
    while trace.specs.setdefault(key, spec) != spec:
        count += 1
        key = f"{base}-{count}"
    return key
