"""The first ten minutes: what a newcomer types, and everything that is answered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.cli_runner import masked, on_terminal, project, ropewalk

HEAD = "train-iris  run {}  two-words"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after `ropewalk init`, two runs and a third that fails."""
    folder = tmp_path_factory.mktemp("iris")
    (folder / ".ropewalk").mkdir()
    transcript = [
        ropewalk("init", cwd=folder).out,
        on_terminal("run", cwd=folder).out,
        on_terminal("run", "-p", "train.c=0.1", cwd=folder).out,
        ropewalk("plan", "-p", "train.c=0.1", cwd=folder).out,
    ]
    source = (folder / "pipeline.py").read_text(encoding="utf-8")
    for name in ("pipeline.py", "failing.txt"):
        (folder / name).write_text(source.replace("/ 75)", "/ 0)"), encoding="utf-8")
    transcript.append(on_terminal("run", cwd=folder).out)
    (folder / "transcript.json").write_text(json.dumps(transcript), encoding="utf-8")
    return folder


def said(folder: Path, step: int) -> str:
    return masked(json.loads((folder / "transcript.json").read_text(encoding="utf-8"))[step])


def test_init_says_what_it_made_and_what_to_type(started: Path) -> None:
    assert said(started, 0) == "Created pipeline.py (30 lines).\nRun it:  ropewalk run\n"


def test_the_first_run_lists_its_tasks_and_suggests_a_variation(started: Path) -> None:
    assert said(started, 1) == (
        f"{HEAD.format(1)}\n"
        "  ✓ load      150 rows × 5 0.00s\n"
        "  ✓ check     150 rows × 5 0.00s\n"
        "  ✓ train     accuracy 0.973 · 2 items 0.00s\n"
        "  ✓ report    report.html, 301 bytes 0.00s\n"
        "✓ Succeeded in 0.00s · 4 run, 0 cached\n"
        "  compare:  ropewalk run -p train.c=0.1\n"
    )


def test_the_second_run_says_what_changed_and_by_how_much_the_metric_did(started: Path) -> None:
    text = said(started, 2)

    assert text == (
        f"{HEAD.format(2)}     changed: train.c 1.0 → 0.1\n"
        "  = load      cached from run 1\n"
        "  = check     cached from run 1\n"
        "  ✓ train     accuracy 0.947 (−0.027) · 2 items 0.00s\n"
        "  ✓ report    report.html, 301 bytes 0.00s\n"
        "✓ Succeeded in 0.00s · 2 run, 2 cached\n"
        "  compare:  ropewalk diff 1 2\n"
    )


def test_the_plan_of_what_was_just_run_has_nothing_to_do(started: Path) -> None:
    assert said(started, 3) == (
        "train-iris — nothing has changed since run 2\n"
        "  = load    cached  from run 1\n"
        "  = check   cached  from run 1\n"
        "  = train   cached  from run 2\n"
        "  = report  cached  from run 2\n"
        "0 to run, 4 cached\n"
    )


def test_a_failure_is_told_with_its_line_its_inputs_and_what_to_type(started: Path) -> None:
    text = said(started, 4)
    source = (started / "failing.txt").read_text(encoding="utf-8").split("\n")[19]

    assert text == (
        f"{HEAD.format(3)}     changed: train.c 0.1 → 1.0\n"
        "  = load      cached from run 1\n"
        "  = check     cached from run 1\n"
        "  ✗ train     ZeroDivisionError: division by zero 0.00s\n"
        "  - report    skipped (needs train)\n"
        "✗ Failed in 0.00s · 0 run, 2 cached, 1 failed, 1 skipped\n"
        "\n"
        "error[P301]: task `train` failed: ZeroDivisionError: division by zero\n"
        "  --> pipeline.py:20 in train()\n"
        "   |\n"
        f"20 | {source}\n"
        "   |\n"
        "  = inputs: rows 150 rows × 5 (check@1), c=1.0\n"
        "  = last success: run 2; since then code changed: pipeline.py:17 train(); "
        "parameter changed: train.c 0.1 → 1.0\n"
        "  help: ropewalk debug 3/train      stop at the error with the same inputs\n"
        "        ropewalk retry 3            run from `train` on, keeping load and check\n"
        "        ropewalk logs 3/train       4 lines\n"
    )


def test_a_failed_run_ends_with_1_and_a_repaired_one_goes_on_where_it_stopped(started: Path) -> None:
    failed = ropewalk("run", cwd=started)
    source = (started / "pipeline.py").read_text(encoding="utf-8")
    (started / "pipeline.py").write_text(source.replace("/ 0)", "/ 75)"), encoding="utf-8")

    repaired = on_terminal("retry", "last", cwd=started)

    assert failed.code == 1
    assert repaired.code == 0
    assert "  = check     kept\n  = train     cached from run 1\n" in masked(repaired.out)


def test_without_a_terminal_every_change_of_state_is_one_line(tmp_path: Path) -> None:
    ropewalk("init", cwd=project(tmp_path / "x").parent)
    ropewalk("run", cwd=tmp_path)

    done = ropewalk("run", "-p", "train.c=0.1", cwd=tmp_path)

    assert masked(done.out) == (
        "run=2 pipeline=train-iris event=start\n"
        "run=2 task=load state=cached from=1\n"
        "run=2 task=check state=cached from=1\n"
        "run=2 task=train state=succeeded duration=0.000 accuracy=0.947\n"
        "run=2 task=report state=succeeded duration=0.000\n"
        "run=2 event=end state=succeeded ran=2 cached=2 duration=0.000\n"
    )
    assert (done.code, done.err) == (0, "")


def test_a_misspelt_parameter_is_answered_with_the_right_one(started: Path) -> None:
    done = ropewalk("run", "-p", "trian.c=0.5", cwd=started)

    assert done.code == 2
    assert done.err == (
        "error[P104]: unknown parameter `trian.c`\n"
        "  --> command line, -p trian.c=0.5\n"
        "  = train-iris has: load.seed, train.c\n"
        "  help: did you mean `train.c`?\n"
        "        ropewalk run -p train.c=0.5\n"
    )


@pytest.mark.parametrize("template", ["basic", "ml"])
def test_each_template_runs_at_once_and_is_short(template: str, tmp_path: Path) -> None:
    ropewalk("init", "new", "--template", template, cwd=tmp_path)

    done = ropewalk("run", "--json", "--executor", "inline", cwd=tmp_path / "new")

    result = json.loads(done.out)
    text = (tmp_path / "new" / "pipeline.py").read_text(encoding="utf-8")
    assert (done.code, result["state"], result["pipeline"]) == (0, "succeeded", "train-iris")
    assert [task["task"] for task in result["tasks"]] == ["load", "check", "train", "report"]
    assert result["tasks"][2]["metrics"]["accuracy"] > 0.9
    assert (tmp_path / "new" / "report.html").read_text(encoding="utf-8").startswith("<h1>Iris</h1>")
    assert len(text.splitlines()) <= 35
    assert max(map(len, text.splitlines())) <= 120


def test_init_does_not_overwrite(tmp_path: Path) -> None:
    (tmp_path / "pipeline.py").write_text("mine")

    done = ropewalk("init", cwd=tmp_path)

    assert done.code == 2
    assert done.err.startswith("error[P100]: `pipeline.py` exists already\n")
    assert (tmp_path / "pipeline.py").read_text() == "mine"
