"""Runs that are listed, shown, stopped, resumed and retried."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.e2e.cli_runner import PIPELINE, begin, ended, masked, no_waiting, project, ropewalk, waiting_project


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with three runs: two succeeded, one failed."""
    made = project(tmp_path_factory.mktemp("project"), PIPELINE)
    ropewalk("run", "demo", cwd=made)
    ropewalk("run", "other-one", cwd=made)
    ropewalk("run", "demo", "-p", "train.c=0", cwd=made)
    return made


def names(folder: Path, *arguments: str) -> list[int]:
    return [run["run"] for run in json.loads(ropewalk("runs", "--json", *arguments, cwd=folder).out)["runs"]]


def test_runs_lists_the_newest_first_with_what_became_of_the_tasks(folder: Path) -> None:
    rows = [text.split() for text in ropewalk("runs", cwd=folder).out.splitlines()]

    assert rows[0] == ["RUN", "NAME", "PIPELINE", "STATE", "STARTED", "TOOK", "TASKS"]
    assert [row[0] for row in rows[1:]] == ["3", "2", "1"]
    assert " ".join(rows[1][2:5]) == "demo ✗ failed"
    assert " ".join(rows[1][-6:]) == "0 run, 5 cached, 1 failed"
    assert " ".join(rows[3][-4:]) == "7 run, 0 cached"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--limit", "1"], [3]),
        (["--pipeline", "demo"], [3, 1]),
        (["--state", "failed"], [3]),
        (["--state", "succeeded", "--limit", "1"], [2]),
        (["--pipeline", "nosuch"], []),
    ],
)
def test_runs_can_be_chosen(arguments: list[str], expected: list[int], folder: Path) -> None:
    assert names(folder, *arguments) == expected


def test_where_nothing_was_run_the_list_is_empty(tmp_path: Path) -> None:
    done = ropewalk("runs", cwd=tmp_path)

    assert (done.code, done.out, done.err) == (0, "", "There are no runs here yet: ropewalk run\n")
    assert json.loads(ropewalk("runs", "--json", cwd=tmp_path).out) == {"runs": [], "next": None}


def test_a_run_is_found_by_number_name_beginning_of_a_name_and_last(folder: Path) -> None:
    name = json.loads(ropewalk("runs", "--json", cwd=folder).out)["runs"][0]["name"]

    shown = [ropewalk("show", text, "--json", cwd=folder).out for text in ("3", name, name[:-1], "last", "")]

    assert len({json.loads(text)["run"] for text in shown}) == 1


def test_show_lists_all_tasks_of_a_run_and_why_it_failed(folder: Path) -> None:
    text = masked(ropewalk("show", "3", cwd=folder).out)

    assert text.startswith("demo  run 3  two-words     ✗ failed\n  started 2000-01-01 00:00:00 +00:00 (")
    assert "  items=4, train.c=0\n  pipeline.py:demo\n" in text
    assert (
        "  = load      cached from run 1\n"
        "  = double    4 items · 4 cached\n"
        "  ✗ train     ZeroDivisionError: float division by zero 0.00s\n"
        "  - report    skipped (needs train)\n"
        "  0 run, 5 cached, 1 failed\n"
        "\n"
        "error[P301]: task `train` failed: ZeroDivisionError: float division by zero\n"
    ) in text


def test_show_tells_the_story_of_a_task_run(folder: Path) -> None:
    text = masked(ropewalk("show", "3/train", cwd=folder).out)

    assert text.startswith("train  run 3  two-words     ✗ failed\n  started 2000-01-01 00:00:00 +00:00, took")
    assert "  ZeroDivisionError: float division by zero\n" in text
    assert "  inputs\n    rows [0, 1, 2] (load@1)\n    c=0.0\n" in text
    assert "  attempts that failed\n    1  2000-01-01 00:00:00 +00:00  after" in text
    assert '  File "' in text


def test_show_of_a_reused_task_names_the_run_that_computed_it(folder: Path) -> None:
    text = masked(ropewalk("show", "3/load", cwd=folder).out)

    assert text.startswith("load  run 3  two-words     = cached\n  taken from run 1, which took")
    assert "  inputs\n    size=3\n  results\n    result  " in text


def test_show_of_a_mapped_task_lists_its_items_and_of_one_item_only_that(folder: Path) -> None:
    items = masked(ropewalk("show", "1/double", cwd=folder).out)

    assert items.startswith("double  run 1  two-words     4 items\n  [0]  ✓ succeeded  0")
    assert len(items.splitlines()) == 5
    assert ropewalk("show", "1/double/2", cwd=folder).out.startswith("double[2]  run 1")
    assert ropewalk("show", "1/double[2]", cwd=folder).out == ropewalk("show", "1/double/2", cwd=folder).out


def test_a_repaired_pipeline_goes_on_where_it_failed(tmp_path: Path) -> None:
    source = PIPELINE.replace('"loss": 1 / c', '"loss": 1 / 0')
    project(tmp_path, source)
    assert ropewalk("run", "demo", cwd=tmp_path).code == 1
    (tmp_path / "pipeline.py").write_text(PIPELINE)

    done = ropewalk("resume", "--json", cwd=tmp_path)

    result = json.loads(done.out)
    assert done.code == 0
    assert (result["run"], result["state"], result["ran"], result["kept"]) == (1, "succeeded", 2, 5)
    assert names(tmp_path) == [1]


