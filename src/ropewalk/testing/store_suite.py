"""What every store must do. Subclass `StoreSuite` in a test file and give it the fixtures `db` and `other`."""

from __future__ import annotations

from itertools import product
from typing import Any

from ropewalk.core import events as ev
from ropewalk.core.artifact import ArtifactRef, Failure, Usage
from ropewalk.core.code import CodeFingerprint
from ropewalk.core.errors import LeaseLostError, NotFoundError, UsageError
from ropewalk.core.graph import Graph, Node, TaskSpec, make_graph
from ropewalk.core.state import RunState
from ropewalk.store import events as log
from ropewalk.store import records, runs, tasks
from ropewalk.store.database import Database

OUTPUTS = {"result": ArtifactRef("6b" * 32, 1, "json", "int", "1", inline=b"1", length=1)}
BLOB = {"result": ArtifactRef("ab" * 32, 9_000, "arrow", "pandas.DataFrame", children=("cd" * 32,))}
WRONG = Failure("exception", "ValueError: no", "builtins.ValueError", traceback="…", facts=("a fact",))


def small_graph(name: str = "p") -> Graph:
    """Two tasks, one after the other."""
    tasks_ = {"do": TaskSpec("do", "m:do", code=CodeFingerprint("1"))}
    return make_graph(name, tasks_, {"a": Node("a", "do"), "b": Node("b", "do", after=("a",))})


def new_run(db: Database, graph: Graph | None = None, at: float = 100.0, author: str = "") -> runs.Run:
    """A run in the store, owned by process 1."""
    made = graph or small_graph()
    params = {"month": 7, "who": ("a", "b")}
    new = runs.NewRun(made, params, {"a.x": "3"}, "p.py:p", 5, {"pid": 1}, {"python": "3"}, author)
    return runs.create(db, new, at)


def append(db: Database, run: runs.Run, seq: int, state: RunState, *batch: ev.Event, at: float = 200.0) -> None:
    """Commit one batch of events, and take it into the state."""
    for event in batch:
        state.apply(event)
    keys = {e.token: [f"key{item}" for item in e.items] for e in batch if isinstance(e, ev.Started)}
    with db.transaction():
        log.append(db, run, seq, list(batch), state, at=at, keys=keys)


def succeed(node: str, token: int, outputs: Any = None, key: str = "key0") -> list[ev.Event]:
    """A node of one item that runs and succeeds."""
    usage = Usage(2.5, 1.5, 1000, 150.0)
    ended = ev.Succeeded(node, 0, token, key, outputs or OUTPUTS, usage, {"auc": 0.7})
    return [ev.Opened(node, 1), ev.Started(node, (0,), token, "w1"), ended]


def add_model(db: Database, said: str, body: dict[str, Any]) -> records.Record:
    """A version of the model `m`."""
    return records.add(db, "model", "m", body, token=said, at=1.0, run=None, node="")


