"""Rows that stand for many items: nobody who asks sees a difference, and an item that deviates gets a row again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sized
from pathlib import Path

import apsw
import pytest

from ropewalk.core import events as ev
from ropewalk.core.artifact import ArtifactRef, Usage
from ropewalk.core.errors import StoreError
from ropewalk.core.graph import Graph
from ropewalk.core.state import RunState
from ropewalk.store import database, earlier, history, runs, spans, stretch, tasks
from ropewalk.store import events as log
from ropewalk.store.database import Database, open_database
from ropewalk.testing.invariants import problems
from tests.core.builders import WRONG, graph, node
from tests.store.test_projection import append, create
from tests.store.test_stretch import key, succeeded

GRAPH = graph(node("m", each=("i0",)))
ITEMS = 40


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "store.db")
    yield opened
    opened.close()


def used(item: int) -> ev.Succeeded:
    return succeeded(item, usage=Usage(0.25, 0.125, 1000 + item, 150.0 + item))


def started(first: int, end: int, token: int = 1) -> ev.Started:
    return ev.Started("m", tuple(range(first, end)), token, "w", 150.0)


def computed(db: Database, made: Graph = GRAPH) -> tuple[runs.Run, RunState]:
    """A run of 40 items, in one batch."""
    row, state = create(db, made), RunState(made)
    ended = [used(item) for item in range(ITEMS)]
    append(db, row, 1, [ev.Opened("m", ITEMS), started(0, ITEMS), *ended], state)
    return row, state


def reused(db: Database, source: int) -> tuple[runs.Run, RunState]:
    row, state = create(db, GRAPH), RunState(GRAPH)
    ended = [ev.Reused("m", item, key(item), used(item).outputs, source, 0.25) for item in range(ITEMS)]
    append(db, row, 1, [ev.Opened("m", ITEMS), *ended, ev.RunFinished("succeeded")], state)
    return row, state


def raw(db: Database, sql: str) -> list[tuple[object, ...]]:
    return db._connection.execute(sql).fetchall()


def test_items_that_succeed_together_are_one_row(db: Database) -> None:
    row, _ = computed(db)

    assert raw(db, "SELECT node, first, items, wall_s, cpu_s, peak_bytes, started_at FROM spans") == [
        ("m", 0, ITEMS, 0.25 * ITEMS, 0.125 * ITEMS, 1000 + ITEMS - 1, 150.0)
    ]
    assert raw(db, "SELECT count(*) FROM task_runs") == [(0,)]
    assert problems(db, row.number) == []


def test_whoever_asks_sees_what_he_would_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same two runs in a store that packs nothing."""
    answers = []
    for shortest in (4, ITEMS + 1):
        monkeypatch.setattr(stretch, "SHORTEST", shortest)
        db = open_database(tmp_path / f"{shortest}.db")
        first, _ = computed(db)
        second, _ = reused(db, first.number)
        answers.append(everything(db, first.number, second.number))
        assert (raw(db, "SELECT count(*) FROM task_runs") == [(0,)]) == (shortest == 4)
        db.close()

    assert answers[0] == answers[1]


