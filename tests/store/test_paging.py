"""Lists of runs: every page is found by an index, and the pages together are the list."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.core import events as ev
from ropewalk.core.state import RunState
from ropewalk.store import database, runs
from ropewalk.store.database import Database, open_database
from ropewalk.testing.store_suite import append, new_run, small_graph

SQL = Path(database.__file__).parent / "sql"
LOOKED_UP = (
    "run_list", "run_list_by_state", "run_list_by_pipeline", "run_list_by_author", "run_names_like", "run_by_name",
    "run_open", "run_get", "run_before", "node_last", "node_last_failed", "reuse_promote", "key_makers",
    "task_run_counts", "task_run_get", "task_run_list",
)  # fmt: skip
PIPELINES, AUTHORS = ("p", "q"), ("ann", "bob")
_kinds = st.tuples(st.sampled_from(PIPELINES), st.sampled_from(AUTHORS), st.booleans(), st.integers(0, 5))
_choices = st.builds(
    runs.Choice,
    st.sampled_from((None, *PIPELINES)),
    st.sampled_from((None, "running", "cancelled", "failed")),
    st.sampled_from((None, *AUTHORS)),
    st.none() | st.floats(0, 6),
)


@contextmanager
def new_store() -> Iterator[Database]:
    with TemporaryDirectory() as folder:
        db = open_database(Path(folder) / "store.db")
        try:
            yield db
        finally:
            db.close()


def add(db: Database, pipeline: str, author: str, has_ended: bool, at: int) -> runs.Run:
    run = new_run(db, small_graph(pipeline), float(at), author)
    if has_ended:
        append(db, run, 1, RunState(small_graph(pipeline)), ev.RunFinished("cancelled"))
    return runs.get(db, run.number)


def fits(run: runs.Run, choice: runs.Choice) -> bool:
    wanted = ((choice.pipeline, run.pipeline), (choice.state, run.state), (choice.author, run.author))
    return all(want in (None, has) for want, has in wanted) and run.created_at >= (choice.since or 0)


@given(st.lists(_kinds, max_size=12), _choices, st.integers(1, 4), st.lists(_kinds, max_size=4))
def test_the_pages_have_each_run_exactly_once_though_runs_are_added_meanwhile(
    kinds: list[tuple[str, str, bool, int]],
    choice: runs.Choice,
    most: int,
    later: list[tuple[str, str, bool, int]],
) -> None:
    with new_store() as db:
        made = [add(db, *kind) for kind in kinds]
        found: list[runs.Run] = []
        before = None
        while page := runs.listing(db, choice, most=most, before=before):
            found += page
            before = page[-1].number
            if later:
                add(db, *later.pop())

    assert found == [run for run in reversed(made) if fits(run, choice)]


@given(st.lists(_kinds, max_size=12), _choices)
def test_runs_in_several_states_are_those_in_each(kinds: list[tuple[str, str, bool, int]], choice: runs.Choice) -> None:
    with new_store() as db:
        made = [add(db, *kind) for kind in kinds]

        found = list(runs.in_states(db, ("running", "cancelled"), runs.Choice(choice.pipeline, None, choice.author)))

    wanted = runs.Choice(choice.pipeline, None, choice.author)
    assert found == [run for run in reversed(made) if fits(run, wanted)]


def plan(path: Path, statement: str) -> list[str]:
    """How SQLite would go about a statement."""
    values = dict.fromkeys(re.findall(r":(\w+)", statement), "x")
    connection = apsw.Connection(str(path))
    try:
        return [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    finally:
        connection.close()


def scans(steps: list[str]) -> list[str]:
    """Steps that look at every row of a table which grows with every run."""
    return [step for step in steps if re.match(r"SCAN (runs|r|task_runs|t|events|attempts|a)\b", step)]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("store") / "store.db"
    open_database(made).close()
    return made


@pytest.mark.parametrize("name", LOOKED_UP)
def test_what_people_wait_for_looks_at_no_table_as_a_whole(name: str, path: Path) -> None:
    steps = plan(path, (SQL / f"{name}.sql").read_text(encoding="utf-8"))

    assert steps
    assert scans(steps) == []


@pytest.mark.parametrize("name", ["run_list", "run_list_by_state", "run_list_by_pipeline", "run_list_by_author"])
def test_a_page_of_runs_is_not_sorted(name: str, path: Path) -> None:
    steps = plan(path, (SQL / f"{name}.sql").read_text(encoding="utf-8"))

    assert [step for step in steps if "TEMP B-TREE" in step] == []


def test_a_run_is_forgotten_without_a_look_at_what_others_have(path: Path) -> None:
    """Deleting a run deletes what refers to it, for which each such table needs an index that begins with the run."""
    connection = apsw.Connection(str(path))
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    referring = [
        table
        for table in tables
        for row in connection.execute(f"PRAGMA foreign_key_list({table})")
        if (row[2], row[3]) == ("runs", "run")
    ]
    connection.close()

    assert "blobs" in referring
    for table in referring:
        (step,) = plan(path, f"SELECT 1 FROM {table} WHERE run = :run")
        assert step.startswith("SEARCH"), table


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT number FROM runs WHERE target = :target ORDER BY number DESC",
        "SELECT number FROM runs WHERE (:name IS NULL OR name = :name)",
        "UPDATE task_runs SET source = NULL WHERE detail = :detail",
    ],
)
def test_a_planted_scan_is_seen(statement: str, path: Path) -> None:
    assert scans(plan(path, statement))


def test_a_planted_sort_is_seen(path: Path) -> None:
    steps = plan(path, "SELECT number FROM runs WHERE state = :state ORDER BY created_at")

    assert any("TEMP B-TREE" in step for step in steps)
