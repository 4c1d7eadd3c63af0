"""Any durable step may fail, once, by a full disk, a bad one or a bug: the run says so, and goes on from there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ropewalk.author.pipeline import trace
from ropewalk.core.errors import StoreError
from ropewalk.core.failpoint import arm
from ropewalk.engine.client import Client, Options
from ropewalk.engine.result import RunResult
from ropewalk.store import runs, tasks
from ropewalk.testing.invariants import problems
from tests.faults import killable
from tests.faults.test_killed_runs import FAILPOINTS

ITEMS = 80  # so that some worker writes more than four blobs
ACTIONS = ("raise", "enospc", "eio")


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(killable, "FOLDER", tmp_path)
    monkeypatch.setattr(killable, "TASK_S", 0.0)
    yield
    arm("")


def lines(folder: Path, name: str) -> list[str]:
    return (folder / name).read_text().splitlines() if (folder / name).exists() else []


def go_on(client: Client) -> RunResult:
    """Run, or resume, whatever has become of the run by now."""
    work, options = trace(killable.killable, {"n": ITEMS}), Options(workers=2)
    begun = runs.listing(client.db)
    if not begun:
        return client.run(work, options, killable.acknowledge)
    if begun[0].state == "succeeded":
        return client.result(begun[0])
    return client.resume(begun[0], work, options, killable.acknowledge)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("passage", [2, 4])
@pytest.mark.parametrize("name", FAILPOINTS)
def test_a_step_that_fails_once_costs_no_finished_work(tmp_path: Path, name: str, passage: int, action: str) -> None:
    arm(f"{name}={action}@{passage}")
    with Client(tmp_path / "home") as client:
        first = None
        with contextlib.suppress(OSError, RuntimeError, StoreError):
            first = go_on(client)
        assert first is None or first.state == "failed" or name.startswith("blob."), "the step was not reached"
        arm("")
        acked, before = set(lines(tmp_path, "acks")), len(lines(tmp_path, "ledger"))

        result = go_on(client)

        begun = {line.split()[1] for line in lines(tmp_path, "ledger")[before:] if line.startswith("begin")}
        assert (result.state, result.output) == ("succeeded", expected())
        assert not begun & acked, "finished work was done again"
        assert problems(client.db, result.number) == []
        assert tasks.leases(client.db, result.number) == []
        assert client.db.problems() == []


def expected() -> int:
    return sum((x % 256) * (8000 if x % 7 == 0 else 10) for x in range(ITEMS))
