"""Ropewalk: machine-learning pipelines that explain themselves before they run, and survive anything after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ropewalk.author.bodies import loop, reduce
    from ropewalk.author.convert import Doc, Range
    from ropewalk.author.each import cross, each
    from ropewalk.author.flow import first_of, otherwise, when
    from ropewalk.author.guards import breaker, limit
    from ropewalk.author.pipeline import pipeline
    from ropewalk.author.shell import shell
    from ropewalk.author.task import task
    from ropewalk.author.wait import approval, wait_for
    from ropewalk.core.answer import Answer
    from ropewalk.core.cache import Cache
    from ropewalk.core.errors import RopewalkError
    from ropewalk.core.resources import Resources
    from ropewalk.core.retry import Retry
    from ropewalk.engine.client import Client
    from ropewalk.engine.context import context

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Cache",
    "Client",
    "Doc",
    "Range",
    "Resources",
    "Retry",
    "RopewalkError",
    "approval",
    "breaker",
    "context",
    "cross",
    "each",
    "first_of",
    "limit",
    "loop",
    "otherwise",
    "pipeline",
    "reduce",
    "shell",
    "task",
    "wait_for",
    "when",
]

_MODULES = {
    "Answer": "ropewalk.core.answer",
    "Cache": "ropewalk.core.cache",
    "Client": "ropewalk.engine.client",
    "Doc": "ropewalk.author.convert",
    "Range": "ropewalk.author.convert",
    "Resources": "ropewalk.core.resources",
    "Retry": "ropewalk.core.retry",
    "RopewalkError": "ropewalk.core.errors",
    "approval": "ropewalk.author.wait",
    "breaker": "ropewalk.author.guards",
    "context": "ropewalk.engine.context",
    "cross": "ropewalk.author.each",
    "each": "ropewalk.author.each",
    "first_of": "ropewalk.author.flow",
    "limit": "ropewalk.author.guards",
    "loop": "ropewalk.author.bodies",
    "otherwise": "ropewalk.author.flow",
    "pipeline": "ropewalk.author.pipeline",
    "reduce": "ropewalk.author.bodies",
    "shell": "ropewalk.author.shell",
    "task": "ropewalk.author.task",
    "wait_for": "ropewalk.author.wait",
    "when": "ropewalk.author.flow",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used, so that `import ropewalk` stays cheap."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = globals()[name] = getattr(importlib.import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
