"""The rows of a run always say what its events say: after every commit, whatever happened."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.core import events as ev
from ropewalk.core.graph import Graph
from ropewalk.core.state import RunState, regraph
from ropewalk.store import events as log
from ropewalk.store import runs, stretch, tasks
from ropewalk.store.database import Database, open_database
from ropewalk.testing.invariants import parked_problems, problems, stored_state
from ropewalk.testing.report import Broken
from tests.core.builders import OUTPUTS, WRONG, graph, node
from tests.core.meaning import Fate
from tests.core.play import Play, many_lives, snapshot


@pytest.fixture(scope="module")
def store() -> Iterator[Database]:
    """A store where logic is tested and not durability, so it may lie in memory."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        db = open_database(Path(folder) / "store.db")
        yield db
        db.close()


def create(db: Database, made: Graph) -> runs.Run:
    return runs.create(db, runs.NewRun(made, {}, {}, "", 0, {}, {}), 1.0)


def stored(db: Database) -> type[Play]:
    class Stored(Play):
        """A play whose events go to a store, several commits of the decider to one of the store."""

        def __init__(self, made: Graph, fate: Fate, rng: Random) -> None:
            self.run_row = create(db, made)
            self.seq = 0
            self.batch: list[ev.Event] = []
            self.chance = Random(rng.random())
            super().__init__(made, fate, rng)

        def write(self, events: list[ev.Event]) -> None:
            super().write(events)
            self.batch += events
            if self.state.finished or self.chance.random() < 0.3:
                self.flush()

        def _crash(self) -> None:
            self.flush()
            super()._crash()

        def flush(self) -> None:
            if not self.batch:
                return
            self.seq += 1
            keys = {e.token: ["key"] * len(e.items) for e in self.batch if isinstance(e, ev.Started)}
            with db.transaction():
                log.append(db, self.run_row, self.seq, self.batch, self.state, at=self.now, keys=keys)
            self.batch = []
            if found := problems(db, self.run_row.number) + parked_problems(db, self.run_row.number):
                raise Broken("\n".join(found))
            if snapshot(stored_state(db, self.run_row.number)) != snapshot(self.state):
                raise Broken("the state that was stored is another than the one that lives")

    return Stored


@given(seed=st.integers(0, 2**32), shortest=st.sampled_from([1, 2, stretch.SHORTEST]))
@settings(max_examples=60)
def test_rows_say_what_events_say_after_every_commit(store: Database, seed: int, shortest: int) -> None:
    with patch.object(stretch, "SHORTEST", shortest):
        many_lives(seed, stored(store))


def begin(db: Database, made: Graph, *batches: list[ev.Event]) -> tuple[runs.Run, RunState]:
    row, state = create(db, made), RunState(made)
    for seq, batch in enumerate(batches, start=1):
        append(db, row, seq, batch, state)
    return row, state


def append(db: Database, row: runs.Run, seq: int, batch: list[ev.Event], state: RunState) -> None:
    for event in batch:
        state.apply(event)
    keys = {e.token: ["key"] * len(e.items) for e in batch if isinstance(e, ev.Started)}
    with db.transaction():
        log.append(db, row, seq, batch, state, at=float(seq), keys=keys)


def ran(node_id: str, *items: int, token: int = 1) -> list[ev.Event]:
    return [ev.Started(node_id, items, token, "w"), *(ev.Succeeded(node_id, i, token, "k", OUTPUTS) for i in items)]


