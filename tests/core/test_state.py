"""Which events a task run takes in each state, and what becomes of it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from ropewalk.core import events as ev
from ropewalk.core.artifact import Failure
from ropewalk.core.expr import Ref
from ropewalk.core.graph import Body
from ropewalk.core.noderun import NOT_YET, IllegalMove, NodeRun
from ropewalk.core.special import Approval, Wait
from ropewalk.core.state import RunState, fold, regraph
from ropewalk.core.taskstate import FINAL, TRANSITIONS, TaskState
from tests.core.builders import LOST, OUTPUTS, WRONG, graph, node
from tests.core.play import snapshot

WAITING, READY, RUNNING, SUCCEEDED, FAILED, SKIPPED, CANCELLED = TaskState

TO_GET_TO = {
    WAITING: [],
    READY: [ev.Started("a", (0,), 1, "w"), ev.AttemptFailed("a", 0, 1, WRONG, 5.0)],
    RUNNING: [ev.Started("a", (0,), 2, "w")],
    SUCCEEDED: [ev.Started("a", (0,), 1, "w"), ev.Succeeded("a", 0, 1, "k", OUTPUTS)],
    FAILED: [ev.Started("a", (0,), 1, "w"), ev.AttemptFailed("a", 0, 1, WRONG, None)],
    SKIPPED: [ev.Skipped("a", (0,), "why")],
    CANCELLED: [ev.Cancelled("a", (0,))],
}

EVENTS = {
    "started": ev.Started("a", (0,), 3, "w"),
    "succeeded": ev.Succeeded("a", 0, 2, "k", OUTPUTS),
    "succeeded late": ev.Succeeded("a", 0, 1, "k", OUTPUTS),
    "reused": ev.Reused("a", 0, "k", OUTPUTS, 1),
    "failed": ev.AttemptFailed("a", 0, 2, WRONG, None),
    "failed late": ev.AttemptFailed("a", 0, 1, WRONG, None),
    "to retry": ev.AttemptFailed("a", 0, 2, WRONG, 9.0),
    "to retry late": ev.AttemptFailed("a", 0, 1, WRONG, 9.0),
    "no input": ev.AttemptFailed("a", 0, 0, WRONG, None),
    "no input yet": ev.AttemptFailed("a", 0, 0, WRONG, 9.0),
    "skipped": ev.Skipped("a", (0,), "why"),
    "cancelled": ev.Cancelled("a", (0,)),
    "result lost": ev.ResultLost("a", 0, "d"),
    "opened": ev.Opened("a", 1),
    "skipped whole": ev.Skipped("a", None, "why"),
    "cancelled whole": ev.Cancelled("a", None),
    "expanded": ev.Expanded("a", 0, 1, {}, Body({"a/*/x": node("a/*/x")}, Ref("a/*/x"))),
    "expanded without a body": ev.Expanded("a", 0, 1, {}),
    "gathered": ev.Gathered("a", 0, OUTPUTS),
    "asked": ev.Asked("a", 0, 1.0),
    "answered unasked": ev.Answered("a", 0, "approved", "me", "", 2.0),
}

LEGAL = {
    (WAITING, "started"): RUNNING, (READY, "started"): RUNNING,
    (WAITING, "reused"): SUCCEEDED, (READY, "reused"): SUCCEEDED,
    (RUNNING, "succeeded"): SUCCEEDED, (RUNNING, "failed"): FAILED, (RUNNING, "to retry"): READY,
    (WAITING, "no input"): FAILED, (READY, "no input"): FAILED,
    (WAITING, "no input yet"): READY, (READY, "no input yet"): READY,
    (WAITING, "skipped"): SKIPPED, (READY, "skipped"): SKIPPED,
    (WAITING, "cancelled"): CANCELLED, (READY, "cancelled"): CANCELLED, (RUNNING, "cancelled"): CANCELLED,
    (SUCCEEDED, "result lost"): READY,
    (WAITING, "expanded"): WAITING, (READY, "expanded"): WAITING,
    (WAITING, "gathered"): SUCCEEDED, (READY, "gathered"): SUCCEEDED,
    (WAITING, "asked"): WAITING, (READY, "asked"): WAITING,
}  # fmt: skip


def in_state(wanted: TaskState) -> RunState:
    state = fold(graph(node("a", each=()), node("b")), [ev.Opened("a", 1), *TO_GET_TO[wanted]])
    assert state.nodes["a"].state(0) is wanted
    return state


@pytest.mark.parametrize(("before", "name"), list(itertools.product(TaskState, EVENTS)), ids=str)
def test_an_event_moves_a_task_run_as_the_table_says_or_changes_nothing(before: TaskState, name: str) -> None:
    state = in_state(before)
    untouched = snapshot(state)

    if (before, name) in LEGAL:
        state.apply(EVENTS[name])
        assert state.nodes["a"].state(0) is LEGAL[before, name]
        assert sum(state.nodes["a"].counts) == state.nodes["a"].counts[LEGAL[before, name]] == 1
        assert (0 in state.nodes["a"].tokens) == (LEGAL[before, name] is RUNNING)
    else:
        with pytest.raises(IllegalMove):
            state.apply(EVENTS[name])
        assert snapshot(state) == untouched


@pytest.mark.parametrize(("before", "to"), list(itertools.product(TaskState, TaskState)), ids=str)
def test_one_item_moves_only_along_the_table(before: TaskState, to: TaskState) -> None:
    run = NodeRun(node("a"))
    run.open(2, before)

    if (before, to) in TRANSITIONS:
        run.move(1, to)
        assert [run.state(0), run.state(1)] == [before, to]
    else:
        with pytest.raises(IllegalMove, match=f"{before.label} → {to.label}"):
            run.move(1, to)
        assert run.counts[before] == 2


def test_no_final_state_is_left_but_for_a_lost_result_or_by_a_person() -> None:
    assert {(a, b) for a, b in TRANSITIONS if a in FINAL} == {
        (SUCCEEDED, READY), (SUCCEEDED, WAITING), (FAILED, WAITING), (SKIPPED, WAITING), (CANCELLED, WAITING),
    }  # fmt: skip


@pytest.mark.parametrize("item", [-1, 3, 10**6])
def test_an_item_that_is_not_there_is_refused(item: int) -> None:
    state = fold(graph(node("a")), [ev.Opened("a", 3)])

    with pytest.raises(IllegalMove, match="not there"):
        state.apply(ev.Started("a", (0, item), 1, "w"))

    assert state.nodes["a"].counts[WAITING] == 3


def test_a_lease_over_several_items_is_granted_for_all_or_none() -> None:
    state = fold(graph(node("a")), [ev.Opened("a", 3), ev.Skipped("a", (2,), "why")])

    with pytest.raises(IllegalMove):
        state.apply(ev.Started("a", (0, 1, 2), 1, "w"))

    assert not state.nodes["a"].tokens


def test_an_attempt_is_known_by_its_token_only() -> None:
    state = fold(graph(node("a")), [ev.Opened("a", 2), ev.Started("a", (0,), 7, "w")])

    assert state.holds("a", 0, 7)
    assert not state.holds("a", 0, 6)
    assert not state.holds("a", 1, 7)


def test_an_attempt_that_was_never_begun_leaves_no_trace() -> None:
    returned = ev.AttemptFailed("a", 0, 1, ev.Failure("returned", "it was not begun"), 3.0, counted=False)

    state = fold(graph(node("a")), [ev.Opened("a", 1), ev.Started("a", (0,), 1, "w"), returned])

    run = state.nodes["a"]
    assert (run.attempts, run.retries, run.losses, run.failures) == ({0: 0}, {}, {}, {})


def test_attempts_that_count_and_attempts_that_do_not_are_told_apart() -> None:
    events: list[ev.Event] = [ev.Opened("a", 1)]
    for token, (failure, counted) in enumerate([(WRONG, True), (LOST, False), (WRONG, True)], start=1):
        events += [ev.Started("a", (0,), token, "w"), ev.AttemptFailed("a", 0, token, failure, 1.0, counted=counted)]

    run = fold(graph(node("a")), events).nodes["a"]

    assert (run.attempts, run.retries, run.losses) == ({0: 3}, {0: 2}, {0: 1})


def test_reopening_keeps_what_succeeded_and_starts_the_rest_over() -> None:
    state = fold(
        graph(node("a"), node("m", each=()), node("s"), node("w")),
        [
            ev.Opened("a", 1), ev.Started("a", (0,), 1, "w"), ev.AttemptFailed("a", 0, 1, WRONG, None),
            ev.Opened("m", 3), ev.Started("m", (0, 1, 2), 2, "w"), ev.Succeeded("m", 1, 2, "k", OUTPUTS),
            ev.AttemptFailed("m", 0, 2, WRONG, None), ev.Cancelled("m", (2,)), ev.Skipped("s", None, "needs a"),
            ev.CancelRequested("me"), ev.RunFinished("failed"), ev.Reopened("g", ()),
        ],
    )  # fmt: skip

    m = state.nodes["m"]
    assert [m.state(i) for i in range(3)] == [WAITING, SUCCEEDED, WAITING]
    assert not (m.failures)
    assert not (m.retries)
    assert not (m.tokens)
    assert not (state.nodes["a"].opened)
    assert not (state.nodes["s"].opened)
    assert not (state.nodes["w"].opened)
    assert not (state.finished)
    assert not (state.cancel_requested)


def test_the_number_of_attempts_goes_on_after_reopening_so_that_no_story_is_told_twice() -> None:
    failed = [ev.Opened("a", 1), ev.Started("a", (0,), 1, "w"), ev.AttemptFailed("a", 0, 1, WRONG, None)]

    state = fold(graph(node("a")), [*failed, ev.Reopened("g", ()), ev.Opened("a", 1), ev.Started("a", (0,), 2, "w")])

    assert state.nodes["a"].attempts == {0: 2}


def test_a_node_that_was_reset_forgets_its_results() -> None:
    done = [ev.Opened("a", 1), ev.Started("a", (0,), 1, "w"), ev.Succeeded("a", 0, 1, "k", OUTPUTS, metrics={"x": 1.0})]

    run = fold(graph(node("a")), [*done, ev.Reopened("g", ("a",))]).nodes["a"]

    assert not run.opened
    assert not (run.outputs)
    assert not (run.metrics)
    assert not (run.keys)


def test_a_run_goes_on_with_another_graph_where_both_have_the_node() -> None:
    old = fold(graph(node("a"), node("gone")), [ev.Opened("a", 1), ev.Started("a", (0,), 1, "w")])

    new = regraph(old, graph(node("a"), node("b", "a")))

    assert list(new.nodes) == ["a", "b"]
    assert new.nodes["a"].tokens == {0: 1}
    assert not new.nodes["b"].opened


def test_a_fold_follows_the_graphs_of_reopened_runs() -> None:
    first, second = graph(node("a")), graph(node("a"), node("b", "a"))
    events = [ev.Opened("a", 1), ev.RunFinished("failed"), ev.Reopened(second.digest, ()), ev.Opened("a", 1)]

    state = fold(first, events, {second.digest: second}.__getitem__)

    assert list(state.nodes) == ["a", "b"]
    assert state.nodes["a"].opened


def test_a_check_that_found_nothing_is_no_attempt_and_lets_retries_and_losses_begin_anew() -> None:
    nothing = Failure(NOT_YET, "not yet")
    events = [
        ev.Opened("a", 1),
        ev.Started("a", (0,), 1, "w", 10.0),
        ev.AttemptFailed("a", 0, 1, WRONG, 11.0),
        ev.Started("a", (0,), 2, "w", 11.0),
        ev.AttemptFailed("a", 0, 2, nothing, 70.0, counted=False),
    ]

    run = fold(graph(replace(node("a"), special=Wait())), events).nodes["a"]

    assert (run.retries, run.losses, run.failures) == ({}, {}, {})
    assert (run.attempts, run.since, run.ready_at) == ({0: 1}, {0: 10.0}, {0: 70.0})


def test_a_question_stays_asked_when_a_run_is_reopened_for_other_reasons() -> None:
    asked = [ev.Opened("a", 1), ev.Asked("a", 0, 1.0)]

    state = fold(graph(replace(node("a"), special=Approval("Go?"))), [*asked, ev.Reopened("g", ())])
    again = fold(graph(replace(node("a"), special=Approval("Go?"))), [*asked, ev.Reopened("g", ("a",))])

    assert state.nodes["a"].asked == {0: 1.0}
    assert again.nodes["a"].asked == {}
