"""The tasks of examples/flights as plain functions: each does its one thing."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ropewalk
from ropewalk.core.errors import DataError, UsageError
from tests.e2e.flights_example import (
    EXAMPLE,
    clock,
    data,
    features,
    first_days,
    models,
    moments,
    tables,
    utc,
    validate,
)  # fmt: skip

# ---- ingest


def test_ingest_reads_every_row_of_the_four_tables() -> None:
    assert [len(table) for table in tables()] == [336_776, 26_115, 3_322, 1_458]


def test_time_hour_is_the_scheduled_hour_in_utc_all_year_round() -> None:
    local = tables().flights["time_hour"].dt.tz_convert("America/New_York")

    assert (local.dt.hour == tables().flights["sched_dep_time"] // 100).all()
    assert (local.dt.day == tables().flights["day"]).all()


def test_missing_data_is_an_error_that_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "SOURCE", "no_such_package_of_flights")

    with pytest.raises(DataError, match="pip install no_such_package_of_flights"):
        data.ingest()


# ---- clock


def test_minutes_of_day_reads_hours_and_minutes_and_the_end_of_the_day() -> None:
    assert clock.minutes_of_day(pd.Series([1, 517, 1200, 2359, 2400])).tolist() == [1, 317, 720, 1439, 1440]


@pytest.mark.parametrize(
    ("start", "reading", "zone", "expected"),
    [
        ("2013-06-01 16:00", 1330, "America/New_York", "2013-06-01 17:30"),
        ("2013-06-02 03:30", 114, "America/New_York", "2013-06-02 05:14"),  # over midnight
        ("2013-06-02 03:30", 2400, "America/New_York", "2013-06-02 04:00"),
        ("2013-06-01 16:00", 1415, "America/Los_Angeles", "2013-06-01 21:15"),  # earlier on the clock than in New York
        ("2013-03-10 05:30", 330, "America/New_York", "2013-03-10 07:30"),  # clocks go forward on the way
        ("2013-11-03 04:30", 130, "America/New_York", "2013-11-03 06:30"),  # 01:30 comes twice: the later one
    ],
)
def test_an_arrival_is_the_next_time_the_local_clock_shows_it(
    start: str, reading: int, zone: str, expected: str
) -> None:
    found = clock.next_reading(moments(start), pd.Series([float(reading)]), pd.Series([zone]))

    assert found[0] == utc(expected)


def test_what_is_unknown_has_no_moment() -> None:
    zone = "America/New_York"

    found = clock.next_reading(
        moments("2013-06-01", None, "2013-06-01"), pd.Series([np.nan, 100, 100]), pd.Series([zone, zone, None])
    )

    assert found.isna().all()


def test_dated_arrivals_agree_with_every_delay_but_on_the_nights_when_clocks_change() -> None:
    """327,346 flights were written down by someone else: their delays prove days, zones and minutes right."""
    timed = features.with_moments(tables().flights, tables().airports)

    measured = (timed["known_at"] - timed["arrives"]).dt.total_seconds() / 60
    wrong = timed[timed["known_at"].notna() & (measured != timed["arr_delay"])]

    assert timed["known_at"].notna().sum() == 327_346
    assert set(zip(wrong["month"], wrong["day"], strict=True)) == {(3, 9), (11, 2)}
    assert len(wrong) == 2


# ---- validate


def test_the_two_impossible_rows_are_quarantined_and_all_others_pass() -> None:
    checked = validate.validate(*tables())

    assert checked.quarantine[["table", "row", "column"]].to_numpy().tolist() == [
        ["flights", 275_945, "distance"],  # from Newark to LaGuardia, 17 miles
        ["weather", 1_009, "wind_speed"],  # 1,048 miles per hour
    ]
    assert len(checked.flights) == 336_775
    assert 1_009 not in checked.weather.index


@pytest.mark.parametrize(
    ("column", "value", "check"),
    [
        ("arr_delay", 7.0, "is the arrival minus its schedule"),
        ("dep_delay", 7.0, "is the departure minus its schedule"),
        ("sched_arr_time", 1275, validate.CLOCK),
        ("dep_time", 2401.0, validate.CLOCK),
        ("time_hour", utc("2013-01-01 11:00"), "is the scheduled hour in New York"),
        ("distance", -1, "is from 50 to 6000"),
        ("day", 32, "is from 1 to 31"),
    ],
)
def test_a_planted_fault_is_reported_with_its_row_column_and_value(column: str, value: object, check: str) -> None:
    flights = first_days().flights.copy()
    flights.loc[3, column] = value

    failed = validate.failing_rows("flights", flights)

    found = failed[(failed["column"] == column) & (failed["check"] == check)]
    assert found["row"].tolist() == [3]
    assert set(failed["row"]) == {3}
    assert found["value"].iloc[0].startswith(str(value)[:10])


def test_a_flight_that_is_there_twice_is_reported_twice() -> None:
    twice = pd.concat([first_days().flights, first_days().flights.iloc[[5]]], ignore_index=True)

    failed = validate.failing_rows("flights", twice)

    assert failed["row"].tolist() == [5, len(twice) - 1]
    assert failed["check"].str.startswith("is unique by").all()


def test_a_sound_table_has_an_empty_quarantine_with_the_same_columns() -> None:
    failed = validate.failing_rows("flights", first_days().flights)

    assert failed.empty
    assert list(failed.columns) == ["table", "row", "column", "check", "value"]


def test_too_many_bad_rows_stop_the_run_and_are_named() -> None:
    flights = first_days().flights.copy()
    flights.loc[:99, "distance"] = 1

    with pytest.raises(DataError, match="`flights` did not pass its checks: 100 of") as caught:
        validate.validate(*first_days()._replace(flights=flights))

    assert caught.value.code == "P410"
    assert any("`distance` is from 50 to 6000: 100 failures" in fact for fact in caught.value.facts)
    assert "row 0: `distance` is 1" in caught.value.facts


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (lambda weather: weather.drop(columns="temp"), "column `temp` is missing"),
        (lambda weather: weather.assign(time_hour=0), "column `time_hour`, dtype"),
        (lambda weather: weather.assign(temp="warm"), "column `temp`, is from -30 to 120"),
    ],
)
def test_a_wrong_schema_is_refused_and_the_column_named(
    change: Callable[[pd.DataFrame], pd.DataFrame], fact: str
) -> None:
    with pytest.raises(DataError) as caught:
        validate.validate(*first_days()._replace(weather=change(first_days().weather)))

    assert caught.value.code == "P411"
    assert caught.value.facts[0].startswith(fact)


# ---- split


def labelled(*days: str, hours: float = 3) -> pd.DataFrame:
    """Two flights a day, one of them late; both land after `hours`. New York time is taken as UTC."""
    scheduled = moments(*(day for day in days for _ in range(2)))
    late = pd.Series([True, False] * len(days), dtype="boolean")
    known_at = scheduled + pd.Timedelta(hours=hours)
    return pd.DataFrame({"scheduled": scheduled, "known_at": known_at, "late": late, "month": scheduled.dt.month})


def test_parts_follow_each_other_in_time_and_the_rest_of_the_year_is_left_out() -> None:
    rows = labelled("2013-01-10", "2013-02-10", "2013-03-10", "2013-04-10", "2013-05-10")

    parts = models.split(rows, month=4)

    assert [sorted(set(part["month"])) for part in parts] == [[1, 2], [3], [4]]
    assert parts.train["late"].tolist() == [1, 0, 1, 0]


def test_a_flight_still_in_the_air_when_the_next_part_begins_is_left_out() -> None:
    on_time = labelled("2013-02-10", "2013-03-01 01:00", "2013-04-01 01:00")
    overnight = labelled("2013-02-28 23:30", "2013-03-31 23:30")

    parts = models.split(pd.concat([on_time, overnight]), month=4)

    assert parts.train["scheduled"].max() == utc("2013-02-10")
    assert parts.train["known_at"].max() < parts.validation["scheduled"].min()
    assert parts.validation["known_at"].max() < parts.test["scheduled"].min()


def test_flights_without_a_label_are_in_no_part() -> None:
    rows = labelled("2013-02-10", "2013-02-11", "2013-03-10", "2013-04-10")
    cancelled = rows["scheduled"] == utc("2013-02-11")
    rows = rows.assign(known_at=rows["known_at"].mask(cancelled), late=rows["late"].mask(cancelled))

    assert models.split(rows, month=4).train["scheduled"].tolist() == [utc("2013-02-10")] * 2


def test_a_month_without_flights_before_it_is_refused() -> None:
    with pytest.raises(DataError, match="`train` part of a split with test month 2") as caught:
        models.split(labelled("2013-01-10", "2013-02-10"), month=2)

    assert caught.value.code == "P412"


# ---- train, evaluate, pick, explain


class Guess:
    """A model whose probability is a column: what `score` makes of it can be worked out by hand."""

    def __init__(self, column: str = "guess") -> None:
        self.feature_names_in_ = np.array([column])

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray:
        late = rows[self.feature_names_in_[0]].to_numpy("float64")
        return np.column_stack([1 - late, late])


SETTINGS: list[models.Setting] = [
    {"kind": "baseline"},
    {"kind": "logistic", "C": 0.1},
    {"kind": "lightgbm", "num_leaves": 7, "n_estimators": 20},
]


@pytest.mark.parametrize("setting", SETTINGS, ids=models.name_of)
def test_every_kind_of_model_learns_and_gives_the_same_bytes_twice(setting: models.Setting) -> None:
    rows = features.features(*first_days()).rows
    known = rows[rows["late"].notna()].astype({"late": "int8"})
    old, new = known[known["scheduled"] < utc("2013-01-04")], known[known["scheduled"] >= utc("2013-01-04")]

    first, second = models.train(old, setting), models.train(old.copy(), setting)

    assert models.evaluate(first, new, setting).auc > 0.55
    assert pickle.dumps(first) == pickle.dumps(second)


def test_a_destination_that_training_never_saw_can_be_predicted() -> None:
    rows = features.features(*first_days()).rows
    known = rows[rows["late"].notna()].astype({"late": "int8"})

    for setting in SETTINGS:
        model = models.train(known[known["dest"] != "BOS"], setting)
        assert np.isfinite(models.late_probability(model, known[known["dest"] == "BOS"])).all()


def test_an_unknown_kind_of_model_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(UsageError, match="did you mean `lightgbm`"):
        models.train(labelled("2013-01-10"), {"kind": "lightbgm"})


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=10, max_size=60))
def test_scores_are_what_their_definitions_say(drawn: list[tuple[int, bool]]) -> None:
    drawn = [*drawn, (2, True), (3, False)]  # both classes
    rows = pd.DataFrame({"guess": [(value + 1) / 8 for value, _ in drawn], "late": [int(late) for _, late in drawn]})
    late, punctual = rows.loc[rows["late"] == 1, "guess"], rows.loc[rows["late"] == 0, "guess"]
    pairs = np.subtract.outer(late.to_numpy(), punctual.to_numpy())
    hit = np.where(rows["late"] == 1, rows["guess"], 1 - rows["guess"])

    scores = models.score(Guess(), rows, "guess")

    assert scores.auc == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    assert scores.log_loss == pytest.approx(-np.log(hit).mean())
    assert scores.brier == pytest.approx(((1 - hit) ** 2).mean())
    assert scores.predicted == sorted(scores.predicted)
    assert scores.caught == sorted(scores.caught)


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_the_error_of_an_auc_is_that_of_a_rank_test_when_the_model_guesses(late: int, punctual: int) -> None:
    """At 0.5 the AUC is Mann and Whitney's U over its largest value, whose variance is known exactly."""
    assert models.auc_error(0.5, late, punctual) == pytest.approx(
        ((late + punctual + 1) / (12 * late * punctual)) ** 0.5
    )
    assert models.auc_error(1.0, late, punctual) == 0


