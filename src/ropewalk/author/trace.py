"""Recording: while a pipeline's function runs, its task calls become nodes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ropewalk.author.bind import Bound, Callee
from ropewalk.author.callsite import CallSite, here
from ropewalk.author.express import express
from ropewalk.author.hints import show_type
from ropewalk.author.ids import Place, assign, rename
from ropewalk.author.refs import Handle, Reference, foreign, handle_of, is_reference
from ropewalk.core import expr as ex
from ropewalk.core.errors import DefinitionError, UnstorableError
from ropewalk.core.graph import Graph, MapSpec, Node, make_graph
from ropewalk.core.policy import Policy

if TYPE_CHECKING:
    from ropewalk.author.task import Task

_current: ContextVar[Trace | None] = ContextVar("ropewalk_trace", default=None)


def current() -> Trace | None:
    """The recording under way in this context; None outside a pipeline."""
    return _current.get()


@dataclass(slots=True, eq=False)
class Call:
    """One call of a task, before nodes have names."""

    key: str  # of the task in the graph
    bindings: dict[str, ex.Expr]
    policy: Policy
    map: MapSpec | None
    when: ex.Expr | None
    site: CallSite
    after: list[str] = field(default_factory=list)

    def node(self, node_id: str, ids: dict[str, str]) -> Node:
        return Node(
            node_id,
            self.key,
            {name: rename(binding, ids) for name, binding in self.bindings.items()},
            self.policy,
            self.map,
            None if self.when is None else rename(self.when, ids),
            tuple(dict.fromkeys(ids[number] for number in self.after)),
            file=self.site.file,
            line=self.site.line,
        )


@dataclass(slots=True, eq=False)
class Block:
    """What `when` and `otherwise` say at the line that is being recorded."""

    condition: ex.Expr | None  # with those around it
    rest: ex.Expr | None = None  # holds when no branch of the `when` that just ended was taken; None: nothing to follow


@dataclass(eq=False)
class Trace:
    """The calls of one pipeline, in order."""

    name: str
    calls: dict[str, Call] = field(default_factory=dict)  # by number
    tasks: dict[str, Task[..., Any]] = field(default_factory=dict)
    scopes: list[list[Place]] = field(default_factory=lambda: [[]])
    blocks: list[Block] = field(default_factory=lambda: [Block(None)])
    unused: dict[int, CallSite] = field(default_factory=dict)  # `when`s that no `with` has entered
    active: list[Callee] = field(default_factory=list)  # pipelines that are being called, outermost first

    @property
    def parameters(self) -> tuple[str, ...]:
        """Parameters of the pipeline whose function runs now."""
        return tuple(self.active[-1].signature.parameters) if self.active else ()

    def record(self, task: Task[..., Any], bound: Bound) -> Reference:
        """Make a node of a task call."""
        site = here()
        number = f"#{len(self.calls) + 1}"
        key = self._key(task, site)
        block = self.blocks[-1]
        block.rest = None
        self.calls[number] = Call(key, bound.bindings, task.policy, bound.map, block.condition, site)
        self.scopes[-1].append(Place(number, task.name, site, task.pinned))
        if task.order:
            self.add_after(number, task.order)
        return Reference(
            Handle(
                self,
                ex.Ref(number),
                label=task.name,
                hint=task.returns,
                mapped=bound.map is not None,
                length=bound.length,
                node=number,
                source=task.name,
                declared=task.declared,
            )
        )

    def _key(self, task: Task[..., Any], site: CallSite) -> str:
        key, known = task.name, self.tasks.get(task.name)
        count = 1
        while known is not None and known.fn is task.fn and known.outputs != task.outputs:  # shell commands
            count += 1
            key = f"{task.name}-{count}"
            known = self.tasks.get(key)
        if known is not None and known.fn is not task.fn:
            raise DefinitionError(
                f"two tasks are named `{task.name}`",
                code="P217",
                where=site.where(),
                facts=[f"one is declared at {known.declared}", f"the other at {task.declared}"],
                help=[f'give one of them another name: @task(name="{task.name}-2")'],
            )
        self.tasks.setdefault(key, task)
        return key

    def add_after(self, number: str, others: Any) -> None:
        """Let a node wait for the nodes of references; lists of references may be among them."""
        for other in others:
            if isinstance(other, (list, tuple)):
                self.add_after(number, other)
                continue
            if not is_reference(other):
                raise DefinitionError(
                    f"a task waits for results of tasks, not for a `{show_type(type(other))}`",
                    code="P203", where=here().where(), help=["write .after(result) with the result of a task call"],
                )  # fmt: skip
            handle = handle_of(other)
            if handle.trace is not self:
                raise foreign(other)
            needs = [ref.node for ref in ex.refs(handle.expr)]
            if number in needs:
                raise DefinitionError(
                    f"task `{handle.label}` depends on itself",
                    code="P210", where=here().where(), help=["take it out of .after(...) or >>"],
                )  # fmt: skip
            self.calls[number].after += needs

    @contextmanager
    def group(self, callee: Callee) -> Iterator[None]:
        """Record the calls of a pipeline that is called in this one."""
        inner: list[Place] = []
        self.blocks[-1].rest = None
        self.scopes[-1].append(Place("", callee.name, here(), inner=inner))
        self.scopes.append(inner)
        self.blocks.append(Block(self.blocks[-1].condition))
        self.active.append(callee)
        try:
            yield
        finally:
            self.scopes.pop()
            self.blocks.pop()
            self.active.pop()

    @contextmanager
    def branch(self, condition: ex.Expr, rest: ex.Expr | None) -> Iterator[None]:
        """Record calls that are made only if `condition` holds; an `otherwise` that follows is for `rest`."""
        outer = self.blocks[-1]
        whole = condition if outer.condition is None else ex.Op("and", (outer.condition, condition))
        self.blocks.append(Block(whole))
        try:
            yield
        finally:
            self.blocks.pop()
            outer.rest = rest

    def graph(self, output: Any, **about: Any) -> Graph:
        """The finished graph.

        Raises:
            DefinitionError: it is empty or has a cycle, or what the pipeline returns is not a plain value.
        """
        if self.unused:
            site = next(iter(self.unused.values()))
            raise DefinitionError(
                "`when` is called without `with`, so it decides nothing",
                code="P214", where=site.where(), help=["with when(condition): …"],
            )  # fmt: skip
        ids = assign(self.scopes[0])
        result = None if output is None else rename(self._output(output), ids)
        nodes = {ids[number]: call.node(ids[number], ids) for number, call in self.calls.items()}
        specs = {key: task.spec() for key, task in self.tasks.items()}
        return make_graph(self.name, specs, nodes, output=result, **about)

    def _output(self, output: Any) -> ex.Expr:
        try:
            return express(output, self, "result")
        except UnstorableError as problem:
            raise DefinitionError(
                f"pipeline `{self.name}` returns a `{type(output).__name__}`, which a graph cannot hold",
                code="P204",
                facts=[problem.title, *problem.facts],
                help=["return results of tasks, plain values, or lists, tuples and dicts of them"],
            ) from None


@contextmanager
def recording(trace: Trace) -> Iterator[Trace]:
    """Let task calls in this context be recorded."""
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)
