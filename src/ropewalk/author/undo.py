"""What a function has to be like to take the effects of a task back."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

from ropewalk.core.cache import Cache
from ropewalk.core.errors import DefinitionError, did_you_mean
from ropewalk.core.graph import MapSpec
from ropewalk.core.undo import RESULT


def check_undo(undo: inspect.Signature, name: str, task: str, inputs: Iterable[str]) -> None:
    """Refuse a function that asks for what is not there when it is called.

    Args:
        undo: its signature.
        name: its name.
        task: name of the task whose effects it takes back.
        inputs: the parameters of that task.

    Raises:
        DefinitionError: it takes something that is neither an input of the task nor `result`, or that may be both.
    """
    known = list(inputs)
    for parameter in undo.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            raise DefinitionError(
                f"the undo of `{task}` must name what it takes, not `**{parameter.name}`", code="P248",
                facts=[_choice(task, known)], help=[f"def {name}({', '.join([*known[:1], RESULT])}): …"],
            )  # fmt: skip
        if parameter.name not in known and parameter.name != RESULT:
            guess = did_you_mean(parameter.name, [*known, RESULT])
            raise DefinitionError(
                f"the undo of `{task}` takes `{parameter.name}`, which is not among what it can be given", code="P248",
                facts=[_choice(task, known)], help=[f"did you mean `{guess}`?"] if guess else [],
            )  # fmt: skip
    if RESULT in known and RESULT in undo.parameters:
        raise DefinitionError(
            f"`{RESULT}` of the undo of `{task}` may be its input or what it returned", code="P248",
            help=[f"give the input of `{task}` another name"],
        )  # fmt: skip


def check_cache(task: str, cache: Cache) -> None:
    """Refuse to reuse what may have been undone.

    Raises:
        DefinitionError: the task is to be reused.
    """
    if cache.enabled:
        raise DefinitionError(
            f"`{task}` has an undo, so it cannot be reused: what is reused may have been undone", code="P248",
            help=["remove cache=…: a task with an undo runs each time"],
        )  # fmt: skip


def check_map(undo: Iterable[str], task: str, mapping: MapSpec | None) -> None:
    """Refuse an undo that takes an input of which every combination with others is made.

    Raises:
        DefinitionError: it does.
    """
    if mapping is None or mapping.mode != "cross":
        return
    for name in undo:
        if name in mapping.names:
            raise DefinitionError(
                f"the undo of `{task}` cannot be given `{name}`, which `cross` combines with others", code="P248",
                help=[f"take `{RESULT}`, and let the task return what its undo needs"],
            )  # fmt: skip


def _choice(task: str, known: list[str]) -> str:
    return f"it can take {', '.join(f'`{name}`' for name in [*known, RESULT])}: the inputs of `{task}` and its result"