def test_the_validation_month_picks_the_model_even_if_another_is_better_on_the_test_month() -> None:
    validation = pd.DataFrame({"late": [0, 0, 1, 1], "steady": [0.1, 0.2, 0.8, 0.9], "lucky": [0.9, 0.1, 0.2, 0.8]})
    test = validation.rename(columns={"steady": "lucky", "lucky": "steady"})
    candidates = [Guess("lucky"), Guess("steady")]
    scores = [models.evaluate(guess, validation, {"kind": str(guess.feature_names_in_[0])}) for guess in candidates]

    best = models.pick(candidates, scores, test)

    assert best.model is candidates[1]
    assert best.validation.auc == 1.0
    assert best.auc == best.test.auc < 1.0


def test_the_feature_that_decides_matters_and_one_that_is_not_used_does_not() -> None:
    chance = np.random.default_rng(0)
    rows = pd.DataFrame({"late": chance.integers(0, 2, 500), "idle": chance.random(500)})
    rows["guess"] = rows["late"] * 0.6 + 0.2
    model = Guess()
    model.feature_names_in_ = np.array(["guess", "idle"])

    ranked = models.explain(model, rows)

    assert ranked["feature"].tolist() == ["guess", "idle"]
    assert ranked["auc_loss"].tolist() == pytest.approx([0.5, 0.0], abs=0.05)
    pd.testing.assert_frame_equal(ranked, models.explain(model, rows))


