"""From a graph to the functions that it names, in whichever process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ropewalk.core.errors import DefinitionError
from ropewalk.core.graph import Graph
from ropewalk.core.values import find, path_of


def function_path(function: Callable[..., Any]) -> str:
    """The import path "module:qualname" of a function; one of a script has the name that importing it would have."""
    return path_of(function)


def resolve(graph: Graph) -> dict[str, Callable[..., Any]]:
    """The plain function of each task of a graph, by task key.

    Raises:
        DefinitionError: one of them cannot be imported here.
    """
    return {key: function_at(spec.name, spec.function) for key, spec in graph.tasks.items() if spec.function}


def function_at(task: str, path: str) -> Callable[..., Any]:
    """The plain function of a task from its import path.

    Raises:
        DefinitionError: it cannot be imported here.
    """
    module, _, name = path.partition(":")
    if "<" in name:
        raise DefinitionError(
            f"task `{task}` is defined inside a function, so another process cannot find it",
            code="P202", facts=[f"its path is {path}"], help=["move it to the top level of its module"],
        )  # fmt: skip
    try:
        found = find(path)
    except Exception as error:  # importing runs the author's code, which may raise anything
        raise DefinitionError(
            f"task `{task}` cannot be imported from `{path}`: {error}",
            code="P234",
            facts=["its name or module may have changed since the run was started"],
            help=[f"python -c 'import {module}'   in the environment and folder of the run"],
        ) from error
    plain: Callable[..., Any] = getattr(found, "fn", found)  # `name` is a Task unless the function was wrapped by hand
    return plain
