"""Which functions can be tasks and pipelines, and where errors about them point."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

from ropewalk.author.callsite import declared, here
from ropewalk.core.errors import DefinitionError, RopewalkError, Where


def check_function(function: Any, what: str) -> None:
    """Refuse what cannot be a task or pipeline (`what`).

    Raises:
        DefinitionError: it is not a plain function, or has parameters without names.
    """
    if not isinstance(function, FunctionType):
        raise _refusal(function, what, *_kind(function, what))
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise _refusal(
            function, what, "it is a generator, which stops and goes on", "return a list: return [… for … in …]"
        )
    if what == "pipeline" and inspect.iscoroutinefunction(function):
        raise _refusal(
            function, what, "it is `async`", "write `def`; tasks may be `async def`, and Ropewalk waits for them"
        )
    _check_parameters(function, what)


def _check_parameters(function: FunctionType, what: str) -> None:
    parameters = list(inspect.signature(function).parameters.values())
    owner = function.__qualname__.rpartition(".")[0]
    if owner and not owner.endswith("<locals>") and parameters and parameters[0].name in ("self", "cls"):
        raise _refusal(
            function, what, f"it is a method of `{owner}`", "write a function; pass the object in as an argument"
        )
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise _refusal(
                function, what, f"the arguments in `*{parameter.name}` have no names",
                f"take one list: {parameter.name}: list[…]",
            )  # fmt: skip
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise _refusal(function, what, f"`{parameter.name}` is positional only", "remove the `/`")
        if parameter.kind is parameter.VAR_KEYWORD and what == "pipeline":
            raise _refusal(
                function, what, f"what may stand in `**{parameter.name}` is not known", "name every parameter"
            )


def _kind(function: Any, what: str) -> tuple[str, str]:
    kind = type(function).__name__
    if inspect.isclass(function):
        return "it is a class", "write a function that makes the object"
    if inspect.isbuiltin(function):
        return "it is built in, so it has no code to look at", f"wrap it: def step(x): return {function.__name__}(x)"
    if kind in ("Task", "Pipeline"):
        return f"it is a {kind.lower()} already", f"remove one @{what}"
    if kind in ("staticmethod", "classmethod", "method"):
        return f"it is a {kind}", "write a function at the top level of the module"
    return f"it is a `{kind}`", "write a function: def step(…): …"


def _refusal(function: Any, what: str, reason: str, fix: str) -> DefinitionError:
    name = getattr(function, "__name__", repr(function))
    where = declared(function).where() if isinstance(function, FunctionType) else here().where()
    return DefinitionError(f"`{name}` cannot be a {what}: {reason}", code="P202", where=where, help=[fix])


@contextmanager
def located(where: Callable[[], Where]) -> Iterator[None]:
    """Let an error from inside that names no place point to this one."""
    try:
        yield
    except RopewalkError as error:
        error.where = error.where or where()
        raise
