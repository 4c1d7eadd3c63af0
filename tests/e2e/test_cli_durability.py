"""`--durability` on the command line: asked for, shown, and kept when a run is continued."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.cli_runner import project, ropewalk

FAILS_ONCE = """
from pathlib import Path
from ropewalk import pipeline, task

@task
def load() -> int:
    return 7

@task
def check(x: int) -> int:
    if not Path("repaired").exists():
        raise ValueError("not yet")
    return x

@pipeline
def checks() -> int:
    return check(load())
"""


def test_what_a_run_was_asked_to_survive_is_shown_and_kept_when_it_is_continued(tmp_path: Path) -> None:
    folder = project(tmp_path, FAILS_ONCE)
    ropewalk("run", "--durability", "process", cwd=folder)
    (folder / "repaired").touch()

    resumed = ropewalk("resume", "1", cwd=folder)

    assert resumed.code == 0
    assert json.loads(ropewalk("show", "1", "--json", cwd=folder).out)["provenance"]["durability"] == "process"
    assert "durability process" in ropewalk("show", "1", cwd=folder).out


def test_the_usual_is_not_worth_a_word(tmp_path: Path) -> None:
    folder = project(tmp_path, FAILS_ONCE)
    ropewalk("run", cwd=folder)

    assert json.loads(ropewalk("show", "1", "--json", cwd=folder).out)["provenance"]["durability"] == "power"
    assert "durability" not in ropewalk("show", "1", cwd=folder).out


def test_what_nothing_can_survive_is_refused_with_what_there_is(tmp_path: Path) -> None:
    folder = project(tmp_path, FAILS_ONCE)

    done = ropewalk("run", "--durability", "nothing", cwd=folder)

    assert done.code == 2
    assert "`nothing`" in done.err or "'nothing'" in done.err
    assert "power" in done.err
    assert "process" in done.err
    assert not (folder / ".ropewalk" / "store.db").exists()
