"""`ropewalk pools`: what a person types, and what is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.cli_runner import WAITS, begin, ended, masked, project, ropewalk, waiting_project

POOLED = WAITS.replace(
    "@task\ndef wait(", '@task(resources=Resources(pools={"warehouse": 2}))\ndef wait('
).replace("import pipeline, task", "import Resources, pipeline, task")  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path)


def test_where_there_are_no_pools_the_list_is_empty_and_no_store_is_made(folder: Path) -> None:
    done = ropewalk("pools", cwd=folder)

    assert (done.code, done.out) == (0, "")
    assert done.err == "There are no pools here yet: ropewalk pools set warehouse 5\n"
    assert ropewalk("pools", "--json", cwd=folder).out == "[]\n"
    assert not (folder / ".ropewalk" / "store.db").exists()


def test_a_pool_is_made_changed_and_removed(folder: Path) -> None:
    told = [
        ropewalk("pools", *arguments, cwd=folder).out
        for arguments in (["set", "api", "1"], ["set", "api", "1200"], ["remove", "api"])
    ]

    assert told == ["Pool api has 1 slot.\n", "Pool api has 1,200 slots; it had 1.\n", "Removed pool api.\n"]
    changed = ropewalk("pools", "set", "api", "3", "--json", cwd=folder)
    assert json.loads(changed.out) == {"pool": "api", "slots": 3, "before": None}
    assert json.loads(ropewalk("pools", "remove", "api", "--json", cwd=folder).out) == {"pool": "api", "removed": True}


def test_the_list_says_who_holds_what(tmp_path: Path) -> None:
    folder = waiting_project(tmp_path)
    (folder / "pipeline.py").write_text(POOLED)
    ropewalk("pools", "set", "warehouse", "5", cwd=folder)
    run = begin(folder)

    listed = masked(ropewalk("pools", cwd=folder).out).splitlines()
    (data,) = json.loads(ropewalk("pools", "--json", cwd=folder).out)
    refused = ropewalk("pools", "remove", "warehouse", cwd=folder)
    (folder / "go").write_text("")

    assert listed[0].split() == ["POOL", "SLOTS", "HELD", "HELD", "BY", "SET"]
    assert listed[1].split()[:4] == ["warehouse", "5", "2", "1/wait"]
    assert (data["held"], data["holders"][0]["task"], data["holders"][0]["run"]) == (2, "wait", 1)
    assert refused.code == 2
    assert "run 1 needs the pool `warehouse`" in refused.err
    assert ended(run) == 0
    assert json.loads(ropewalk("pools", "--json", cwd=folder).out)[0]["held"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["set", "a b", "1"], 2, "`a b` cannot be the name of a pool"),
        (["set", "api", "many"], 2, "`many` is not a valid integer"),
        (["set", "api", "1.5"], 2, "`1.5` is not a valid integer"),
        (["set", "api", "9999999"], 2, "the number of slots must be from 0 to 1,000,000, not 9999999"),
        (["set", "api"], 2, "SLOTS"),
        (["remove", "warehose"], 1, "did you mean `warehouse`?"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(folder: Path, arguments: list[str], code: int, text: str) -> None:
    ropewalk("pools", "set", "warehouse", "5", cwd=folder)

    done = ropewalk("pools", *arguments, cwd=folder)

    assert (done.code, done.out) == (code, "")
    assert text in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_pool_that_does_not_exist_is_named_with_the_command_that_makes_it(folder: Path, command: str) -> None:
    (folder / "pipeline.py").write_text(POOLED)
    ropewalk("pools", "set", "warehouses", "5", cwd=folder)

    done = ropewalk(command, cwd=folder)

    assert done.code == 2
    assert "task `wait` asks for slots of the pool `warehouse`, which does not exist" in done.err
    assert "did you mean `warehouses`?" in done.err
    assert "ropewalk pools set warehouse 2" in done.err
    assert '"runs": []' in ropewalk("runs", "--json", cwd=folder).out
