"""Data goes to stdout and everything else to stderr; with --json stdout holds JSON and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.cli_runner import (
    COMMAND,
    PIPELINE,
    environment,
    masked,
    no_waiting,
    on_terminal,
    plain,
    project,
    ropewalk,
    waiting_project,
)

FAILS = """
from ropewalk import pipeline, task

@task
def load(size: int = 3) -> int:
    print("about to fail")
    raise ValueError("nothing there")

@task
def use(x: int) -> int:
    return x

@pipeline
def fails():
    return use(load())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two runs that succeeded and one that failed."""
    made = project(tmp_path_factory.mktemp("project"), PIPELINE)
    (made / "fails.py").write_text(FAILS)
    ropewalk("run", "demo", cwd=made)
    ropewalk("run", "demo", "-p", "train.c=0.5", cwd=made)
    ropewalk("run", "fails.py", cwd=made)
    return made


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("init sub", 0),
        ("run demo", 0),
        ("run fails.py", 1),
        ("run demo -q", 0),
        ("plan demo", 0),
        ("graph demo", 0),
        ("graph demo --format json", 0),
        ("resume 3", 1),
        ("retry 3", 1),
        ("runs", 0),
        ("runs --state failed --limit 1", 0),
        ("show 1", 0),
        ("show 3", 0),
        ("show 1/train", 0),
        ("show 1/double", 0),
        ("show 1/double/2", 0),
        ("artifacts 1", 0),
        ("artifacts show 1/train", 0),
        ("artifacts export 1/train exported.json --force", 0),
        ("models", 0),
        ("metrics 1", 0),
        ("why 3/use", 0),
        ("why 1/train", 0),
        ("diff 1 2", 0),
        ("lineage 1/report", 0),
        ("debug 3", 1),
        ("debug 1/train", 0),
        ("replay 1", 0),
        ("gc --dry-run", 0),
        ("doctor", 0),
        ("run demo -p nosuch=1", 2),
        ("show 99", 1),
        ("nosuch", 2),
    ],
)
def test_with_json_stdout_is_one_json_document(command: str, code: int, folder: Path) -> None:
    if command.startswith("init"):
        (folder / "sub" / "pipeline.py").unlink(missing_ok=True)

    done = ropewalk(*command.split(), *([] if "--format" in command else ["--json"]), cwd=folder)

    assert done.code == code, done.err
    assert isinstance(json.loads(done.out), dict | list)


def test_logs_as_json_are_one_object_a_line(folder: Path) -> None:
    done = ropewalk("logs", "1", "--json", cwd=folder)

    assert [json.loads(line)["line"] for line in done.out.splitlines()] == ["loading 3", "training"]


def test_json_of_a_failed_run_holds_the_same_errors_that_people_see(folder: Path) -> None:
    done = ropewalk("run", "fails.py", "--json", cwd=folder)

    result = json.loads(done.out)
    assert (result["state"], result["failed"], result["skipped"]) == ("failed", 1, 1)
    assert result["errors"][0]["title"] == "task `load` failed: ValueError: nothing there"
    assert result["errors"][0]["title"] in done.err


def test_json_has_no_numbers_that_json_does_not_know(tmp_path: Path) -> None:
    source = PIPELINE.replace("0.967 if c >= 1 else 0.947", "float('nan')")

    done = ropewalk("run", "demo", "--json", cwd=project(tmp_path, source))

    result = json.loads(done.out, parse_constant=pytest.fail)
    assert [task["metrics"] for task in result["tasks"] if task["task"] == "train"] == [{"accuracy": "nan"}]


def test_quiet_says_nothing_but_errors(folder: Path) -> None:
    good, bad = (ropewalk("run", name, "-q", cwd=folder) for name in ("demo", "fails.py"))

    assert (good.code, good.out, good.err) == (0, "", "")
    assert bad.out == ""
    assert bad.err.startswith("error[P301]: task `load` failed")


def test_verbose_also_says_what_starts(folder: Path) -> None:
    done = ropewalk("run", "demo", "-v", "--no-cache", cwd=folder)

    assert "task=train state=running\n" in done.out


@pytest.mark.parametrize("command", ["runs", "show 1", "logs 1", "--help", "run --help", "graph demo", "--version"])
def test_a_closed_pipe_ends_a_command_quietly_with_141(command: str, folder: Path) -> None:
    read, write = os.pipe()
    os.close(read)

    done = subprocess.run(
        [*COMMAND, *command.split()], cwd=folder, env=environment(), stdout=write, stderr=subprocess.PIPE, check=False
    )

    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_run_is_not_given_up_because_nobody_reads(folder: Path) -> None:
    read, write = os.pipe()
    os.close(read)

    done = subprocess.run(
        [*COMMAND, "run", "demo", "--no-cache"], cwd=folder, env=environment(), stdout=write, stderr=subprocess.PIPE,
        check=False,
    )  # fmt: skip

    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(ropewalk("runs", "--limit", "1", "--json", cwd=folder).out)["runs"][0]["state"] == "succeeded"


def test_on_a_terminal_there_is_colour_unless_it_is_unwanted(folder: Path) -> None:
    colored = on_terminal("runs", cwd=folder)
    by_variable = on_terminal("runs", cwd=folder, env={"NO_COLOR": "1"})
    by_option = on_terminal("runs", "--color", "never", cwd=folder)
    dumb = on_terminal("runs", cwd=folder, env={"TERM": "dumb"})

    assert "\x1b[" in colored.out
    assert {"\x1b" in done.out for done in (by_variable, by_option, dumb)} == {False}
    assert "\x1b[" in ropewalk("runs", "--color=always", cwd=folder).out
    assert "\x1b[" in ropewalk("runs", cwd=folder, env={"FORCE_COLOR": "1"}).out


def test_in_a_c_locale_everything_is_ascii(folder: Path) -> None:
    for command in ("run demo", "runs", "show 3", "graph demo", "plan demo", "diff 1 2", "doctor"):
        assert on_terminal(*command.split(), cwd=folder, env={"LANG": "C"}).out.isascii(), command


def test_a_terminal_of_one_column_breaks_nothing(folder: Path) -> None:
    for command in ("run demo", "runs", "show 3", "artifacts 1", "graph demo", "plan demo", "--help", "diff 1 2"):
        done = on_terminal(*command.split(), cwd=folder, env={"COLUMNS": "1"}, columns=1)
        assert done.code == 0, command
        assert "Traceback" not in done.out


def test_lines_keep_to_the_width_of_the_window(folder: Path) -> None:
    done = on_terminal("runs", cwd=folder, columns=72)

    assert max(map(len, plain(done.out).splitlines())) <= 72


def test_a_long_run_is_drawn_live_and_ctrl_c_stops_it_with_130(tmp_path: Path) -> None:
    waiting_project(tmp_path)

    done = on_terminal("run", cwd=tmp_path, when=lambda text: "1 of 3 tasks done" in text, send=b"\x03")

    text = masked(done.out)
    assert done.code == 130
    assert "● wait" in text
    assert "– Cancelled in 0.00s · 1 run, 0 cached, 2 cancelled\n  go on:    ropewalk resume 1\n" in text
    assert "\x1b[?25h" in done.out  # the cursor is back
    no_waiting(tmp_path)
    assert ropewalk("resume", cwd=tmp_path).code == 0


def test_ctrl_c_before_a_run_has_begun_ends_quietly(tmp_path: Path) -> None:
    project(tmp_path, "open('begun', 'w').close()\nopen('go').read()\n")
    os.mkfifo(tmp_path / "begun")
    os.mkfifo(tmp_path / "go")
    process = subprocess.Popen(
        [*COMMAND, "run"], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    (tmp_path / "begun").read_text()

    process.send_signal(signal.SIGINT)

    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"")
