"""Validate: what each table must look like, and what is done with the rows that do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from flights.clock import DAY_MIN, minutes_of_day
from ropewalk import context, task
from ropewalk.core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas as pa

ORIGINS = ("EWR", "JFK", "LGA")
CLOCK = "is a time of day (hhmm)"
KEYS = {
    "flights": ["month", "day", "carrier", "flight", "origin", "dest"],
    "weather": ["origin", "time_hour"],
    "planes": ["tailnum"],
    "airports": ["faa"],
}
RANGES: dict[str, dict[str, tuple[float, float]]] = {  # column → smallest and largest value that can be true
    "flights": {
        "year": (2013, 2013),
        "month": (1, 12),
        "day": (1, 31),
        "dep_delay": (-60, DAY_MIN),
        "arr_delay": (-120, DAY_MIN),
        "air_time": (15, 720),
        "distance": (50, 6000),  # miles
    },
    "weather": {
        "temp": (-30, 120),  # °F
        "dewp": (-50, 100),
        "humid": (0, 100),
        "wind_dir": (0, 360),
        "wind_speed": (0, 120),  # miles per hour
        "wind_gust": (0, 150),
        "precip": (0, 6),  # inches
        "pressure": (900, 1100),  # millibars
        "visib": (0, 10),  # miles
    },
    "planes": {"year": (1940, 2013), "seats": (1, 600), "engines": (1, 8)},
    "airports": {"lat": (-90, 90), "lon": (-180, 180)},
}
REQUIRED = {
    "flights": {"year", "month", "day", "distance"},
    "weather": {"precip", "visib"},
    "planes": {"seats", "engines"},
    "airports": {"lat", "lon"},
}


class Checked(NamedTuple):
    """The rows that passed, and one quarantine row (table, row, column, check, value) for each check that failed."""

    flights: pd.DataFrame
    weather: pd.DataFrame
    planes: pd.DataFrame
    airports: pd.DataFrame
    quarantine: pd.DataFrame


@task
def validate(
    flights: pd.DataFrame,
    weather: pd.DataFrame,
    planes: pd.DataFrame,
    airports: pd.DataFrame,
    *,
    max_quarantined: float = 0.001,
) -> Checked:
    """Check schema, ranges and the agreement between columns; put rows that fail aside.

    Args:
        flights, weather, planes, airports: the tables as read.
        max_quarantined: the largest share of a table's rows, 0 to 1, that may be put aside.

    Raises:
        DataError: a column is missing or has the wrong type, or more rows fail than the limit allows.
    """
    import pandas as pd

    tables = {"flights": flights, "weather": weather, "planes": planes, "airports": airports}
    failures = {name: failing_rows(name, table) for name, table in tables.items()}
    for name, failed in failures.items():
        require_few(name, failed, len(tables[name]), max_quarantined)
    good = {name: table.drop(index=failures[name]["row"].unique()) for name, table in tables.items()}
    quarantine = pd.concat(failures.values(), ignore_index=True)
    context().logger.info("%d rows are quarantined", len(quarantine.drop_duplicates(["table", "row"])))
    return Checked(**good, quarantine=quarantine)


def failing_rows(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """One row (table, row, column, check, value) for each value of table `name` that fails a check."""
    import pandas as pd
    from pandera.errors import SchemaErrors

    columns = ["table", "row", "column", "check", "value"]
    try:
        schema(name).validate(table, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases
    else:
        return pd.DataFrame(columns=columns).astype({"row": "int64"})
    require_schema(name, cases[cases["index"].isna()])
    # pandera reports a check between columns once for each column; only the column at fault is kept.
    culprits = {check: column for check, column, _ in agreements(name)}
    culprit = [culprits.get(check, KEYS[name][0]) for check in cases["check"]]
    cases = cases[(cases["schema_context"] != "DataFrameSchema") | (cases["column"] == culprit)]
    failed = pd.DataFrame(
        {
            "table": name,
            "row": cases["index"].astype("int64"),
            "column": cases["column"].astype(str),
            "check": cases["check"].replace(
                {"multiple_fields_uniqueness": f"is unique by {', '.join(KEYS[name])}", "not_nullable": "is known"}
            ),
            "value": cases["failure_case"].astype(str),
        }
    )
    return failed.sort_values(["row", "column", "check"], ignore_index=True)


def schema(name: str) -> pa.DataFrameSchema:
    """The pandera schema of one table."""
    import pandera.pandas as pa

    columns = {
        column: pa.Column(
            nullable=column not in REQUIRED[name],
            checks=pa.Check.in_range(low, high, error=f"is from {low:g} to {high:g}"),
        )
        for column, (low, high) in RANGES[name].items()
    }
    if name in ("flights", "weather"):
        columns["origin"] = pa.Column(
            pa.Category, checks=pa.Check.isin(ORIGINS, error=f"is one of {', '.join(ORIGINS)}")
        )
        columns["time_hour"] = pa.Column("datetime64[us, UTC]")
    if name == "flights":
        columns |= {text: pa.Column(pa.Category) for text in ("carrier", "dest")}
        columns["tailnum"] = pa.Column(pa.Category, nullable=True)
        for column in ("sched_dep_time", "sched_arr_time", "dep_time", "arr_time"):
            check = pa.Check(is_clock, name=CLOCK)
            columns[column] = pa.Column(checks=check, nullable=not column.startswith("sched"))
    between = [pa.Check(holds, name=check, ignore_na=False) for check, _, holds in agreements(name)]
    columns |= {key: pa.Column() for key in KEYS[name] if key not in columns}
    return pa.DataFrameSchema(columns, checks=between, unique=KEYS[name])


def is_clock(clock: pd.Series) -> pd.Series:
    """Whether each reading is from 0000 to 2400 with minutes under 60."""
    return clock.between(0, 2400) & (clock % 100 < 60)


def agreements(name: str) -> list[tuple[str, str, Callable[[pd.DataFrame], pd.Series]]]:
    """Checks between the columns of a table: what must hold, the column at fault, the check."""
    if name != "flights":
        return []
    return [
        ("is the departure minus its schedule", "dep_delay", lambda f: delay_agrees(f, "dep")),
        ("is the arrival minus its schedule", "arr_delay", lambda f: delay_agrees(f, "arr")),
        ("is the scheduled hour in New York", "time_hour", hour_agrees),
    ]


def delay_agrees(flights: pd.DataFrame, side: str) -> pd.Series:
    """Whether `dep_delay` or `arr_delay` is the difference of the two clock readings, whatever the day."""
    delay = flights[f"{side}_delay"]
    scheduled, actual = flights[f"sched_{side}_time"], flights[f"{side}_time"]
    difference = minutes_of_day(actual) - minutes_of_day(scheduled) - delay
    return delay.isna() | (difference % DAY_MIN == 0)


def hour_agrees(flights: pd.DataFrame) -> pd.Series:
    """Whether `time_hour` (UTC) and the scheduled local departure are the same hour."""
    local = flights["time_hour"].dt.tz_convert("America/New_York")
    same_day = (local.dt.month == flights["month"]) & (local.dt.day == flights["day"])
    return same_day & (local.dt.hour == flights["sched_dep_time"] // 100)


def require_schema(name: str, cases: pd.DataFrame) -> None:
    """Refuse a table with a missing column or a wrong type: no row of it can be trusted."""
    if cases.empty:
        return
    missing = cases.loc[cases["check"] == "column_in_dataframe", "failure_case"]
    wrong = cases[cases["schema_context"] == "Column"]
    raise DataError(
        f"`{name}` does not have the columns that it should",
        code="P411",
        facts=[f"column `{column}` is missing" for column in missing]
        + [f"column `{one.column}`, {one.check}: {one.failure_case}" for one in wrong.itertuples()],
        help=["compare the table with `schema()` in flights/validate.py"],
    )


def require_few(name: str, failed: pd.DataFrame, row_count: int, limit: float) -> None:
    """Refuse a table of which more than the share `limit` fails."""
    bad_count = failed["row"].nunique()
    if bad_count <= limit * row_count:
        return
    counts = failed.groupby(["column", "check"], sort=True).size()
    sample = failed.head(3)
    raise DataError(
        f"`{name}` did not pass its checks: {bad_count:,} of {row_count:,} rows failed, the limit is {limit:.3%}",
        code="P410",
        facts=[f"`{column}` {check}: {count:,} failures" for (column, check), count in counts.items()]
        + [f"row {r.row}: `{r.column}` is {r.value}" for r in sample.itertuples()],
        help=["mend the source, or raise the limit: -p validate.max_quarantined=0.01"],
    )
