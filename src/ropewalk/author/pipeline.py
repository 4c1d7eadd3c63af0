"""`@pipeline`: a function that wires tasks."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, ParamSpec, TypedDict, TypeVar, Unpack, cast, overload

from ropewalk.author.bind import arguments, refuse_live
from ropewalk.author.bodies import map_pipeline
from ropewalk.author.callsite import CallSite, declared, here
from ropewalk.author.constants import literal, traced
from ropewalk.author.each import Each
from ropewalk.author.failure import author_errors
from ropewalk.author.finish import finish
from ropewalk.author.function import check_function, located
from ropewalk.author.hints import resolve_hints
from ropewalk.author.interpret import interpret
from ropewalk.author.misfit import check_type
from ropewalk.author.names import check_name
from ropewalk.author.params import Parameter, bind_params, parameters
from ropewalk.author.refs import Handle, Reference
from ropewalk.author.schema import parameter_schema
from ropewalk.author.source import forget_functions
from ropewalk.author.trace import Trace, current, recording
from ropewalk.core import expr as ex
from ropewalk.core.errors import DefinitionError, UnstorableError
from ropewalk.core.graph import Graph
from ropewalk.core.options import run_policy
from ropewalk.core.policy import OnFailure, Order, RunPolicy
from ropewalk.core.values import find

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

_CLIENT = "ropewalk.engine.client:Client"  # a higher layer, so it is found by name and only when it is used


@dataclass(frozen=True, slots=True)
class Traced:
    """A pipeline made a graph."""

    graph: Graph
    functions: dict[str, Callable[..., Any]]  # the plain function of each task, by task key
    params: dict[str, Any]  # a value for each parameter, defaults included
    overrides: dict[str, str] = field(default_factory=dict)  # "task.parameter" to text, part of the graph already
    target: str = ""  # "file.py:name", for finding the pipeline again; empty: it stands in no file


class PipelineOptions(TypedDict, total=False):
    """What `@pipeline(...)` takes: how a run of it goes. Of a pipeline that is called in another it does not count."""

    name: str | None
    on_failure: OnFailure
    retry_budget: int | None  # retries of all task runs together
    deadline: str
    on_miss: str
    order: Order


class Pipeline(Generic[P, R_co]):
    """A function that wires tasks.

    Called as a function it runs in memory, in this thread and without a store, and returns the value. Called inside
    another pipeline it becomes a group of nodes there.
    """

    fn: Callable[P, R_co]
    name: str
    policy: RunPolicy  # of a run of this pipeline; where it is called in another one, that one's counts
    declared: CallSite

    def __init__(self, function: Callable[P, R_co], **options: Unpack[PipelineOptions]) -> None:
        check_function(function, "pipeline")
        functools.update_wrapper(self, function)
        self.fn = function
        self.declared = declared(function)
        given: dict[str, Any] = dict(options)
        name = given.pop("name", None)
        with located(self.declared.where):
            chosen = function.__name__ if name is None else name
            self.name = check_name(chosen, "pipeline", None, 'name it: @pipeline(name="…")')
            self.policy = run_policy(given)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        outer = current()
        if outer is not None:
            return self._inline(outer, args, kwargs)
        refuse_live(self, [*args, *kwargs.values()])
        made = trace(self, self._given(args, kwargs))
        return cast(R_co, interpret(made.graph, made.functions, made.params))

    def graph(self, *args: P.args, **kwargs: P.kwargs) -> Graph:
        """The graph that this pipeline makes with these parameters; nothing is run.

        Raises:
            UsageError: a parameter is wrong or missing.
            DefinitionError: the pipeline is written wrongly.
        """
        return trace(self, self._given(args, kwargs)).graph

    def plan(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """What a run with these parameters would do, and why; nothing is run."""
        return find(_CLIENT)().plan(trace(self, self._given(args, kwargs)))

    def run(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Run it durably with these parameters."""
        return find(_CLIENT)().run(trace(self, self._given(args, kwargs)))

    @cached_property
    def signature(self) -> inspect.Signature:
        return inspect.signature(self.fn)

    @cached_property
    def hints(self) -> dict[str, Any]:
        """The annotations as types; late, since they may name classes that stand below the function."""
        return resolve_hints(self.fn)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """What the signature declares."""
        return parameters(self.fn, self.declared)

    @property
    def doc(self) -> str:
        """The first line of the docstring."""
        return (inspect.getdoc(self.fn) or "").partition("\n")[0]

    def bind(self, given: Mapping[str, Any] | Iterable[tuple[str, Any]], *, text: bool = False) -> dict[str, Any]:
        """A value for each parameter; see `params.bind_params`."""
        return bind_params(self.name, self.declared, self.parameters, given, text=text)

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the parameters."""
        return parameter_schema(self.name, self.doc, self.parameters)

    def __repr__(self) -> str:
        return f"<pipeline {self.name} at {self.declared}>"

    def _given(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[tuple[str, Any]]:
        """Arguments of a Python call by name; what is wrong with them is said together with their values."""
        names = [p.name for p in self.signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        if len(args) > len(names):
            arguments(self, args, kwargs)  # raises
        return [*zip(names, args, strict=False), *kwargs.items()]

    def _inline(self, outer: Trace, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> R_co:
        if any(active is self for active in outer.active):
            raise DefinitionError(
                f"pipeline `{self.name}` calls itself",
                code="P209", where=here().where(), help=["loop(step, start, until=…, at_most=20)     repeats"],
            )  # fmt: skip
        given = arguments(self, args, kwargs)
        if any(isinstance(value, Each) for value in given.values()):
            return cast(R_co, map_pipeline(self, outer, given))
        for name, value in given.items():
            check_type(self, name, value)
        with outer.group(self):
            return self.fn(*args, **kwargs)

    def within(self, outer: Trace, argument: Any) -> Any:
        """Record its calls, for one argument, where the trace is now: without a group of their own."""
        for name, value in arguments(self, (argument,), {}).items():
            check_type(self, name, value)
        function: Callable[..., Any] = self.fn
        with outer.calling(self):
            return function(argument)


def trace(pipeline: Pipeline[..., Any], params: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()) -> Traced:
    """Make the graph of a pipeline by running its function with references for results.

    Raises:
        UsageError: a parameter is wrong or missing.
        DefinitionError: the pipeline is written wrongly.
    """
    forget_functions()
    values = pipeline.bind(params)
    record = Trace(pipeline.name)
    record.active.append(pipeline)
    seen = {p.spec.name: _seen(record, p, values[p.spec.name]) for p in pipeline.parameters}
    with located(pipeline.declared.where), recording(record), author_errors(pipeline.name):
        output = pipeline.fn(**seen)
        specs = tuple(p.spec for p in pipeline.parameters)
        about = {"file": pipeline.declared.file, "doc": pipeline.doc, "policy": pipeline.policy}
        graph = finish(record, output, params=specs, **about)
    target = "" if graph.file.startswith("<") else f"{graph.file}:{pipeline.name}"
    return Traced(graph, {key: task.fn for key, task in record.tasks.items()}, values, target=target)


def _seen(record: Trace, parameter: Parameter, value: Any) -> Any:
    """A parameter as the function sees it; what no graph can hold, such as a frame in a test, as a reference."""
    name = parameter.spec.name
    try:
        literal(value, name)
    except UnstorableError:
        return Reference(Handle(record, ex.Param(name), name, parameter.hint))
    return traced(name, value)


@overload
def pipeline(function: Callable[P, R], /, **options: Unpack[PipelineOptions]) -> Pipeline[P, R]: ...
@overload
def pipeline(**options: Unpack[PipelineOptions]) -> Callable[[Callable[P, R]], Pipeline[P, R]]: ...
def pipeline(function: Any = None, /, **options: Unpack[PipelineOptions]) -> Any:
    """Make a function a pipeline.

    Args:
        function: a `def` that calls tasks; its arguments are the parameters of the pipeline.
        options: `name`, which is that of the function when None; and how a run goes, where the pipeline is not called
            in another one: `on_failure` ("finish_independent" or "fail_fast"), `retry_budget`, `deadline`, `on_miss`,
            `order`.

    Raises:
        DefinitionError: the function cannot be a pipeline, or the name or an option is wrong.
    """
    if function is None:
        return functools.partial(pipeline, **options)
    return Pipeline(function, **options)