class RunSuite:
    """Runs, and who may write to them."""

    def test_a_run_is_read_back_as_it_was_created(self, db: Database) -> None:
        run = new_run(db)

        assert runs.get(db, run.number) == run
        assert (run.state, run.seq, run.epoch, run.seed) == ("running", 0, 1, 5)
        assert run.params == {"month": 7, "who": ("a", "b")}
        assert (run.overrides, run.target, run.provenance) == ({"a.x": "3"}, "p.py:p", {"python": "3"})
        assert runs.get_graph(db, run.graph).to_json() == small_graph().to_json()

    def test_a_run_is_found_by_number_by_name_and_as_the_last(self, db: Database) -> None:
        first, second = new_run(db), new_run(db, at=101.0)

        assert runs.find(db, str(first.number)) == first
        assert runs.find(db, first.name) == first
        assert runs.find(db, "last") == runs.find(db, "latest") == second

    def test_what_is_not_there_is_said_by_name(self, db: Database) -> None:
        import pytest

        for text, message in [
            ("last", "no runs yet"),
            ("7", "no run 7"),
            ("9" * 40, "no run"),
            ("x" * 200, "no run `x"),
        ]:
            with pytest.raises(NotFoundError, match=message):
                runs.find(db, text)
        with pytest.raises(NotFoundError, match="no graph"):
            runs.get_graph(db, "0" * 64)

    def test_runs_have_names_of_their_own(self, db: Database) -> None:
        names = {new_run(db, at=100.0).name for _ in range(200)}

        assert len(names) == 200

    def test_runs_are_listed_newest_first_and_page_by_page(self, db: Database) -> None:
        import pytest

        numbers = [new_run(db, small_graph(name)).number for name in ("p", "q", "p", "p")]

        assert [r.number for r in runs.listing(db)] == numbers[::-1]
        assert [r.number for r in runs.listing(db, most=1, before=numbers[2])] == [numbers[1]]
        assert [r.number for r in runs.all_runs(db, runs.Choice("p"))] == [numbers[3], numbers[2], numbers[0]]
        assert [r.number for r in runs.unfinished(db)] == numbers
        with pytest.raises(UsageError, match="must be positive"):
            runs.listing(db, most=0)

    def test_runs_are_chosen_by_what_they_are_of_who_started_them_and_when(self, db: Database) -> None:
        made = {
            new_run(db, small_graph(pipeline), at, author).number: (pipeline, author, at)
            for at, (pipeline, author) in enumerate([("p", "ann"), ("q", "ann"), ("p", "bob"), ("p", "ann")], start=100)
        }
        ended = min(made)
        append(db, runs.get(db, ended), 1, RunState(small_graph()), ev.RunFinished("cancelled"))

        for pipeline, state, author, since in product(
            (None, "p", "q", "r"), (None, "running", "cancelled", "failed"), (None, "ann", "eve"), (None, 102.0, 500.0)
        ):
            found = runs.listing(db, runs.Choice(pipeline, state, author, since))
            assert [run.number for run in found] == [
                number
                for number, (of, by, at) in sorted(made.items(), reverse=True)
                if pipeline in (None, of)
                and state in (None, "cancelled" if number == ended else "running")
                and author in (None, by)
                and (since is None or at >= since)
            ]

    def test_runs_of_several_states_are_listed_newest_first(self, db: Database) -> None:
        numbers = [new_run(db).number for _ in range(4)]
        append(db, runs.get(db, numbers[1]), 1, RunState(small_graph()), ev.RunFinished("cancelled"))

        chosen = [run.number for run in runs.in_states(db, ("cancelled", "running"), before=numbers[3])]

        assert chosen == numbers[2::-1]

    def test_names_are_found_by_how_they_begin(self, db: Database) -> None:
        names = sorted({new_run(db).name for _ in range(30)})

        assert runs.names_like(db, "") == names[:20]
        assert runs.names_like(db, names[7][:-1]) == [name for name in names if name.startswith(names[7][:-1])]
        assert runs.names_like(db, "nosuch") == []
        assert sorted(runs.recent_names(db)) == names

    def test_many_runs_are_forgotten_some_at_a_time(self, db: Database, other: Database) -> None:
        numbers = [new_run(db).number for _ in range(120)]

        gone = runs.forget(db, numbers[:-1])
        first = next(gone)
        left = len(runs.listing(other, most=500))
        rest = list(gone)

        assert [first, *rest] == numbers[:-1]
        assert left == 70, "others see what is gone so far"
        assert [run.number for run in runs.listing(other)] == numbers[-1:]

    def test_only_the_owner_may_write_to_a_run(self, db: Database, other: Database) -> None:
        import pytest

        old = new_run(db)
        new = runs.take_over(other, old, {"pid": 2})
        assert (new.epoch, new.owner) == (2, {"pid": 2})

        with pytest.raises(LeaseLostError, match=f"run {old.number} was taken over"):
            append(db, old, 1, RunState(small_graph()), *succeed("a", 1))

        assert log.read(db, old.number) == []
        assert tasks.listing(db, old.number) == []
        append(other, new, 1, RunState(small_graph()), *succeed("a", 1))

    def test_only_one_of_several_takes_a_run_over(self, db: Database, other: Database) -> None:
        import pytest

        seen = new_run(db)
        runs.take_over(db, seen, {"pid": 2})

        with pytest.raises(LeaseLostError):
            runs.take_over(other, seen, {"pid": 3})

        assert runs.get(db, seen.number).owner == {"pid": 2}

    def test_the_end_of_a_run_is_in_its_row(self, db: Database) -> None:
        run, state = new_run(db), RunState(small_graph())
        append(db, run, 1, state, *succeed("a", 1), *succeed("b", 2), ev.RunFinished("succeeded"))

        ended = runs.get(db, run.number)

        assert (ended.state, ended.finished_at, ended.is_open) == ("succeeded", 200.0, False)
        assert runs.unfinished(db) == []

    def test_taking_over_a_run_that_has_ended_does_not_open_it(self, db: Database) -> None:
        run, state = new_run(db), RunState(small_graph())
        append(db, run, 1, state, *succeed("a", 1), *succeed("b", 2), ev.RunFinished("succeeded"))

        assert runs.take_over(db, runs.get(db, run.number), {"pid": 2}).state == "succeeded"

    def test_a_run_that_was_given_up_belongs_to_nobody(self, db: Database) -> None:
        run = new_run(db)
        taken = runs.take_over(db, run, {"pid": 2})

        runs.disown(db, run)
        assert runs.get(db, run.number).owner == {"pid": 2}, "who has lost a run cannot give it up"
        runs.disown(db, taken)

        assert runs.get(db, run.number).owner == {}

    def test_the_number_of_a_run_is_never_used_again(self, db: Database) -> None:
        first = new_run(db)
        runs.delete(db, first.number)

        assert new_run(db).number > first.number


