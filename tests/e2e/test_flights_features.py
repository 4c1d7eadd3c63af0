"""The features of examples/flights: right, and blind to the future."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.e2e.flights_example import clock, data, features, first_days, moments, rates, utc

START = utc("2013-01-01")

# ---- late rates as known at the time


def slow_rate(flights: pd.DataFrame, place: int, by: str | None, days: float) -> float:
    """What `overall_rate` (by None) and `past_rate` promise, flight by flight."""
    asked = flights["scheduled"].iloc[place]
    known = flights[flights["known_at"] < asked]
    rate, weight = rates.PRIOR_RATE, rates.PRIOR_WEIGHT
    overall = (known["late"].sum() + weight * rate) / (len(known) + weight)
    if by is None:
        return float(overall)
    recent = known[known["known_at"] >= asked - pd.Timedelta(days=days)]
    same = recent[recent[by] == flights[by].iloc[place]]
    return float((same["late"].sum() + weight * overall) / (len(same) + weight))


@st.composite
def small_flights(draw: st.DrawFn) -> pd.DataFrame:
    """Up to 30 flights within five days; on a grid of six hours, so that equal moments and window edges are common."""
    step = st.integers(0, 20)
    flight = st.tuples(step, st.none() | st.integers(1, 6), st.booleans(), st.sampled_from(["AA", "B6", "UA"]))
    drawn = draw(st.lists(flight, min_size=1, max_size=30))
    scheduled = [START + pd.Timedelta(hours=6 * start) for start, *_ in drawn]
    landed = [
        None if duration is None else when + pd.Timedelta(hours=6 * duration)
        for when, (_, duration, _, _) in zip(scheduled, drawn, strict=True)
    ]
    known_at = pd.Series(pd.to_datetime(landed, utc=True)).astype("datetime64[us, UTC]")
    return pd.DataFrame(
        {
            "scheduled": pd.Series(scheduled).astype("datetime64[us, UTC]"),
            "known_at": known_at,
            "late": pd.Series([late for _, _, late, _ in drawn], dtype="boolean").mask(known_at.isna()),
            "carrier": [carrier for *_, carrier in drawn],
        }
    )


@given(small_flights(), st.sampled_from([1, 2, 7]))
def test_late_rates_are_what_counting_flight_by_flight_gives(flights: pd.DataFrame, days: int) -> None:
    overall = rates.overall_rate(flights)
    by_carrier = rates.past_rate(flights, "carrier", days, overall)

    places = range(len(flights))
    assert overall.tolist() == pytest.approx([slow_rate(flights, place, None, days) for place in places])
    assert by_carrier.tolist() == pytest.approx([slow_rate(flights, place, "carrier", days) for place in places])


def future_seen(flights: pd.DataFrame, moment: pd.Timestamp) -> bool:
    """Whether a rate of a flight scheduled up to `moment` depends on a label that became known at it or later."""

    def rates_then(table: pd.DataFrame) -> np.ndarray:
        both = rates.overall_rate(table), rates.past_rate(table, "carrier", 7, rates.overall_rate(table))
        return np.concatenate([rate[table["scheduled"] <= moment] for rate in both])

    changed = flights.assign(late=flights["late"].mask(flights["known_at"] >= moment, ~flights["late"]))
    return not np.array_equal(rates_then(flights), rates_then(changed))


@given(small_flights(), st.integers(0, 26))
def test_no_label_of_the_future_reaches_a_late_rate(flights: pd.DataFrame, step: int) -> None:
    assert not future_seen(flights, START + pd.Timedelta(hours=6 * step))


def test_a_late_rate_that_counts_departed_flights_before_they_land_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: the classic leak, which dates a label by its flight's schedule."""
    flights = pd.DataFrame(
        {
            "scheduled": moments("2013-01-01 06:00", "2013-01-01 08:00"),
            "known_at": moments("2013-01-01 09:00", "2013-01-01 11:00"),
            "late": pd.Series([True, False], dtype="boolean"),
            "carrier": ["AA", "AA"],
        }
    )
    asked = utc("2013-01-01 08:00")
    assert not future_seen(flights, asked)
    honest = rates._seconds

    def leaky(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return honest(table.assign(known_at=table["scheduled"].where(table["known_at"].notna())))

    monkeypatch.setattr(rates, "_seconds", leaky)

    assert future_seen(flights, asked)


# ---- features


def rewrite_the_future(original: data.Tables, moment: pd.Timestamp) -> data.Tables:
    """Another future: what was in the air lands an hour later, what was on the ground leaves so, the weather turns."""
    flights = original.flights.copy()
    timed = features.with_moments(flights.assign(place=range(len(flights))), original.airports).set_index("place")
    landed = timed["known_at"].reindex(flights.index)
    left = clock.actual_departure(flights)
    in_air, on_ground = left.lt(moment) & landed.ge(moment), left.ge(moment)
    for side, affected in (("arr", in_air | on_ground), ("dep", on_ground)):
        clock_min = clock.minutes_of_day(flights[f"{side}_time"]) + 60
        flights.loc[affected, f"{side}_time"] = (clock_min // 60 % 24 * 100 + clock_min % 60)[affected]
        flights.loc[affected, f"{side}_delay"] += 60
    weather = original.weather.copy()
    # The row of an hour was observed at its 51st minute.
    unseen = weather["time_hour"] + pd.Timedelta(minutes=51) > moment
    weather.loc[unseen, ["temp", "wind_speed", "precip", "visib"]] += 1
    return original._replace(flights=flights, weather=weather)


def leaks(original: data.Tables, moment: pd.Timestamp) -> set[str]:
    """The features of flights scheduled up to `moment` that change when everything after `moment` does."""
    rows = [features.features(*version).rows for version in (original, rewrite_the_future(original, moment))]
    one, other = (table[table["scheduled"] <= moment] for table in rows)
    return {name for name in features.FEATURES if not one[name].equals(other[name])}


@pytest.mark.parametrize("asked", ["2013-01-02 13:00", "2013-01-03 22:30", "2013-01-05 02:45"])
def test_no_feature_of_a_flight_depends_on_what_happens_after_its_departure(asked: str) -> None:
    assert leaks(first_days(), utc(asked)) == set()


def test_weather_that_is_used_in_the_hour_in_which_it_is_observed_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: the obvious join on `time_hour` looks up to 51 minutes ahead."""
    monkeypatch.setattr(features, "WEATHER_DELAY_MIN", 0)

    assert leaks(first_days(), utc("2013-01-03 22:30")) == {"temp", "wind_speed", "precip", "visib"}


def test_late_rates_that_date_a_label_by_its_schedule_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: the same leak as above, through the whole task."""
    honest = features.late_rates

    def leaky(timed: pd.DataFrame) -> pd.DataFrame:
        return honest(timed.assign(known_at=timed["scheduled"].where(timed["known_at"].notna())))

    monkeypatch.setattr(features, "late_rates", leaky)

    assert "late_rate_carrier_1d" in leaks(first_days(), utc("2013-01-03 22:30"))


def test_a_feature_made_of_the_flights_own_delay_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: what gives an AUC of 0.95."""
    honest = features.calendar

    def leaky(timed: pd.DataFrame) -> pd.DataFrame:
        return honest(timed).assign(weekday=timed["dep_delay"])

    monkeypatch.setattr(features, "calendar", leaky)

    assert leaks(first_days(), utc("2013-01-03 22:30")) == {"weekday"}


def weather_at(*rows: tuple[str, str, float]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["origin", "hour", "temp"])
    return table.assign(time_hour=moments(*table["hour"]), **dict.fromkeys(features.WEATHER[1:], 0.0))


def flights_at(*rows: tuple[str, str]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["origin", "at"])
    return table.assign(scheduled=moments(*table["at"]))


def test_weather_is_the_newest_that_is_known_at_the_same_airport_and_not_too_old() -> None:
    weather = weather_at(
        ("JFK", "2013-01-01 10:00", 1.0),  # known from 11:00
        ("JFK", "2013-01-01 11:00", 2.0),
        ("LGA", "2013-01-01 11:00", 9.0),
    )
    flights = flights_at(
        ("JFK", "2013-01-01 10:59"),
        ("JFK", "2013-01-01 11:00"),
        ("JFK", "2013-01-01 11:59"),
        ("LGA", "2013-01-01 12:00"),
        ("JFK", "2013-01-01 12:00"),
        ("JFK", "2013-01-01 15:00"),
        ("JFK", "2013-01-01 15:01"),
    )

    joined = features.weather_before(flights, weather.iloc[::-1])

    np.testing.assert_array_equal(joined["temp"], [np.nan, 1, 1, 9, 2, 2, np.nan])


def test_a_gap_in_the_newest_weather_is_not_filled_from_an_older_row() -> None:
    weather = weather_at(("JFK", "2013-01-01 10:00", 1.0), ("JFK", "2013-01-01 11:00", np.nan))

    joined = features.weather_before(flights_at(("JFK", "2013-01-01 12:30")), weather)

    assert joined["temp"].isna().all()


def test_a_flight_that_never_arrived_has_features_but_no_label() -> None:
    rows = features.features(*first_days()).rows
    cancelled = int(first_days().flights["arr_delay"].isna().sum())

    without = rows[rows["late"].isna()]

    assert len(rows) == len(first_days().flights)
    assert len(without) == cancelled > 0
    assert without["known_at"].isna().all()
    assert without[["departure_minute", "late_rate_dest_7d", "scheduled_duration_min"]].notna().all().all()


def test_late_means_more_than_fifteen_minutes() -> None:
    timed = features.with_moments(first_days().flights, first_days().airports)

    late = timed.loc[timed["arr_delay"].isin([15, 16]), ["arr_delay", "late"]].drop_duplicates()

    assert dict(late.to_numpy().tolist()) == {15: False, 16: True}


def test_the_calendar_knows_weekdays_and_holidays() -> None:
    timed = features.with_moments(first_days().flights, first_days().airports)

    calendar = features.calendar(timed).assign(day=timed["day"]).groupby("day").first()

    assert calendar["weekday"].tolist() == [1, 2, 3, 4, 5]  # 1 January 2013 was a Tuesday
    assert calendar["holiday_distance_days"].tolist() == [0, 1, 2, 3, 4]


def test_features_do_not_depend_on_the_order_of_the_rows() -> None:
    shuffled = first_days()._replace(
        flights=first_days().flights.sample(frac=1, random_state=1),
        weather=first_days().weather.sample(frac=1, random_state=1),
    )
    keys = ["scheduled", "origin", "dest", "carrier", "known_at"]

    one, other = (features.features(*version).rows.sort_values(keys) for version in (first_days(), shuffled))

    columns = [name for name in features.FEATURES if not name.startswith("plane_")]  # equal keys may swap planes
    pd.testing.assert_frame_equal(one[columns].reset_index(drop=True), other[columns].reset_index(drop=True))


def test_months_count_what_departed_and_what_arrived() -> None:
    flights = first_days().flights

    months = features.features(*first_days()).months

    assert months["flights"].tolist() == [len(flights)]
    assert months["departed"].tolist() == [flights["dep_time"].notna().sum()]
    assert months["late_rate"][0] == pytest.approx((flights["arr_delay"].dropna() > 15).mean())
