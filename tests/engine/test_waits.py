"""Sensors: checks that are made again and again, with no worker in between, until it is there or too late."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk import Retry, each, first_of, pipeline, task, wait_for
from ropewalk.author.pipeline import trace
from ropewalk.core import events as ev
from ropewalk.core.artifact import Failure
from ropewalk.core.graph import Node
from ropewalk.core.noderun import NOT_YET, NodeRun
from ropewalk.core.special import Wait
from ropewalk.engine.client import Client, Options
from ropewalk.engine.waiting import after_check, is_late, look, pause_s
from ropewalk.store import runs
from ropewalk.testing import lab
from tests.engine.live import Live, Watch, both_executors, lines, note

checks: list[int] = []  # of pipelines that run in this process


@pytest.fixture
def live(tmp_path: Path) -> Live:
    return Live(tmp_path)


@pytest.fixture(autouse=True)
def no_checks() -> None:
    checks.clear()


def count_to(number: int) -> int:
    """True from the check of this number on."""
    checks.append(1)
    return len(checks) if len(checks) >= number else 0


@pipeline
def counted(number: int = 5, timeout: str | None = None, backoff: float = 1.0, soft_fail: bool = False):
    return wait_for(count_to, number, every="1m", timeout=timeout, backoff=backoff, soft_fail=soft_fail)


def pauses(moments: list[Any]) -> list[int]:
    """Minutes between the starts of checks."""
    starts = [m.at for m in moments if m.what.startswith("Started")]
    return [round((b - a).total_seconds() / 60) for a, b in itertools.pairwise(starts)]


# how time passes


def test_a_check_is_made_again_after_each_pause_and_its_result_is_the_result_of_the_wait() -> None:
    with lab() as w:
        result = w.run(counted)

        assert (result.state, result.output) == ("succeeded", 5)
        assert pauses(w.history) == [1, 1, 1, 1]


def test_with_a_back_off_pauses_grow() -> None:
    with lab() as w:
        w.run(counted, backoff=2.0)

        assert pauses(w.history) == [1, 2, 4, 8]


def test_what_does_not_come_in_time_has_failed() -> None:
    with lab() as w:
        result = w.run(counted, number=99, timeout="10m")

        assert result.state == "failed"
        assert result.failures["count_to"].message == "nothing came within 10m 00s"
        assert len(checks) == 11  # the last one when the time is over


@task
def after(found: int) -> int:
    return found


@pipeline
def soft() -> int:
    found = wait_for(count_to, 99, every="1m", timeout="2m", soft_fail=True)
    return first_of(after(found), -1)


def test_a_soft_wait_that_is_too_late_is_skipped_with_what_depends_on_it() -> None:
    with lab() as w:
        result = w.run(soft)

        assert (result.state, result.output) == ("succeeded", -1)
        assert result.nodes == {"count_to": {"skipped": 1}, "after": {"skipped": 1}}


def test_the_time_for_which_is_waited_goes_on_while_schedulers_crash() -> None:
    """The moment of the first check is in the log, so that a restart does not begin anew."""
    with lab(crashes=0.05, losses=0.1, seed=3) as w:
        result = w.run(counted, number=99, timeout="1h")

        assert result.state == "failed"
        assert 3600 <= (w.now - w.history[0].at).total_seconds() < 3900


class Clock:
    """A minute passes with every look."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        self.now += 60
        return self.now


class Killed(Exception):
    """Stands for the end of a process."""


def test_a_run_that_is_resumed_days_later_is_too_late(tmp_path: Path) -> None:
    def die(step: Any) -> None:
        if any(isinstance(e, ev.AttemptFailed) for e in step.events):
            raise Killed

    clock, work = Clock(1e9), trace(counted, {"number": 99, "timeout": "1d"})
    with Client(tmp_path / ".ropewalk", clock) as client:
        with pytest.raises(Killed):
            client.run(work, Options("inline"), die)
        clock.now += 3 * 86400

        result = client.resume(runs.find(client.db, "last"), work, Options("inline"))

    assert result.failures["count_to"].message == "nothing came within 24h 00m"
    assert len(checks) == 2


