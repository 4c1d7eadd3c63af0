"""How often to save: known answers, and the optimum that a search over all intervals finds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.plan.interval import DAY_S, MIN_MTBF_S, mean_time_between_failures_s, optimum_interval_s

costs = st.floats(0.001, 10_000)
mtbfs = st.floats(60, 10_000_000)


def slowdown(interval_s: float, cost_s: float, mtbf_s: float) -> float:
    """How much longer work takes with checkpoints and exponential failures (Daly 2006, equation 20; restarts free)."""
    return mtbf_s * math.expm1((interval_s + cost_s) / mtbf_s) / interval_s


def worst(interval_s: float, cost_s: float, mtbf_s: float) -> float:
    """By how much an interval is worse than the best of many others around it."""
    others = [interval_s * 1.02**n for n in range(-150, 151)]
    best = min(slowdown(other, cost_s, mtbf_s) for other in others)
    return slowdown(interval_s, cost_s, mtbf_s) / best - 1


def test_where_saving_is_short_the_interval_is_that_of_young() -> None:
    assert optimum_interval_s(1.0, DAY_S) == pytest.approx(math.sqrt(2 * DAY_S), rel=0.005)


def test_the_interval_of_daly_for_a_cost_that_is_not_short() -> None:
    """C = 600 s, M = 3,600 s: sqrt(2 C M) = 2078.46, C / 2M = 1/12."""
    expected = 2078.46 * (1 + math.sqrt(1 / 12) / 3 + 1 / 108) - 600

    assert optimum_interval_s(600, 3600) == pytest.approx(expected, abs=0.01)


@given(costs, mtbfs)
def test_no_other_interval_is_better_by_more_than_a_hundredth(cost_s: float, mtbf_s: float) -> None:
    if cost_s < mtbf_s:  # beyond that hardly any work gets done, whatever the interval
        assert worst(optimum_interval_s(cost_s, mtbf_s), cost_s, mtbf_s) < 0.01


def test_the_search_notices_an_interval_that_is_twice_too_long() -> None:
    """Negative control."""
    assert worst(2 * optimum_interval_s(600, 3600), 600, 3600) > 0.01


@given(costs, mtbfs)
def test_dearer_saves_and_rarer_failures_make_the_interval_longer(cost_s: float, mtbf_s: float) -> None:
    interval_s = optimum_interval_s(cost_s, mtbf_s)

    assert 0 < interval_s <= optimum_interval_s(cost_s, 2 * mtbf_s)
    if 2 * cost_s < mtbf_s:
        assert interval_s <= optimum_interval_s(2 * cost_s, mtbf_s)


def test_what_costs_nothing_can_be_saved_all_the_time() -> None:
    assert optimum_interval_s(0.0, DAY_S) == 0.0


def test_a_store_without_history_is_taken_to_fail_once_a_day() -> None:
    assert mean_time_between_failures_s(0, 0.0) == DAY_S


def test_with_much_history_the_mean_is_what_was_observed() -> None:
    assert mean_time_between_failures_s(1000, 1000 * 3600.0) == pytest.approx(3600, rel=0.03)


@given(st.integers(0, 10**9), st.floats(0, 1e12))
def test_the_mean_time_between_failures_has_a_least_value(failures: int, attempts_s: float) -> None:
    assert mean_time_between_failures_s(failures, attempts_s) >= MIN_MTBF_S
