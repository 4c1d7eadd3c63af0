"""`@task`: a function made a unit of work."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from functools import cached_property
from typing import Any, Generic, ParamSpec, Protocol, Self, TypedDict, TypeVar, Unpack, cast, overload

from ropewalk.author.bind import bind, refuse_live
from ropewalk.author.callsite import CallSite, declared, here
from ropewalk.author.function import check_function, located
from ropewalk.author.hints import UNKNOWN, annotation_text, resolve_hints
from ropewalk.author.names import check_name
from ropewalk.author.outputs import output_spec
from ropewalk.author.resolve import function_path
from ropewalk.author.source import fingerprint
from ropewalk.author.trace import current
from ropewalk.author.undo import check_cache, check_undo
from ropewalk.core.cache import Cache
from ropewalk.core.errors import DefinitionError, did_you_mean
from ropewalk.core.graph import OutputSpec, TaskSpec
from ropewalk.core.guard import Guard
from ropewalk.core.options import with_options
from ropewalk.core.policy import Policy, RunIf
from ropewalk.core.resources import Resources
from ropewalk.core.retry import Retry
from ropewalk.core.values import find

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
NODES = OutputSpec(type="nodes")  # what a dynamic task returns to the run


class TaskOptions(TypedDict, total=False):
    """What `@task(...)` takes: how a task is run."""

    name: str  # of the task; in `.options(...)` of the node
    retry: Retry | int
    cache: Cache | bool
    resources: Resources
    timeout: float | str | None
    run_if: RunIf
    limit: int | None  # task runs of one map at the same time
    partial_ok: float  # share of a map's task runs that have to succeed
    priority: int
    guards: Guard | list[Guard]  # limit(...) and breaker(...)
    not_before: str
    window: str
    deadline: str
    on_miss: str
    expires: str
    depends_on_past: bool
    dynamic: bool  # of `@task` only: the tasks that it calls become nodes while the run goes on
    undo: Callable[..., Any]  # takes the effects back when the run fails or is cancelled


class CallOptions(TaskOptions, total=False):
    """What `.options(...)` takes: the same for one call, and what it waits for."""

    after: Any  # results of other tasks, or a list of them


class Task(Generic[P, R_co]):
    """A function that a graph can run.

    Called inside a pipeline it becomes a node and returns a reference; called anywhere else it is the plain function.
    """

    fn: Callable[P, R_co]  # the plain function
    name: str
    policy: Policy
    declared: CallSite
    pinned: str  # fixed name of the node; empty: made from the call
    order: tuple[Any, ...]  # results that the call waits for
    dynamic: bool  # the tasks that it calls become nodes while the run goes on
    undo: Task[..., Any] | None  # takes the effects back when the run fails or is cancelled

    def __init__(
        self, function: Callable[P, R_co], *, outputs: OutputSpec | None = None, **options: Unpack[TaskOptions]
    ) -> None:
        check_function(function, "task")
        functools.update_wrapper(self, function)
        self.fn = function
        self.declared = declared(function)
        self.pinned, self.order, self._outputs = "", (), outputs
        given: dict[str, Any] = dict(options)
        self.dynamic, self.undo = bool(given.pop("dynamic", False)), None
        with located(self.declared.where):
            if type(self.dynamic) is not bool:
                raise DefinitionError(f"`dynamic` must be True or False, not {self.dynamic!r:.60}", code="P224")
            self.name = check_name(given.pop("name", function.__name__), "task", None, 'name it: @task(name="…")')
            self.policy = self._configure(Policy(), given)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        trace = current()
        if trace is None:
            refuse_live(self, [*args, *kwargs.values()])
            return self._run_now(args, kwargs) if self.dynamic else self.fn(*args, **kwargs)
        return cast(R_co, trace.record(self, bind(self, args, kwargs, trace)))

    def _run_now(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> R_co:
        from ropewalk.author.dynamic import run_now  # it records calls of tasks, as this module's users do

        return cast(R_co, run_now(self.name, self.fn, lambda: self.fn(*args, **kwargs)))

    def options(self, **options: Unpack[CallOptions]) -> Self:
        """This task with some options replaced, for one call: `train.options(timeout="1h")(frame)`.

        `name` is the name of the node, and `after` are results that the call waits for without taking them.

        Raises:
            DefinitionError: an unknown option, or a value of the wrong kind.
        """
        given: dict[str, Any] = dict(options)
        made = self._copy()
        after = given.pop("after", ())
        made.order = (*self.order, *(after if isinstance(after, (list, tuple)) else (after,)))
        with located(lambda: here().where()):
            if "name" in given:
                made.pinned = check_name(given.pop("name"), "node", None, '.options(name="…")')
            made.policy = made._configure(self.policy, given)
        return made

    def _copy(self) -> Self:
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)  # not copy.copy, which would find the task by its import path
        return made

    def _configure(self, before: Policy, given: dict[str, Any]) -> Policy:
        """The policy with these options; an undo is no part of it before it has a key in a graph."""
        undo = given.pop("undo", None)
        if undo is not None:
            self.undo = undo if isinstance(undo, Task) else Task(undo)
            check_undo(self.undo.signature, self.undo.name, self.name, self.signature.parameters)
            if before.cache == Cache():
                given.setdefault("cache", False)
        policy = with_options(before, given)
        if self.undo is not None:
            check_cache(self.name, policy.cache)
        if self.undo is not None and self.dynamic:
            raise DefinitionError(
                f"`{self.name}` is dynamic, so it has no effects of its own to undo", code="P248",
                help=["give the tasks that it calls an undo"],
            )  # fmt: skip
        names = self.signature.parameters
        if any(p.kind is p.VAR_KEYWORD for p in names.values()):
            return policy
        for name in policy.cache.ignore:
            if name not in names:
                guess = did_you_mean(name, names)
                raise DefinitionError(
                    f"`ignore` names `{name}`, which is not a parameter of `{self.name}`",
                    code="P224", help=[f'did you mean Cache(ignore=["{guess}"])?'] if guess else [],
                )  # fmt: skip
        return policy

    @cached_property
    def signature(self) -> inspect.Signature:
        return inspect.signature(self.fn)

    @cached_property
    def hints(self) -> dict[str, Any]:
        """The annotations as types; late, since they may name classes that stand below the function."""
        return resolve_hints(self.fn)

    @property
    def returns(self) -> Any:
        """The type of the result, as far as it is known."""
        return self.hints.get("return", UNKNOWN)

    @cached_property
    def outputs(self) -> OutputSpec:
        """How the result becomes artifacts."""
        return self._outputs or output_spec(self.returns, annotation_text(self.signature.return_annotation))

    def spec(self) -> TaskSpec:
        """The task as a graph knows it."""
        inputs = tuple((p.name, annotation_text(p.annotation)) for p in self.signature.parameters.values())
        doc = (inspect.getdoc(self.fn) or "").partition("\n")[0]
        outputs = NODES if self.dynamic else self.outputs
        return TaskSpec(self.name, function_path(self.fn), inputs, outputs, fingerprint(self.fn), doc, self.dynamic)

    def __repr__(self) -> str:
        return f"<task {self.name} at {self.declared}>"

    def __reduce__(self) -> tuple[Any, ...]:
        path = function_path(self.fn)
        try:
            found = find(path)
        except (ImportError, AttributeError):
            found = None
        if not isinstance(found, Task) or found.fn is not self.fn:
            import pickle  # for its error only

            raise pickle.PicklingError(f"task `{self.name}` is not at the top level of its module, where {path} says")
        return (_restore, (path, self.policy, self.pinned))


def _restore(path: str, policy: Policy, pinned: str) -> Task[..., Any]:
    found: Task[..., Any] = find(path)
    if (found.policy, found.pinned) == (policy, pinned):
        return found
    made = found._copy()
    made.policy, made.pinned = policy, pinned
    return made


class TaskDecorator(Protocol):
    """What `@task(...)` with options is."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...


@overload
def task(function: Callable[P, Coroutine[Any, Any, R]], /, **options: Unpack[TaskOptions]) -> Task[P, R]: ...
@overload
def task(function: Callable[P, R], /, **options: Unpack[TaskOptions]) -> Task[P, R]: ...
@overload
def task(**options: Unpack[TaskOptions]) -> TaskDecorator: ...
def task(function: Any = None, /, **options: Unpack[TaskOptions]) -> Any:
    """Make a function a task.

    Args:
        function: a `def` or `async def` with named parameters; generators, classes and methods are refused.
        options: `name`, and how it is run: `retry`, `timeout`, `cache`, `resources`, `run_if`, `limit`, `partial_ok`,
            `priority`, `guards`, `undo`; `not_before`, `window`, `deadline`, `on_miss`, `expires`, `depends_on_past`;
            with `dynamic` the tasks that it calls become nodes of the run.

    Raises:
        DefinitionError: the function cannot be a task, or an option is wrong.
    """
    if function is None:
        return functools.partial(task, **options)
    return Task(function, **options)
