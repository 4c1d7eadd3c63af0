"""What is forgotten, and what is not: models, runs that are kept, and what later runs took from forgotten ones."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ropewalk import Retry, context, each, pipeline, task
from ropewalk.engine.janitor import Swept, collect_garbage
from ropewalk.ml.registry import alias_history, aliases, find_model, load_model, models, register_model, set_alias
from ropewalk.store import runs
from ropewalk.testing.invariants import problems
from tests.engine.live import Live, Watch, both_executors, note, tell

LARGE = 20_000


@task
def make(n: int, ledger: str) -> bytes:
    note(ledger, f"make {n}")
    return bytes([n]) * LARGE


@task
def pack(data: bytes, note_: int) -> bytes:
    return data + bytes([note_])


@pipeline
def keep(ledger: str, n: int = 1, version: int = 0) -> bytes:
    return pack(make(n, ledger), version)


def sweep(live: Live, keep_runs: int | None = None) -> Swept:
    with live.client() as client:
        return collect_garbage(client, now=time.time() + 10, keep_runs=keep_runs, grace_s=0)


def sound(live: Live) -> None:
    """Every file that a remaining run refers to is there, and rows say what events say."""
    with live.client() as client:
        for run in runs.all_runs(client.db):
            assert problems(client.db, run.number) == []
            result = client.result(run)
            for node in result.nodes:
                for ref in (ref for outputs in result.artifacts(node) for ref in outputs.values()):
                    client.load(ref)


@both_executors
def test_a_run_that_is_kept_keeps_its_results(tmp_path: Path, executor: str) -> None:
    live = Live(tmp_path)
    live.run(keep, executor, ledger=live.ledger, n=1)
    kept = live.run(keep, executor, ledger=live.ledger, n=2)

    swept = sweep(live, keep_runs=1)

    assert (swept.runs, swept.blobs) == ((1,), 2)
    assert kept.output == b"\x02" * LARGE + b"\x00"
    sound(live)


@both_executors
def test_what_later_runs_took_from_a_forgotten_run_serves_still_later_ones(tmp_path: Path, executor: str) -> None:
    live = Live(tmp_path)
    for version in range(3):
        live.run(keep, executor, ledger=live.ledger, version=version)
    assert live.done() == ["make 1"]

    assert sweep(live, keep_runs=1).runs == (1, 2)
    sound(live)
    result = live.run(keep, executor, ledger=live.ledger, version=3)

    assert result.output == b"\x01" * LARGE + b"\x03"
    assert live.done() == ["make 1"], "the result that the third run had taken from the first was reused"
    assert [row.source for row in live.rows(result.number, "make")] == [3]


def test_without_a_wish_nothing_is_forgotten(tmp_path: Path) -> None:
    live = Live(tmp_path)
    for n in range(3):
        live.run(keep, "inline", ledger=live.ledger, n=n)

    swept = sweep(live)

    assert (swept.runs, swept.blobs) == ((), 0)
    sound(live)


@task(timeout=20)
def waiting_for(data: bytes, pipe: str) -> int:
    tell(1)
    with open(pipe) as file:
        file.read()
    return len(data)


@pipeline
def collected_meanwhile(ledger: str, pipe: str) -> int:
    return waiting_for(make(1, ledger), pipe)


def test_a_run_that_goes_on_loses_nothing_to_a_collection(tmp_path: Path) -> None:
    live, pipe = Live(tmp_path), tmp_path / "pipe"
    os.mkfifo(pipe)
    live.run(keep, ledger=live.ledger, n=7)
    swept: list[Swept] = []

    def collect(_: int) -> None:
        swept.append(sweep(live, keep_runs=0))
        pipe.write_text("go on")

    result = live.run(collected_meanwhile, ledger=live.ledger, pipe=str(pipe), listener=Watch(collect))

    assert [s.runs for s in swept] == [(1,)]
    assert (result.state, result.output) == ("succeeded", LARGE)
    sound(live)


@task(retry=Retry(1))
def register_and_fail_once(size: int) -> str:
    model = {"weights": bytes(LARGE), "size": size}
    version = register_model("late", model, metrics={"auc": size / 10}, alias="champion")
    if context().attempt == 1 and size == 1:
        os._exit(1)
    if context().attempt == 2 and size == 1:
        raise ValueError("after registering")
    return str(version)


@pipeline
def registers(sizes: list[int]) -> list[str]:
    return register_and_fail_once(each(sizes))


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Live:
    """A project that is the current one."""
    made = Live(tmp_path)
    monkeypatch.setenv("ROPEWALK_HOME", str(made.home))
    return made


def test_a_model_is_registered_once_however_often_its_task_is_executed(live: Live) -> None:
    first = live.run(registers, sizes=[1])
    again = live.run(registers, sizes=[1], reuse=False)

    assert (first.state, again.state) == ("succeeded", "succeeded")
    assert [row.attempts for row in live.rows(first.number, "register_and_fail_once")] == [3]
    assert [(m.name, m.version, m.metrics, m.run) for m in models()] == [("late", 1, {"auc": 0.1}, first.number)]
    assert load_model("late") == {"weights": bytes(LARGE), "size": 1}


def test_an_alias_moves_and_its_history_stays(live: Live) -> None:
    live.run(registers, "inline", sizes=[2])
    live.run(registers, "inline", sizes=[3])
    set_alias("late", "champion", 1)

    assert [(a.alias, a.version) for a in aliases("late")] == [("champion", 1)]
    assert [(a.alias, a.version) for a in alias_history("late")] == [("champion", 1), ("champion", 2), ("champion", 1)]
    assert load_model("late", "champion")["size"] == 2
    assert load_model("late", 2)["size"] == 3
    assert find_model("late", "challenger") is None


def test_a_model_outlives_the_forgetting_of_runs(live: Live) -> None:
    live.run(registers, "inline", sizes=[2])
    live.run(keep, "inline", ledger=live.ledger)

    swept = sweep(live, keep_runs=0)

    assert swept.runs == (2,), "a run that registered something is never forgotten"
    assert load_model("late")["size"] == 2
