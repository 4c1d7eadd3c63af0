"""`-p train.max_depth=8`: one parameter of one task replaced in a graph."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ropewalk.author.callsite import CallSite, declared
from ropewalk.author.convert import Unfit, convert
from ropewalk.author.hints import UNKNOWN, bare, resolve_hints
from ropewalk.author.params import Parameter, Problem, parameter_error, parameter_spec, unfit_problem, unknown_problem
from ropewalk.author.resolve import resolve
from ropewalk.core import expr as ex
from ropewalk.core.graph import Graph, Node
from ropewalk.core.grow import TEMPLATE
from ropewalk.core.nesting import as_written
from ropewalk.core.values import decode


def override(
    graph: Graph,
    given: Mapping[str, str] | Iterable[tuple[str, str]],
    functions: Mapping[str, Callable[..., Any]] | None = None,
) -> Graph:
    """The graph with parameters of tasks replaced by constants.

    Args:
        graph: what to change.
        given: texts by name: "task.parameter" for every node of a task, "node.parameter" for one node.
        functions: the function of each task, for its annotations; imported when None.

    Raises:
        UsageError: unknown names, texts that do not fit, and parameters that take the result of another task; all
            of them are named.
    """
    functions = resolve(graph) if functions is None else functions
    problems: list[Problem] = []
    for name, text in list(given.items()) if isinstance(given, Mapping) else list(given):
        target, _, parameter = name.rpartition(".")
        nodes = _nodes(graph, target, parameter)
        obstacle = _obstacle(graph, name, text, parameter, nodes)
        if obstacle is not None:
            problems.append(obstacle)
            continue
        known = _parameter(nodes[0], name, parameter, functions.get(nodes[0].task))
        try:
            value = convert(text, known.hint, text=True)
            graph = graph.with_constant(tuple(node.id for node in nodes), parameter, value)
        except Unfit as unfit:
            function = functions.get(nodes[0].task)
            place = f"{nodes[0].file}:{nodes[0].line}" if function is None else str(declared(function))
            problems.append(unfit_problem(graph.name, known, text, str(unfit), place))
    if problems:
        raise parameter_error(graph.name, problems, CallSite(graph.file, 0), text=True)
    return graph


def overridable(graph: Graph) -> list[str]:
    """The names that can be overridden: parameters of tasks that do not take results of other tasks."""
    names = {
        f"{name}.{parameter}"
        for node in as_written(graph).values()
        for parameter in node.bindings
        if not _wired(node, parameter)
        for name in (node.id, graph.tasks[node.task].name)
        if TEMPLATE not in name
    }
    return sorted(names)


def _nodes(graph: Graph, target: str, parameter: str) -> list[Node]:
    """The node of this name, or else those of the task of this name, in bodies too, that have such a parameter."""
    if target in graph.nodes and parameter in graph.nodes[target].bindings:
        return [graph.nodes[target]]
    named = [node for node in as_written(graph).values() if graph.tasks[node.task].name == target]
    return [node for node in named if parameter in node.bindings]


def _wired(node: Node, parameter: str) -> str:
    """Why a parameter cannot be replaced; empty: it can."""
    if node.map is not None and parameter in node.map.names:
        return "it is taken apart by each() or cross()"
    if _has_slot(node.bindings[parameter]):
        return "it takes what the turn or item is given"
    if any(ex.refs(node.bindings[parameter])):
        return f"it takes {ex.show(node.bindings[parameter])}"
    return ""


def _has_slot(expr: ex.Expr) -> bool:
    return isinstance(expr, ex.Slot) or any(map(_has_slot, ex.parts(expr)))


def _obstacle(graph: Graph, name: str, text: str, parameter: str, nodes: list[Node]) -> Problem | None:
    if not nodes:
        return unknown_problem(graph.name, name, text, [*overridable(graph), *(p.name for p in graph.params)])
    for node in nodes:
        reason = _wired(node, parameter)
        if reason:
            return Problem(
                f"{name}={text}",
                f"cannot be given: {reason}",
                f"parameter `{name}` cannot be given: {reason}",
                (f"{node.id} is called at {node.file}:{node.line}",),
                declared=f"{node.file}:{node.line}",
            )
    return None


def _parameter(node: Node, name: str, parameter: str, function: Callable[..., Any] | None) -> Parameter:
    hint = UNKNOWN if function is None else resolve_hints(function).get(parameter, UNKNOWN)
    binding = node.bindings[parameter]
    if bare(hint) is UNKNOWN and isinstance(binding, ex.Const) and binding.data is not None:
        hint = type(decode(binding.data))
    declaration = None if function is None else inspect.signature(function).parameters.get(parameter)
    text = "" if declaration is None else declaration.annotation
    return Parameter(parameter_spec(name, hint, text), hint, None)
