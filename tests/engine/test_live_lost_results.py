"""Results whose bytes are gone or spoiled: noticed, and computed again, as far back as it takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ropewalk import each, pipeline, task
from ropewalk.core import events as ev
from ropewalk.engine.result import RunResult
from tests.engine.live import Live, Watch, both_executors, note

LARGE = 20_000  # such results lie in files


@task
def make(ledger: str, n: int) -> bytes:
    note(ledger, f"make {n}")
    return bytes([n]) * LARGE


@task
def double(ledger: str, data: bytes) -> bytes:
    note(ledger, "double")
    return data * 2


@task
def measure(ledger: str, data: bytes, version: int) -> int:
    note(ledger, "measure")
    return len(data) + version


@pipeline
def chain(ledger: str, version: int = 0) -> int:
    return measure(ledger, double(ledger, make(ledger, 1)), version)


def remove(path: Path) -> None:
    path.unlink()


def flip(path: Path) -> None:
    """The same size, one bit different."""
    content = bytearray(path.read_bytes())
    content[LARGE // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.truncate(100)


spoilers = pytest.mark.parametrize("spoil", [remove, flip, cut])


def spoil_results(live: Live, result: RunResult, spoil: Callable[[Path], None], *nodes: str) -> None:
    with live.client() as client:
        for node in nodes:
            for outputs in result.artifacts(node):
                spoil(client.blobs.path(outputs["result"].digest))


@both_executors
@spoilers
def test_a_spoiled_input_is_noticed_and_made_again(tmp_path: Path, executor: str, spoil) -> None:
    live = Live(tmp_path)
    spoil_results(live, live.run(chain, executor, ledger=live.ledger), spoil, "double")

    result = live.run(chain, executor, ledger=live.ledger, version=1)

    assert (result.state, result.output) == ("succeeded", 2 * LARGE + 1)
    assert live.done()[3:] in (["double", "measure"], ["measure", "double", "measure"])
    assert result["double"] == b"\x01" * 2 * LARGE


@both_executors
@spoilers
def test_a_spoiled_input_of_a_spoiled_input_is_made_again_too(tmp_path: Path, executor: str, spoil) -> None:
    live = Live(tmp_path)
    spoil_results(live, live.run(chain, executor, ledger=live.ledger), spoil, "make", "double")

    result = live.run(chain, executor, ledger=live.ledger, version=1)

    assert (result.state, result.output) == ("succeeded", 2 * LARGE + 1)
    assert {"make 1", "double", "measure"} == set(live.done()[3:])
    assert result["make"] == b"\x01" * LARGE


@both_executors
def test_a_result_that_is_spoiled_while_its_run_goes_on_is_made_again(tmp_path: Path, executor: str) -> None:
    live = Live(tmp_path)

    def spoil(step) -> None:
        for event in step.events:
            if isinstance(event, ev.Succeeded) and event.node == "make" and len(live.done()) == 1:
                with live.client() as client:
                    flip(client.blobs.path(event.outputs["result"].digest))

    result = live.run(chain, executor, ledger=live.ledger, listener=spoil)

    assert (result.state, result.output) == ("succeeded", 2 * LARGE)
    assert live.done().count("make 1") == 2


@task
def rest(ledger: str, parts: list[bytes], version: int) -> int:
    note(ledger, "rest")
    return sum(map(len, parts)) + version


@pipeline
def fan(ledger: str, version: int = 0) -> int:
    return rest(ledger, double(ledger, each(make(ledger, each([1, 2, 3, 4])))), version)


@both_executors
@spoilers
def test_of_a_mapped_task_only_the_items_that_are_spoiled_are_made_again(tmp_path: Path, executor: str, spoil) -> None:
    live = Live(tmp_path)
    before = live.run(fan, executor, ledger=live.ledger)
    with live.client() as client:
        for node in ("make", "double"):
            spoil(client.blobs.path(before.artifacts(node)[2]["result"].digest))

    watch = Watch()
    result = live.run(fan, executor, ledger=live.ledger, version=1, listener=watch)

    assert (result.state, result.output) == ("succeeded", 8 * LARGE + 1)
    assert {e.item for e in watch.of(ev.Succeeded) if e.node != "rest"} == {2}
    assert set(live.done()[9:]) == {"make 3", "double", "rest"}


@task
def block(ledger: str, n: int) -> bytes:
    note(ledger, f"block {n}")
    return bytes([n]) * LARGE


@task
def gather(ledger: str, parts: list[bytes], more: dict[str, list[bytes]]) -> int:
    if not Path(f"{ledger}.repaired").exists():
        raise ValueError("not yet")
    return sum(len(part) for part in [*parts, *more["those"]])


@pipeline
def wide(ledger: str) -> int:
    return gather(ledger, block(ledger, each(list(range(20)))), {"those": block(ledger, each([20, 21]))})


@both_executors
def test_of_many_inputs_all_that_are_missing_are_made_again_in_one_round(tmp_path: Path, executor: str) -> None:
    live = Live(tmp_path)
    before = live.run(wide, executor, ledger=live.ledger)
    missing = {*range(1, 12), 21}
    made = [outputs for node in before.nodes if node != "gather" for outputs in before.artifacts(node)]
    with live.client() as client:
        for n, outputs in enumerate(made):
            if n in missing:
                remove(client.blobs.path(outputs["result"].digest))
    Path(f"{live.ledger}.repaired").touch()

    watch = Watch()
    result = live.resume(wide, executor, watch, ledger=live.ledger)

    assert (before.state, result.state, result.output) == ("failed", "succeeded", 22 * LARGE)
    assert sorted(live.done()[22:]) == sorted(f"block {n}" for n in missing)
    assert [e.node for e in watch.of(ev.AttemptFailed) if e.failure.kind == "input"] == ["gather"], (
        "one look was enough"
    )


@task
def page(ledger: str, n: int) -> dict[str, list[int]]:
    note(ledger, f"page {n}")
    return {"numbers": [n] * LARGE, "rest": []}


@task
def count(ledger: str, pages: list[list[int]]) -> int:
    if not Path(f"{ledger}.repaired").exists():
        raise ValueError("not yet")
    return sum(map(len, pages))


@pipeline
def book(ledger: str) -> int:
    return count(ledger, [page(ledger, n)["numbers"] for n in range(9)])


def test_so_are_those_that_only_the_scheduler_looked_into(tmp_path: Path) -> None:
    """It takes parts of JSON for the key, so that no attempt gets as far as to tell of one that is missing."""
    live = Live(tmp_path)
    before = live.run(book, ledger=live.ledger)
    spoil_results(live, before, remove, *(node for node in before.nodes if node != "count"))
    Path(f"{live.ledger}.repaired").touch()

    watch = Watch()
    result = live.resume(book, listener=watch, ledger=live.ledger)

    assert (before.state, result.state, result.output) == ("failed", "succeeded", 9 * LARGE)
    assert sorted(live.done()[9:]) == [f"page {n}" for n in range(9)]
    assert not [e for e in watch.of(ev.AttemptFailed) if e.failure.kind == "input"]


def test_a_disk_that_spoils_whatever_is_written_ends_the_run_with_a_reason(tmp_path: Path) -> None:
    live = Live(tmp_path)

    def spoil_again(step) -> None:
        for event in step.events:
            if isinstance(event, (ev.Succeeded, ev.Reused)) and event.node == "make":
                with live.client() as client:
                    flip(client.blobs.path(event.outputs["result"].digest))

    result = live.run(chain, ledger=live.ledger, listener=spoil_again)

    assert result.state == "failed"
    (row,) = live.rows(result.number, "double")
    assert (row.state, row.failure.kind) == ("failed", "input")
    assert "blob" in row.failure.message
