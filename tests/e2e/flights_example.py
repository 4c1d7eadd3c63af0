"""The flights example as its tests see it: its modules, its data, and small pieces of them."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import pandas as pd

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "flights"
sys.path.insert(0, str(EXAMPLE))  # as running the pipeline does

from flights import clock, data, features, figures, models, page, publish, rates, validate  # noqa: E402  # see above

__all__ = [
    "EXAMPLE", "clock", "data", "features", "figures", "first_days", "models", "moments", "page", "publish", "rates",
    "tables", "utc", "validate",
]  # fmt: skip


@functools.cache
def tables() -> data.Tables:
    """All of the data. Whoever changes it works on a copy."""
    return data.ingest()


@functools.cache
def first_days() -> data.Tables:
    """Five days of January: enough for every code path, little enough to compute features often."""
    flights, weather, planes, airports = tables()
    flights = flights[(flights["month"] == 1) & (flights["day"] <= 5)].reset_index(drop=True)
    weather = weather[(weather["month"] == 1) & (weather["day"] <= 6)].reset_index(drop=True)
    return data.Tables(flights, weather, planes, airports)


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def moments(*texts: str | None) -> pd.Series:
    return pd.Series(pd.to_datetime(list(texts), utc=True, format="ISO8601")).dt.as_unit("us")
