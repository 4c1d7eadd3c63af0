"""A missed deadline is told while the run goes on, when it ends, and whenever one looks at it later."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.cli_runner import on_terminal, plain, project, ropewalk

PIPELINE = """
from ropewalk import pipeline, task

@task(deadline="1ms", cache=False)
def load() -> int:
    return 3

@task(cache=False)
def wait() -> int:
    while True:
        pass

@pipeline
def tells():
    return load()

@pipeline(deadline="1s", on_miss="cancel")
def cancels():
    return wait()

@pipeline(deadline="1h")
def in_time():
    return load.options(deadline="1h")()
"""


def test_a_missed_deadline_is_one_line_of_a_log_and_a_note_on_a_terminal(tmp_path: Path) -> None:
    project(tmp_path, PIPELINE)

    piped = ropewalk("run", "tells", cwd=tmp_path)
    shown = on_terminal("run", "tells", cwd=tmp_path)

    assert piped.code == shown.code == 0
    assert 'run=1 task=load event=deadline_missed deadline="' in piped.out
    assert "  missed: the deadline of `load`, " in plain(shown.out)


def test_show_tells_which_deadlines_a_run_missed(tmp_path: Path) -> None:
    project(tmp_path, PIPELINE)
    ropewalk("run", "tells", cwd=tmp_path)

    text = ropewalk("show", "1", cwd=tmp_path).out
    data = json.loads(ropewalk("show", "1", "--json", cwd=tmp_path).out)

    assert "  missed: the deadline of `load`, " in text
    assert [late["task"] for late in data["missed"]] == ["load"]


def test_a_run_that_its_deadline_ended_says_so_and_that_it_needs_more_time(tmp_path: Path) -> None:
    project(tmp_path, PIPELINE)

    done = ropewalk("run", "cancels", cwd=tmp_path)

    assert done.code == 1
    assert 'run=1 event=deadline_missed deadline="' in done.out
    assert "(the deadline of the run, which was missed)" in done.err
    assert "run 1 was cancelled; go on: allow more time, then ropewalk resume 1" in done.err


def test_what_is_done_in_time_is_not_told(tmp_path: Path) -> None:
    project(tmp_path, PIPELINE)

    done = ropewalk("run", "in_time", cwd=tmp_path)

    assert done.code == 0
    assert "missed" not in done.out + done.err + ropewalk("show", cwd=tmp_path).out