@given(
    st.floats(0.01, 1e5), st.floats(1, 1000), st.floats(0.01, 1e6), st.none() | st.floats(0.01, 1e6), st.floats(0, 1e7)
)
def test_no_pause_is_longer_than_the_cap_or_than_the_time_that_is_left(
    every: float, backoff: float, cap: float, timeout: float | None, waited: float
) -> None:
    wait = Wait(every, backoff, max(cap, every), timeout)

    pause = pause_s(wait, waited)

    assert 0 <= pause <= max(cap, every)
    assert (
        pause >= min(every, cap)
        or (timeout is not None and waited + pause == pytest.approx(timeout, abs=1e-6))
        or (timeout is not None and waited >= timeout and pause == 0)
    )


@given(st.floats(0.5, 100), st.floats(1.1, 4), st.integers(1, 12))
def test_the_pause_is_known_from_the_time_that_has_passed_alone(every: float, backoff: float, number: int) -> None:
    """So that nothing but the first moment has to be remembered."""
    wait = Wait(every, backoff, 1e12)
    waited = 0.0
    for index in range(number):
        pause = pause_s(wait, waited)
        assert pause == pytest.approx(every * backoff**index)
        waited += pause


# checks that fail, hang, or give something odd


@task(retry=Retry(2, delay="1s"))
def flaky(number: int) -> bool:
    checks.append(1)
    if len(checks) % 3:
        raise ConnectionError("no answer")
    return len(checks) >= number


@pipeline
def over_a_bad_line(number: int = 12):
    return wait_for(flaky, number, every="1m")


def test_a_check_that_raises_is_retried_and_one_that_answers_lets_retries_begin_anew() -> None:
    with lab() as w:
        assert w.run(over_a_bad_line).output is True

    assert len(checks) == 12


@task
def broken() -> bool:
    raise ValueError("no such table")


@pipeline
def never():
    return wait_for(broken, every="1m")


def test_a_check_that_raises_without_a_retry_fails_the_wait() -> None:
    with lab() as w:
        assert w.run(never).failures["broken"].message == "ValueError: no such table"


class Found(NamedTuple):
    path: str
    rows: int


@task
def find(number: int) -> Found | None:
    checks.append(1)
    return Found("there", len(checks)) if len(checks) >= number else None


@task
def find_parts(number: int) -> Found:
    checks.append(1)
    return Found("there", len(checks)) if len(checks) >= number else None  # type: ignore[return-value]  # not yet


@pipeline
def parts(check: bool = True):
    found = wait_for(find_parts, 3, every="1m")
    whole = wait_for(find, 5, every="1m").after(found)
    return found.rows, whole


def test_a_check_may_return_several_outputs_and_none_while_there_is_nothing() -> None:
    with lab() as w:
        assert w.run(parts).output == (3, Found("there", 5))


@pipeline
def mapped():
    return wait_for(count_to, each([1, 4]), every="1m")


def test_each_item_of_a_mapped_wait_waits_for_itself() -> None:
    with lab(workers=1) as w:
        result = w.run(mapped)

        assert result.nodes == {"count_to": {"succeeded": 2}}
        assert (result.output[0], len(checks)) == (1, 4)


def judged(failure: Failure, waited_s: float, *, soft: bool = False, ending: bool = False) -> list[ev.Event]:
    run = NodeRun(Node("w", "t", special=Wait(60.0, timeout_s=100.0, soft_fail=soft)))
    run.since[0] = 1000.0
    attempt = ev.AttemptFailed("w", 0, 7, failure, None)
    return after_check(run, attempt, 1000.0 + waited_s, ending=ending)


NOTHING, HUNG = Failure(NOT_YET, "not yet"), Failure("timeout", "timed out after 5 s")


def test_a_check_that_hangs_is_a_failed_attempt_until_it_is_too_late_for_another() -> None:
    (late,) = judged(HUNG, 100)

    assert judged(HUNG, 50) == []
    assert isinstance(late, ev.AttemptFailed)
    assert (late.failure.message, late.retry_at) == ("nothing came within 1m 40s", None)