def test_rows_follow_a_run_that_goes_on_with_another_graph(store: Database) -> None:
    """A map that has fewer items now, a node that is gone, one that is new, and one that is kept."""
    old = graph(node("a"), node("m", "a", each=("i0",)), node("gone"), node("kept"))
    new = graph(node("a"), node("m", "a", each=("i0",)), node("kept"), node("new", "kept"))
    opened = [ev.Opened("a", 1), ev.Opened("m", 5), ev.Opened("gone", 1), ev.Opened("kept", 1)]
    done = [*ran("a", 0), *ran("m", 0, 1, 2, 3, 4, token=2), *ran("gone", 0, token=3), *ran("kept", 0, token=4)]
    row, state = begin(store, old, [*opened, *done, ev.RunFinished("succeeded")])

    reopened = ev.Reopened(new.digest, ("a", "m", "new"))
    state = regraph(state, new)
    with store.transaction():
        runs.put_graph(store, new)
    append(store, row, 2, [reopened, ev.Opened("a", 1), *ran("a", 0, token=9), ev.Opened("m", 2)], state)

    assert problems(store, row.number) == []
    assert {(t.node, t.item) for t in tasks.listing(store, row.number)} == {("a", 0), ("kept", 0)}
    assert tasks.lengths(store, row.number) == {"a": 1, "m": 2, "kept": 1}


def test_a_lease_ends_when_its_last_task_run_is_cancelled(store: Database) -> None:
    """Else another run would wait for a key that nobody computes."""
    opened = [
        ev.Opened("m", 3),
        ev.Started("m", (0, 1, 2), 7, "w"),
        ev.CancelRequested("me"),
        ev.Cancelled("m", (0, 1)),
    ]
    row, state = begin(store, graph(node("m")), opened)
    assert [lease.token for lease in tasks.leases(store, row.number)] == [7]

    append(store, row, 2, [ev.Cancelled("m", (2,)), ev.RunFinished("cancelled")], state)

    assert tasks.leases(store, row.number) == []


def test_the_story_of_every_attempt_is_kept_across_reopening(store: Database) -> None:
    failed = [ev.Started("a", (0,), 1, "w"), ev.AttemptFailed("a", 0, 1, WRONG, None), ev.RunFinished("failed")]
    row, state = begin(store, graph(node("a")), [ev.Opened("a", 1), *failed])
    other = ev.Failure("exception", "KeyError: 'b'")

    again = [ev.Started("a", (0,), 2, "w"), ev.AttemptFailed("a", 0, 2, other, None), ev.RunFinished("failed")]
    append(store, row, 2, [ev.Reopened(state.graph.digest, ()), ev.Opened("a", 1), *again], state)

    story = tasks.attempts(store, row.number)
    assert [(attempt, failure.message) for _, _, attempt, _, failure, _ in story] == [
        (1, "ValueError: no"), (2, "KeyError: 'b'"),
    ]  # fmt: skip


def test_an_attempt_that_was_never_begun_is_no_part_of_the_story(store: Database) -> None:
    returned = ev.AttemptFailed("a", 0, 1, ev.Failure("returned", "it was not begun"), 2.0, counted=False)

    row, _ = begin(store, graph(node("a")), [ev.Opened("a", 1), ev.Started("a", (0,), 1, "w"), returned])

    assert tasks.attempts(store, row.number) == []
    assert tasks.listing(store, row.number) == []
    assert tasks.leases(store, row.number) == []


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE task_runs SET state = 'skipped', outputs = NULL WHERE run = :run AND state = 'succeeded'",
        "DELETE FROM task_runs WHERE run = :run",
        "INSERT INTO task_runs (run, node, item, state, attempts, finished_at) VALUES (:run, 'a', 9, 'skipped', 0, 1)",
        "UPDATE task_runs SET attempts = attempts + 1 WHERE run = :run",
        "DELETE FROM events WHERE run = :run AND seq = 1",
        "UPDATE runs SET state = 'failed', finished_at = 1 WHERE number = :run",
        "INSERT INTO leases (run, token, node, items, keys, worker, at) VALUES (:run, 9, 'a', '[0]', '[]', 'w', 1)",
        "DELETE FROM leases WHERE run = :run",
        "UPDATE node_runs SET length = 2 WHERE run = :run",
    ],
)
def test_a_row_that_says_something_else_is_found(store: Database, spoil: str) -> None:
    row, _ = begin(
        store, graph(node("a"), node("b")),
        [ev.Opened("a", 1), *ran("a", 0)], [ev.Opened("b", 1), ev.Started("b", (0,), 5, "w")],
    )  # fmt: skip
    assert problems(store, row.number) == []

    with store.transaction():
        store._connection.execute(spoil, {"run": row.number})

    assert problems(store, row.number) != []
