"""Imports go down the layers only (DESIGN 4), wherever in a file they stand."""

from __future__ import annotations

import re

import pytest

from tests.architecture.source import ROOT, Source, imports, package_sources

LAYERS = """
cli | api
config
ml | export
engine
author | store | artifacts | plan
core | telemetry | plugins
"""

HEIGHT = {
    name.strip(): height
    for height, line in enumerate(reversed(LAYERS.strip().splitlines()))
    for name in line.split("|")
}
ENTRY_POINTS = {"src/ropewalk/__init__.py", "src/ropewalk/__main__.py"}  # they sit above all layers
FREE = "testing"  # shipped conformance suites: may import anything, and nothing imports them


def violations(source: Source) -> list[str]:
    if source.path in ENTRY_POINTS or source.package == FREE:
        return []
    if source.package not in HEIGHT:
        return [f"{source.path}: `{source.package}` has no layer; place it in DESIGN 4, ARCHITECTURE.md and here"]
    found = []
    for line, module, name in imports(source.tree):
        target = _target(module, name)
        if target and (problem := _problem(source.package, target)):
            found.append(f"{source.path}:{line}: `{target}` {problem}")
    return found


def _target(module: str, name: str) -> str:
    """What the layers say about an import: a first name below `ropewalk`, or "" when they say nothing."""
    top, _, rest = module.partition(".")
    if top == "":
        return module  # relative
    if top != "ropewalk" or (not rest and name == "__version__"):
        return ""
    first = (rest or name).split(".", maxsplit=1)[0]
    return first if rest or first in HEIGHT or first == FREE else f"ropewalk.{name}".rstrip(".")


def _problem(package: str, target: str) -> str:
    if target.startswith("."):
        return "is a relative import; write it absolute"
    if target.startswith("ropewalk"):
        return "comes through the package root, which may load every layer"
    if target == package:
        return ""
    if target == FREE:
        return "must not be imported by the package itself"
    if target not in HEIGHT:
        return "has no layer; place it in DESIGN 4, ARCHITECTURE.md and here"
    if HEIGHT[target] == HEIGHT[package]:
        return f"is beside `{package}`"
    return f"is above `{package}`" if HEIGHT[target] > HEIGHT[package] else ""


def test_every_import_goes_to_a_lower_layer() -> None:
    problems = [problem for source in package_sources() for problem in violations(source)]

    assert not problems, "\n".join(problems)


def test_the_page_for_readers_draws_the_same_layers() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")

    blocks = re.findall(r"```\w*\n(.*?)```", page, flags=re.DOTALL)

    assert LAYERS.lstrip() in blocks


@pytest.mark.parametrize(
    ("path", "text", "problem"),
    [
        ("core/x.py", "from ropewalk.engine import worker", "`engine` is above `core`"),
        ("core/x.py", "def f():\n    from ropewalk.engine.worker import Worker", "x.py:2: `engine` is above"),
        ("core/x.py", "if TYPE_CHECKING:\n    import ropewalk.store.runs", "x.py:2: `store` is above"),
        ("store/x.py", "from ropewalk import artifacts", "`artifacts` is beside `store`"),
        ("engine/x.py", "from ropewalk.config import load", "`config` is above"),
        ("cli/x.py", "from ropewalk.api import app", "`api` is beside"),
        ("cli/x.py", "from ropewalk import task", "`ropewalk.task` comes through the package root"),
        ("cli/x.py", "import ropewalk", "`ropewalk` comes through the package root"),
        ("engine/x.py", "from ropewalk.testing import clock", "`testing` must not be imported"),
        ("engine/x.py", "from .worker import Worker", "is a relative import"),
        ("engine/x.py", "def f():\n    importlib.import_module('ropewalk.ml.checks')", "`ml` is above"),
        ("utils.py", "import os", "`utils` has no layer"),
        ("engine/x.py", "import ropewalk.utils", "`utils` has no layer"),
    ],
)
def test_a_planted_violation_is_found(path: str, text: str, problem: str) -> None:
    found = violations(Source(f"src/ropewalk/{path}", text))

    assert len(found) == 1
    assert problem in found[0]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("cli/x.py", "from ropewalk import __version__\nfrom ropewalk.engine.client import Client"),
        ("engine/x.py", "from ropewalk.core.graph import Graph\nimport json"),
        ("engine/x.py", "from ropewalk.engine.worker import Worker"),
        ("testing/x.py", "from ropewalk.cli import main"),
        ("__init__.py", "from ropewalk.author.task import task"),
    ],
)
def test_what_is_allowed_is_not_reported(path: str, text: str) -> None:
    assert violations(Source(f"src/ropewalk/{path}", text)) == []