class TaskRunSuite:
    """Events, and the rows of task runs that follow from them."""

    def test_events_are_read_back_in_order_and_from_anywhere(self, db: Database, other: Database) -> None:
        run, state = new_run(db), RunState(small_graph())
        append(db, run, 1, state, *succeed("a", 1))
        append(db, run, 2, state, ev.Opened("b", 1), at=201.0)

        assert [(b.seq, b.at, len(b.events)) for b in log.read(other, run.number)] == [(1, 200.0, 3), (2, 201.0, 1)]
        assert [b.events for b in log.read(other, run.number, after=1)] == [[ev.Opened("b", 1)]]

    def test_a_task_run_is_a_row_with_everything_that_is_known_of_it(self, db: Database, other: Database) -> None:
        run, state = new_run(db), RunState(small_graph())
        append(db, run, 1, state, *succeed("a", 1, BLOB))

        row = tasks.get(other, run.number, "a", 0)

        assert row == tasks.TaskRun(
            "a", 0, "succeeded", 1, "key0", BLOB, None, 150.0, 200.0, 2.5, 1.5, 1000, None, "", {"auc": 0.7}
        )
        assert tasks.listing(other, run.number, "b") == []
        assert tasks.lengths(other, run.number) == {"a": 1}

    def test_a_failed_attempt_keeps_its_story(self, db: Database) -> None:
        run, state = new_run(db), RunState(small_graph())
        failed = ev.AttemptFailed("a", 0, 1, WRONG, 210.0, usage=Usage(1.0))
        append(db, run, 1, state, ev.Opened("a", 1), ev.Started("a", (0,), 1, "w1"), failed)

        row = tasks.get(db, run.number, "a", 0)

        assert row is not None
        assert (row.state, row.failure, row.attempts) == ("ready", WRONG, 1)
        assert tasks.attempts(db, run.number) == [("a", 0, 1, 200.0, WRONG, 1.0)]

    def test_a_lease_stands_while_its_attempt_runs_and_is_seen_by_other_runs(
        self, db: Database, other: Database
    ) -> None:
        run, second, state = new_run(db), new_run(db), RunState(small_graph())
        append(db, run, 1, state, ev.Opened("a", 1), ev.Started("a", (0,), 7, "w1"))

        assert tasks.leases(other, run.number) == [tasks.Lease(run.number, 7, "a", [0], ["key0"], "w1", 200.0)]
        assert tasks.computing(other, second.number) == [(["key0"], run.number, {"pid": 1})]
        assert tasks.computing(other, run.number) == []
        append(db, run, 2, state, ev.Succeeded("a", 0, 7, "key0", OUTPUTS))
        assert tasks.computing(other, second.number) == []

    def test_a_cancel_is_asked_of_what_runs_only_and_forgotten_when_it_is_taken_over(self, db: Database) -> None:
        run, state = new_run(db), RunState(small_graph())

        assert runs.ask_cancel(db, run.number, "me")
        assert runs.wishes(db, run.number)[0] == "me"
        taken = runs.take_over(db, run, {"pid": 2})
        assert runs.wishes(db, run.number)[0] == ""
        append(db, taken, 1, state, *succeed("a", 1), *succeed("b", 2), ev.RunFinished("succeeded"))
        assert not runs.ask_cancel(db, run.number, "me")

    def test_results_are_looked_up_by_key_and_the_newest_counts(self, db: Database, other: Database) -> None:
        first, second = new_run(db), new_run(db)
        append(db, first, 1, RunState(small_graph()), *succeed("a", 1, OUTPUTS))
        append(db, second, 1, RunState(small_graph()), *succeed("a", 1, BLOB), at=300.0)

        hits = tasks.lookup(other, ["key0", "other"])

        assert hits == {"key0": tasks.Hit(BLOB, second.number, 300.0, 2.5, {"auc": 0.7})}

    def test_what_was_reused_or_did_not_succeed_is_not_looked_up(self, db: Database) -> None:
        run, state = new_run(db), RunState(small_graph())
        failed = ev.AttemptFailed("b", 0, 2, WRONG, None)
        append(db, run, 1, state, ev.Opened("a", 1), ev.Reused("a", 0, "key1", OUTPUTS, 99, 1.0))
        append(db, run, 2, state, ev.Opened("b", 1), ev.Started("b", (0,), 2, "w"), failed)

        assert tasks.lookup(db, ["key0", "key1"]) == {}

    def test_the_makers_of_an_artifact_are_known_by_its_digest(self, db: Database) -> None:
        run, state = new_run(db), RunState(small_graph())
        append(db, run, 1, state, *succeed("a", 1, BLOB), *succeed("b", 2, OUTPUTS))

        assert tasks.makers(db, "abab") == [("ab" * 32, run.number, "a", 0, "result")]
        assert tasks.makers(db, "6b6b") == [("6b" * 32, run.number, "b", 0, "result")]
        assert tasks.makers(db, "00") == []
        assert set(tasks.live_digests(db)) == {"ab" * 32, "cd" * 32}

    def test_a_run_is_forgotten_with_everything_that_only_it_knew(self, db: Database) -> None:
        run, state = new_run(db), RunState(small_graph())
        append(db, run, 1, state, *succeed("a", 1, BLOB), ev.Opened("b", 1), ev.Started("b", (0,), 2, "w"))

        runs.delete(db, run.number)

        assert tasks.listing(db, run.number) == []
        assert log.read(db, run.number) == []
        assert tasks.computing(db, 0) == []
        assert list(tasks.live_digests(db)) == []