def test_resume_finds_the_pipeline_from_another_folder_of_the_project(tmp_path: Path) -> None:
    project(tmp_path)
    assert ropewalk("run", "demo", "-p", "train.c=0", cwd=tmp_path).code == 1
    (tmp_path / "pipeline.py").write_text(PIPELINE.replace("1 / c", "1 / (c + 1)"))
    (tmp_path / "notebooks").mkdir()

    done = ropewalk("retry", "1", cwd=tmp_path / "notebooks")

    assert (done.code, done.err) == (0, "")


def test_a_running_run_is_shown_as_running_and_can_be_cancelled_from_another_shell(tmp_path: Path) -> None:
    process = begin(waiting_project(tmp_path))

    shown = masked(ropewalk("show", cwd=tmp_path).out)
    again = ropewalk("resume", "1", cwd=tmp_path)
    cancelled = ropewalk("cancel", "1", cwd=tmp_path)

    assert shown.startswith("waits  run 1  two-words     ● running\n")
    assert "  ✓ first    1 0.00s\n  ● wait     running\n  · after\n" in shown
    assert (again.code, "is still running" in again.err) == (2, True)
    assert (cancelled.code, cancelled.out) == (0, "Run 1 is stopping.\n")
    assert ended(process) == 1
    assert json.loads(ropewalk("runs", "--json", cwd=tmp_path).out)["runs"][0]["state"] == "cancelled"


def test_sigint_cancels_a_run_that_has_no_terminal_with_130(tmp_path: Path) -> None:
    process = begin(waiting_project(tmp_path))

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert out.decode().splitlines()[-1].startswith("run=1 event=end state=cancelled ran=1 cached=0")
    assert err.decode() == (
        "stopping: what is under way may clean up; Ctrl-C again ends it at once\n"
        "run 1 was cancelled; go on: ropewalk resume 1\n"
    )


def test_a_killed_run_is_shown_as_interrupted_and_resumed(tmp_path: Path) -> None:
    process = begin(waiting_project(tmp_path))
    os.kill(process.pid, signal.SIGKILL)
    ended(process)
    no_waiting(tmp_path)

    listed, shown = (masked(ropewalk(command, cwd=tmp_path).out) for command in ("runs", "show"))
    resumed = ropewalk("resume", cwd=tmp_path)

    assert "✗ interrupted" in listed
    assert "interrupted: its scheduler is gone; go on: ropewalk resume 1\n" in shown
    assert resumed.code == 0
    assert "task=wait state=succeeded" in resumed.out
    assert "task=first" not in resumed.out


def test_force_executes_one_task_and_no_cache_all(folder: Path) -> None:
    forced = json.loads(ropewalk("run", "demo", "--force", "train", "--json", cwd=folder).out)
    everything = json.loads(ropewalk("run", "demo", "--no-cache", "--json", cwd=folder).out)

    assert [task["task"] for task in forced["tasks"] if task["ran"]] == ["train"]
    assert (everything["ran"], everything["cached"]) == (7, 0)


def test_parameters_are_options_and_a_bare_run_takes_pipeline_py(tmp_path: Path) -> None:
    project(tmp_path, PIPELINE.partition("@pipeline(name=")[0])

    done = ropewalk("run", "--items", "2", "--train.c", "0.5", "--json", cwd=tmp_path)

    result = json.loads(done.out)
    assert (result["params"], result["overrides"]) == ({"items": 2}, {"train.c": "0.5"})
    assert result["target"] == "pipeline.py:demo"
    assert result["ran"] == 5


def test_runs_of_another_seed_share_no_results(folder: Path) -> None:
    assert json.loads(ropewalk("run", "demo", "--seed", "5", "--json", cwd=folder).out)["cached"] == 0


def test_old_runs_are_forgotten_but_only_when_asked(tmp_path: Path) -> None:
    project(tmp_path)
    for _ in range(3):
        ropewalk("run", "demo", cwd=tmp_path)

    untouched = ropewalk("gc", cwd=tmp_path).out
    would = ropewalk("gc", "--keep-runs", "1", "--dry-run", cwd=tmp_path).out
    before = names(tmp_path)
    did = ropewalk("gc", "--keep-runs", "1", cwd=tmp_path).out

    assert untouched.startswith("Forgot 0 runs, removed 0 files (0 B); 3 runs")
    assert would.startswith("Would forget 2 runs, would remove 0 files")
    assert would.endswith("  runs: 1–2\n")
    assert (before, names(tmp_path)) == ([3, 2, 1], [3])
    assert did.startswith("Forgot 2 runs, removed")


def test_doctor_has_a_fix_for_what_is_wrong(tmp_path: Path) -> None:
    process = begin(waiting_project(tmp_path))
    healthy = ropewalk("doctor", cwd=tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    ended(process)

    ill = ropewalk("doctor", cwd=tmp_path)

    assert (healthy.code, "✗" in healthy.out) == (0, False)
    assert ill.code == 1
    assert "✗ run 1" in ill.out
    assert "    fix: ropewalk resume 1\n" in ill.out
