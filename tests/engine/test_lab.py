"""`lab`: users' pipelines in virtual time, with mishaps."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from ropewalk import Resources, Retry, approval, each, loop, pipeline, reduce, task, wait_for
from ropewalk.core.errors import NotFoundError, RopewalkError, UsageError
from ropewalk.core.retry import Retry as RetryPolicy
from ropewalk.testing import lab
from ropewalk.testing.report import Broken

CALLS: list[int] = []


@pytest.fixture(autouse=True)
def forget_calls() -> None:
    CALLS.clear()


@task(retry=Retry(20, delay="1h"))
def double(x: int) -> int:
    CALLS.append(x)
    return 2 * x


@task(retry=Retry(20))
def add(xs: list[int]) -> int:
    return sum(xs)


@task
def never() -> bool:
    return False


@pipeline
def doubled(n: int = 3) -> int:
    return add(double(each(list(range(n)))))


@pipeline
def approved(n: int = 1) -> int:
    go = approval("Go on?", expires="7d", name="go")
    return double(n).after(go)


def test_a_pipeline_runs_as_it_does_outside() -> None:
    with lab() as w:
        result = w.run(doubled, n=4)

        assert (result.state, result.output, result["double"]) == ("succeeded", 12, [0, 2, 4, 6])
        assert w.attempts("double") == len(CALLS) == 4


def test_pauses_and_durations_pass_in_virtual_time_only() -> None:
    with lab(failures={"double": 0.5}, seed=2, durations={"add": "2d"}) as w:
        began, real = w.now, time.monotonic()

        w.run(doubled)

        assert w.attempts("double") > 3
        assert w.now - began > timedelta(days=2, hours=1)
        assert time.monotonic() - real < 30


@pytest.mark.parametrize("seed", range(15))
def test_whatever_goes_wrong_the_run_ends_as_it_should(seed: int) -> None:
    with lab(failures=0.2, losses=0.1, crashes=0.05, stragglers=0.1, workers=3, seed=seed) as w:
        result = w.run(doubled, n=5)

        assert (result.state, result.output) == ("succeeded", 20)


def test_a_lost_attempt_may_have_done_its_work() -> None:
    with lab(losses=0.4, seed=1) as w:
        w.run(doubled, n=8)

        assert set(CALLS) == set(range(8))
        assert len(CALLS) > 8


def test_a_straggler_is_ended_by_its_timeout() -> None:
    @task(timeout="3h")
    def slow() -> int:
        return 1

    @pipeline
    def one() -> int:
        return slow()

    with lab(stragglers=1.0, durations={"slow": "1h"}) as w:
        result = w.run(one)

        assert result.failures["slow"].kind == "timeout"


def test_equal_seeds_play_the_same_and_others_do_not() -> None:
    def play(seed: int) -> list[str]:
        with lab(failures=0.3, losses=0.1, crashes=0.05, seed=seed) as w:
            w.run(doubled)
            return [str(moment) for moment in w.history]

    assert play(1) == play(1) != play(2)


def test_a_person_approves_and_the_run_goes_on() -> None:
    with lab(crashes=0.1, seed=4) as w:
        assert w.run(approved).state == "paused"

        result = w.approve("go", reason="fine", by="ada")

        assert (result.state, result.output) == ("succeeded", 2)
        assert any("approved, reason fine, by ada" in str(moment) for moment in w.history)


def test_a_person_rejects() -> None:
    with lab() as w:
        w.run(approved)

        assert w.reject("go", reason="too early").state == "failed"
        assert "too early" in w.runs[-1].failures["go"].message


def test_what_nobody_answers_expires_when_time_passes() -> None:
    with lab() as w:
        w.run(approved)
        w.advance("6d")
        assert w.runs[-1].state == "paused"

        w.advance("2d")

        assert w.runs[-1].state == "failed"
        assert w.resume().state == "paused", "it is asked again"


def test_loops_trees_and_waits_are_played_too() -> None:
    @task
    def is_late() -> bool:
        return w.now.day > 3

    @pipeline
    def all_of_it() -> int:
        there = wait_for(is_late, every="1h", timeout="30d")
        total = reduce(add, double(each([1, 2, 3, 4, 5])), width=2).after(there)
        return loop(double, start=total, until=lambda x: x > 1000, at_most=9)

    with lab(failures={"double": 0.2}, losses=0.05, crashes=0.02, seed=5) as w:
        result = w.run(all_of_it)

        assert result.output == 30 * 2**6
        assert w.now.day == 4


def test_pools_have_as_many_slots_as_the_lab_gives_them() -> None:
    @task(resources=Resources(pools={"warehouse": 1}))
    def query(x: int) -> int:
        return x

    @pipeline
    def queries() -> list[int]:
        return query(each([1, 2, 3]))

    with lab(pools={"warehouse": 1}, workers=4, durations={"query": "1h"}) as w:
        began = w.now
        assert w.run(queries).state == "succeeded"
        assert w.now - began >= timedelta(hours=3)

    with lab() as w, pytest.raises(RopewalkError, match="warehouse"):
        w.run(queries)


def test_other_code_continues_a_run_that_failed() -> None:
    @task
    def three() -> int:
        return 3

    @task
    def broken(x: int) -> int:
        raise ValueError("no")

    @pipeline(name="p")
    def before() -> int:
        return broken(three())

    @pipeline(name="p")
    def after() -> int:
        return add([three()])

    with lab() as w:
        assert w.run(before).state == "failed"

        assert w.resume(after).output == 3
        assert w.attempts("three") == 1, "what succeeded is kept"


# what it finds


def test_a_broken_rule_is_raised_with_the_line_that_plays_it_again() -> None:
    with (
        patch.object(RetryPolicy, "allows", lambda *_: True),
        pytest.raises(Broken, match="starts for the 22th time") as caught,
        lab(failures=1.0, seed=7) as w,
    ):
        w.run(doubled)

    assert caught.value.__notes__[0].startswith("lab: seed 7; to play it again: python -m pytest")
    assert "test_a_broken_rule_is_raised" in caught.value.__notes__[0]


def test_outside_pytest_the_line_is_that_of_the_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_CURRENT_TEST")

    with pytest.raises(ZeroDivisionError) as caught, lab(losses=0.1, seed=3):
        raise ZeroDivisionError

    assert "with lab(losses=0.1, workers=2, seed=3) as w" in caught.value.__notes__[0]


def test_rows_that_say_something_else_than_the_events_are_found() -> None:
    with lab() as w:
        w.run(doubled)

        def spoil(*_: object) -> list[str]:
            return ["double[0] is stored as failed"]

        with patch("ropewalk.testing.laboratory.problems", spoil), pytest.raises(Broken, match="stored as failed"):
            w.run(doubled, n=1)


def test_a_run_that_never_ends_is_found() -> None:
    @pipeline
    def endless() -> bool:
        return wait_for(never, every="1d", cap="1d")

    with lab() as w, pytest.raises(Broken, match="does not end"):
        w.run(endless)


# what cannot be


@pytest.mark.parametrize(
    "given",
    [{"failures": 1.5}, {"failures": {"double": -1}}, {"losses": "often"}, {"crashes": 0.9}, {"stragglers": True}],
)
def test_what_is_no_probability_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="must be a probability from 0 to"), lab(**given):
        pass


def test_a_duration_that_is_none_is_refused() -> None:
    with pytest.raises(RopewalkError, match="10 parsecs"), lab(durations={"double": "10 parsecs"}):
        pass


@pytest.mark.parametrize("given", [{"failures": {"duble": 0.1}}, {"durations": {"duble": "1h"}}])
def test_a_name_that_the_pipeline_does_not_have_is_refused(given: dict[str, Any]) -> None:
    with lab(**given) as w, pytest.raises(UsageError, match="has no task `duble`") as caught:
        w.run(doubled)

    assert caught.value.help == ("did you mean `double`?",)


def test_a_question_that_is_not_asked_cannot_be_answered() -> None:
    with lab() as w:
        with pytest.raises(NotFoundError, match="nothing was run"):
            w.approve("go")
        w.run(doubled)
        with pytest.raises(NotFoundError, match="asks nothing at `go`"):
            w.approve("go")
        with pytest.raises(NotFoundError, match="no node `tripel`"):
            w.attempts("tripel")


def test_the_package_is_light_until_the_lab_is_used() -> None:
    program = "import sys, ropewalk.testing; print('ropewalk.testing.laboratory' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"