def test_no_pause_goes_beyond_the_end_so_that_a_last_check_is_made_then() -> None:
    (again,) = judged(NOTHING, 70)

    assert isinstance(again, ev.AttemptFailed)
    assert (again.retry_at, again.counted) == (1100.0, False)


def test_a_wait_whose_run_was_cancelled_meanwhile_is_not_skipped_as_well() -> None:
    assert len(judged(NOTHING, 100, soft=True)) == 2
    assert [type(event) for event in judged(NOTHING, 100, soft=True, ending=True)] == [ev.AttemptFailed]


def test_other_nodes_and_other_failures_are_none_of_its_business() -> None:
    assert judged(Failure("exception", "no"), 0) == []
    assert after_check(NodeRun(Node("w", "t")), ev.AttemptFailed("w", 0, 7, NOTHING), 0, ending=False) == []


# with the worker kept


@given(st.floats(0, 200), st.integers(1, 20))
def test_a_wait_that_keeps_its_worker_sleeps_between_checks_until_it_is_there_or_too_late(
    waited: float, number: int
) -> None:
    wait, now, made = Wait(10.0, timeout_s=100.0, hold=True), [0.0], []

    def check() -> int:
        made.append(now[0])
        return len(made) if len(made) >= number else 0

    def sleep(duration_s: float) -> None:
        now[0] += duration_s

    found = look(wait, waited, check, clock=lambda: now[0], sleep=sleep)

    assert found == number or (not found and is_late(wait, waited + now[0]))
    assert waited + now[0] <= max(100.0, waited) + 1e-6


def says_when(ledger: str, number: int) -> int:
    note(ledger, os.getpid())
    pids = lines(ledger)
    return len(pids) if len(pids) >= number else 0


@pipeline
def held(ledger: str, number: int = 4, timeout: str | None = None, hold: bool = True):
    return wait_for(says_when, ledger, number, every="20ms", timeout=timeout, hold=hold)


@both_executors
def test_one_attempt_makes_all_checks_of_a_wait_that_keeps_its_worker(live: Live, executor: str) -> None:
    watch = Watch()

    result = live.run(held, executor, listener=watch, ledger=live.ledger)

    assert (result.state, result.output) == ("succeeded", 4)
    assert len(watch.of(ev.Started)) == 1


@both_executors
def test_a_wait_without_its_worker_makes_an_attempt_of_each_check(live: Live, executor: str) -> None:
    watch = Watch()

    result = live.run(held, executor, listener=watch, ledger=live.ledger, hold=False)

    assert (result.output, len(watch.of(ev.Started))) == (4, 4)
    assert live.rows(1, "says_when")[0].attempts == 1


@both_executors
def test_a_wait_that_keeps_its_worker_ends_when_its_time_is_over(live: Live, executor: str) -> None:
    result = live.run(held, executor, ledger=live.ledger, number=10**6, timeout="100ms")

    assert result.failures["says_when"].message == "nothing came within 0.10s"


def test_cancelling_ends_a_wait_that_keeps_its_worker(live: Live) -> None:
    """Whoever asks does so in the store, as `ropewalk cancel` does."""

    def ask() -> None:
        with live.client() as client:
            client.cancel(runs.find(client.db, "last"), "ann")

    with live.client() as client:
        work = trace(held, {"ledger": live.ledger, "number": 10**6})
        result = client.run(work, Options("processes", 1), _at_the_first_start(ask))

    assert result.nodes == {"says_when": {"cancelled": 1}}


def _at_the_first_start(act: Callable[[], None]) -> Callable[[Any], None]:
    def listen(step: Any) -> None:
        if any(isinstance(event, ev.Started) for event in step.events):
            act()

    return listen


# a worker is only held while a check runs


@task
def work(x: int) -> int:
    return x


@pipeline
def many(sensors: int = 40):
    wait_for(count_to, each([10**6] * sensors), every="1h", timeout="2h", soft_fail=True)
    return work(1)


def test_many_waits_hold_no_worker() -> None:
    with lab(workers=1, durations={"count_to": "1s", "work": "1s"}) as w:
        result = w.run(many)

        assert result.nodes == {"count_to": {"skipped": 40}, "work": {"succeeded": 1}}
        assert (w.now - w.history[0].at).total_seconds() < 4 * 3600
