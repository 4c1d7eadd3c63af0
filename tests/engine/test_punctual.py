"""What waits for its time, what comes too late, and what depends on the run before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ropewalk.core import events as ev
from ropewalk.core.errors import DefinitionError
from ropewalk.core.expr import constant
from ropewalk.core.graph import Graph
from ropewalk.core.policy import Policy, RunPolicy
from ropewalk.core.state import RunState
from ropewalk.core.timing import Timing
from ropewalk.engine.punctual import LOOK_S, Punctual, check_times
from ropewalk.store import events as log
from ropewalk.store import runs
from ropewalk.store.database import Database, open_database
from tests.core.builders import OUTPUTS, WRONG, graph, node

BEGAN = 1_781_085_600.0  # Wednesday 10 June 2026, 12:00 in Paris
HOUR = 3600.0


def timed(node_id: str = "n", **times: Any) -> Any:
    return node(node_id, constant(1), policy=Policy(timing=Timing(**times)))


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "store.db")
    yield opened
    opened.close()


def begin(db: Database, made: Graph, at: float = BEGAN) -> runs.Run:
    return runs.create(db, runs.NewRun(made, {}, {}, "", 0, {}, {}), at)


def play(db: Database, made: Graph, *happened: ev.Event) -> runs.Run:
    """A run in which this has happened."""
    run, state = begin(db, made), RunState(made)
    for event in happened:
        state.apply(event)
    with db.transaction():
        log.append(db, run, 1, list(happened), state, at=BEGAN, keys={1: ["key"], 2: ["key"]})
    return run


def punctual(db: Database, *nodes: Any, **policy: Any) -> tuple[Punctual, RunState]:
    state = RunState(graph(*nodes, policy=RunPolicy(**policy)))
    return Punctual(db, begin(db, state.graph), state), state


def done(node_id: str = "n", item: int = 0) -> list[ev.Event]:
    return [ev.Started(node_id, (item,), 1, "w1"), ev.Succeeded(node_id, item, 1, "key", OUTPUTS)]


OPENED = ev.Opened("n", 1)
FAILED = [ev.Started("n", (0,), 1, "w1"), ev.AttemptFailed("n", 0, 1, WRONG)]


def test_a_task_without_times_is_neither_held_nor_late(db: Database) -> None:
    times, _ = punctual(db, node("n", constant(1)))

    assert times.hold_until("n", 0, BEGAN) is None
    assert times.expired("n", 0, BEGAN) == ""
    assert times.missed(BEGAN + 1e9) == []
    assert times.next_s(BEGAN) == float("inf")


@pytest.mark.parametrize(
    ("when", "until"),
    [
        ({"not_before": "2h"}, 2),
        ({"window": "22:00-06:00 Europe/Paris"}, 10),
        ({"window": "22:00-06:00 Europe/Paris", "expires": "4h"}, 4),  # then it is looked at, and skipped
        ({"window": "10:00-13:00 Europe/Paris"}, None),
    ],
)
def test_a_task_is_held_until_its_time(db: Database, when: dict[str, str], until: float | None) -> None:
    times, _ = punctual(db, timed(**when))

    held = times.hold_until("n", 0, BEGAN)

    assert held == (None if until is None else BEGAN + until * HOUR)
    assert held is None or times.hold_until("n", 0, held) is None


def test_a_window_that_has_closed_again_holds_the_next_attempt(db: Database) -> None:
    times, _ = punctual(db, timed(window="10:00-13:00 Europe/Paris"))

    assert times.hold_until("n", 0, BEGAN + HOUR) == BEGAN + 22 * HOUR


def test_a_task_that_comes_too_late_is_skipped_with_the_reason(db: Database) -> None:
    times, _ = punctual(db, timed(expires="2h"))

    assert times.expired("n", 0, BEGAN + 2 * HOUR - 1) == ""
    assert times.expired("n", 0, BEGAN + 2 * HOUR) == "expired: it was not to start after 2026-06-10 12:00:00 UTC"


def test_deadlines_are_told_once_each_in_order(db: Database) -> None:
    times, _ = punctual(db, timed("a", deadline="2h"), timed("b", deadline="1h"), deadline="3h")

    assert times.next_s(BEGAN) == HOUR
    assert times.missed(BEGAN + HOUR - 1) == []
    assert times.missed(BEGAN + HOUR) == [("b", BEGAN + HOUR)]
    assert times.missed(BEGAN + 9 * HOUR) == [("a", BEGAN + 2 * HOUR), ("", BEGAN + 3 * HOUR)]
    assert times.missed(BEGAN + 9 * HOUR) == []


def test_what_was_done_in_time_has_missed_nothing(db: Database) -> None:
    times, state = punctual(db, timed(deadline="1h"), deadline="1h")
    for event in [OPENED, *done(), ev.RunFinished("succeeded")]:
        state.apply(event)

    assert times.missed(BEGAN + 2 * HOUR) == []


def test_a_map_has_missed_its_deadline_while_one_item_is_not_done(db: Database) -> None:
    times, state = punctual(db, timed(deadline="1h"))
    for event in [ev.Opened("n", 2), *done(item=1)]:
        state.apply(event)

    assert times.missed(BEGAN + HOUR) == [("n", BEGAN + HOUR)]


def test_a_missed_deadline_is_not_told_again_after_a_restart(db: Database) -> None:
    times, state = punctual(db, timed("a", deadline="1h"), timed("b", deadline="1h"), deadline="1h")
    for missed in ("a", ""):
        state.apply(ev.DeadlineMissed(missed, BEGAN + HOUR))

    assert times.missed(BEGAN + HOUR) == [("b", BEGAN + HOUR)]


def test_a_missed_deadline_may_be_to_end_the_task_or_the_run(db: Database) -> None:
    times, _ = punctual(db, timed("a", deadline="1h", on_miss="cancel"), timed("b", deadline="1h"), on_miss="cancel")

    assert [times.cancels(node_id) for node_id in ("a", "b", "")] == [True, False, True]


def test_nodes_that_come_into_being_later_have_deadlines_too(db: Database) -> None:
    times, state = punctual(db, timed("a"))
    grown = RunState(graph(timed("a"), timed("a:1", deadline="1h")))
    state.nodes["a:1"] = grown.nodes["a:1"]

    times.watch(["a", "a:1"])
    times.watch(["a:1"])

    assert times.missed(BEGAN + HOUR) == [("a:1", BEGAN + HOUR)]


# depends_on_past

DEPENDS = timed(depends_on_past=True)


def test_the_first_run_of_a_pipeline_depends_on_nothing(db: Database) -> None:
    times, _ = punctual(db, DEPENDS)

    assert times.hold_until("n", 0, BEGAN) is None
    assert times.expired("n", 0, BEGAN) == ""


@pytest.mark.parametrize(
    ("happened", "reason"),
    [
        ([OPENED, *done(), ev.RunFinished("succeeded")], ""),
        ([OPENED, *done()], ""),  # the run before goes on, but this task of it is done
        ([ev.Opened("n", 0), ev.RunFinished("succeeded")], ""),
        ([OPENED, *FAILED, ev.RunFinished("failed")], "depends_on_past: failed in run 1"),
        ([ev.Skipped("n", None, "needs m"), ev.RunFinished("failed")], "depends_on_past: skipped in run 1"),
        ([ev.Cancelled("n", None), ev.RunFinished("cancelled")], "depends_on_past: cancelled in run 1"),
        ([ev.Opened("n", 2), *done(), ev.Cancelled("n", (1,)), ev.RunFinished("cancelled")],
         "depends_on_past: cancelled in run 1"),
    ],
    ids=["succeeded", "succeeded-already", "empty", "failed", "skipped", "cancelled", "in-part"],
)  # fmt: skip
def test_a_task_goes_on_only_if_it_succeeded_in_the_run_before(
    db: Database, happened: list[ev.Event], reason: str
) -> None:
    play(db, graph(DEPENDS), *happened)

    times, _ = punctual(db, DEPENDS)

    assert times.expired("n", 0, BEGAN) == reason
    assert times.hold_until("n", 0, BEGAN) is None


@pytest.mark.parametrize("happened", [[OPENED], [OPENED, *FAILED]], ids=["under-way", "failed-so-far"])
def test_while_the_run_before_may_still_succeed_the_task_is_held(db: Database, happened: list[ev.Event]) -> None:
    before = play(db, graph(DEPENDS), *happened)
    times, _ = punctual(db, DEPENDS)

    assert times.expired("n", 0, BEGAN) == ""
    assert times.hold_until("n", 0, BEGAN + 1) == BEGAN + LOOK_S

    with db.transaction():
        db.query(
            "run_advance", seq=2, state="failed", finished_at=BEGAN, graph=before.graph, number=before.number, epoch=1
        )
    assert times.hold_until("n", 0, BEGAN + 1) == BEGAN + LOOK_S  # it is not asked for every task run
    assert times.hold_until("n", 0, BEGAN + LOOK_S) is None
    assert times.expired("n", 0, BEGAN + LOOK_S).startswith("depends_on_past: ")


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        ([OPENED, *FAILED, ev.RunFinished("failed")], "depends_on_past: failed in run 1"),
        ([OPENED, *done(), ev.RunFinished("succeeded")], ""),
        ([ev.Skipped("n", None, "its condition is false"), ev.RunFinished("succeeded")], ""),
    ],
    ids=["failed", "succeeded", "skipped"],
)
def test_a_run_that_was_not_to_do_the_task_does_not_count(db: Database, first: list[ev.Event], reason: str) -> None:
    """Else one condition that is false, or one failure, would hold up all runs after it for ever."""
    skipped = [ev.Skipped("n", None, "its condition is false"), ev.RunFinished("succeeded")]
    for happened in (first, skipped, skipped):
        play(db, graph(DEPENDS), *happened)

    assert punctual(db, DEPENDS)[0].expired("n", 0, BEGAN) == reason


def test_a_task_that_the_run_before_did_not_have_depends_on_nothing(db: Database) -> None:
    other = graph(node("m", constant(1)))
    play(db, other, ev.Opened("m", 1), *done("m"), ev.RunFinished("succeeded"))

    times, _ = punctual(db, DEPENDS)

    assert times.hold_until("n", 0, BEGAN) is None
    assert times.expired("n", 0, BEGAN) == ""


def test_a_share_of_a_map_is_enough_where_the_author_says_so(db: Database) -> None:
    lenient = node("n", constant(1), policy=Policy(partial_ok=0.5, timing=Timing(depends_on_past=True)))
    play(
        db, graph(lenient), ev.Opened("n", 2), *done(), ev.Started("n", (1,), 2, "w1"),
        ev.AttemptFailed("n", 1, 2, WRONG), ev.RunFinished("succeeded"),
    )  # fmt: skip

    assert punctual(db, lenient)[0].expired("n", 0, BEGAN) == ""


def test_a_graph_whose_times_cannot_be_kept_is_refused_with_the_place() -> None:
    late = graph(
        node("n", constant(1), policy=Policy(timing=Timing(deadline="2026-06-10T09:00:00Z")), file="p.py", line=7)
    )

    with pytest.raises(DefinitionError, match="`deadline` of task `n` is in the past") as caught:
        check_times(late, BEGAN)
    assert str(caught.value.where) == "p.py:7"

    check_times(late, BEGAN - 9 * HOUR)


def test_a_run_whose_deadline_is_over_is_refused() -> None:
    late = graph(node("n", constant(1)), policy=RunPolicy(deadline="2026-06-10T09:00:00Z"))

    with pytest.raises(DefinitionError, match="`deadline` of the run is in the past"):
        check_times(late, BEGAN)