def everything(db: Database, first: int, second: int) -> list[object]:
    """What is said of the two runs by every function that reads rows of task runs."""
    digest, keys = used(7).outputs["result"].digest, [key(item) for item in range(0, ITEMS + 5, 3)]
    return [
        *[tasks.listing(db, run) for run in (first, second)],
        *[tasks.listing(db, first, name) for name in ("m", "n")],
        *[tasks.page(db, run, "m", *given) for run in (first, second) for given in ((), (7,), (30, 5), (ITEMS, 1))],
        tasks.urgent(db, first, "m", 5),
        [tasks.how_many(db, first, "m", item) for item in (0, 7, ITEMS - 1, ITEMS, ITEMS + 9)],
        *[tasks.get(db, run, "m", item) for run in (first, second) for item in (0, 7, ITEMS - 1, ITEMS)],
        *[tasks.counts(db, run) for run in (first, second)],
        tasks.lookup(db, keys),
        *[tasks.computed(db, run) for run in (first, second)],
        tasks.makers(db, digest[:9]),
        tasks.makers(db, "ffffffff"),
        history.holders(db, digest[:9]),
        history.holders(db, digest[:1], most=3),
        history.makers(db, key(7)),
        history.makers(db, "no key"),
        history.metrics(db, keys),
        [history.sources(db, run, "m") for run in (first, second)],
        history.last_success(db, "test", "m"),
        history.last_success(db, "test", "m", before=second),
        history.last_success(db, "test", "m", before=first),
        history.durations(db, "test", "m"),
        len(history.durations(db, "test", "m", most=ITEMS - 3)),
        history.expectations(db, "test", ["m"]),
        history.mishaps(db),
        earlier.before(db, "test", second + 1, "m"),
        [batch.events for run in (first, second) for batch in log.read(db, run)],
    ]


def test_files_are_known_by_the_span_that_holds_them(db: Database) -> None:
    made = [
        succeeded(item, outputs={"result": ArtifactRef(f"{item:064x}", 9_000, "arrow", "Frame", children=("cd" * 32,))})
        for item in range(6)
    ]
    row, state = create(db, GRAPH), RunState(GRAPH)
    append(db, row, 1, [ev.Opened("m", 6), started(0, 6), *made], state)

    assert history.holders(db, f"{3:064x}") == [history.Holder(f"{3:064x}", row.number, "m", 3, "result", None)]
    assert set(tasks.live_digests(db)) == {*(f"{item:064x}" for item in range(6)), "cd" * 32}
    assert tasks.lookup(db, [key(3)])[key(3)].outputs == made[3].outputs


def test_an_item_that_deviates_later_has_rows_made_of_its_span(db: Database) -> None:
    row, state = computed(db)
    before = {task_run.item: task_run for task_run in tasks.listing(db, row.number)}

    append(db, row, 2, [ev.ResultLost("m", 7, "d")], state)

    assert raw(db, "SELECT count(*) FROM spans") == raw(db, "SELECT count(*) FROM span_keys") == [(0,)]
    assert tasks.listing(db, row.number) == [task_run for item, task_run in before.items() if item != 7]
    assert [*tasks.lookup(db, [key(6), key(7), key(8)])] == [key(6), key(8)]
    assert problems(db, row.number) == []
    again = succeeded(7, token=2, outputs={"result": ArtifactRef("ab" * 32, 1, "json", "int", inline=b"9")})
    append(db, row, 3, [ev.Started("m", (7,), 2, "w"), again], state)
    found = tasks.get(db, row.number, "m", 7)
    assert found is not None
    assert (found.attempts, found.outputs) == (2, again.outputs)
    assert [e for batch in log.read(db, row.number) for e in batch.events if getattr(e, "item", None) == 7] == [
        used(7), ev.ResultLost("m", 7, "d"), again,
    ]  # fmt: skip
    assert problems(db, row.number) == []


def test_what_is_lost_in_the_batch_in_which_it_succeeded_is_not_in_a_span(db: Database) -> None:
    row, state = create(db, GRAPH), RunState(GRAPH)
    ended = [used(item) for item in range(8)]

    append(db, row, 1, [ev.Opened("m", 8), started(0, 8), *ended, ev.ResultLost("m", 3, "d")], state)

    assert {task_run.item for task_run in tasks.listing(db, row.number)} == {0, 1, 2, 4, 5, 6, 7}
    assert problems(db, row.number) == []


