"""Any graph, and any order of outcomes, losses, late reports, crashes, cancels and reopenings, through the pure core.

`play.py` makes things happen, `watch.py` objects to what must never happen, and `meaning.py` says how a run has to end.
"""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.core.play import Forgetful, Play, many_lives, one_run

SEEDS = st.integers(0, 2**32)


@given(seed=SEEDS)
@settings(max_examples=400)
def test_whatever_the_order_a_run_ends_as_its_tasks_imply(seed: int) -> None:
    """And on the way nothing runs before its inputs, too often or twice, and no late report is taken."""
    one_run(seed)


@given(seed=SEEDS)
@settings(max_examples=400)
@example(932)  # a retry was due of a task run whose input was lost meanwhile, and could not be made again
@example(11)  # a late report came for a node that was not opened any more
@example(940)  # a node followed another, which was reset, item by item
def test_a_run_may_be_cancelled_and_reopened_and_still_ends_as_its_tasks_imply(seed: int) -> None:
    """And what succeeded is kept, unless what it was made from may have changed."""
    many_lives(seed)


@given(seed=SEEDS)
@settings(max_examples=200)
def test_results_may_be_lost_at_any_time_and_even_for_good(seed: int) -> None:
    many_lives(seed, Forgetful)


@pytest.mark.nightly
@pytest.mark.timeout(1200)
def test_many_more_runs_end_as_their_tasks_imply() -> None:
    for seed in range(20_000):
        many_lives(seed, Forgetful if seed % 4 == 0 else Play)
