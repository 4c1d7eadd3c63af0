"""Estimates come from history, and say which runs they are judged by."""

from __future__ import annotations

import pytest

from ropewalk.plan.estimate import Sample, estimate


def test_without_history_there_is_no_estimate() -> None:
    assert estimate([], mapped=False) is None


def test_one_slow_start_does_not_move_the_estimate_of_a_single_task() -> None:
    found = estimate([Sample(4, 1.0), Sample(3, 1.1), Sample(1, 30.0)], mapped=False)

    assert found is not None
    assert found.item_s == pytest.approx(1.1)


def test_for_mapped_items_the_mean_counts_since_they_add_up() -> None:
    found = estimate([Sample(2, 1.0), Sample(2, 1.0), Sample(2, 4.0)], mapped=True)

    assert found is not None
    assert found.item_s == pytest.approx(2.0)


def test_the_runs_are_named_once_and_newest_first() -> None:
    found = estimate([Sample(2, 1.0), Sample(7, 1.0), Sample(2, 1.0)], mapped=True)

    assert found is not None
    assert found.runs == (7, 2)
