"""`ropewalk guards`: how rate limits and circuit breakers stand, and closing a breaker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.cli_runner import project, ropewalk

SOURCE = """
from ropewalk import breaker, limit, pipeline, task

@task(guards=[limit("api", "100/h"), breaker("warehouse", failures=1, reset="1h")])
def load() -> int:
    raise ValueError("down")

@pipeline
def loads():
    return load()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with a run that opened a breaker."""
    made = project(tmp_path, SOURCE)
    assert ropewalk("run", cwd=made).code == 1
    return made


def test_guards_are_listed_with_their_state(folder: Path) -> None:
    lines = ropewalk("guards", cwd=folder).out.splitlines()

    assert lines[0].split() == ["NAME", "GUARD", "STATE"]
    assert lines[1].startswith('api        limit("api", "100/1h")')
    assert lines[1].endswith("free   1 start")
    assert "open   1 failure, until 20" in lines[2]


def test_guards_as_json(folder: Path) -> None:
    api, warehouse = json.loads(ropewalk("guards", "--json", cwd=folder).out)

    assert api["kind"] == "limit"
    assert (api["starts"], api["state"], api["opens_at"]) == (1, "free", None)
    assert warehouse["rule"] == 'breaker("warehouse", failures=1, reset="1h")'
    assert (warehouse["failures"], warehouse["state"]) == (1, "open")
    assert warehouse["opens_at"] > 1e9


def test_a_breaker_is_closed(folder: Path) -> None:
    assert ropewalk("guards", "reset", "warehouse", cwd=folder).out == "Closed the circuit breaker warehouse.\n"

    assert json.loads(ropewalk("guards", "--json", cwd=folder).out)[1]["state"] == "closed"


@pytest.mark.parametrize(("name", "guess"), [("wharehouse", "did you mean `warehouse`?"), ("api", "ropewalk guards")])
def test_what_is_no_breaker_cannot_be_closed(folder: Path, name: str, guess: str) -> None:
    done = ropewalk("guards", "reset", name, cwd=folder)

    assert done.code == 1
    assert f"there is no circuit breaker `{name}`" in done.err
    assert guess in done.err


def test_looking_makes_no_store(tmp_path: Path) -> None:
    listed, closed = ropewalk("guards", cwd=tmp_path), ropewalk("guards", "reset", "x", cwd=tmp_path)

    assert (listed.code, listed.out) == (0, "")
    assert "No guards were used here yet" in listed.err
    assert closed.code == 1
    assert not (tmp_path / ".ropewalk").exists()
