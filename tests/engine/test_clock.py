"""The time of a run never goes back, whatever is done to the clock of the machine."""

from __future__ import annotations

from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from ropewalk.engine.clock import SlewedClock


def shown(moments: list[float]) -> list[float]:
    """What the clock of a run shows while the clock of the machine shows these."""
    machine = iter(moments)
    clock = SlewedClock(lambda: next(machine))
    return [clock() for _ in moments[1:]]


def test_a_clock_that_is_not_set_back_is_followed() -> None:
    assert shown([100.0, 100.0, 101.0, 5000.0]) == [100.0, 101.0, 5000.0]


def test_when_the_clock_is_set_back_time_goes_on_at_half_speed_until_both_agree() -> None:
    assert shown([3600.0, 0.0, 2.0, 3600.0, 7200.0, 7201.0]) == [3600.0, 3601.0, 5400.0, 7200.0, 7201.0]


def test_a_run_that_goes_on_after_the_clock_was_set_back_does_not_go_back_either() -> None:
    machine = iter([0.0, 2.0, 8000.0])

    clock = SlewedClock(lambda: next(machine), since=3600.0)

    assert [clock(), clock()] == [3601.0, 8000.0]


steps_s = st.lists(st.floats(-4000, 4000), max_size=30)


@given(steps_s)
def test_time_never_goes_back_and_is_never_behind_the_machine(steps: list[float]) -> None:
    moments = list(accumulate([1e9, 1e9, *steps]))

    times = shown(moments)

    assert all(later >= before - 1e-6 for before, later in pairwise(times))
    assert all(time >= moment - 1e-6 for time, moment in zip(times, moments[1:], strict=True))