def test_items_that_took_more_than_one_attempt_have_rows(db: Database) -> None:
    row, state = create(db, GRAPH), RunState(GRAPH)
    failed = ev.AttemptFailed("m", 2, 1, WRONG, 0.0)
    begun = [ev.Opened("m", 12), started(0, 12), *[used(item) for item in range(2)], failed]
    append(db, row, 1, [*begun, *[used(item) for item in range(3, 12)]], state)
    assert raw(db, "SELECT first, items FROM spans") == [(3, 9)]

    append(db, row, 2, [started(2, 3, token=2), succeeded(2, token=2)], state)

    assert [task_run.attempts for task_run in tasks.listing(db, row.number)] == [1, 1, 2, *[1] * 9]
    assert problems(db, row.number) == []


def test_a_span_takes_the_place_of_rows_that_its_items_had(db: Database) -> None:
    """Of attempts that were lost before they began, say: nothing of that is left to be seen."""
    row, state = create(db, GRAPH), RunState(GRAPH)
    waits = ev.AttemptFailed("m", 1, 0, WRONG, 0.0)
    append(db, row, 1, [ev.Opened("m", 6), waits], state)
    assert [task_run.state for task_run in tasks.listing(db, row.number)] == ["ready"]

    append(db, row, 2, [started(0, 6), *[used(item) for item in range(6)]], state)

    assert [task_run.state for task_run in tasks.listing(db, row.number)] == ["succeeded"] * 6
    assert raw(db, "SELECT count(*) FROM spans") == [(1,)]
    assert problems(db, row.number) == []


@pytest.mark.parametrize("reset", [(), ("m",)])
def test_a_run_that_is_reopened_keeps_the_spans_of_what_counts(db: Database, reset: tuple[str, ...]) -> None:
    row, state = computed(db)
    append(db, row, 2, [ev.RunFinished("succeeded")], state)

    append(db, row, 3, [ev.Reopened(state.graph.digest, reset)], state)

    assert raw(db, "SELECT count(*) FROM spans") == [(0 if reset else 1,)]
    assert raw(db, "SELECT count(*) FROM span_keys") == [(0 if reset else ITEMS,)]
    assert len(tasks.listing(db, row.number)) == (0 if reset else ITEMS)
    assert problems(db, row.number) == []


def test_what_happens_in_the_batch_of_a_reopening_is_kept_in_rows(db: Database) -> None:
    row, state = computed(db)
    append(db, row, 2, [ev.RunFinished("succeeded")], state)
    anew = [ev.Opened("m", 5), *[ev.Reused("m", i, key(i), used(i).outputs, row.number, 0.25) for i in range(5)]]

    append(db, row, 3, [ev.Reopened(state.graph.digest, ("m",)), *anew], state)

    assert raw(db, "SELECT count(*) FROM spans") == [(0,)]
    assert problems(db, row.number) == []


def test_keys_that_begin_alike_are_not_taken_for_each_other(db: Database) -> None:
    """Only a part of a key is in the index."""
    keys = [f"{'00' * 8}{item:048x}" for item in range(10)]
    row, state = create(db, GRAPH), RunState(GRAPH)
    ended = [succeeded(item, key=keys[item]) for item in range(5)]
    append(db, row, 1, [ev.Opened("m", 5), started(0, 5), *ended], state)

    assert len({spans.prefix(one) for one in keys}) == 1
    assert raw(db, "SELECT count(*) FROM span_keys") == [(1,)]
    assert {one: hit.outputs for one, hit in tasks.lookup(db, keys).items()} == {e.key: e.outputs for e in ended}
    assert history.makers(db, keys[3]) == [(row.number, "m", 3)]
    assert history.makers(db, keys[7]) == []


def test_the_index_has_numbers_of_six_bytes() -> None:
    assert -(1 << 47) == spans.prefix("0" * 64) < spans.prefix("f" * 64) == (1 << 47) - 1


def test_of_equal_keys_the_newest_result_counts_be_it_in_a_row_or_in_a_span(db: Database) -> None:
    computed(db)
    row, state = create(db, GRAPH), RunState(GRAPH)
    newer = succeeded(7, outputs={"result": ArtifactRef("ab" * 32, 1, "json", "int", inline=b"9")})
    append(db, row, 1, [ev.Opened("m", 8), started(7, 8), newer], state)
    assert tasks.lookup(db, [key(7)])[key(7)].outputs == newer.outputs

    last, _ = computed(db)

    assert tasks.lookup(db, [key(7)])[key(7)].run == last.number
    assert [run for run, _, _ in history.makers(db, key(7))] == [row.number - 1, row.number, last.number]


