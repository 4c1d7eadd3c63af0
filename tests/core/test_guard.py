"""Rate limits and circuit breakers: what they allow, and what authors may write."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk import breaker, limit
from ropewalk.core import guard as rules
from ropewalk.core.errors import DefinitionError
from ropewalk.core.guard import Breaker, Circuit, Probe, RateLimit, Starts

API = RateLimit("api", 3, 60.0)
WAREHOUSE = Breaker("warehouse", 2, 60.0)
PROBE = Probe(7, 1)


def play(rate: RateLimit, wishes: list[tuple[float, int]], free: Any = rules.free) -> list[float]:
    """The moments at which something starts, when after each pause so many would like to."""
    started, memory, now = [], Starts(), 1e9
    for pause_s, wanted in wishes:
        now += pause_s
        memory = rules.remembered(rate, memory, now)
        number = min(wanted, free(rate, memory, now))
        if number:
            memory = rules.started(rate, memory, number, now)
            started += [now] * number
    return started


def most_in_a_window(started: list[float], per_s: float) -> int:
    return max((sum(at <= other < at + per_s for other in started) for at in started), default=0)


PAUSES = st.one_of(st.floats(0, 1), st.floats(0, 100), st.sampled_from([0.0, 59.999999, 60.0, 60.000001]))
WISHES = st.lists(st.tuples(PAUSES, st.integers(1, 700)), max_size=60)


@given(st.sampled_from([1, 2, 3, 100, 256, 257, 1000]), WISHES)
def test_no_window_holds_more_starts_than_allowed(count: int, wishes: list[tuple[float, int]]) -> None:
    rate = RateLimit("api", count, 60.0)

    assert most_in_a_window(play(rate, wishes), 60.0) <= count


def test_counting_by_the_minute_of_the_clock_would_be_found() -> None:
    def of_this_minute(rate: RateLimit, starts: Starts, now: float) -> int:
        return rate.count - sum(number for at, number in starts.log if at // 60 == now // 60)

    wishes = [(10.0, 3), (15.0, 3)]  # 50 s past a minute, and 5 s past the next

    assert most_in_a_window(play(API, wishes, of_this_minute), 60.0) > 3
    assert most_in_a_window(play(API, wishes), 60.0) == 3


@given(st.sampled_from([1, 3, 256, 1000]), WISHES, PAUSES)
def test_a_limit_that_is_full_opens_when_it_says_and_not_before(
    count: int, wishes: list[tuple[float, int]], later_s: float
) -> None:
    rate, memory, now = RateLimit("api", count, 60.0), Starts(), 1e9
    for pause_s, wanted in wishes:
        now += pause_s
        memory = rules.started(rate, memory, min(wanted, count), now)  # more than is allowed, as of other runs

    opens = rules.opens_at(rate, memory, now + later_s)

    assert rules.free(rate, memory, opens) > 0
    assert opens == now + later_s or rules.free(rate, memory, opens - 0.001) == 0


def test_all_of_a_limit_is_free_again_after_its_time() -> None:
    memory = rules.started(API, Starts(), 3, 100.0)

    assert rules.free(API, memory, 159.9) == 0
    assert rules.free(API, memory, 160.0) == 3
    assert rules.opens_at(API, memory, 120.0) == 160.0


def test_the_memory_of_a_busy_limit_stays_small() -> None:
    rate, memory = RateLimit("api", 100_000, 60.0), Starts()

    for tick in range(5000):
        memory = rules.started(rate, rules.remembered(rate, memory, tick / 50), 1, tick / 50)

    assert len(memory.log) <= 2 * rules.FINE_LOG
    assert rules.counted(rate, memory, 99.98) <= 3020  # a minute's worth, and at most a few steps more


def test_a_run_that_looks_a_minute_back_does_not_make_one_forget_that_looks_an_hour_back() -> None:
    hourly = RateLimit("api", 2, 3600.0)
    memory = rules.started(hourly, Starts(), 2, 0.0)

    memory = rules.started(API, rules.remembered(API, memory, 100.0), 1, 100.0)

    assert rules.free(hourly, rules.remembered(hourly, memory, 200.0), 200.0) == 0
    assert rules.remembered(API, memory, 5000.0) == Starts((), 60.0)


def test_a_clock_that_is_set_back_holds_a_limit_for_no_longer_than_its_time() -> None:
    memory = rules.started(API, Starts(), 3, 10_000.0)

    memory = rules.remembered(API, memory, 6400.0)

    assert rules.free(API, memory, 6400.0) == 0
    assert rules.free(API, memory, 6460.0) == 3


def test_a_breaker_opens_after_failures_in_a_row_only() -> None:
    circuit = Circuit()

    for failed in (True, False, True, None):
        circuit = rules.ended(WAREHOUSE, circuit, PROBE, failed, 0.0)
    assert rules.phase(WAREHOUSE, circuit, 0.0) == "closed"

    circuit = rules.ended(WAREHOUSE, circuit, PROBE, True, 10.0)
    assert [rules.phase(WAREHOUSE, circuit, now) for now in (10.0, 69.9, 70.0)] == ["open", "open", "half-open"]


@pytest.mark.parametrize(
    ("failed", "after"),
    [(True, Circuit(3, 80.0)), (False, Circuit()), (None, Circuit(2, 10.0))],
)
def test_the_probe_decides_how_a_half_open_breaker_goes_on(failed: bool | None, after: Circuit) -> None:
    circuit = Circuit(2, 10.0, PROBE)

    assert rules.ended(WAREHOUSE, circuit, PROBE, failed, 80.0) == after


@pytest.mark.parametrize("failed", [True, False, None])
def test_attempts_that_began_before_a_breaker_opened_do_not_move_it(failed: bool | None) -> None:
    circuit = Circuit(2, 10.0, PROBE)

    assert rules.ended(WAREHOUSE, circuit, Probe(7, 99), failed, 80.0) == circuit


def test_an_open_breaker_waits_no_longer_because_a_clock_was_set_back() -> None:
    circuit = rules.settled(Circuit(2, 10_000.0), 6400.0)

    assert rules.phase(WAREHOUSE, circuit, 6460.0) == "half-open"


@pytest.mark.parametrize(
    ("kind", "failed"),
    [("", False), ("exception", True), ("timeout", True), ("lost", None), ("cancelled", None), ("oom", None)],
)
def test_exceptions_and_time_outs_speak_against_what_a_breaker_protects(kind: str, failed: bool | None) -> None:
    assert rules.verdict(kind) is failed


@pytest.mark.parametrize(
    ("rate", "count", "per_s"),
    [
        ("100/min", 100, 60),
        ("5/10s", 5, 10),
        ("1 / 2.5 hours", 1, 9000),
        ("20/day", 20, 86400),
        ("7/sec", 7, 1),
        ("3/m", 3, 60),
        ("3/h", 3, 3600),
        ("3/d", 3, 86400),
    ],
)
def test_rates_as_people_write_them(rate: str, count: int, per_s: float) -> None:
    assert limit("api", rate) == RateLimit("api", count, per_s)


@pytest.mark.parametrize("rate", ["", "100", "0/min", "-1/min", "1.5/min", "5/0s", "5/10 parsecs", 60, None, "٣/min"])
def test_a_rate_that_says_nothing_is_refused(rate: Any) -> None:
    with pytest.raises(DefinitionError, match="`rate` of limit `api` cannot be used") as caught:
        limit("api", rate)

    assert caught.value.code == "P245"
    assert 'limit("api", "100/min")' in str(caught.value)


def test_a_unit_that_is_nearly_right_is_suggested() -> None:
    with pytest.raises(DefinitionError, match="did you mean `100/minutes`"):
        limit("api", "100/minuts")


@pytest.mark.parametrize("failures", [0, -1, 1.5, "3", True, None])
def test_a_breaker_opens_after_a_whole_number_of_failures(failures: Any) -> None:
    with pytest.raises(DefinitionError, match="`failures` of breaker `warehouse` must be an integer of at least 1"):
        breaker("warehouse", failures=failures)


@pytest.mark.parametrize("reset", ["10 parsecs", -1, 0, "0s", True])
def test_a_breaker_opens_for_some_time(reset: Any) -> None:
    with pytest.raises(DefinitionError, match="`reset`"):
        breaker("warehouse", reset=reset)


@pytest.mark.parametrize("name", ["", "two words", 3, "a/b"])
def test_guards_have_names_like_tasks(name: Any) -> None:
    with pytest.raises(DefinitionError, match="cannot be the name of a rate limit"):
        limit(name, "1/s")
    with pytest.raises(DefinitionError, match="cannot be the name of a circuit breaker"):
        breaker(name)


@pytest.mark.parametrize("guard", [limit("api", "5/10s"), breaker("warehouse", failures=3, reset="90s")])
def test_guards_are_what_they_were_after_a_detour_through_json_and_through_text(guard: Any) -> None:
    assert rules.from_json(rules.to_json(guard)) == guard
    assert eval(rules.show(guard), {"limit": limit, "breaker": breaker}) == guard


def test_one_name_has_one_meaning_in_a_graph() -> None:
    rules.check_guards([("a", (API, WAREHOUSE)), ("b", (API,)), ("c", (Breaker("api", 1, 1.0),))])

    with pytest.raises(DefinitionError, match="two guards named `api` have different numbers") as caught:
        rules.check_guards([("a", (API,)), ("b", (RateLimit("api", 5, 1.0),))])
    assert caught.value.facts == ('limit("api", "3/1m") at `a`', 'limit("api", "5/1s") at `b`')
