"""One attempt, inside the process that runs it: load the inputs, call the task, save what it returns."""

from __future__ import annotations

import inspect
import os
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.materialize import load, save
from ropewalk.core.artifact import ArtifactRef, Failed, Failure, Outcome, Outputs, Succeeded
from ropewalk.core.cachekey import seed_of
from ropewalk.core.errors import CorruptBlobError, UnstorableError
from ropewalk.core.graph import OutputSpec
from ropewalk.core.noderun import NOT_YET
from ropewalk.core.pickling import pickled_by_fields
from ropewalk.core.special import Wait
from ropewalk.engine.context import Context, enter
from ropewalk.engine.inputs import Source, materialise
from ropewalk.engine.story import describe, describe_unstorable
from ropewalk.engine.usage import Meter
from ropewalk.engine.waiting import look


@pickled_by_fields
@dataclass(frozen=True, slots=True)
class Job:
    """What all task runs of a node have in common."""

    id: int
    run: int
    node: str
    task: str  # key of the function
    outputs: OutputSpec
    shared: tuple[tuple[str, Source], ...]
    mapped: tuple[str, ...]  # names of the inputs that differ from item to item
    timeout_s: float | None = None
    continues: str = "own"  # whose checkpoints its attempts go on from, see Context
    cpu: float = 1.0  # cores that it asks for
    wait: Wait | None = None  # its task is the check of a wait

    function: str = ""  # import path, for tasks that were added while the run went on
    dynamic: bool = False  # what it calls becomes nodes


@pickled_by_fields
@dataclass(frozen=True, slots=True)
class Order:
    """One attempt to be made."""

    job: int
    item: int
    attempt: int
    token: int
    key: str
    sources: tuple[Source, ...]  # of `Job.mapped`
    memory_bytes: int | None = None  # more than this ends the attempt
    gpus: tuple[str, ...] = ()  # graphics processors that are its own, as CUDA_VISIBLE_DEVICES names them
    waited_s: float = 0.0  # of a wait: since its first check


class TaskCancelled(BaseException):
    """Raised inside a task when its attempt is to end; it may clean up, and then goes."""


def execute(
    job: Job,
    order: Order,
    function: Callable[..., Any],
    blobs: Blobs,
    report: Callable[[float, float], None] | None = None,
) -> Outcome:
    """Make one attempt. Whatever the task does, the answer is an outcome.

    Raises:
        TaskCancelled: the attempt was told to end.
    """
    meter, process = Meter(), os.getpid()
    seed = seed_of(order.key)
    place = job.run, job.node, order.item, order.attempt
    context = Context(*place, seed, order.key, _home_of(blobs), job.continues, report=report)
    enter(context)
    try:
        arguments = load_inputs(job, order, blobs)
        set_seeds(seed)
        if job.dynamic:
            outputs = _record_nodes(job, function, arguments, blobs)
        else:
            result = _result(job, order, function, arguments)
            if job.wait is not None and not result:
                return Failed(Failure(NOT_YET, "not yet"), meter.read())
            outputs = _save_outputs(job, result, context, blobs)
        return Succeeded(outputs, meter.read(), context.metrics)
    except TaskCancelled:
        raise
    except CorruptBlobError as error:
        failure = Failure("input", error.title, retryable=False, lost_digest=error.digest)
        return Failed(failure, meter.read())
    except UnstorableError as error:
        return Failed(describe_unstorable(error, function), meter.read())
    except BaseException as error:  # noqa: BLE001  # sys.exit() and KeyboardInterrupt of a task are its failures too
        return Failed(describe(error), meter.read())
    finally:
        if os.getpid() != process:
            os._exit(0)  # a process that the task forked has come back: only the task's own process answers for it
        enter(None)


@lru_cache(maxsize=1)
def _home_of(blobs: Blobs) -> str:
    return str(blobs.root.parent)


def load_inputs(job: Job, order: Order, blobs: Blobs) -> dict[str, Any]:
    """What an attempt hands to its task, by parameter."""
    pairs = (*job.shared, *zip(job.mapped, order.sources, strict=True))
    return {name: materialise(source, lambda ref: load(ref, blobs)) for name, source in pairs}