@pytest.mark.slow
def test_an_honest_model_is_neither_useless_nor_too_good_to_be_true() -> None:
    checked = validate.validate(*tables())
    table = features.features(checked.flights, checked.weather, checked.planes, checked.airports)
    parts = models.split(table.rows, month=6)
    setting: models.Setting = {"kind": "lightgbm", "num_leaves": 15, "n_estimators": 200}

    model = models.train(parts.train, setting)

    assert [len(part) for part in parts] == [105_475, 28_128, 27_075]
    assert 0.75 < models.score(model, parts.test, "june").auc < 0.79


# ---- the pipeline's file


def test_the_graph_is_made_without_loading_any_heavy_package() -> None:
    """Planning and listing are fast because of this."""
    code = """
import sys, pipeline
print(*pipeline.train_flights.graph(month=7).nodes)
print(*{"pandas", "numpy", "sklearn", "lightgbm", "matplotlib"} & sys.modules.keys())
"""
    env = os.environ | {"PYTHONPATH": str(Path(ropewalk.__file__).parents[1])}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=EXAMPLE, env=env, capture_output=True, text=True, check=True)

    nodes, loaded = done.stdout.split("\n")[:2]
    assert nodes == "ingest validate features split train evaluate pick register keep_champion explain report"
    assert loaded == ""
