"""How long a task run will take, judging by those before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median


@dataclass(frozen=True, slots=True)
class Sample:
    """How long one task run took."""

    run: int  # number of the run that computed it
    wall_s: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one task run of a node is expected to take."""

    item_s: float
    runs: tuple[int, ...]  # the runs that this is judged by, newest first


def estimate(samples: Sequence[Sample], *, mapped: bool) -> Estimate | None:
    """The expected duration of one task run; None when there is nothing to judge by.

    For a node with one task run the median counts, so that one slow start is no measure; for a mapped node the mean,
    since it is the sum over its items that matters.
    """
    if not samples:
        return None
    middle = fmean if mapped else median
    runs = tuple(sorted({sample.run for sample in samples}, reverse=True))
    return Estimate(middle([sample.wall_s for sample in samples]), runs)