def set_seeds(seed: int) -> None:
    """Seed the generators of `random` and, where they are loaded, of NumPy and PyTorch."""
    random.seed(seed)
    if (numpy := sys.modules.get("numpy")) is not None and hasattr(numpy, "random"):
        numpy.random.seed(seed)
    if (torch := sys.modules.get("torch")) is not None and hasattr(torch, "manual_seed"):
        torch.manual_seed(seed)


@cache
def _shape(function: Callable[..., Any]) -> tuple[tuple[str, ...], str, str, bool]:
    """Positional-only parameters, the names of *args and **kwargs, and whether the task is a coroutine."""
    kinds = inspect.Parameter
    positional, several, named = [], "", ""
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is kinds.POSITIONAL_ONLY:
            positional.append(name)
        elif parameter.kind is kinds.VAR_POSITIONAL:
            several = name
        elif parameter.kind is kinds.VAR_KEYWORD:
            named = name
    if several:  # what precedes *args can only be given by position
        before = list(inspect.signature(function).parameters)
        positional = before[: before.index(several)]
    return tuple(positional), several, named, inspect.iscoroutinefunction(function)


def call(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Call a task with its arguments by name; a coroutine is run to its end."""
    positional, several, named, is_coroutine = _shape(function)
    args = [arguments.pop(name) for name in positional if name in arguments]
    if several:
        args += arguments.pop(several, ())
    if named:
        arguments |= arguments.pop(named, {})
    result = function(*args, **arguments)
    return _run_coroutine(result) if is_coroutine else result


def _run_coroutine(result: Any) -> Any:
    import asyncio  # costs as much as the rest of a worker

    return asyncio.run(result)


def _result(job: Job, order: Order, function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    if job.wait is None:
        return call(function, arguments)
    return look(job.wait, order.waited_s, lambda: call(function, dict(arguments)))


def _record_nodes(job: Job, function: Callable[..., Any], arguments: dict[str, Any], blobs: Blobs) -> Outputs:
    """Call a dynamic task; its output is what it calls, and refers to the values that it hands on."""
    from ropewalk.author.dynamic import record_nodes  # the authoring layer costs as much as the rest of a worker

    kept: list[ArtifactRef] = []

    def keep(value: Any) -> ArtifactRef:
        kept.append(save(value, blobs))
        return kept[-1]

    text = record_nodes(job.task, function, lambda: call(function, arguments), keep)
    children = {d for ref in kept for d in ((ref.digest,) if ref.inline is None else ()) + ref.children}
    ref = save(text, blobs)
    return {"result": replace(ref, children=(*ref.children, *sorted(children)))}


def function_of(job: Job, functions: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    """The function of a task; one that was added while the run went on is imported."""
    if job.task in functions:
        return functions[job.task]
    from ropewalk.author.resolve import function_at

    return function_at(job.task, job.function)


def _save_outputs(job: Job, result: Any, context: Context, blobs: Blobs) -> Outputs:
    spec = job.outputs
    if spec.kind == "single":
        outputs = {"result": save(result, blobs)}
    else:
        outputs = {name: save(value, blobs, name=name) for name, value in split_result(spec, result).items()}
    for name, figure in context.figures.items():
        outputs[f"figure:{name}"] = save(figure, blobs, name=name)
    return outputs


def split_result(spec: OutputSpec, result: Any) -> dict[str, Any]:
    """The value of each output.

    Raises:
        TypeError: the task did not return what its annotation says.
    """
    if spec.kind == "tuple":
        if not isinstance(result, tuple) or len(result) != len(spec.names):
            got = f"{len(result)} values" if isinstance(result, tuple) else f"a {type(result).__name__}"
            raise TypeError(f"the task is declared to return {len(spec.names)} values, but returned {got}")
        return dict(zip(spec.names, result, strict=True))
    lacking = [name for name in spec.names if not hasattr(result, name)]
    if lacking:
        expected = spec.type.rpartition(":")[2]
        raise TypeError(f"the task is declared to return a {expected}, but returned a {type(result).__name__}")
    return {name: getattr(result, name) for name in spec.names}


def functions_of(tasks: Mapping[str, Any]) -> dict[str, Callable[..., Any]]:
    """The plain functions of task objects."""
    return {name: getattr(task, "fn", task) for name, task in tasks.items()}