class RecordSuite:
    """Transactions, and whatever has a name and versions."""

    def test_a_batch_follows_the_one_before_it(self, db: Database) -> None:
        import pytest

        run, state = new_run(db), RunState(small_graph())
        append(db, run, 1, state, *succeed("a", 1))

        for seq in (1, 3):
            with pytest.raises(LeaseLostError):
                append(db, run, seq, state, ev.CancelRequested("me"))

        assert [b.seq for b in log.read(db, run.number)] == [1]

    def test_a_transaction_is_written_whole_or_not_at_all(self, db: Database, other: Database) -> None:
        import pytest

        run, state = new_run(db), RunState(small_graph())
        state.apply(ev.Opened("a", 1))

        def fail_half_way() -> None:
            with db.transaction():
                log.append(db, run, 1, [ev.Opened("a", 1)], state, at=1.0, keys={})
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail_half_way()

        assert log.read(other, run.number) == []
        assert runs.get(other, run.number).seq == 0

    def test_records_have_versions_and_the_same_thing_is_said_once(self, db: Database, other: Database) -> None:
        import pytest

        first = add_model(db, "said once", {"auc": 0.7})
        again = add_model(other, "said once", {"auc": 0.9})
        second = add_model(db, "said later", {"auc": 0.8})

        assert again == first
        assert [r.version for r in records.listing(db, "model", "m")] == [2, 1]
        assert records.get(other, "model", "m", 2) == second
        assert records.listing(db, "data") == []
        with pytest.raises(NotFoundError, match="no model `m` version 3"):
            records.get(db, "model", "m", 3)

    def test_an_alias_moves_and_remembers_where_it_was(self, db: Database) -> None:
        import pytest

        for said in ("first", "second"):
            add_model(db, said, {})
        for at, version in enumerate((1, 2, 1)):
            records.set_alias(db, "model", "m", "champion", version, at=float(at), by="me")

        assert [(a.alias, a.version) for a in records.aliases(db, "model", "m")] == [("champion", 1)]
        assert [a.version for a in records.history(db, "model", "m")] == [1, 2, 1]
        with pytest.raises(NotFoundError):
            records.set_alias(db, "model", "m", "champion", 9, at=9.0, by="me")

    def test_another_connection_is_noticed_when_it_writes(self, db: Database, other: Database) -> None:
        before = db.data_version()
        new_run(db)
        assert db.data_version() == before

        new_run(other)

        assert db.data_version() != before

    def test_a_sound_store_has_no_problems(self, db: Database) -> None:
        new_run(db)

        assert db.problems() == []


class StoreSuite(RunSuite, TaskRunSuite, RecordSuite):
    """Conformance of a store; `db` and `other` are two connections to the same empty one."""
