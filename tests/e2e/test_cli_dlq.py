"""`ropewalk dlq`: what has failed for good is listed, shown, tried again and dropped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.cli_runner import Done, ropewalk

PIPELINE = """
from pathlib import Path
from ropewalk import each, pipeline, task

@task
def numbers(n: int) -> list[int]:
    return list(range(n))

@task
def work(x: int) -> int:
    if x % 10 == 3 and not Path("fixed").exists():
        raise ValueError(f"no item {x}")
    return x

@task
def total(xs: list) -> int:
    return sum(x for x in xs if x is not None)

@pipeline
def strict(n: int = 20):
    return total(work(each(numbers(n))))

@pipeline
def tolerant(n: int = 20):
    return total(work.options(partial_ok=0.9)(each(numbers(n))))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    return tmp_path


def run(folder: Path, *arguments: str, code: int = 0) -> Done:
    done = ropewalk(*arguments, cwd=folder)
    assert done.code == code, done.out + done.err
    return done


def as_json(folder: Path, *arguments: str, code: int = 0):
    return json.loads(run(folder, *arguments, "--json", code=code).out)


def test_what_fails_is_listed_by_group_and_shown(folder: Path) -> None:
    run(folder, "run", "strict", code=1)
    run(folder, "run", "strict", "--n", "5", code=1)

    (group,) = as_json(folder, "dlq")
    listed = run(folder, "dlq", "list", "--run", "2").out.splitlines()
    shown = run(folder, "dlq", "show", group["group"][:5]).out
    letter = run(folder, "dlq", "show", "1/work[13]").out

    assert (group["number"], group["tasks"], group["runs"]) == (3, ["work"], [1, 2])
    assert listed[0].split() == ["GROUP", "TASK", "RUNS", "TASK", "RUN", "FIRST", "LAST", "ERROR"]
    assert listed[1].split()[:4] == [group["group"][:6], "1", "work", "2"]
    assert [f"{place} " in shown for place in ("1/work/3", "1/work/13", "2/work/3")] == [True] * 3
    assert f"ropewalk dlq retry --group {group['group'][:6]}" in shown
    assert "x=13" in letter
    assert "ValueError: no item 13" in letter
    assert "ropewalk dlq retry 1/work/13" in letter


def test_a_group_is_tried_again_in_all_its_runs_and_repairs_them(folder: Path) -> None:
    run(folder, "run", "strict", code=1)
    run(folder, "run", "strict", "--n", "5", code=1)
    (group,) = as_json(folder, "dlq")
    (folder / "fixed").write_text("")

    run(folder, "dlq", "retry", "--group", group["group"][:6])

    assert [one["state"] for one in as_json(folder, "runs")["runs"]] == ["succeeded", "succeeded"]
    assert as_json(folder, "dlq") == []
    assert "190" in run(folder, "show", "1").out


def test_one_task_run_is_tried_again_and_the_rest_is_left(folder: Path) -> None:
    run(folder, "run", "strict", code=1)
    (folder / "fixed").write_text("")

    done = as_json(folder, "dlq", "retry", "1/work[3]", code=1)

    assert (done["state"], done["ran"], done["failed"], done["kept"]) == ("failed", 1, 1, 19)
    assert [one["number"] for one in as_json(folder, "dlq")] == [1]


def test_changed_code_is_used_only_when_that_is_said(folder: Path) -> None:
    run(folder, "run", "strict", code=1)
    (folder / "pipeline.py").write_text(PIPELINE.replace("    return x\n", "    return 2 * x\n"))
    (folder / "fixed").write_text("")

    refused = run(folder, "dlq", "retry", "--all", code=2)
    done = as_json(folder, "dlq", "retry", "--all", "--with-new-code")

    assert "error[P306]: `work` is not as in run 1" in refused.err
    assert "--with-new-code" in refused.err
    assert (done["state"], done["ran"]) == ("succeeded", 3)  # two items and the total
    assert "206" in run(folder, "show", "1").out  # 190 + 3 + 13


def test_a_run_that_tolerates_failures_says_so_and_can_be_repaired(folder: Path) -> None:
    done = run(folder, "run", "tolerant")
    shown = run(folder, "show", "last").out
    refused = run(folder, "resume", "1", code=2)
    (folder / "fixed").write_text("")

    run(folder, "dlq", "retry", "1")
    after = run(folder, "show", "last").out

    assert "2 tolerated failures parked: ropewalk dlq list --run 1" in done.out + done.err
    assert "tolerated=2" in done.out
    assert "18 of 20 items · 2 tolerated" in shown
    assert "2 tolerated failures parked: ropewalk dlq list --run 1" in shown
    assert "ropewalk dlq retry 1" in refused.err
    assert "190" in after
    assert "tolerated" not in after


def test_dropped_letters_are_not_listed_any_more(folder: Path) -> None:
    run(folder, "run", "strict", code=1)

    assert as_json(folder, "dlq", "drop", "1/work/3") == {"dropped": 1}
    assert run(folder, "dlq", "drop", "--all").out == "Dropped 1 dead letter.\n"
    assert "Nothing is parked here" in run(folder, "dlq").err
    assert as_json(folder, "dlq", "list") == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["retry"], 2, "say what is meant"),
        (["retry", "--group", "ffff"], 1, "error[P605]: there is no group `ffff`"),
        (["retry", "--group", "../x"], 1, "error[P605]: there is no group"),
        (["retry", "1/work[4]"], 1, "error[P605]: `work[4]` of run 1 is not parked"),
        (["retry", "9"], 1, "error[P601]"),
        (["show", "zzz"], 1, "error[P605]"),
        (["drop", "1/nothing"], 1, "error[P605]"),
    ],
)
def test_what_is_not_there_is_said(folder: Path, arguments: list[str], code: int, message: str) -> None:
    run(folder, "run", "strict", code=1)

    assert message in run(folder, "dlq", *arguments, code=code).err


def test_looking_makes_no_store(folder: Path) -> None:
    assert as_json(folder, "dlq") == []
    assert "P601" in run(folder, "dlq", "retry", "--all", code=1).err
    assert not (folder / ".ropewalk").exists()
