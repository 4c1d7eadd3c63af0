"""A graph run in memory: one thread, no store, no retries. It is what calling a pipeline as a function does."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from ropewalk.core import expr as ex
from ropewalk.core.errors import ExecutionError
from ropewalk.core.graph import Graph, Node

_SUCCEEDED, _FAILED, _SKIPPED = "succeeded", "failed", "skipped"


def interpret(graph: Graph, functions: Mapping[str, Callable[..., Any]], params: Mapping[str, Any]) -> Any:
    """What the pipeline returns for these parameters; None where what it returns was skipped.

    Raises:
        Exception: the first that a task raised, after tasks that run on failure have run.
    """
    run = _Run(graph, functions, params)
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
    """Results and states of the nodes so far."""

    def __init__(self, graph: Graph, functions: Mapping[str, Callable[..., Any]], params: Mapping[str, Any]) -> None:
        self.graph = graph
        self.functions = functions
        self.params = params
        self.states: dict[str, str] = {}
        self.results: dict[str, Any] = {}
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
        if self.states[leaf.node] != _SUCCEEDED:
            raise ex.Unavailable
        result = self.results[leaf.node]
        if self.graph.nodes[leaf.node].map is None:
            return ex.project(result, leaf.path)
        if leaf.path and leaf.path[0][0] == "item":  # one result out of the list
            return ex.project(result, leaf.path)
        return [ex.project(item, leaf.path) for item in result]

    def _may_run(self, node: Node) -> bool:
        failed = any(self.states[up] == _FAILED for up in self.graph.upstream[node.id])
        rule = node.policy.run_if
        if rule == "any_failed" and not failed:
            return False
        if rule == "none_failed" and failed:
            return False
        if rule == "all_succeeded" and any(self.states[up] != _SUCCEEDED for up in self._needed(node)):
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
            for ref in itertools.takewhile(lambda r: self.states[r.node] != _SUCCEEDED, ex.refs(choice))
            if self.states[ref.node] == _FAILED
        ]
        return [*hard, *node.after, *failed]

    def _call(self, node: Node) -> Any:
        function = self.functions[node.task]
        values = {name: self._input(node, binding) for name, binding in node.bindings.items()}
        if node.map is None:
            return _await(function(**values))
        items = _items(node, values)
        return [_await(function(**{**values, **item})) for item in items]

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


def _await(value: Any) -> Any:
    """The result itself; of an `async def` task after it ended."""
    if not inspect.iscoroutine(value):
        return value
    import asyncio  # costs more than the rest of the authoring layer, and few tasks are coroutines

    return asyncio.run(value)
