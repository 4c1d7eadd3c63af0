"""What must not be loaded: a list of modules, not a stopwatch (DESIGN 7)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGE, SRC

# Of the standard library: each costs five milliseconds or more.
NEVER_AT_TOP = frozenset({"asyncio", "http", "importlib.metadata", "sqlite3", "ssl", "unittest"})
HEAVY_STDLIB = NEVER_AT_TOP | {"concurrent.futures", "multiprocessing"}  # these two the executors may have
HEAVY = frozenset({"lightgbm", "matplotlib", "numpy", "pandas", "pandera", "polars", "pyarrow", "scipy", "sklearn"})
OF_THE_EDGE = frozenset({"apsw", "psutil", "rich"})  # needed once there is something to read or draw

_PROBE = """
import json, sys
before = set(sys.modules)
try:
    exec(sys.argv.pop(1))
except SystemExit:
    pass
finally:
    sys.__stderr__.write("\\n" + json.dumps(sorted(set(sys.modules) - before)))
"""


def loaded_by(code: str, *arguments: str, cwd: Path | None = None) -> set[str]:
    """Modules that a fresh interpreter has more of after running the code."""
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, code, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=cwd,
        check=False,
    )
    assert done.returncode == 0, "\n".join(done.stderr.splitlines()[-4:])
    return set(json.loads(done.stderr.splitlines()[-1]))


def third_party(modules: set[str]) -> set[str]:
    tops = {module.split(".")[0] for module in modules}
    return {top for top in tops if top not in sys.stdlib_module_names and top not in {"ropewalk", "__mp_main__"}}


def test_importing_ropewalk_loads_the_standard_library_only() -> None:
    modules = loaded_by("import ropewalk")

    assert third_party(modules) == set()
    assert modules & HEAVY_STDLIB == set()


def test_using_every_public_name_loads_the_standard_library_only() -> None:
    """`from ropewalk import task` is what users write, and what every worker process repeats."""
    modules = loaded_by("from ropewalk import *")

    assert third_party(modules) == set()
    assert modules & HEAVY_STDLIB == set()


@pytest.mark.parametrize("package", ["core", "plan"])
def test_the_pure_packages_load_the_standard_library_only(package: str) -> None:
    names = [f"ropewalk.{package}.{path.stem}" for path in sorted((PACKAGE / package).glob("*.py"))]

    modules = loaded_by(f"import {', '.join(names)}" if names else "import ropewalk")

    assert third_party(modules) == set()
    assert modules & HEAVY_STDLIB == set()


def test_a_module_alone_loads_nothing_heavy() -> None:
    """What is heavy is imported inside the function that needs it, in whichever file: every worker process pays."""
    paths = [path.relative_to(SRC) for path in sorted(PACKAGE.rglob("*.py")) if "testing" not in path.parts]
    names = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths]

    modules = loaded_by("import " + ", ".join(name for name in names if not name.endswith("__main__")))

    assert third_party(modules) & (HEAVY | OF_THE_EDGE) == set()
    assert modules & NEVER_AT_TOP == set()


@pytest.mark.skipif(not (PACKAGE / "cli" / "main.py").exists(), reason="there is no command line yet")
@pytest.mark.parametrize(
    ("arguments", "banned"),
    [
        (["--version"], HEAVY | OF_THE_EDGE),
        (["--help"], HEAVY | {"apsw"}),
        (["runs"], HEAVY),
        (["run", "--help"], HEAVY),
    ],
)
def test_commands_that_only_tell_load_nothing_heavy(
    arguments: list[str], banned: frozenset[str], tmp_path: Path
) -> None:
    modules = loaded_by("from ropewalk.cli.main import main; main()", *arguments, cwd=tmp_path)

    assert third_party(modules) & banned == set()


def test_to_look_at_a_run_loads_neither_what_drives_runs_nor_what_explains_them(tmp_path: Path) -> None:
    """They are half of the time that it takes to start."""
    task = "from ropewalk import pipeline, task\n@task\ndef one() -> int:\n    return 1\n"
    (tmp_path / "pipeline.py").write_text(f"{task}@pipeline\ndef p():\n    return one()\n")
    command = "from ropewalk.cli.main import main; main()"

    driving = loaded_by(command, "run", "--executor", "inline", cwd=tmp_path)
    looking = [loaded_by(command, name, cwd=tmp_path) for name in ("runs", "show")]
    explaining = loaded_by(command, "why", "last/one", cwd=tmp_path)

    assert "ropewalk.engine.scheduler" in driving, "negative control"
    assert "ropewalk.engine.explain.why" in explaining, "negative control"
    for modules in looking:
        assert not modules & {"ropewalk.author", "ropewalk.engine.scheduler", "ropewalk.engine.explain.why"}


@pytest.mark.parametrize("code", ["import click", "def f():\n    import psutil\nf()"])
def test_a_planted_third_party_import_is_found(code: str) -> None:
    assert third_party(loaded_by(code)) & {"click", "psutil"}


def test_a_planted_heavy_import_is_found_even_when_the_command_then_exits() -> None:
    assert loaded_by("import sqlite3, sys; sys.exit(2)") & HEAVY_STDLIB == {"sqlite3"}
