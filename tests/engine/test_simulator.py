"""Hundreds of simulated runs with crashes, losses, cancels and rot, and planted bugs that show what would be seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest

from ropewalk.core import decide
from ropewalk.core import events as ev
from ropewalk.core import settle as core_settle
from ropewalk.core.retry import Retry
from ropewalk.core.state import RunState
from ropewalk.engine import scheduler
from ropewalk.engine.growing import Grower
from ropewalk.engine.ledger import Ledger
from ropewalk.engine.pools import PoolGate
from ropewalk.engine.punctual import Punctual
from ropewalk.engine.queue import Queue
from ropewalk.engine.reuse import Reuse
from ropewalk.engine.scheduler import Scheduler
from ropewalk.engine.supply import Supply
from ropewalk.store import events as log
from ropewalk.store import spans, stretch
from ropewalk.testing.simulator import simulate

SEEDS, CHUNK = 300, 15


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_runs_with_mishaps_end_as_runs_without(first: int) -> None:
    """And on the way no rule is broken: `simulate` says which are looked after."""
    problems = [str(report) for seed in range(first, first + CHUNK) if (report := simulate(seed)).problems]

    assert problems == []


@pytest.mark.parametrize("first", range(0, SEEDS, 5 * CHUNK))
def test_runs_whose_every_success_is_a_span_end_as_well(first: int) -> None:
    """Maps in these runs are too small to have any else."""
    with patch.object(stretch, "SHORTEST", 1):
        problems = [str(report) for seed in range(first, first + CHUNK) if (report := simulate(seed)).problems]

    assert problems == []


@pytest.mark.nightly
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("first", range(1_000, 11_000, 1_000))
def test_many_more_runs_with_mishaps_end_as_runs_without(first: int) -> None:
    problems = [str(report) for seed in range(first, first + 1_000) if (report := simulate(seed)).problems]

    assert problems == []


def test_equal_seeds_play_the_same_and_others_do_not() -> None:
    assert simulate(7).trace == simulate(7).trace != simulate(8).trace


def test_enough_goes_wrong_in_the_seeds_above() -> None:
    reports = [simulate(seed) for seed in range(60)]

    assert sum(report.crashes for report in reports) > 50
    assert sum(report.cancels for report in reports) > 10
    assert sum(report.lost_blobs for report in reports) > 10
    assert sum(report.pauses for report in reports) > 10
    assert sum(report.commits for report in reports) > 500


@contextmanager
def takes_late_reports() -> Iterator[None]:
    def check(self: RunState, node: str, item: int, token: int) -> None:
        self.nodes[node].tokens[item] = token

    def order_of(self: Scheduler, report: Any) -> Any:
        return self._granted.get((report.node, report.item))

    with (
        patch.object(RunState, "holds", lambda *_: True),
        patch.object(RunState, "_check", check),
        patch.object(Scheduler, "_order_of", order_of),
    ):
        yield


@contextmanager
def computes_what_others_compute() -> Iterator[None]:
    with patch.object(Reuse, "taken_by_others", lambda *_: set()):
        yield


@contextmanager
def forgets_attempts_of_a_dead_scheduler() -> Iterator[None]:
    with patch.object(scheduler, "lost_events", lambda *_: ()):
        yield


@contextmanager
def takes_a_lost_result_for_a_failure() -> Iterator[None]:
    with patch.object(Supply, "makes_again", lambda *_: False):
        yield


@contextmanager
def does_not_recover() -> Iterator[None]:
    with patch.object(decide.Decider, "recover", lambda _: None):
        yield


@contextmanager
def counts_losses_as_failures() -> Iterator[None]:
    real = core_settle.settle

    def settle(*args: Any) -> ev.AttemptFailed:
        event = real(*args)
        return ev.AttemptFailed(event.node, event.item, event.token, event.failure, event.retry_at, True, event.usage)

    with patch.object(scheduler, "settle", settle):
        yield


@contextmanager
def writes_rows_of_the_wrong_item() -> Iterator[None]:
    real = log._succeeded

    def succeeded(rows: Any, run: int, e: ev.Succeeded, *rest: Any) -> None:
        real(rows, run, ev.Succeeded(e.node, 0, e.token, e.key, e.outputs, e.usage, e.metrics), *rest)

    with patch.object(log, "_succeeded", succeeded):
        yield


@contextmanager
def keeps_leases_of_what_was_cancelled() -> Iterator[None]:
    real = log._ended

    def ended(rows: Any, *rest: Any) -> None:
        real(rows, *rest)
        rows.cancelled.clear()

    with patch.object(log, "_ended", ended):
        yield


@contextmanager
def retries_for_ever() -> Iterator[None]:
    with patch.object(Retry, "allows", lambda *_: True):
        yield


@contextmanager
def gives_lost_results_up() -> Iterator[None]:
    with patch.object(Reuse, "makers", lambda *_: []):
        yield


@contextmanager
def forgets_what_was_parked() -> Iterator[None]:
    with patch.object(Queue, "flush", lambda _: None):
        yield


@contextmanager
def takes_all_that_is_asked_for() -> Iterator[None]:
    with patch.object(Ledger, "room", lambda *asked: asked[-1]):
        yield


@contextmanager
def counts_no_slots_of_pools() -> Iterator[None]:
    with patch.object(PoolGate, "room", lambda *asked: asked[-1]):
        yield


@contextmanager
def starts_before_its_time() -> Iterator[None]:
    with patch.object(Punctual, "hold_until", lambda *_: None):
        yield


@contextmanager
def undoes_in_order() -> Iterator[None]:
    with patch.object(decide, "reversed", tuple, create=True):
        yield


@contextmanager
def takes_a_turn_too_many() -> Iterator[None]:
    with patch.object(Grower, "_is_over", lambda _, run, parts: parts.turn > getattr(run.node.special, "at_most", 0)):
        yield


@contextmanager
def goes_on_before_its_parts_have_ended() -> Iterator[None]:
    with patch.object(decide.Decider, "_is_held", lambda *_: False):
        yield


@contextmanager
def starts_while_it_is_to_pause() -> Iterator[None]:
    with patch.object(Scheduler, "_is_pausing", False):
        yield


@contextmanager
def leaves_what_was_lost_in_its_span() -> Iterator[None]:
    with patch.object(stretch, "SHORTEST", 1), patch.object(spans, "explode_at", lambda *_: None):
        yield


PLANTED = [
    takes_late_reports, computes_what_others_compute, forgets_attempts_of_a_dead_scheduler,
    takes_a_lost_result_for_a_failure, does_not_recover, counts_losses_as_failures, writes_rows_of_the_wrong_item,
    keeps_leases_of_what_was_cancelled, forgets_what_was_parked, retries_for_ever, gives_lost_results_up,
    takes_all_that_is_asked_for, counts_no_slots_of_pools, starts_before_its_time, undoes_in_order,
    takes_a_turn_too_many, goes_on_before_its_parts_have_ended, starts_while_it_is_to_pause,
    leaves_what_was_lost_in_its_span,
]  # fmt: skip


@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_found(bug: Any) -> None:
    with bug():
        assert any(simulate(seed).problems for seed in seeds()), f"{bug.__name__} goes unnoticed"


def seeds() -> Iterable[int]:
    return range(400)
