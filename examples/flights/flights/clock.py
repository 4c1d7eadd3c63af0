"""Moments in UTC from what the tables say: a local clock reading ("hhmm") and an airport's time zone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

DAY_MIN = 24 * 60
# Four destinations in the Caribbean are missing from the table of airports.
CARIBBEAN = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")


def minutes_of_day(clock: pd.Series) -> pd.Series:
    """Minutes since midnight of readings such as 517 (05:17); 2400 is the end of the day, 1440."""
    return clock // 100 * 60 + clock % 100


def scheduled_departure(flights: pd.DataFrame) -> pd.Series:
    """When each flight should leave: `time_hour` is the scheduled hour in UTC, `minute` the rest."""
    return flights["time_hour"] + duration(flights["minute"])


def actual_departure(flights: pd.DataFrame) -> pd.Series:
    """When each flight left; NaT for those that never did."""
    return scheduled_departure(flights) + duration(flights["dep_delay"])


def duration(minutes: pd.Series) -> pd.Series:
    """Numbers of minutes as lengths of time; NaT for NaN."""
    import pandas as pd

    return pd.to_timedelta(minutes.astype("float64"), unit="min").astype("timedelta64[us]")


def next_reading(start: pd.Series, clock: pd.Series, zones: pd.Series) -> pd.Series:
    """The first moment from `start` on at which the local clock in each row's zone shows `clock`.

    This is how an arrival is dated: the tables give its local time, never its day, and no flight takes a day.

    Args:
        start: moments in UTC, NaT where unknown.
        clock: local readings, e.g. 2359; NaN where unknown.
        zones: names of time zones.

    Returns:
        Moments in UTC; NaT where anything is unknown.
    """
    import pandas as pd

    moments = pd.Series(pd.NaT, index=start.index, dtype="datetime64[us, UTC]")
    known = start.notna() & clock.notna()
    for zone in sorted(zones.dropna().unique()):
        here = known & (zones == zone)
        local = start[here].dt.tz_convert(zone).dt.tz_localize(None)
        passed = local.dt.hour * 60 + local.dt.minute
        wait = (minutes_of_day(clock[here]) - passed) % DAY_MIN
        wall = local + duration(wait)
        # Where clocks go back the later of two readings is meant: nothing may count as known too early.
        later = pd.Series(False, index=wall.index).to_numpy()
        aware = wall.dt.tz_localize(zone, ambiguous=later, nonexistent="shift_forward")
        moments[here] = aware.dt.tz_convert("UTC")
    return moments


def destination_zones(flights: pd.DataFrame, airports: pd.DataFrame) -> pd.Series:
    """The time zone of each flight's destination; missing where nobody knows it."""
    zones = {**airports.set_index("faa")["tzone"].to_dict(), **CARIBBEAN}
    return flights["dest"].astype(object).map(zones)
