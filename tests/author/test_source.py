"""What a fingerprint says, where it takes code from, and how a change is told."""

from __future__ import annotations

import linecache
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ropewalk.author.source import clear_cache, describe_change, fingerprint
from ropewalk.core.code import CodeFingerprint, CodePart
from tests.author.reuse_modules import SOURCES, Load, digest_of, loader, names_of


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    with loader(tmp_path) as load:
        yield load


# -- what a fingerprint looks like -----------------------------------------------------------------


def test_the_first_part_is_the_task_and_says_where_it_stands(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = load(flow="LIMIT = 3\n\n\n@(lambda f: f)\ndef f(x):\n    return x + LIMIT\n")
    monkeypatch.chdir(Path(flow.__file__).parent)

    task, constant, *_ = fingerprint(flow.f).parts

    assert (task.name, task.file, task.line) == ("flow:f", "flow.py", 5)
    assert (constant.name, constant.file, constant.line) == ("flow:LIMIT", "flow.py", 1)


def test_a_file_outside_the_working_folder_is_named_in_full(load: Load) -> None:
    flow = load(flow="def f(): pass\n")

    assert fingerprint(flow.f).parts[0].file == flow.__file__


def test_a_fingerprint_is_taken_once_per_process(load: Load) -> None:
    flow = load(flow="LIMIT = 3\ndef f():\n    return LIMIT\n")
    first = fingerprint(flow.f)

    flow.LIMIT = 4
    again = fingerprint(flow.f)
    clear_cache()
    fresh = fingerprint(flow.f)

    assert again is first
    assert fresh.digest != first.digest


def test_the_task_and_its_function_have_one_fingerprint(load: Load) -> None:
    flow = load(flow="from ropewalk.author.task import task\n@task(retry=3)\ndef f(x: int) -> int:\n    return x\n")

    assert fingerprint(flow.f) is fingerprint(flow.f.fn)


def test_a_wrapped_task_comes_before_its_wrappers(load: Load) -> None:
    flow = load(
        flow="""
        import functools
        def twice(g):
            @functools.wraps(g)
            def wrapper(x):
                return g(g(x))
            return wrapper
        @twice
        def f(x):
            return x
        p = functools.partial(f, 3)
        """
    )

    assert names_of(fingerprint(flow.f))[0] == "flow:f"
    assert "flow:twice.<locals>.wrapper" in names_of(fingerprint(flow.f))
    assert names_of(fingerprint(flow.p))[0] == "flow:f"
    assert fingerprint(flow.p).digest != fingerprint(flow.f).digest


def test_odd_callables_have_fingerprints_too(load: Load) -> None:
    flow = load(
        flow="""
        class Adder:
            def __init__(self, by):
                self.by = by
            def __call__(self, x):
                return x + self.by
            def add(self, x):
                return x + self.by
        one, two = Adder(1), Adder(2)
        """
    )
    tasks = [flow.one, flow.two, flow.one.add, flow.two.add, flow.Adder, len]

    digests = [fingerprint(each).digest for each in tasks]

    assert len(set(digests)) == len(tasks)


# -- where code is found ---------------------------------------------------------------------------


def test_code_without_source_counts_by_its_bytecode() -> None:
    def made(text: str) -> CodeFingerprint:
        names: dict[str, Any] = {"LIMIT": 3, "__name__": "made"}
        exec(text, names)
        return fingerprint(names["f"])

    base = made("def f(x):\n    return [v for v in x if v > LIMIT]")

    assert base.parts[0].digest.startswith("bytecode:")
    assert names_of(base) == ["made:f", "made:LIMIT"]
    assert made("def f(x):\n\n    return [v for v in x if v > LIMIT] # same").digest == base.digest
    assert made("def f(x):\n    return [v for v in x if v < LIMIT]").digest != base.digest
    assert made("def f(x):\n    return [v for v in x if v > 4]").digest != base.digest


def test_a_notebook_cell_is_source(monkeypatch: pytest.MonkeyPatch) -> None:
    def cell(number: int, text: str) -> CodeFingerprint:
        name = f"/tmp/ipykernel_{number}/{number}.py"
        monkeypatch.setitem(linecache.cache, name, (len(text), None, text.splitlines(keepends=True), name))
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(text, name, "exec"), names)
        return fingerprint(names["f"])

    base = cell(1, "def f(x):\n    return x + 1\n")

    assert base.parts[0].digest.startswith("function:")
    assert cell(2, "# a comment\ndef f(x):\n    return (x + 1)\n").digest == base.digest
    assert cell(3, "def f(x):\n    return x + 2\n").digest != base.digest