def test_a_run_is_forgotten_with_its_spans_and_what_others_took_from_it_is_theirs(db: Database) -> None:
    first, _ = computed(db)
    second, _ = reused(db, first.number)
    assert tasks.lookup(db, [key(3)])[key(3)].run == first.number

    runs.delete(db, first.number)

    assert tasks.lookup(db, [key(3)])[key(3)].run == second.number
    assert [source.run for source in history.sources(db, second.number, "m")] == [second.number]
    assert problems(db, second.number) == []
    runs.delete(db, second.number)
    assert raw(db, "SELECT count(*) FROM spans") == raw(db, "SELECT count(*) FROM span_keys") == [(0,)]


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE spans SET items = items - 1",
        "DELETE FROM spans",
        "UPDATE spans SET first = first + 1",
        "UPDATE spans SET wall_s = wall_s + 1",
        "UPDATE spans SET cpu_s = 0",
        "UPDATE spans SET peak_bytes = 0",
        "UPDATE spans SET started_at = 1",
        "DELETE FROM span_keys",
        "UPDATE spans SET source = 99",
        "INSERT INTO task_runs (run, node, item, state, attempts, finished_at) VALUES (1, 'm', 3, 'skipped', 0, 1)",
    ],
)
def test_a_span_that_says_something_else_than_the_events_is_found(db: Database, spoil: str) -> None:
    row, _ = computed(db)
    assert problems(db, row.number) == []

    with db.transaction():
        db._connection.execute(spoil)

    assert problems(db, row.number) != []


def test_a_span_whose_events_are_gone_is_said_to_be_damaged(db: Database) -> None:
    row, _ = computed(db)
    db._connection.execute("UPDATE events SET packed = NULL")

    with pytest.raises(StoreError, match="damaged") as caught:
        tasks.listing(db, row.number)

    assert caught.value.code == "P503"


