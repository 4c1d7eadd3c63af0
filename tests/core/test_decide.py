"""What the decider asks for, case by case."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Any

import pytest

from ropewalk.core import events as ev
from ropewalk.core import expr as ex
from ropewalk.core.decide import Decider, Kill, Open, Run
from ropewalk.core.expr import Ref
from ropewalk.core.policy import Policy
from ropewalk.core.reopen import stale
from ropewalk.core.retry import Retry
from ropewalk.core.settle import lost_events
from ropewalk.core.state import RunState, fold
from ropewalk.core.taskstate import CANCELLED, FAILED, SKIPPED, SUCCEEDED, WAITING
from ropewalk.core.wiring import Wiring, wire
from tests.core.builders import IF, LOST, OUTPUTS, WRONG, begun, feed, graph, node, succeed

ALWAYS = Policy(run_if="always")
RETRIES = Policy(Retry(1))


def start_and_fail(decider: Decider, node_id: str, item: int = 0, token: int = 9, at: float | None = None) -> list[Any]:
    started = ev.Started(node_id, (item,), token, "w")
    return feed(decider, started, ev.AttemptFailed(node_id, item, token, WRONG, at))


def test_a_task_without_inputs_runs_at_once() -> None:
    _, commands = begun(node("a"))

    assert commands == [Run("a", range(1))]


def test_a_task_runs_when_all_that_it_needs_has_succeeded() -> None:
    decider, _ = begun(node("a"), node("b"), node("c", "a", "b"))

    assert succeed(decider, "a") == []
    assert succeed(decider, "b") == [Run("c", range(1))]


def test_a_mapped_node_is_opened_before_its_items_run() -> None:
    decider, _ = begun(node("a"), node("m", "a", each=("i0",)))

    assert succeed(decider, "a") == [Open("m")]
    assert feed(decider, ev.Opened("m", 3)) == [Run("m", range(3))]


def test_an_empty_map_is_settled_and_its_users_run() -> None:
    decider, _ = begun(node("m", ex.constant([]), each=("i0",)), node("c", "m"))

    assert feed(decider, ev.Opened("m", 0)) == [Run("c", range(1))]


def test_items_follow_items_of_the_map_before_them() -> None:
    decider, _ = begun(node("m", IF, each=("i0",)), node("n", "m", each=("i0",)))

    assert feed(decider, ev.Opened("m", 2)) == [Run("m", range(2)), Open("n")]
    feed(decider, ev.Opened("n", 2))
    assert succeed(decider, "m", 1) == [Run("n", (1,))]


def test_the_user_of_an_item_that_failed_is_skipped_and_the_others_go_on() -> None:
    decider, _ = begun(node("m", IF, each=("i0",)), node("n", "m", each=("i0",)), node("all", "n"))
    feed(decider, ev.Opened("m", 2), ev.Opened("n", 2))

    start_and_fail(decider, "m", 0)
    succeed(decider, "m", 1)
    succeed(decider, "n", 1)

    assert [decider.state.nodes["n"].state(i) for i in (0, 1)] == [SKIPPED, SUCCEEDED]
    assert decider.state.nodes["all"].reason == "needs n"
    assert decider.state.finished == "failed"


def test_a_retry_waits_for_its_time() -> None:
    decider, _ = begun(node("a", policy=RETRIES))

    assert start_and_fail(decider, "a", at=17.5) == [Run("a", (0,), 17.5)]


def test_a_failed_task_ends_the_run_as_failed_when_the_rest_is_done() -> None:
    decider, _ = begun(node("a"), node("b", "a"), node("c"))

    start_and_fail(decider, "a")

    assert decider.state.nodes["b"].reason == "needs a"
    assert decider.state.finished == ""
    succeed(decider, "c")
    assert decider.state.finished == "failed"


@pytest.mark.parametrize(
    ("rule", "after_success", "after_failure", "after_skip"),
    [
        ("all_succeeded", "runs", "skipped", "skipped"),
        ("all_done", "runs", "runs", "runs"),
        ("always", "runs", "runs", "runs"),
        ("any_failed", "skipped", "runs", "skipped"),
        ("none_failed", "runs", "skipped", "runs"),
    ],
)
def test_run_if_says_what_a_task_makes_of_what_was_before(
    rule: Any, after_success: str, after_failure: str, after_skip: str
) -> None:
    def reaction(end: Callable[[Decider], object]) -> str:
        decider, _ = begun(node("a", when=IF), node("b", "a", policy=Policy(run_if=rule)))
        end(decider)
        return "skipped" if decider.state.nodes["b"].counts[SKIPPED] else "runs"

    assert reaction(lambda d: [feed(d, ev.Opened("a", 1)), succeed(d, "a")]) == after_success
    assert reaction(lambda d: [feed(d, ev.Opened("a", 1)), start_and_fail(d, "a")]) == after_failure
    assert reaction(lambda d: feed(d, ev.Skipped("a", None, "its condition is false"))) == after_skip


def test_first_of_takes_what_was_not_skipped_but_does_not_make_a_failure_good() -> None:
    choice = ex.FirstOf((Ref("a"), Ref("b")))

    def reaction(*events: ev.Event) -> str:
        decider, _ = begun(node("a", when=IF), node("b", when=IF), node("c", choice))
        feed(decider, *events)
        return "skipped" if decider.state.nodes["c"].counts[SKIPPED] else "runs"

    def end(node_id: str, *, well: bool) -> list[ev.Event]:
        ending = ev.Succeeded(node_id, 0, 1, "k", OUTPUTS) if well else ev.AttemptFailed(node_id, 0, 1, WRONG, None)
        return [ev.Opened(node_id, 1), ev.Started(node_id, (0,), 1, "w"), ending]

    def skip(node_id: str) -> ev.Event:
        return ev.Skipped(node_id, None, "its condition is false")

    assert reaction(skip("a"), *end("b", well=True)) == "runs"
    assert reaction(*end("a", well=True), skip("b")) == "runs"
    assert reaction(skip("a"), skip("b")) == "skipped"
    assert reaction(*end("a", well=False), *end("b", well=True)) == "skipped"


def test_a_list_that_cannot_be_worked_out_fails_its_node_as_a_whole() -> None:
    """Even one that follows another map, of which an item has failed, or which has no items at all."""
    for length in (0, 2):
        decider, _ = begun(
            node("m", IF, each=("i0",)), node("slow"), node("n", "m", IF, "slow", each=("i0", "i1")), node("o", "n")
        )
        feed(decider, ev.Opened("m", length))
        if length:
            start_and_fail(decider, "m", 0)
        succeed(decider, "slow")

        feed(decider, ev.AttemptFailed("n", 0, 0, WRONG, None))

        assert decider.state.nodes["n"].counts[FAILED] == 1
        assert decider.state.nodes["o"].counts[SKIPPED] == 1


def test_a_map_over_one_that_was_skipped_is_skipped_whatever_its_other_lists_are() -> None:
    decider, _ = begun(node("m", IF, each=("i0",)), node("n", "m", ex.constant([1, 2, 3]), each=("i0", "i1")))

    commands = feed(decider, ev.Skipped("m", None, "its condition is false"))

    assert commands == []
    assert decider.state.nodes["n"].reason == "needs m"


def test_items_of_one_result_of_a_map_are_not_taken_for_the_map_itself() -> None:
    """`each(models[0])` has as many items as that one result, and needs the whole map only for its first."""
    first = ex.Ref("m", (("item", 0),))
    mapped = graph(
        node("m", IF, each=("i0",)), node("n", first, each=("i0",)), node("o", "m", first, each=("i0", "i1"))
    )

    assert wire(mapped.nodes.__getitem__, mapped.nodes["n"]) == Wiring(("m",), ())
    assert wire(mapped.nodes.__getitem__, mapped.nodes["o"]) == Wiring(("m",), ())


def test_a_long_chain_of_skips_does_not_exhaust_the_stack() -> None:
    chain = [node("n0", when=IF), *(node(f"n{k}", f"n{k - 1}") for k in range(1, 5_000))]
    decider, _ = begun(*chain)

    feed(decider, ev.Skipped("n0", None, "its condition is false"))

    assert decider.state.finished == "succeeded"
    assert all(run.counts[SKIPPED] for run in decider.state.nodes.values())


def test_a_long_chain_may_be_recovered_and_cancelled() -> None:
    chain = [node("n0"), *(node(f"n{k}", f"n{k - 1}") for k in range(1, 5_000))]
    decider, _ = begun(*chain)

    feed(decider, ev.CancelRequested("me"))

    assert decider.state.finished == "cancelled"


# cancelling


def test_a_cancel_ends_what_waits_and_kills_what_runs() -> None:
    decider, _ = begun(node("a"), node("b", "a"))
    feed(decider, ev.Started("a", (0,), 5, "w"))

    assert feed(decider, ev.CancelRequested("me")) == [Kill("a", 0, 5)]
    assert decider.state.nodes["b"].counts[CANCELLED] == 1
    feed(decider, ev.Cancelled("a", (0,)))
    assert decider.state.finished == "cancelled"


def test_a_task_that_ends_well_in_spite_of_a_cancel_has_succeeded() -> None:
    decider, _ = begun(node("a"), node("b", "a"))
    feed(decider, ev.Started("a", (0,), 5, "w"), ev.CancelRequested("me"), ev.Succeeded("a", 0, 5, "k", OUTPUTS))

    assert decider.state.nodes["a"].all_succeeded
    assert decider.state.nodes["b"].counts[CANCELLED] == 1


def test_a_second_cancel_and_one_after_the_end_are_nothing() -> None:
    decider, _ = begun(node("a"))
    feed(decider, ev.Started("a", (0,), 5, "w"), ev.CancelRequested("me"))

    assert feed(decider, ev.CancelRequested("me")) == []
    feed(decider, ev.Cancelled("a", (0,)))
    decider.feed(ev.CancelRequested("me"))
    assert decider.take() == ([], [])


def test_a_task_that_always_runs_does_so_after_a_cancel() -> None:
    decider, _ = begun(node("a"), node("clean", "a", policy=ALWAYS))

    assert feed(decider, ev.CancelRequested("me")) == [Run("clean", range(1))]


def test_items_of_a_map_that_run_when_it_is_cancelled_may_end_after_its_user_was_cancelled_whole() -> None:
    decider, _ = begun(node("m", IF, each=("i0",)), node("slow"), node("n", "m", "slow", each=("i0",)))
    feed(decider, ev.Opened("m", 3), ev.Started("m", (2,), 1, "w"), ev.CancelRequested("me"))

    feed(decider, ev.Succeeded("m", 2, 1, "k", OUTPUTS))

    assert decider.state.nodes["n"].counts[CANCELLED] == 1


def test_nothing_is_computed_again_after_a_cancel() -> None:
    decider, _ = begun(node("a"), node("b", "a"))
    succeed(decider, "a")
    feed(decider, ev.Started("b", (0,), 5, "w"), ev.CancelRequested("me"))

    assert feed(decider, ev.ResultLost("a", 0, "d"), ev.AttemptFailed("b", 0, 5, WRONG, 1.0, counted=False)) == []
    assert decider.state.finished == "cancelled"


# lost results and recovery


def test_a_lost_result_is_computed_again_and_its_user_waits() -> None:
    decider, _ = begun(node("a"), node("b", "a"))
    succeed(decider, "a")
    feed(decider, ev.Started("b", (0,), 5, "w"))

    asked = feed(decider, ev.ResultLost("a", 0, "d"), ev.AttemptFailed("b", 0, 5, WRONG, 1.0, counted=False))

    assert asked == [Run("a", (0,))]
    assert not decider.runnable("b", 0)
    assert succeed(decider, "a", token=6) == [Run("b", (0,), 1.0)]


def test_a_user_of_a_result_that_was_lost_for_good_is_skipped() -> None:
    decider, _ = begun(node("a"), node("b", "a"))
    succeed(decider, "a")
    feed(decider, ev.Started("b", (0,), 5, "w"), ev.ResultLost("a", 0, "d"))
    feed(decider, ev.AttemptFailed("b", 0, 5, WRONG, 1.0, counted=False))

    start_and_fail(decider, "a")

    assert decider.state.nodes["b"].reason == "needs a"
    assert decider.state.finished == "failed"


def test_a_node_that_was_to_be_opened_is_asked_for_again_when_its_list_was_lost() -> None:
    decider, _ = begun(node("a"), node("m", "a", each=("i0",)))
    assert succeed(decider, "a") == [Open("m")]

    feed(decider, ev.ResultLost("a", 0, "d"))

    assert succeed(decider, "a", token=6) == [Open("m")]


def test_asking_again_after_a_crash_gives_what_is_left() -> None:
    decider, _ = begun(node("a", policy=RETRIES), node("b"), node("c", "b"))
    succeed(decider, "b")
    start_and_fail(decider, "a", at=30.0)
    feed(decider, ev.Started("c", (0,), 7, "w"))

    again = Decider(decider.state)
    for event in lost_events(again.state, LOST, 40.0):
        again.feed(event)
    again.recover()

    commands = again.take()[1]
    assert Run("a", (0,), 30.0) in commands
    assert Run("c", (0,), 40.0) in commands


def test_what_must_not_run_twice_fails_when_its_scheduler_is_lost() -> None:
    state = fold(
        graph(node("once", policy=Policy(Retry(5, not_on=["lost"]))), node("again")),
        [
            ev.Opened("once", 1),
            ev.Opened("again", 1),
            ev.Started("once", (0,), 1, "w"),
            ev.Started("again", (0,), 2, "w"),
        ],
    )

    once, again = lost_events(state, LOST, 40.0)

    assert isinstance(once, ev.AttemptFailed)
    assert isinstance(again, ev.AttemptFailed)
    assert (once.retry_at, again.retry_at) == (None, 40.0)


def test_reopening_recomputes_what_was_made_of_whatever_had_succeeded() -> None:
    """A report over what there was, an alert about a failure, and the fallback of a branch whose input had failed."""
    nodes = (
        node("a"), node("kept"), node("report", "a", "kept", policy=Policy(run_if="all_done")), node("after", "report"),
        node("b", "a"), node("c", ex.FirstOf((Ref("b"), Ref("kept")))),
        node("off", when=IF), node("d", ex.FirstOf((Ref("off"), Ref("kept")))),
    )  # fmt: skip
    decider, _ = begun(*nodes)
    start_and_fail(decider, "a")
    feed(decider, ev.Skipped("off", None, "its condition is false"))
    for node_id in ("kept", "report", "after", "c", "d"):
        succeed(decider, node_id)

    assert decider.state.finished == "failed"
    assert set(stale(decider.state, ())) == {"report", "after", "c"}
    assert set(stale(decider.state, ("kept",))) == {"kept", "report", "after", "c", "d"}


def test_reopening_counts_anew_what_had_no_items() -> None:
    decider, _ = begun(node("a"), node("m", "a", each=("i0",), policy=Policy(run_if="any_failed")))
    start_and_fail(decider, "a")
    feed(decider, ev.Opened("m", 0))

    assert stale(decider.state, ()) == ("m",)


# cost


def calls_of(decider: Decider, events: list[ev.Event]) -> int:
    """How many Python functions are called when these events are fed."""
    count = 0

    def profile(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event == "call"

    gc.disable()  # whoever listens to collections would be counted, too
    sys.setprofile(profile)
    try:
        for event in events:
            decider.feed(event)
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


@pytest.mark.parametrize("shape", ["wide", "mapped", "aligned"])
def test_a_decision_costs_what_its_neighbours_cost_and_not_the_graph(shape: str) -> None:
    def cost(size: int) -> int:
        if shape == "wide":
            decider, _ = begun(*(node(f"a{k}") for k in range(size)), *(node(f"b{k}", f"a{k}") for k in range(size)))
            events: list[ev.Event] = [ev.Started("a7", (0,), 1, "w"), ev.Succeeded("a7", 0, 1, "k", OUTPUTS)]
        else:
            decider, _ = begun(node("m", IF, each=("i0",)), node("n", "m", each=("i0",) if shape == "aligned" else ()))
            feed(decider, ev.Opened("m", size), *([ev.Opened("n", size)] if shape == "aligned" else []))
            events = [ev.Started("m", (7,), 1, "w"), ev.Succeeded("m", 7, 1, "k", OUTPUTS)]
        return calls_of(decider, events)

    assert cost(20_000) == cost(20) < 100


def test_the_count_of_operations_sees_a_decision_that_walks_the_graph() -> None:
    class Walks(Decider):
        def _finish(self) -> None:
            if all(run.settled for run in self.state.nodes.values()):
                super()._finish()

    def cost(size: int) -> int:
        decider = Walks(RunState(graph(*(node(f"a{k}") for k in range(size)))))
        decider.recover()
        return calls_of(decider, [ev.Started("a0", (0,), 1, "w"), ev.Succeeded("a0", 0, 1, "k", OUTPUTS)])

    assert cost(20) == cost(200)  # it stops at the first node that is not settled …
    full = Walks(RunState(graph(*(node(f"a{k}") for k in range(200)))))
    full.recover()
    for k in range(199):
        succeed(full, f"a{k}")
    assert calls_of(full, [ev.Started("a199", (0,), 1, "w")]) > 199  # … but not for the last one


def test_waiting_is_where_everything_begins() -> None:
    assert RunState(graph(node("a"))).nodes["a"].state(0) is WAITING
