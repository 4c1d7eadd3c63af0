"""What tasks printed: chosen, filtered, followed, and made harmless."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ropewalk.cli.logfiles import Log, Tail
from tests.e2e.cli_runner import COMMAND, begin, ended, environment, project, ropewalk, waiting_project

TALKS = r"""
import sys
from ropewalk import each, pipeline, task

@task
def greet(name: str) -> str:
    print("hello", name)
    print("\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b]8;;javascript:alert(1)\x07link")
    sys.stdout.write("10%\r100%\n")
    return name

@task
def each_one(x: int) -> int:
    print("item", x)
    if x == 2:
        raise ValueError("two")
    return x

@task
def silent(name: str) -> str:
    return name

@pipeline
def talks(most: int = 3):
    each_one(each(list(range(most))))
    return silent(greet("you"))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a run that succeeded and one, which reuses results of it, that failed."""
    made = project(tmp_path_factory.mktemp("project"), TALKS)
    assert ropewalk("run", "--most", "2", cwd=made).code == 0
    assert ropewalk("run", cwd=made).code == 1
    return made


def test_logs_of_a_run_are_in_the_order_of_the_tasks_each_line_with_its_task(folder: Path) -> None:
    lines = ropewalk("logs", "1", cwd=folder).out.splitlines()

    assert lines[:3] == ["each_one[0] | item 0", "each_one[1] | item 1", "greet    | hello you"]


def test_of_a_failed_run_only_what_failed_is_printed(folder: Path) -> None:
    lines = ropewalk("logs", cwd=folder).out.splitlines()

    assert lines[0] == "each_one[2] | item 2"
    assert lines[-1] == "each_one[2] | ValueError: two"
    assert all(text.startswith("each_one[2] | ") for text in lines)


def test_one_task_run_needs_no_prefix(folder: Path) -> None:
    assert ropewalk("logs", "1/each_one/1", cwd=folder).out == "item 1\n"
    assert ropewalk("logs", "1/greet", cwd=folder).out.startswith("hello you\n")


def test_of_a_reused_result_the_log_of_the_run_that_computed_it_is_shown(folder: Path) -> None:
    assert ropewalk("logs", "2/greet", cwd=folder).out == ropewalk("logs", "1/greet", cwd=folder).out


def test_a_silent_task_is_said_to_be_silent(folder: Path) -> None:
    done = ropewalk("logs", "1/silent", cwd=folder)

    assert (done.code, done.out, done.err) == (0, "", "1/silent has printed nothing\n")


def test_escape_sequences_are_shown_and_a_carriage_return_begins_the_line_anew(folder: Path) -> None:
    text = ropewalk("logs", "1/greet", cwd=folder).out
    colored = ropewalk("logs", "1/greet", "--color", "always", cwd=folder).out

    assert text == "hello you\nred \\x1b]0;title\\x07 \\x1b]8;;javascript:alert(1)\\x07link\n100%\n"
    assert "\x1b[31mred\x1b[0m \\x1b]0;title" in colored


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["--tail", "1"], ["100%"]),
        (["--tail", "0"], []),
        (["--grep", "hello"], ["hello you"]),
        (["--grep", "(a+)+$"], []),
        (["--grep", "l", "--tail", "1"], ["red \\x1b]0;title\\x07 \\x1b]8;;javascript:alert(1)\\x07link"]),
    ],
)
def test_lines_can_be_chosen_by_place_and_by_text(arguments: list[str], lines: list[str], folder: Path) -> None:
    assert ropewalk("logs", "1/greet", *arguments, cwd=folder).out.splitlines() == lines


def test_what_a_running_task_prints_is_readable_at_once_and_followed_to_the_end(tmp_path: Path) -> None:
    process = begin(waiting_project(tmp_path), "-q")

    so_far = ropewalk("logs", "1/wait", cwd=tmp_path).out
    follower = subprocess.Popen(
        [*COMMAND, "logs", "-f"], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert follower.stdout is not None
    first = follower.stdout.readline()
    (tmp_path / "go").write_text("")
    rest, _ = follower.communicate(timeout=30)

    assert ended(process) == 0
    assert so_far == "begun\n"
    assert (first, rest) == ("wait  | begun\n", "wait  | ended\nafter | after\n")
    assert follower.returncode == 0


def test_a_file_that_grows_and_is_renamed_is_read_once(tmp_path: Path) -> None:
    spool, kept = tmp_path / "worker.spool", tmp_path / "t.0.1.log"
    tail, running, over = Tail(), Log("t", None, 0, spool), Log("t", 0, 1, kept)

    spool.write_bytes(b"one\ntw")
    first = list(tail.read(running, all_of_it=False))
    with spool.open("ab") as file:
        file.write(b"o\nthree")
    spool.rename(kept)

    assert first == ["one"]
    assert list(tail.read(running, all_of_it=False)) == []
    assert list(tail.read(over)) == ["two", "three"]
    assert list(tail.read(over)) == []


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(b"x" * 3_500_000)

    pieces = list(Tail().read(Log("t", 0, 1, tmp_path / "long")))

    assert sum(map(len, pieces)) == 3_500_000
    assert max(map(len, pieces)) < 2_000_000
