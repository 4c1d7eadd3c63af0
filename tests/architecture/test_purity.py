"""`core/` and `plan/` decide; they do not act: no clock, randomness, I/O, threads or logging (DESIGN 4)."""

from __future__ import annotations

import ast
import sys

import pytest

from tests.architecture.source import Source, called_name, imports, package_sources

PURE = ("core", "plan")
# fmt: off
IMPURE_MODULES = frozenset({
    "asyncio", "atexit", "concurrent", "ctypes", "fcntl", "glob", "http", "importlib", "io", "logging", "mmap",
    "multiprocessing", "os", "pathlib", "platform", "queue", "random", "sched", "secrets", "select", "selectors",
    "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "urllib", "uuid",
    "warnings",
})
# fmt: on
IMPURE_FUNCTIONS = frozenset({"open", "print", "input", "exec", "eval", "__import__"})
IMPURE_METHODS = frozenset({"now", "utcnow", "today"})
ALLOWED = {
    # A test asks it, through the environment, to stop this process at a named point.
    "src/ropewalk/core/failpoint.py": {"os"},
    # Paths and UUIDs are values that tasks pass on; a value's class is found again by its import path.
    "src/ropewalk/core/values.py": {"importlib", "pathlib", "uuid"},
}


def violations(source: Source) -> list[str]:
    if source.package not in PURE:
        return []
    allowed = ALLOWED.get(source.path, set())
    tree = source.tree
    found = [
        f"{source.path}:{line}: imports `{module}`"
        for line, module, _ in imports(tree)
        if (top := module.split(".")[0]) not in allowed
        and (top in IMPURE_MODULES or (top != "ropewalk" and top not in sys.stdlib_module_names))
    ]
    found += [
        f"{source.path}:{node.lineno}: calls `{called_name(node)}`"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and called_name(node) in (IMPURE_FUNCTIONS if isinstance(node.func, ast.Name) else IMPURE_METHODS)
    ]
    return found


def test_the_core_and_the_plans_are_pure() -> None:
    problems = [problem for source in package_sources() for problem in violations(source)]

    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import time", "imports `time`"),
        ("def f():\n    import random", "x.py:2: imports `random`"),
        ("from os.path import join", "imports `os.path`"),
        ("from concurrent.futures import Future", "imports `concurrent.futures`"),
        ("import pandas as pd", "imports `pandas`"),
        ("from datetime import datetime\nat = datetime.now()", "x.py:2: calls `now`"),
        ("text = open('x').read()", "calls `open`"),
    ],
)
@pytest.mark.parametrize("package", PURE)
def test_a_planted_impurity_is_found(package: str, text: str, problem: str) -> None:
    found = violations(Source(f"src/ropewalk/{package}/x.py", text))

    assert len(found) == 1
    assert problem in found[0]


def test_types_of_time_methods_named_open_and_other_packages_are_free() -> None:
    assert violations(Source("src/ropewalk/core/x.py", "from datetime import datetime, timedelta")) == []
    assert violations(Source("src/ropewalk/core/x.py", "gate.open()")) == []
    assert violations(Source("src/ropewalk/engine/x.py", "import time")) == []
