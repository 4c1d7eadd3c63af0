"""Readers look at what they were asked for, however much else there is: what they do not need is spoilt here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.core import events as ev
from ropewalk.core.artifact import Failure, Usage
from ropewalk.core.errors import StoreError
from ropewalk.core.state import RunState
from ropewalk.store import history, runs, tasks
from ropewalk.store.database import Database, open_database
from tests.core.builders import WRONG, graph, node
from tests.store.test_projection import append, create
from tests.store.test_spans import GRAPH, ITEMS, computed, raw, started, used
from tests.store.test_stretch import key, succeeded

PART_ITEMS = 10
FAILED = (3, 17, 18, 35)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "store.db")
    yield opened
    opened.close()


def in_parts(db: Database) -> runs.Run:
    """A run of 40 items, of which four fail, in four batches."""
    row, state = create(db, GRAPH), RunState(GRAPH)
    for part, first in enumerate(range(0, ITEMS, PART_ITEMS), start=1):
        batch: list[ev.Event] = [ev.Opened("m", ITEMS)] if first == 0 else []
        batch.append(started(first, first + PART_ITEMS, token=part))
        for item in range(first, first + PART_ITEMS):
            failed = ev.AttemptFailed("m", item, part, WRONG)
            batch.append(failed if item in FAILED else succeeded(item, token=part))
        append(db, row, part, batch, state)
    return row


def spoil(db: Database, where: str) -> None:
    db._connection.execute(f"UPDATE events SET packed = NULL WHERE {where}")


def test_a_page_unpacks_the_items_that_it_shows(db: Database) -> None:
    row = in_parts(db)
    spoil(db, "seq IN (1, 4)")

    assert [found.item for found in tasks.page(db, row.number, "m", 10, 20)] == [*range(10, 30)]
    assert [found.item for found in tasks.urgent(db, row.number, "m", 4)] == [*FAILED]
    assert tasks.how_many(db, row.number, "m") == ITEMS
    with pytest.raises(StoreError):
        tasks.page(db, row.number, "m", 10, 22)


@pytest.fixture(scope="module")
def parted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = open_database(tmp_path_factory.mktemp("parted") / "store.db")
    in_parts(opened)
    yield opened
    opened.close()


@given(st.integers(0, ITEMS + 2), st.none() | st.integers(0, ITEMS + 2))
def test_pages_are_cut_from_the_list_of_all(parted: Database, first: int, most: int | None) -> None:
    everything = [row for row in tasks.listing(parted, 1, "m") if row.item >= first]

    assert tasks.page(parted, 1, "m", first, most) == everything[:most]
    assert tasks.how_many(parted, 1, "m", first) == len(everything)


@given(st.integers(0, ITEMS + 2))
def test_what_failed_comes_before_what_succeeded(parted: Database, most: int) -> None:
    everything = sorted(tasks.listing(parted, 1, "m"), key=lambda row: (row.state != "failed", row.item))

    assert tasks.urgent(parted, 1, "m", most) == everything[:most]


def test_a_result_is_looked_up_where_it_was_computed_last(db: Database) -> None:
    *_, last = [computed(db)[0] for _ in range(5)]
    spoil(db, f"run < {last.number}")

    found = tasks.lookup(db, [key(item) for item in range(ITEMS + 5)])

    assert [hit.run for hit in found.values()] == [last.number] * ITEMS
    with pytest.raises(StoreError):
        history.makers(db, key(7))


def test_a_key_that_begins_like_a_later_one_is_found_all_the_same(db: Database) -> None:
    for run in range(2):
        row, state = create(db, GRAPH), RunState(GRAPH)
        ended = [succeeded(item, key=f"{item:016x}{run:048x}") for item in range(5)]
        append(db, row, 1, [ev.Opened("m", 5), started(0, 5), *ended], state)

    found = tasks.lookup(db, [f"{item:016x}{run:048x}" for item in range(5) for run in range(3)])

    assert {one: hit.run for one, hit in found.items()} == {
        f"{item:016x}{run:048x}": run + 1 for item in range(5) for run in range(2)
    }


def test_of_rows_with_equal_keys_those_of_the_newest_run_are_looked_up(db: Database) -> None:
    made = graph(node("a"), node("b"))
    for _ in range(3):
        row, state = create(db, made), RunState(made)
        ended = [succeeded(0, node=name, key=key(0), token=at) for at, name in enumerate(("a", "b"), start=1)]
        begun = [ev.Opened("a", 1), ev.Opened("b", 1), ev.Started("a", (0,), 1, "w"), ev.Started("b", (0,), 2, "w")]
        append(db, row, 1, [*begun, *ended], state)

    assert [hit.run for hit in tasks.lookup(db, [key(0), key(1)]).values()] == [row.number]


def test_how_often_attempts_are_lost_is_judged_by_the_last_hundred_runs(db: Database) -> None:
    row, state = create(db, GRAPH), RunState(GRAPH)
    lost = ev.AttemptFailed("m", 9, 1, Failure("lost", "gone"), usage=Usage(7.0))
    append(db, row, 1, [ev.Opened("m", 10), started(0, 10), *[used(item) for item in range(9)], lost], state)
    for _ in range(99):
        create(db, GRAPH)
    assert history.mishaps(db) == (1, 0.25 * 9 + 7.0)

    create(db, GRAPH)

    assert history.mishaps(db) == (0, 0.0)


def test_a_commit_in_the_midst_of_a_run_leaves_alone_what_the_list_of_runs_is_read_from(db: Database) -> None:
    row, state = create(db, GRAPH), RunState(GRAPH)

    append(db, row, 1, [ev.Opened("m", 2)], state)
    append(db, row, 2, [started(0, 1)], state)
    asked = {*db._queries}
    append(db, row, 3, [ev.CancelRequested("ann"), ev.Cancelled("m", (0, 1)), ev.RunFinished("cancelled")], state)

    assert "run_advance" not in asked
    assert "run_advance" in db._queries
    assert raw(db, "SELECT state, seq, finished_at IS NULL FROM runs") == [("cancelled", 3, 0)]
