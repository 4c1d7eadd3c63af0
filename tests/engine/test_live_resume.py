"""A run that failed goes on from there: what succeeded is kept, what was repaired counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from ropewalk import Retry, context, each, pipeline, task
from ropewalk.core import events as ev
from ropewalk.core.errors import UsageError
from ropewalk.engine.scheduler import Step
from ropewalk.testing.invariants import problems
from tests.engine.live import Live, Watch, both_executors, note


@task
def source(ledger: str) -> list[int]:
    note(ledger, "source")
    return [0, 1, 2, 3]


def broken(ledger: str):
    """The pipeline with a task that fails at item 2."""

    @task
    def work(x: int, ledger: str) -> int:
        note(ledger, f"work {x}")
        if x == 2:
            raise ValueError("no 2")
        return x * 10

    return around(work)


def repaired(ledger: str):
    """The same pipeline, with the repair in it that a person makes."""

    @task
    def work(x: int, ledger: str) -> int:
        note(ledger, f"repaired {x}")
        return x * 10

    return around(work)


@task
def beside(ledger: str) -> str:
    note(ledger, "beside")
    return "independent"


@task
def total(parts: list[int], ledger: str) -> int:
    note(ledger, "total")
    return sum(parts)


def around(work):
    @pipeline
    def repairable(ledger: str) -> int:
        beside(ledger)
        return total(work(each(source(ledger)), ledger), ledger)

    return repairable


@both_executors
def test_a_failure_ends_only_what_depends_on_it(tmp_path: Path, executor: str) -> None:
    live = Live(tmp_path)

    result = live.run(broken(live.ledger), executor, ledger=live.ledger)

    assert result.state == "failed"
    assert result.nodes["work"] == {"succeeded": 3, "failed": 1}
    assert (result.nodes["beside"], result.nodes["total"]) == ({"succeeded": 1}, {"skipped": 1})
    assert live.rows(result.number, "total")[0].detail == "needs work"


@both_executors
def test_resuming_with_the_same_code_does_again_only_what_failed(tmp_path: Path, executor: str) -> None:
    live = Live(tmp_path)
    flow = broken(live.ledger)
    live.run(flow, executor, ledger=live.ledger)
    before = len(live.done())

    result = live.resume(flow, executor, ledger=live.ledger)

    assert result.state == "failed"
    assert live.done()[before:] == ["work 2"]


@both_executors
def test_resuming_with_repaired_code_does_again_what_changed_and_what_follows(tmp_path: Path, executor: str) -> None:
    live = Live(tmp_path)
    first = live.run(broken(live.ledger), executor, ledger=live.ledger)
    before = len(live.done())

    watch = Watch()
    result = live.resume(repaired(live.ledger), executor, ledger=live.ledger, listener=watch)

    assert (result.state, result.output, result.number) == ("succeeded", 60, first.number)
    assert sorted(live.done()[before:]) == [*(f"repaired {x}" for x in range(4)), "total"]
    assert isinstance(watch.events[0], ev.Reopened)
    with live.client() as client:
        assert problems(client.db, result.number) == []


@task
def strict(x: int, ledger: str) -> int:
    note(ledger, f"strict {x}")
    if x == 2:
        raise ValueError("no 2")
    return x


@pipeline
def all_of(xs: list[int], ledger: str):
    return strict(each(xs), ledger)


def test_what_a_continued_run_keeps_of_its_own_is_known_to_later_runs(tmp_path: Path) -> None:
    live = Live(tmp_path)
    assert live.run(all_of, "inline", xs=[0, 1, 2], ledger=live.ledger).state == "failed"
    assert live.resume(all_of, "inline", xs=[0, 1, 3], ledger=live.ledger).state == "succeeded"

    again = live.run(all_of, "inline", xs=[0, 1, 3], ledger=live.ledger)

    assert again.output == [0, 1, 3]
    assert live.done() == ["strict 0", "strict 1", "strict 2", "strict 3"]
    with live.client() as client:
        assert not problems(client.db, 1)


@both_executors
def test_a_run_that_succeeded_has_nothing_to_resume(tmp_path: Path, executor: str) -> None:
    live = Live(tmp_path)
    live.run(repaired(live.ledger), executor, ledger=live.ledger)

    with pytest.raises(UsageError) as caught:
        live.resume(repaired(live.ledger), executor, ledger=live.ledger)

    assert caught.value.code == "P304"


@task(retry=Retry(3, delay=0.05, backoff=2, on=[OSError], not_on=["FileNotFoundError"]))
def flaky(ledger: str, error: str, times: int) -> int:
    note(ledger, context().attempt)
    if context().attempt <= times:
        raise {"os": OSError, "missing": FileNotFoundError, "value": ValueError}[error]("not yet")
    return context().attempt


@pipeline
def retries(ledger: str, error: str, times: int) -> int:
    return flaky(ledger, error, times)


@both_executors
@pytest.mark.parametrize(
    ("error", "times", "state", "attempts"),
    [
        ("os", 2, "succeeded", 3),
        ("os", 9, "failed", 4),
        ("missing", 1, "failed", 1),  # an OSError, but excepted
        ("value", 1, "failed", 1),
    ],
)
def test_a_failed_attempt_is_followed_by_as_many_as_the_policy_says(
    tmp_path: Path, executor: str, error: str, times: int, state: str, attempts: int
) -> None:
    live, watch = Live(tmp_path), Watch()

    result = live.run(retries, executor, ledger=live.ledger, error=error, times=times, listener=watch)

    assert (result.state, live.done()) == (state, [str(n) for n in range(1, attempts + 1)])
    starts = [event.at for event in watch.of(ev.Started)]
    due = [event.retry_at for event in watch.of(ev.AttemptFailed) if event.retry_at is not None]
    assert all(later - start >= 0.05 * 2**n for n, (start, later) in enumerate(zip(starts, due, strict=False))), due
    assert all(start >= later for start, later in zip(starts[1:], due, strict=True)), starts


@task
def mended(x: int, fault: str) -> int:
    if x == 1 and Path(fault).exists():
        raise ValueError("not yet")
    return x


@pipeline
def mends(fault: str) -> list[int]:
    return mended(each([0, 1, 2]), fault)


class Stop(Exception):
    """The scheduler breaks down."""


def stop_after_a_failure(step: Step) -> None:
    if any(isinstance(event, ev.AttemptFailed) for event in step.events):
        raise Stop


@both_executors
def test_what_had_failed_before_a_run_was_interrupted_is_tried_again(tmp_path: Path, executor: str) -> None:
    live, fault = Live(tmp_path), tmp_path / "fault"
    fault.touch()
    with pytest.raises(Stop):
        live.run(mends, executor, fault=str(fault), listener=stop_after_a_failure)
    fault.unlink()

    result = live.resume(mends, executor, fault=str(fault))

    assert (result.state, result.output) == ("succeeded", [0, 1, 2])
    with live.client() as client:
        assert problems(client.db, result.number) == []
