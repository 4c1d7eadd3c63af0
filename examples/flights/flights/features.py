"""Features: what is known of a flight at the moment at which it should leave, and nothing that is known later."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flights.clock import (
    actual_departure,
    destination_zones,
    minutes_of_day,
    next_reading,
    scheduled_departure,
)
from flights.rates import overall_rate, past_rate
from ropewalk import context, task

if TYPE_CHECKING:
    import pandas as pd

LATE_MIN = 15  # a flight is late when it arrives more than this after its schedule
WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
# A row of weather is labelled with the hour in which it was observed, mostly at its 51st minute (the day's lowest
# temperature falls on sunrise only if it is read so). It is known when that hour is over.
WEATHER_DELAY_MIN = 60
WEATHER_TOLERANCE = "3h"
RATES = [(by, days) for by in ("carrier", "origin", "dest", "carrier_origin") for days in (1, 7, 28)]
CATEGORIES = ["carrier", "origin", "dest"]
NUMBERS = [
    "departure_minute",
    "weekday",
    "holiday_distance_days",
    "scheduled_duration_min",
    "distance",
    "departures_same_hour",
    "plane_age",
    "plane_seats",
    *(f"late_rate_{by}_{days}d" for by, days in RATES),
    *WEATHER,
]
FEATURES = [*CATEGORIES, *NUMBERS]


class Table(NamedTuple):
    """The features and what belongs to them.

    `rows` has FEATURES, `scheduled`, `known_at`, `month` and `late`; a flight that never arrived (cancelled or
    diverted) has its features, but no `known_at` and no `late`. `months` counts flights by month.
    """

    rows: pd.DataFrame
    months: pd.DataFrame


@task
def features(flights: pd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame, airports: pd.DataFrame) -> Table:
    """Features and label of every flight, ordered by scheduled departure."""
    import pandas as pd

    timed = with_moments(flights, airports)
    parts = [
        timed[["scheduled", "known_at", "late", "month", *CATEGORIES]],
        calendar(timed),
        plane_facts(timed, planes),
        late_rates(timed),
        weather_before(timed, weather),
    ]
    rows = pd.concat(parts, axis=1)
    context().logger.info("%d features of %d flights", len(FEATURES), len(rows))
    return Table(rows, count_by_month(timed))


def with_moments(flights: pd.DataFrame, airports: pd.DataFrame) -> pd.DataFrame:
    """The flights by scheduled departure, with `scheduled`, `arrives` (the schedule's), `known_at` and `late`.

    The label is known when the flight has landed. A flight without an arrival delay has neither.
    """
    zones = destination_zones(flights, airports)
    scheduled = scheduled_departure(flights)
    landing = next_reading(actual_departure(flights), flights["arr_time"], zones)
    known_at = landing.where(flights["arr_delay"].notna())
    late = (flights["arr_delay"] > LATE_MIN).astype("boolean").mask(known_at.isna())
    timed = flights.assign(
        scheduled=scheduled,
        arrives=next_reading(scheduled, flights["sched_arr_time"], zones),
        known_at=known_at,
        late=late,
    )
    return timed.sort_values("scheduled", kind="stable", ignore_index=True)


def calendar(timed: pd.DataFrame) -> pd.DataFrame:
    """What the timetable and the calendar say."""
    import numpy as np
    import pandas as pd
    from pandas.tseries.holiday import USFederalHolidayCalendar

    local = timed["scheduled"].dt.tz_convert("America/New_York").dt.tz_localize(None)
    day = local.to_numpy("datetime64[D]")
    month = np.timedelta64(31, "D")
    holidays = USFederalHolidayCalendar().holidays(day.min() - month, day.max() + month).to_numpy("datetime64[D]")
    days, position = np.unique(day, return_inverse=True)
    to_holiday = np.abs(np.subtract.outer(days, holidays)).min(axis=1).astype("int64")
    duration = (timed["arrives"] - timed["scheduled"]).dt.total_seconds() / 60
    return pd.DataFrame(
        {
            "departure_minute": minutes_of_day(timed["sched_dep_time"]).astype("int16"),
            "weekday": local.dt.day_of_week.astype("int8"),
            "holiday_distance_days": to_holiday[position].clip(max=7).astype("int8"),
            "scheduled_duration_min": duration.astype("float32"),
            "distance": timed["distance"].astype("int16"),
            "departures_same_hour": timed.groupby(["origin", "time_hour"], observed=True)["month"]
            .transform("size")
            .astype("int16"),
        }
    )


def plane_facts(timed: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    """Age in years and seats of the plane; missing for the one plane in six that the registry does not have."""
    import pandas as pd

    registry = planes.set_index("tailnum")
    tail = timed["tailnum"].astype(object)
    return pd.DataFrame(
        {
            "plane_age": (timed["year"] - tail.map(registry["year"])).astype("float32"),
            "plane_seats": tail.map(registry["seats"]).astype("float32"),
        }
    )


def late_rates(timed: pd.DataFrame) -> pd.DataFrame:
    """Late rates over the past days by carrier, origin, destination and carrier at origin, as known at departure."""
    import pandas as pd

    pairs = timed["carrier"].astype(str) + timed["origin"].astype(str)
    keyed = timed[["scheduled", "known_at", "late", *CATEGORIES]].assign(carrier_origin=pairs)
    prior = overall_rate(keyed)
    return pd.DataFrame({f"late_rate_{by}_{days}d": past_rate(keyed, by, days, prior) for by, days in RATES})


def weather_before(timed: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """The newest weather that was known at the origin at each scheduled departure, if it is not too old.

    Args:
        timed: flights in order of `scheduled`, with `origin`.
        weather: one row for each origin and hour.

    Returns:
        The columns of WEATHER, a row for each flight in the same order.
    """
    import pandas as pd

    known_at = weather["time_hour"] + pd.Timedelta(minutes=WEATHER_DELAY_MIN)
    known = weather.assign(
        origin=weather["origin"].astype(str),
        weather_known_at=known_at.dt.as_unit("us"),  # pandas 2 makes it finer, and joins only equals
    ).sort_values(["weather_known_at", "origin"])
    asked = timed[["scheduled", "origin"]].assign(origin=timed["origin"].astype(str))
    joined = pd.merge_asof(
        asked,
        known[["weather_known_at", "origin", *WEATHER]],
        left_on="scheduled",
        right_on="weather_known_at",
        by="origin",
        tolerance=pd.Timedelta(WEATHER_TOLERANCE),
    )
    return joined[list(WEATHER)].astype("float32").set_axis(timed.index)


def count_by_month(timed: pd.DataFrame) -> pd.DataFrame:
    """Flights, how many never arrived, and the share of late ones among the rest, by month."""
    months = timed.groupby("month")
    return (
        months.agg(flights=("month", "size"), arrived=("known_at", "count"), departed=("dep_time", "count"))
        .assign(late_rate=months["late"].mean().astype("float64"))
        .reset_index()
    )
