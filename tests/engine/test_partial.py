"""`partial_ok`: a map of which some items may fail, what its users get, and when it is too much."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk import each, first_of, otherwise, pipeline, task, when
from ropewalk.core import events as ev
from ropewalk.core.decide import Decider, Open, Run
from ropewalk.core.errors import DefinitionError
from ropewalk.core.graph import Node
from ropewalk.core.policy import Policy
from ropewalk.core.state import RunState, fold
from ropewalk.core.tolerance import may_fail, may_lack
from tests.core.builders import IF, OUTPUTS, WRONG, graph, node
from tests.engine.live import Live


@pytest.fixture
def live(tmp_path: Path) -> Live:
    return Live(tmp_path)


@task
def work(x: int, bad: list[int]) -> int:
    if x in bad:
        raise ValueError(f"no {x}")
    return x * 10


@task
def then(x: int, bad: list[int]) -> int:
    if x in bad:
        raise ValueError(f"nothing after {x}")
    return x + 1


@task
def pair(x: int, y: int) -> str:
    return f"{x} {y}"


@task
def listed(xs: list[int | None]) -> list[int | None]:
    return xs


@task
def beside(n: int) -> int:
    return n


def tolerant(share: float, n: int, bad: list[int]):
    @pipeline
    def tolerating():
        return listed(work.options(partial_ok=share)(each(list(range(n))), bad))

    return tolerating


@pytest.mark.parametrize(
    ("share", "n", "failing", "state"),
    [
        (0.5, 4, [0, 1], "succeeded"),
        (0.5, 4, [0, 1, 2], "failed"),
        (0.5, 3, [0], "succeeded"),
        (0.5, 3, [0, 1], "failed"),
        (0.9, 10, [3], "succeeded"),  # 0.1 × 10 is a little less than 1
        (0.0, 3, [0, 1, 2], "succeeded"),
        (1.0, 3, [1], "failed"),
        (1, 3, [], "succeeded"),
        (0.99, 3, [1], "failed"),
        (0.5, 1, [0], "failed"),
        (0.5, 0, [], "succeeded"),
        (0, 0, [], "succeeded"),
    ],
)
def test_as_many_may_fail_as_the_share_says(live: Live, share: float, n: int, failing: list[int], state: str) -> None:
    result = live.run(tolerant(share, n, failing), "inline")

    assert result.state == state
    if state == "succeeded":
        assert result.output == [None if x in failing else x * 10 for x in range(n)]


def test_users_of_the_whole_list_get_none_where_something_failed_so_that_lists_stay_aligned(live: Live) -> None:
    @pipeline
    def two():
        done = work.options(partial_ok=0.5)(each([0, 1, 2, 3]), [1])
        return listed(done), listed(then(each(done), []))

    result = live.run(two, "inline")

    assert result.state == "succeeded"
    assert result.output == ([0, None, 20, 30], [1, None, 21, 31])


def test_users_that_follow_item_by_item_are_skipped_where_something_failed(live: Live) -> None:
    @pipeline
    def chained():
        done = work.options(partial_ok=0.5)(each([0, 1, 2, 3]), [1])
        return pair(each(then(each(done), [])), each(done))

    result = live.run(chained, "inline")

    assert result.nodes["pair"] == {"succeeded": 3, "skipped": 1}
    assert result.output == ["1 0", None, "21 20", "31 30"]


def test_tolerated_failures_of_several_maps_in_a_row_add_up(live: Live) -> None:
    @pipeline
    def rows():
        done = work.options(partial_ok=0.75)(each([0, 1, 2, 3]), [1])
        return listed(then.options(partial_ok=0.75)(each(done), [20]))

    result = live.run(rows, "inline")

    assert result.state == "succeeded"
    assert result.output == [1, None, None, 31]


def test_a_follower_that_tolerates_nothing_fails_the_run_with_its_own_failure(live: Live) -> None:
    @pipeline
    def rows():
        done = work.options(partial_ok=0.5)(each([0, 1, 2, 3]), [1])
        return listed(then(each(done), [20]))

    result = live.run(rows, "inline")

    assert result.state == "failed"
    assert result.nodes["listed"] == {"skipped": 1}


def test_too_many_failures_do_not_stop_the_others(live: Live) -> None:
    result = live.run(tolerant(0.9, 6, [0, 1, 2]), "inline")

    assert result.nodes == {"work": {"succeeded": 3, "failed": 3}, "listed": {"skipped": 1}}


def test_none_failed_and_any_failed_see_what_is_too_much_only(live: Live) -> None:
    @pipeline
    def rules():
        few = work.options(partial_ok=0.5)(each([0, 1, 2, 3]), [1])
        fine = beside.options(run_if="none_failed", name="fine", after=few)(1)
        alarm = beside.options(run_if="any_failed", name="alarm", after=few)(1)
        return fine, alarm

    result = live.run(rules, "inline")

    assert (result.state, result.output) == ("succeeded", None)
    assert result.nodes["fine"] == {"succeeded": 1}
    assert result.nodes["alarm"] == {"skipped": 1}


def test_first_of_takes_a_list_with_tolerated_failures(live: Live) -> None:
    @pipeline
    def either():
        with when(beside(1) > 0):
            some = work.options(partial_ok=0.5)(each([0, 1]), [1])
        with otherwise():
            none = listed([7])
        return listed(first_of(some, none))

    assert live.run(either, "inline").output == [0, None]


def test_fail_fast_waits_until_it_is_too_much(live: Live) -> None:
    @pipeline(on_failure="fail_fast")
    def hasty(bad: list[int]):
        return work.options(partial_ok=0.75)(each([0, 1, 2, 3, 4, 5, 6, 7]), bad)

    few = live.run(hasty, "inline", bad=[0, 1])
    many = live.run(hasty, "inline", bad=[0, 1, 2], workers=1)

    assert (few.state, many.state) == ("succeeded", "failed")
    assert few.nodes["work"] == {"succeeded": 6, "failed": 2}
    assert many.nodes["work"]["failed"] == 3


def test_fail_fast_stops_what_does_not_need_the_failed_task(live: Live) -> None:
    @pipeline(on_failure="fail_fast", order="fifo")
    def hasty():
        work(1, [1])
        slow = beside(1)
        for _ in range(5):
            slow = beside(slow)
        return slow

    result = live.run(hasty, "inline")

    assert result.state == "failed"
    assert sum(counts.get("cancelled", 0) for counts in result.nodes.values()) > 0


@pytest.mark.parametrize("share", [-0.1, 1.1, "0.9", True, float("nan")])
def test_a_share_that_is_none_is_refused(share: object) -> None:
    with pytest.raises(DefinitionError, match="`partial_ok` must be a share from 0 to 1"):
        work.options(partial_ok=share)


def test_a_call_that_is_not_mapped_cannot_be_partial() -> None:
    @pipeline
    def single():
        return work.options(partial_ok=0.5)(1, [])

    with pytest.raises(DefinitionError, match="this call is not mapped") as caught:
        single.graph()

    assert caught.value.code == "P247"


def test_a_budget_of_retries_is_for_the_whole_run(live: Live) -> None:
    @pipeline(retry_budget=2)
    def limited():
        return work.options(retry=3)(each([0, 1, 2]), [0, 1, 2])

    result = live.run(limited, "inline")

    failures = live.failures(result.number, "work")
    assert len(failures) == 3 + 2
    assert "not tried again: retry_budget=2 of the run is used up" in failures[-1].facts


def test_a_policy_of_a_pipeline_called_in_another_does_not_count() -> None:
    @pipeline(on_failure="fail_fast", retry_budget=3)
    def inner():
        return beside(1)

    @pipeline(order="fifo")
    def outer():
        return inner()

    assert (inner.graph().policy.on_failure, inner.graph().policy.retry_budget) == ("fail_fast", 3)
    assert (outer.graph().policy.on_failure, outer.graph().policy.order) == ("finish_independent", "fifo")


@pytest.mark.parametrize("options", [{"on_failure": "stop"}, {"retry_budget": -1}, {"retry_budget": True}, {"ordr": 1}])
def test_a_wrong_option_of_a_pipeline_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(DefinitionError) as caught:
        pipeline(**options)(beside_pipeline)

    assert caught.value.code == "P224"


def beside_pipeline():
    return beside(1)


# what must hold whatever happens


def run_to_the_end(nodes: list[Node], rng: Random, decider_type: type[Decider] = Decider) -> tuple[RunState, list]:
    """Play a run in which task runs fail by chance, in any order."""
    made = graph(*nodes)
    decider = decider_type(RunState(made))
    decider.recover()
    events, token, queue = [], 0, []
    length = rng.randrange(6)
    while not decider.state.finished:
        taken, commands = decider.take()
        events += taken
        for command in commands:
            if isinstance(command, Open):
                decider.feed(ev.Opened(command.node, length))
            elif isinstance(command, Run):
                queue += [(command.node, item) for item in command.items]
        if queue and not (decider.events or decider.commands):
            node_id, item = queue.pop(rng.randrange(len(queue)))
            token += 1
            decider.feed(ev.Started(node_id, (item,), token, "w"))
            bad = rng.random() < 0.3
            decider.feed(
                ev.AttemptFailed(node_id, item, token, WRONG)
                if bad
                else ev.Succeeded(node_id, item, token, "k", OUTPUTS)
            )
    return decider.state, events + decider.take()[0]


shares = st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0])


def maps(one: float, two: float, three: float) -> list[Node]:
    """Three maps that follow each other item by item, and a task that takes the whole list of the last."""
    policies = [Policy(partial_ok=share) for share in (one, two, three)]
    return [
        node("a", IF, each=("i0",), policy=policies[0]),
        node("b", "a", each=("i0",), policy=policies[1]),
        node("c", "a", "b", each=("i0", "i1"), policy=policies[2]),
        node("all", "c"),
    ]


def check_end(state: RunState) -> bool:
    runs = [state.nodes[name] for name in "abc"]
    too_many = [r for r in runs if r.counts[4] > may_fail(r.node.policy.partial_ok, r.length)]
    assert state.finished == ("failed" if too_many or state.nodes["all"].counts[4] else "succeeded")
    assert (state.nodes["all"].counts[5] == 1) == bool(too_many)
    for run, ups in ((runs[1], [runs[0]]), (runs[2], runs[:2])):
        for item in range(run.length):
            lacking = any(up.state(item).label != "succeeded" for up in ups)
            assert (run.state(item).label == "skipped") == lacking
    return True


@given(one=shares, two=shares, three=shares, seed=st.integers(0, 2**32))
def test_a_run_succeeds_exactly_when_no_map_has_failed_beyond_its_share(
    one: float, two: float, three: float, seed: int
) -> None:
    nodes = maps(one, two, three)

    state, events = run_to_the_end(nodes, Random(seed))

    assert check_end(state)
    again = fold(graph(*nodes), events)
    assert [may_lack(again.nodes[n]) for n in "abc"] == [may_lack(state.nodes[n]) for n in "abc"]


def test_the_check_notices_a_decider_that_rounds_the_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "ropewalk.core.tolerance.may_fail", lambda share, length: math.ceil((1 - share) * length - 1e-9)
    )

    states = [run_to_the_end(maps(0.8, 0.5, 0.3), Random(seed))[0] for seed in range(50)]
    monkeypatch.undo()

    with pytest.raises(AssertionError):
        all(check_end(state) for state in states)
