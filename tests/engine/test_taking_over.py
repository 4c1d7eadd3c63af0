"""Taking a run over: what the one before has written counts, and what it still tries to write does not."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ropewalk import each, pipeline, task
from ropewalk.author.pipeline import trace
from ropewalk.core import events as ev
from ropewalk.core.errors import LeaseLostError, UsageError
from ropewalk.core.state import RunState
from ropewalk.engine.client import Client, Options
from ropewalk.store import runs, tasks
from ropewalk.testing.invariants import problems, stored_state
from ropewalk.testing.store_suite import append
from tests.engine.live import lines, note

INLINE = Options("inline")


@task(cache=False)
def first(ledger: str) -> int:
    note(ledger, "first")
    return 1


@task(cache=False)
def second(ledger: str, x: int, y: int) -> int:
    note(ledger, f"second {y}")
    return x + y


@pipeline
def both(ledger: str) -> list[int]:
    return second(ledger, first(ledger), each([1, 2, 3]))


class Ended(BaseException):
    """The process ends."""


def end_at(wanted: Callable[[ev.Event], bool]) -> Callable[[Any], None]:
    """A listener that ends the process when it is told of a certain event."""

    def listen(step: Any) -> None:
        if any(map(wanted, step.events)):
            raise Ended

    return listen


@pytest.fixture
def client(tmp_path: Path) -> Client:
    """By its clock a second passes between any two looks at it."""
    return Client(tmp_path / ".ropewalk", itertools.count(1_000_000_000.0).__next__)


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    return str(tmp_path / "ledger")


def broken_off(client: Client, ledger: str) -> runs.Run:
    """A run whose process ended when its first task had succeeded and the others were under way."""
    end = end_at(lambda e: type(e) is ev.Succeeded and e.node == "first")
    with pytest.raises(Ended):
        client.run(trace(both, {"ledger": ledger}), INLINE, end)
    return runs.find(client.db, "last")


def test_a_run_whose_process_has_failed_belongs_to_nobody_and_can_go_on_at_once(client: Client, ledger: str) -> None:
    """Even in the same process, as in a notebook."""
    run = broken_off(client, ledger)
    assert (run.state, run.owner) == ("running", {})

    result = client.resume(run, trace(both, {"ledger": ledger}), INLINE)

    assert result.output == [2, 3, 4]
    assert lines(ledger).count("first") == 1


def test_uncached_tasks_that_were_under_way_are_begun_once_more_and_not_twice(client: Client, ledger: str) -> None:
    run = broken_off(client, ledger)

    result = client.resume(run, trace(both, {"ledger": ledger}), INLINE)

    assert result.output == [2, 3, 4]
    assert sorted(lines(ledger)) == ["first", "second 1", "second 2", "second 3"]
    assert problems(client.db, run.number) == []


def test_what_the_one_before_wrote_at_the_last_moment_counts(
    client: Client, ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After this process had looked at the run, and before it took it over."""
    run = broken_off(client, ledger)
    outputs = client.state(run).nodes["first"].outputs[0]
    real = runs.take_over

    def meanwhile(db: Any, seen: runs.Run, owner: Any) -> runs.Run:
        state = stored_state(db, seen.number)
        token = state.nodes["second"].tokens[0]
        append(db, seen, seen.seq + 1, state, ev.Succeeded("second", 0, token, "key0", outputs))
        return real(db, seen, owner)

    monkeypatch.setattr(runs, "take_over", meanwhile)
    result = client.resume(run, trace(both, {"ledger": ledger}), INLINE)

    assert result.output == [1, 3, 4]
    assert "second 1" not in lines(ledger)
    assert problems(client.db, run.number) == []


def test_who_has_lost_a_run_cannot_write_to_it_and_ends(client: Client, ledger: str) -> None:
    def take_away(step: Any) -> None:
        if any(type(e) is ev.Succeeded for e in step.events):
            runs.take_over(client.db, runs.find(client.db, "last"), {"pid": 1})

    with pytest.raises(LeaseLostError, match="was taken over by another process"):
        client.run(trace(both, {"ledger": ledger}), INLINE, take_away)

    run = runs.find(client.db, "last")
    assert run.owner == {"pid": 1}, "who has lost it must not give it up either"
    assert problems(client.db, run.number) == []


