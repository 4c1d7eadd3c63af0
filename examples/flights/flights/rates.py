"""How often flights were late, as was known at each moment: the feature in which a leak would hide."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

PRIOR_RATE = 0.2  # before anything has landed, one flight in five is taken to be late
PRIOR_WEIGHT = 20  # the prior counts as much as this many flights


def overall_rate(flights: pd.DataFrame) -> pd.Series:
    """The share of late flights among all that had landed before each flight's scheduled departure.

    Args:
        flights: columns `scheduled` and `known_at` (UTC; the landing, NaT if there was none) and `late`.
    """
    import numpy as np
    import pandas as pd

    asked_s, known_s, late = _seconds(flights)
    order = np.argsort(known_s, kind="stable")
    landed = np.searchsorted(known_s[order], asked_s, side="left")
    late_count = _running_total(late[order])[landed]
    return pd.Series(_smoothed(late_count, landed, PRIOR_RATE), index=flights.index)


def past_rate(flights: pd.DataFrame, by: str, days: int, prior: pd.Series) -> pd.Series:
    """The share of late flights with the same `by` that landed in the `days` before each scheduled departure.

    A landing counts from the moment after it happens, and up to exactly `days` later. Few landings are smoothed
    towards `prior`.

    Args:
        flights: columns `scheduled` and `known_at` (UTC; NaT where there was no landing), `late` and `by`.
        by: the column whose values are kept apart.
        days: how far to look back.
        prior: for each flight what to assume when nothing has landed, as `overall_rate` gives it.
    """
    import numpy as np
    import pandas as pd

    asked_s, known_s, late = _seconds(flights)
    group = pd.factorize(flights[by], use_na_sentinel=False)[0].astype("int64")
    # One sorted number line holds all groups, each on a stretch of its own, so that one search serves all flights.
    stretch = max(asked_s.max(initial=0), known_s.max(initial=0)) + 1
    landing = group[flights["known_at"].notna().to_numpy()] * stretch + known_s
    order = np.argsort(landing, kind="stable")
    start = np.maximum(asked_s - days * 86_400, 0)
    first = np.searchsorted(landing[order], group * stretch + start, side="left")
    end = np.searchsorted(landing[order], group * stretch + asked_s, side="left")
    total = _running_total(late[order])
    return pd.Series(_smoothed(total[end] - total[first], end - first, prior.to_numpy()), index=flights.index)


def _seconds(flights: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scheduled departures, landings and whether those were late; times in seconds since the earliest of all."""
    import pandas as pd

    landed = flights[flights["known_at"].notna()]
    epoch = min(flights["scheduled"].min(), landed["known_at"].min()) if len(landed) else flights["scheduled"].min()
    second = pd.Timedelta(seconds=1)
    asked_s = ((flights["scheduled"] - epoch) // second).to_numpy("int64")
    known_s = ((landed["known_at"] - epoch) // second).to_numpy("int64")
    return asked_s, known_s, landed["late"].to_numpy("int64")


def _running_total(late: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.concatenate([[0], np.cumsum(late)])


def _smoothed(late_count: np.ndarray, count: np.ndarray, prior: float | np.ndarray) -> np.ndarray:
    share: np.ndarray = (late_count + PRIOR_WEIGHT * prior) / (count + PRIOR_WEIGHT)
    return share.astype("float32")
