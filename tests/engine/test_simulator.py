"""The simulator finds nothing to complain of in the engine, and does complain when a bug is planted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ropewalk.core.decide import Decider
from ropewalk.core.policy import Retry
from ropewalk.core.state import RunState
from ropewalk.engine.reuse import Reuse
from ropewalk.testing.simulator import simulate

SEEDS, CHUNKS = 300, 10


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_runs_under_simulated_mishaps_end_as_undisturbed_ones_do(chunk: int) -> None:
    """Crashes between any two writes, lost and late reports, lost blobs, full disks, people who cancel."""
    size = SEEDS // CHUNKS
    reports = [simulate(seed) for seed in range(chunk * size, (chunk + 1) * size)]

    assert not [str(report) for report in reports if report.problems]
    assert sum(report.crashes for report in reports) > 0


@pytest.mark.nightly
@pytest.mark.parametrize("chunk", range(100))
def test_many_more_runs_under_simulated_mishaps_end_as_undisturbed_ones_do(chunk: int) -> None:
    """Ten thousand seeds."""
    reports = [simulate(seed) for seed in range(1_000 + chunk * 100, 1_000 + (chunk + 1) * 100)]

    assert not [str(report) for report in reports if report.problems]


def test_the_same_seed_plays_the_same_simulation() -> None:
    first, second = simulate(7), simulate(7)

    assert (first.trace, first.commits, first.virtual_s) == (second.trace, second.commits, second.virtual_s)
    assert first.trace != simulate(8).trace


def accept_late_reports(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RunState, "holds", lambda *_: True)
    patch.setattr(RunState, "_check", lambda *_: None)


def retry_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Retry, "allows", lambda *_: True)


def give_lost_results_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reuse, "makers", lambda *_: [])


def ignore_cancelling(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Decider, "_cancel", lambda decider, event: decider._record(event))


@pytest.mark.parametrize(
    "plant", [accept_late_reports, retry_for_ever, give_lost_results_up, ignore_cancelling], ids=lambda f: f.__name__
)
def test_a_planted_bug_is_noticed(monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None]) -> None:
    """Negative controls: the rules that the simulator watches are not vacuous."""
    plant(monkeypatch)

    assert any(is_noticed(seed) for seed in range(40))


def is_noticed(seed: int) -> bool:
    try:
        return bool(simulate(seed).problems)
    except Exception:  # noqa: BLE001  # the engine itself stumbles over the bug
        return True
