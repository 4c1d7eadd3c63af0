"""A graph run in memory: one thread, no store, no retries. It is what calling a pipeline as a function does."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from ropewalk.core import expr as ex
from ropewalk.core.errors import ExecutionError
from ropewalk.core.graph import Graph, Node
from ropewalk.core.special import Each, Grow, Loop, Reduce, Wait

_SUCCEEDED, _FAILED, _SKIPPED = "succeeded", "failed", "skipped"


def interpret(
    graph: Graph,
    functions: Mapping[str, Callable[..., Any]],
    params: Mapping[str, Any],
    held: Sequence[Any] = (),
) -> Any:
    """What the pipeline returns for these parameters; None where what it returns was skipped.

    Args:
        held: values that a dynamic task hands on, by the digest that stands in their place.

    Raises:
        Exception: the first that a task raised, after tasks that run on failure have run.
    """
    run = _Run(graph, functions, params, held)
    for node in graph.nodes.values():
        run.do(node)
    if run.error is not None:
        raise run.error
    if graph.output is None:
        return None
    try:
        return ex.evaluate(graph.output, run.value_of)
    except ex.Unavailable:
        return None


class _Run:
    """Results and states of the nodes so far; those of a body inside those around it."""

    def __init__(
        self,
        graph: Graph,
        functions: Mapping[str, Callable[..., Any]],
        params: Mapping[str, Any],
        held: Sequence[Any] = (),
        outer: _Run | None = None,
        slots: Mapping[str, Any] | None = None,
    ) -> None:
        self.graph = graph
        self.functions = functions
        self.params = params
        self.held = held
        self.outer = outer
        self.slots = slots or {}
        self.states: dict[str, str] = {}
        self.results: dict[str, Any] = {}
        self.nodes: Mapping[str, Node] = graph.nodes
        self.error: Exception | None = None

    def do(self, node: Node) -> None:
        """Run or skip one node, whose upstream nodes are done."""
        try:
            if not self._may_run(node):
                self.states[node.id] = _SKIPPED
                return
            self.results[node.id] = self._call(node)
            self.states[node.id] = _SUCCEEDED
        except ex.Unavailable:
            self.states[node.id] = _SKIPPED
        except Exception as error:  # noqa: BLE001  # whatever a task raises is its failure, and raised at the end
            self.states[node.id] = _FAILED
            self.error = self.error or error

    def value_of(self, leaf: ex.Leaf) -> Any:
        if isinstance(leaf, ex.Param):
            return self.params[leaf.name]
        if not isinstance(leaf, ex.Ref):
            return self._slot(leaf)
        if self.state_of(leaf.node) != _SUCCEEDED:
            raise ex.Unavailable
        if leaf.node not in self.states:
            assert self.outer is not None
            return self.outer.value_of(leaf)
        result = self.results[leaf.node]
        if self.nodes[leaf.node].map is None:
            return ex.project(result, leaf.path)
        if leaf.path and leaf.path[0][0] == "item":  # one result out of the list
            return ex.project(result, leaf.path)
        return [ex.project(item, leaf.path) for item in result]

    def _slot(self, leaf: ex.Leaf) -> Any:
        if isinstance(leaf, ex.Held):
            return self.held[int(leaf.ref.digest)]
        if isinstance(leaf, ex.Slot) and leaf.name in self.slots:
            return self.slots[leaf.name]
        if self.outer is None:
            raise ex.Unavailable
        return self.outer.value_of(leaf)

    def state_of(self, node_id: str) -> str:
        if node_id in self.states or self.outer is None:
            return self.states[node_id]
        return self.outer.state_of(node_id)

    def body(self, node: Node, slots: Mapping[str, Any]) -> tuple[Any, bool]:
        """What the body of a node returns for these arguments, and whether that is where a loop ends."""
        body = self.graph.bodies[node.id]
        inner = _Run(self.graph, self.functions, self.params, self.held, self, slots)
        inner.nodes = body.nodes
        for part in body.nodes.values():
            inner.do(part)
        if inner.error is not None:
            raise inner.error
        result = ex.evaluate(body.output, inner.value_of)
        return result, body.until is not None and bool(ex.evaluate(body.until, inner.value_of))

    def _may_run(self, node: Node) -> bool:
        failed = any(self.state_of(up) == _FAILED for up in node.upstream)
        rule = node.policy.run_if
        if rule == "any_failed" and not failed:
            return False
        if rule == "none_failed" and failed:
            return False
        if rule == "all_succeeded" and any(self.state_of(up) != _SUCCEEDED for up in self._needed(node)):
            return False
        return node.when is None or bool(ex.evaluate(node.when, self.value_of))

    def _needed(self, node: Node) -> list[str]:
        """Nodes without which it is skipped: all but the options of `first_of`, of which a failed one counts."""
        exprs = [*node.bindings.values(), *((node.when,) if node.when is not None else ())]
        hard = [ref.node for e in exprs for ref in ex.hard_refs(e)]
        failed = [
            ref.node
            for e in exprs
            for choice in ex.choices(e)
            for ref in itertools.takewhile(lambda r: self.state_of(r.node) != _SUCCEEDED, ex.refs(choice))
            if self.state_of(ref.node) == _FAILED
        ]
        choices = [choice for e in exprs for choice in ex.choices(e)]
        return [*hard, *node.after, *failed, *(up for choice in choices for up in self._lacking(choice))]

    def _lacking(self, choice: ex.FirstOf) -> list[str]:
        """Of a choice without any result the nodes that have none."""
        options = [[ref.node for ref in ex.refs(option)] for option in choice.options]
        lacking = [[up for up in ups if self.state_of(up) != _SUCCEEDED] for ups in options]
        return [] if any(not ups for ups in lacking) else [up for ups in lacking for up in ups]

    def _call(self, node: Node) -> Any:
        values = {name: self._input(node, binding) for name, binding in node.bindings.items()}
        if isinstance(node.special, Reduce):
            return self._reduce(node, node.special.width, values)
        if node.map is None:
            return self._one(node, values)
        return [self._one(node, {**values, **item}) for item in _items(node, values)]

    def _one(self, node: Node, values: dict[str, Any]) -> Any:
        """The result of one item."""
        if isinstance(node.special, Grow):
            return values["nodes"]  # called in memory, the task has run those that it would have added
        if isinstance(node.special, Loop):
            state, slot = values["start"], self.graph.bodies[node.id].slots[0]
            for _ in range(node.special.at_most):
                state, ends = self.body(node, {slot: state})
                if ends:
                    break
            return state
        if isinstance(node.special, Each):
            return self.body(node, {s: values[s.partition("@")[0]] for s in self.graph.bodies[node.id].slots})[0]
        result = self._invoke(node, values)
        if isinstance(node.special, Wait) and not result:
            _stop_waiting(node, node.special)
        return result

    def _invoke(self, node: Node, values: dict[str, Any]) -> Any:
        function = self.functions[node.task]
        if not self.graph.tasks[node.task].dynamic:
            return _await(function(**values))
        from ropewalk.author.dynamic import run_now  # it interprets what the task calls

        return run_now(node.task, function, lambda: function(**values))

    def _reduce(self, node: Node, width: int, values: dict[str, Any]) -> Any:
        name = self.graph.tasks[node.task].inputs[0][0]
        level, function = list(values[name]), self.functions[node.task]
        while True:
            level = [
                _await(function(**{**values, name: level[start : start + width]}))
                for start in range(0, max(len(level), 1), width)
            ]
            if len(level) == 1:
                return level[0]

    def _input(self, node: Node, binding: ex.Expr) -> Any:
        try:
            return ex.evaluate(binding, self.value_of)
        except ex.Unavailable:
            if node.policy.run_if == "all_succeeded":
                raise
            return None  # it runs without: `run_if` asked for that


def _items(node: Node, values: dict[str, Any]) -> list[dict[str, Any]]:
    """The arguments of each call that a mapped node makes."""
    assert node.map is not None
    names = node.map.names
    for name in names:
        if isinstance(values[name], (str, bytes, dict, set)) or not hasattr(values[name], "__iter__"):
            raise ExecutionError(
                f"`{node.id}` is mapped over `{name}`, which is a `{type(values[name]).__name__}` and not a list",
                code="P312", help=[f"return a list from the task that gives `{name}`"],
            )  # fmt: skip
    lists = [list(values[name]) for name in names]
    if node.map.mode == "cross":
        return [dict(zip(names, combination, strict=True)) for combination in itertools.product(*lists)]
    if len({len(items) for items in lists}) > 1:
        raise ExecutionError(
            f"`{node.id}` is mapped over lists of different lengths",
            code="P312", facts=[f"`{name}` has {len(items)} items" for name, items in zip(names, lists, strict=True)],
        )  # fmt: skip
    return [dict(zip(names, combination, strict=True)) for combination in zip(*lists, strict=True)]


def _stop_waiting(node: Node, wait: Wait) -> NoReturn:
    """In memory a check is made once, and this is what follows when it has found nothing."""
    if wait.soft_fail:
        raise ex.Unavailable
    raise ExecutionError(
        f"`{node.id}` is not there yet, and in memory it is looked for once",
        code="P336", facts=["a pipeline that is called as a function runs in this process, without pauses"],
        help=["pipeline.run(…)   or   ropewalk run", "in a test, let the check find something"],
    )  # fmt: skip


def _await(value: Any) -> Any:
    """The result itself; of an `async def` task after it ended."""
    if not inspect.iscoroutine(value):
        return value
    import asyncio  # costs more than the rest of the authoring layer, and few tasks are coroutines

    return asyncio.run(value)