def test_a_run_that_goes_on_elsewhere_is_not_resumed(client: Client, ledger: str) -> None:
    def try_it(step: Any) -> None:
        with Client(client.home.root) as other:
            run = runs.find(other.db, "last")
            if run.is_open:
                with pytest.raises(UsageError, match="is still running"):
                    other.resume(run, trace(both, {"ledger": ledger}), INLINE)

    assert client.run(trace(both, {"ledger": ledger}), INLINE, try_it).state == "succeeded"


def test_a_cancel_that_was_asked_of_the_one_before_is_forgotten(client: Client, ledger: str) -> None:
    run = broken_off(client, ledger)
    runs.ask_cancel(client.db, run.number, "me")

    assert client.resume(run, trace(both, {"ledger": ledger}), INLINE).state == "succeeded"


@task(cache=False)
def wait(ledger: str, x: int) -> int:
    note(ledger, "wait")
    time.sleep(0 if lines(ledger).count("wait") > 1 else 600)
    return x


@pipeline
def waiting(ledger: str) -> int:
    return second(ledger, wait(ledger, first(ledger)), 5)


def cancel_and_end(client: Client) -> Callable[[Any], None]:
    def listen(step: Any) -> None:
        if any(type(e) is ev.Started and e.node == "wait" for e in step.events):
            runs.ask_cancel(client.db, runs.find(client.db, "last").number, "me")
        if any(type(e) is ev.CancelRequested for e in step.events):
            raise Ended

    return listen


def test_a_run_whose_process_ended_while_it_was_being_cancelled_can_be_cancelled_and_resumed(
    client: Client, ledger: str
) -> None:
    work, processes = trace(waiting, {"ledger": ledger}), Options("processes", 1)
    with pytest.raises(Ended):
        client.run(work, processes, cancel_and_end(client))
    run = runs.find(client.db, "last")
    assert client.state(run).cancel_requested
    assert len(tasks.leases(client.db, run.number)) == 1

    assert client.cancel(run, "me")
    cancelled = runs.get(client.db, run.number)
    assert cancelled.state == "cancelled"
    assert tasks.leases(client.db, run.number) == []

    note(ledger, "wait")  # it need not wait any more
    assert client.resume(cancelled, work, processes).output == 6
    assert lines(ledger).count("first") == 1


def test_a_run_whose_process_ended_while_it_was_being_cancelled_can_go_on_at_once(client: Client, ledger: str) -> None:
    work, processes = trace(waiting, {"ledger": ledger}), Options("processes", 1)
    with pytest.raises(Ended):
        client.run(work, processes, cancel_and_end(client))

    note(ledger, "wait")
    result = client.resume(runs.find(client.db, "last"), work, processes)

    assert (result.state, result.output) == ("succeeded", 6)
    assert not client.state(result.run).cancel_requested


@task(run_if="always", cache=False)
def clean(ledger: str, x: int) -> None:
    note(ledger, "clean")


@pipeline
def with_cleaning(ledger: str) -> None:
    clean(ledger, first(ledger))


def test_a_dead_run_with_a_task_that_always_runs_can_be_cancelled(client: Client, ledger: str) -> None:
    """There is nobody to run it: it is cancelled, too."""
    with pytest.raises(Ended):
        client.run(trace(with_cleaning, {"ledger": ledger}), INLINE, end_at(lambda e: type(e) is ev.Succeeded))
    run = runs.find(client.db, "last")

    assert client.cancel(run, "me")

    assert runs.get(client.db, run.number).state == "cancelled"
    assert lines(ledger) == ["first"]


def test_the_state_of_a_run_is_what_its_events_say_all_the_time(client: Client, ledger: str) -> None:
    def look(step: Any) -> None:
        number = runs.find(client.db, "last").number
        assert problems(client.db, number) == []
        folded = stored_state(client.db, number)
        assert isinstance(folded, RunState)
        assert {n: list(r.counts)[3:] for n, r in folded.nodes.items()} == {
            n: list(r.counts)[3:] for n, r in step.state.nodes.items()
        }

    assert client.run(trace(both, {"ledger": ledger}), INLINE, look).state == "succeeded"