def test_a_store_of_before_spans_keeps_its_rows_and_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an older program wrote: its schema, its JSON, a row for each item."""
    path = tmp_path / "old.db"
    connection = apsw.Connection(str(path))
    for file in database._MIGRATIONS[:3]:
        connection.execute(file.read_text())
    connection.execute(f"PRAGMA application_id = {database.APPLICATION_ID}; PRAGMA user_version = 3")
    items = ",".join(str(item) for item in range(ITEMS))
    connection.execute("INSERT INTO graphs VALUES (?, '{}')", (GRAPH.digest,))
    connection.execute(
        "INSERT INTO runs (name, pipeline, target, first_graph, graph, params, seed, state, created_at, seq) "
        "VALUES ('old-run', 'test', '', ?1, ?1, '{}', 0, 'running', 1.0, 1)",
        (GRAPH.digest,),
    )
    ended = [used(item) for item in range(ITEMS)]
    body = f'[["opened","m",{ITEMS},[]],["started","m",[{items}],1,"w",150.0],{ev.dump(ended)[1:]}'
    connection.execute("INSERT INTO events VALUES (1, 1, 5.0, ?)", (body,))
    connection.execute("INSERT INTO node_runs VALUES (1, 'm', ?)", (ITEMS,))
    for one in ended:
        outputs = log._text(ev.dump_outputs(one.outputs))
        row = (one.item, one.key, outputs, one.usage.started_at, 0.25, 0.125, one.usage.peak_bytes)
        connection.execute(
            "INSERT INTO task_runs (run, node, item, state, attempts, key, outputs, started_at, finished_at, wall_s, "
            "cpu_s, peak_bytes) VALUES (1, 'm', ?, 'succeeded', 1, ?, ?, ?, 5.0, ?, ?, ?)",
            row,
        )
    connection.close()

    db = open_database(path)
    runs.put_graph(db, GRAPH)
    db._connection.execute("UPDATE graphs SET body = ?", (log._text(GRAPH.to_json()),))
    monkeypatch.setattr("ropewalk.store.stretch.SHORTEST", 4)

    assert problems(db, 1) == []
    assert log.read(db, 1)[0].events == [ev.Opened("m", ITEMS), started(0, ITEMS), *ended]
    assert tasks.lookup(db, [key(7)])[key(7)].outputs == ended[7].outputs
    newer, _ = reused(db, 1)
    assert [source.run for source in history.sources(db, newer.number, "m")] == [1]
    state = RunState(GRAPH)
    for event in log.read(db, 1)[0].events:
        state.apply(event)
    append(db, runs.get(db, 1), 2, [ev.ResultLost("m", 7, "d")], state)
    assert problems(db, 1) == []
    db.close()


def test_a_wide_map_takes_a_hundred_bytes_an_item(tmp_path: Path) -> None:
    """With what the index costs when keys come in no order, and the page that every blob leaves half empty."""
    path, count, most = tmp_path / "wide.db", 20_000, 500
    db, rng = open_database(path), random.Random(5)
    made, now = graph(node("m", each=("i0",))), 1.7e9
    row, state = create(db, made), RunState(made)
    append(db, row, 1, [ev.Opened("m", count)], state)
    for seq, first in enumerate(range(0, count, most), start=2):
        batch: list[ev.Event] = [started(first, first + most, token=seq)]
        for item in range(first, first + most):
            now += rng.uniform(2e-5, 9e-5)
            usage = Usage(rng.uniform(2e-6, 5e-5), rng.uniform(2e-6, 5e-5), 60_000_000, now)
            batch.append(succeeded(item, token=seq, usage=usage))
        append(db, row, seq, batch, state)
    db.close()

    assert path.stat().st_size / count < 100


def meanwhile(db: Database, name: str, other: Database, run: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as the first statement of a function has read its rows, another process gives items rows of their own."""
    query = db.query

    def read(statement: str, /, **params: object) -> list[database.Row]:
        found = query(statement, **params)
        if statement == name and (span := next(iter(spans.of_run(other, run)), None)) is not None:
            with other.transaction():
                spans.explode(other, span)
        return found

    monkeypatch.setattr(db, "query", read)


@pytest.mark.parametrize(
    ("statement", "read"),
    [
        ("task_run_list", tasks.listing),
        ("task_run_page", lambda db, run: tasks.page(db, run, "m")),
        ("task_run_urgent", lambda db, run: tasks.urgent(db, run, "m", ITEMS)),
        ("task_run_get", lambda db, run: [tasks.get(db, run, "m", item) for item in range(ITEMS)]),
        ("cache_lookup", lambda db, _: tasks.lookup(db, map(key, range(ITEMS)))),
    ],
)
def test_what_changes_its_place_while_it_is_read_is_not_missed(
    db: Database,
    tmp_path: Path,
    statement: str,
    read: Callable[[Database, int], Sized],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row, _ = computed(db)
    other = open_database(tmp_path / "store.db")
    meanwhile(db, statement, other, row.number, monkeypatch)

    found = read(db, row.number)

    assert raw(other, "SELECT count(*) FROM spans") == [(0,)], "negative control: they did change their place"
    assert len(found) == ITEMS
    assert not isinstance(found, list) or None not in found
    other.close()


def test_a_run_whose_packed_events_have_changed_is_named(db: Database) -> None:
    sound, _ = computed(db)
    spoiled, _ = reused(db, sound.number)
    assert list(log.damaged(db)) == []

    raw(db, f"UPDATE events SET packed = zeroblob(length(packed)) WHERE run = {spoiled.number}")

    assert list(log.damaged(db)) == [spoiled.number]