def test_a_file_that_was_edited_after_the_import_is_not_believed(load: Load) -> None:
    """What runs is the old code, so its result must not be kept under the digest of the new one."""
    flow = load(flow="def f(x):\n    return x + 1\n")
    old = fingerprint(flow.f)
    Path(flow.__file__).write_text("def f(x):\n    return x + 22\n")
    clear_cache()

    stale = fingerprint(flow.f)
    new = digest_of(load, "def f(x):\n    return x + 22\n")

    assert stale.parts[0].digest.startswith("bytecode:")
    assert len({old.digest, stale.digest, new}) == 3


def test_functions_on_one_line_are_told_apart(load: Load) -> None:
    text = "f = lambda x: x + 1; g = lambda x: x + 2; h = lambda: (lambda x: x + 1)\nk = h()\n"
    flow = load(flow=text)

    digests = [fingerprint(each).digest for each in (flow.f, flow.g, flow.h, flow.k)]

    assert digests[0] == digests[3]
    assert len(set(digests)) == 3


def test_an_expression_that_is_too_deep_for_the_reader_counts_by_its_bytecode(load: Load) -> None:
    terms = " + ".join(["x"] * 1500)
    found = fingerprint(load(flow=f"def f(x):\n    return {terms}\n").f)

    assert found.parts[0].digest.startswith("bytecode:")


def test_a_script_has_the_fingerprint_of_the_same_file_imported(load: Load) -> None:
    text = """
        from ropewalk.author.source import fingerprint
        class Box:
            size = 1
        LIMIT = 2
        def f(x):
            return Box(), LIMIT, x
        if __name__ == "__main__":
            print(fingerprint(f).digest, *[part.name for part in fingerprint(f).parts])
        """
    flow = load(flow=text)

    done = subprocess.run(
        [sys.executable, "flow.py"],
        cwd=Path(flow.__file__).parent,
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == [fingerprint(flow.f).digest, "flow:f", "flow:Box", "flow:LIMIT"]


# -- changes in words ------------------------------------------------------------------------------


def made(*parts: tuple[str, str, int], packages: tuple[tuple[str, str], ...] = ()) -> CodeFingerprint:
    found = tuple(CodePart(name, digest, f"{name.partition(':')[0]}.py", line) for name, digest, line in parts)
    return CodeFingerprint(repr((parts, packages)), found, packages)


def test_changes_are_described_where_they_happened() -> None:
    old = made(
        ("flow:train", "function:1", 5),
        ("features:scale", "function:1", 10),
        ("features:LIMIT", "constant:1", 2),
        ("features:clean", "function:1", 40),
        packages=(("scikit-learn", "1.8.0"), ("gone", "1")),
    )
    new = made(
        ("flow:train", "function:1", 6),
        ("features:scale", "function:2", 12),
        ("features:LIMIT", "constant:2", 3),
        ("model:Net", "class:1", 7),
        packages=(("scikit-learn", "1.9.1"), ("torch", "2.9")),
    )

    assert describe_change(old, new) == [
        "code changed: features.py:12 scale()",
        "constant changed: features.py:3 LIMIT",
        "now uses model.py:7 Net",
        "no longer uses features.py clean()",
        "no longer uses package gone",
        "package scikit-learn 1.8.0 → 1.9.1",
        "now uses package torch 2.9",
    ]


def test_no_change_is_described_by_nothing() -> None:
    assert describe_change(made(("flow:f", "function:1", 1)), made(("flow:f", "function:1", 1))) == []


def test_a_change_that_no_part_explains_is_still_reported() -> None:
    old = made(("flow:f", "function:1", 1))

    assert describe_change(old, made(("flow:f", "function:1", 2))) == ["code changed: flow.py:2 f()"]
