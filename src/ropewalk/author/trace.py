"""Recording: while a pipeline's function runs, its task calls become nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ropewalk.author.bind import Bound, Callee
from ropewalk.author.callsite import CallSite, here
from ropewalk.author.function import located
from ropewalk.author.hints import show_type
from ropewalk.author.ids import Place, rename
from ropewalk.author.refs import Handle, Reference, foreign, handle_of, is_reference
from ropewalk.author.undo import check_map
from ropewalk.core import expr as ex
from ropewalk.core.artifact import ArtifactRef
from ropewalk.core.errors import DefinitionError
from ropewalk.core.graph import MapSpec, Node, TaskSpec
from ropewalk.core.policy import Policy
from ropewalk.core.special import Grow, Special

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
    special: Special | None = None
    body: str = ""  # number of the call whose nodes it is among; empty: the pipeline's own

    def node(self, node_id: str, ids: Mapping[str, str], slots: Mapping[str, ex.Expr]) -> Node:
        return Node(
            node_id,
            self.key,
            {name: rename(binding, ids, slots) for name, binding in self.bindings.items()},
            self.policy,
            self.map,
            None if self.when is None else rename(self.when, ids, slots),
            tuple(dict.fromkeys(ids[number] for number in self.after)),
            self.special,
            file=self.site.file,
            line=self.site.line,
        )


@dataclass(slots=True, eq=False)
class Block:
    """What `when` and `otherwise` say at the line that is being recorded."""

    condition: ex.Expr | None  # with those around it
    rest: ex.Expr | None = None  # holds when no branch of the `when` that just ended was taken; None: nothing to follow


@dataclass(slots=True, eq=False)
class Recorded:
    """The calls that a node has for itself: of one item, or of one turn."""

    inner: list[Place]
    slots: list[str] = field(default_factory=list)
    output: ex.Expr | None = None
    until: ex.Expr | None = None


@dataclass(eq=False)
class Trace:
    """The calls of one pipeline, in order."""

    name: str
    calls: dict[str, Call] = field(default_factory=dict)  # by number
    bodies: dict[str, Recorded] = field(default_factory=dict)  # by number of the call that has them
    inside: list[str] = field(default_factory=lambda: [""])  # whose calls are being recorded, outermost first
    specs: dict[str, TaskSpec] = field(default_factory=dict)  # of calls that are not of a task
    tasks: dict[str, Task[..., Any]] = field(default_factory=dict)
    scopes: list[list[Place]] = field(default_factory=lambda: [[]])
    blocks: list[Block] = field(default_factory=lambda: [Block(None)])
    unused: dict[int, CallSite] = field(default_factory=dict)  # `when`s that no `with` has entered
    active: list[Callee] = field(default_factory=list)  # pipelines that are being called, outermost first
    keep: Callable[[Any], ArtifactRef] | None = None  # stores what no graph can hold; None: it is refused
    _count: int = 0

    @property
    def parameters(self) -> tuple[str, ...]:
        """Parameters of the pipeline whose function runs now."""
        return tuple(self.active[-1].signature.parameters) if self.active else ()

    def record(self, task: Task[..., Any], bound: Bound, special: Special | None = None) -> Reference:
        """Make a node of a task call."""
        site = here()
        number = self.number()
        key = self.key(task, site)
        if task.dynamic:
            return self._record_dynamic(task, bound, number, key, site)
        policy = self.policy_of(task, bound.map, site)
        self.add(number, Call(key, bound.bindings, policy, bound.map, None, site, special=special))
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

    def policy_of(self, task: Task[..., Any], mapping: MapSpec | None, site: CallSite) -> Policy:
        """The policy of a call, checked where it depends on how the task is called."""
        if mapping is None and task.policy.partial_ok < 1:
            raise DefinitionError(
                f"`partial_ok` of `{task.name}` is a share of the items of a map, and this call is not mapped",
                code="P247", where=site.where(),
                help=[f"{task.name}(each(…))", f"{task.name}.options(partial_ok=1)(…)    # for this call"],
            )  # fmt: skip
        if task.undo is None:
            return task.policy
        with located(site.where):
            check_map(task.undo.signature.parameters, task.name, mapping)
        return replace(task.policy, undo=self.key(task.undo, site))

    def _record_dynamic(self, task: Task[..., Any], bound: Bound, build: str, key: str, site: CallSite) -> Reference:
        """A call that decides on nodes, and the node that gets them."""
        number = self.number()
        self.add(build, Call(key, bound.bindings, task.policy, bound.map, None, site))
        if task.order:
            self.add_after(build, task.order)
        inner = [Place(build, "build", site)]
        self.scopes[-1].append(Place(number, task.name, site, task.pinned, inner))
        spec = f"grow:{task.name}"
        self.specs[spec] = TaskSpec(task.name, "", (("nodes", ""),), task.outputs)
        mapping = None if bound.map is None else MapSpec("zip", ("nodes",))
        self.add(number, Call(spec, {"nodes": ex.Ref(build)}, Policy(), mapping, None, site, special=Grow()))
        mapped = bound.map is not None
        handle = Handle(self, ex.Ref(number), task.name, task.returns, mapped, bound.length, node=build)
        return Reference(replace(handle, source=task.name, declared=task.declared))

    def number(self) -> str:
        """A number for a call that is about to be recorded."""
        self._count += 1
        return f"#{self._count}"

    def add(self, number: str, call: Call) -> None:
        """Take a call in where the pipeline's function is now."""
        block = self.blocks[-1]
        block.rest = None
        call.when, call.body = block.condition, self.inside[-1]
        self.calls[number] = call

    @contextmanager
    def body(self, number: str) -> Iterator[Recorded]:
        """Record calls that the call with this number has for itself."""
        made = self.bodies[number] = Recorded([])
        self.scopes.append(made.inner)
        self.blocks.append(Block(None))
        self.inside.append(number)
        try:
            yield made
        finally:
            self.scopes.pop()
            self.blocks.pop()
            self.inside.pop()

    def outside(self, number: str) -> list[str]:
        """Calls that the body of a call needs without having them."""
        own = {n for n, call in self.calls.items() if self._is_within(call.body, number)}
        needs = (ref.node for n in own for ref in self.calls[n].node(n, _SAME, {}).refs())
        return list(dict.fromkeys(need for need in needs if need not in own))

    def _is_within(self, body: str, number: str) -> bool:
        while body and body != number:
            body = self.calls[body].body if body in self.calls else ""
        return body == number

    def check_reach(self, expr: ex.Expr, label: str) -> None:
        """Refuse what means something only inside the body of another call.

        Raises:
            DefinitionError: it does not mean anything here.
        """
        for ref in ex.refs(expr):
            if ref.node in self.calls and self.calls[ref.node].body not in self.inside:
                raise DefinitionError(
                    f"`{label}` is a result inside a loop or a mapped pipeline, and is used outside it",
                    code="P218", where=here().where(), help=["return it from there, and use what the call returns"],
                )  # fmt: skip

    def key(self, task: Task[..., Any], site: CallSite) -> str:
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
            self.check_reach(handle.expr, handle.label)
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
        try:
            with self.calling(callee):
                yield
        finally:
            self.scopes.pop()
            self.blocks.pop()

    @contextmanager
    def calling(self, callee: Callee) -> Iterator[None]:
        """The function of a pipeline runs."""
        self.active.append(callee)
        try:
            yield
        finally:
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


class _Same(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return key


_SAME = _Same()


@contextmanager
def recording(trace: Trace) -> Iterator[Trace]:
    """Let task calls in this context be recorded."""
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)
