"""Processes that start together in a new project all want to make its store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from ropewalk.store.database import SCHEMA_VERSION, open_database

OPENERS = 6


@pytest.mark.parametrize("trial", range(10))
def test_all_who_open_a_new_store_at_the_same_moment_can_use_it(tmp_path: Path, trial: int) -> None:
    """SQLite lets only one switch to the write-ahead log, and refuses the others without waiting."""
    together = Barrier(OPENERS)

    def open_and_count(number: int) -> int:
        together.wait()
        db = open_database(tmp_path / "store.db")
        with db.transaction():
            db.query("graph_put", digest=str(number), body="{}")
        version = next(iter(db._connection.execute("PRAGMA user_version")))[0]
        db.close()
        return int(version)

    with ThreadPoolExecutor(OPENERS) as pool:
        versions = list(pool.map(open_and_count, range(OPENERS)))

    assert versions == [SCHEMA_VERSION] * OPENERS
    db = open_database(tmp_path / "store.db")
    assert {number for number in range(OPENERS) if db.one("graph_get", digest=str(number))} == set(range(OPENERS))
    assert db.problems() == []
    db.close()
