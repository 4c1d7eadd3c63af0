"""Shipped with Ropewalk: `lab` and `answers` for tests of pipelines, and conformance suites for tests of plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ropewalk.author.answers import answers
    from ropewalk.testing.laboratory import lab

__all__ = ["answers", "lab"]
_MODULES = {"answers": "ropewalk.author.answers", "lab": "ropewalk.testing.laboratory"}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: a conformance suite needs none of the others."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = globals()[name] = getattr(importlib.import_module(_MODULES[name]), name)
    return value
