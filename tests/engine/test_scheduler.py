"""Turns that a run took only once in a thousand simulations, each said plainly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ropewalk.core import events as ev
from ropewalk.core import expr as ex
from ropewalk.core.artifact import Succeeded
from ropewalk.core.expr import Ref
from ropewalk.core.policy import Policy
from ropewalk.core.retry import Retry
from ropewalk.engine.client import Client, Options, Work
from ropewalk.engine.executors.base import Done, Executor, Report
from ropewalk.engine.result import RunResult
from ropewalk.store import runs, tasks
from tests.core.builders import IF, graph, node

INLINE = Options("inline")
ALWAYS = Policy(run_if="always")
FAIL, LONG, NONE = (ex.constant(text) for text in ("fail", "long", "none"))


def do(**inputs: Any) -> Any:
    """Fails, gives a list too long for a row, an empty one, or what it was given."""
    if "fail" in inputs.values():
        raise ValueError("no")
    if "long" in inputs.values():
        return list(range(2000))
    return [] if "none" in inputs.values() else len(inputs)


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(tmp_path / ".ropewalk")


def run(client: Client, *nodes: Any, around: Any = None, do: Any = do) -> RunResult:
    return client.run(Work(graph(*nodes), {"do": do}, {}, {}), INLINE, around=around)


def states(result: RunResult) -> dict[str, str]:
    return {
        name: " ".join(f"{count} {state}" for state, count in found.items()) for name, found in result.nodes.items()
    }


def test_a_node_that_is_to_be_opened_because_another_could_not_be_looked_up_is_opened(client: Client) -> None:
    result = run(
        client,
        node("list", LONG),
        node("n", Ref("list", (("item", 9999),))),
        node("c", "n"),
        node("d", "c", policy=ALWAYS, when=IF),
    )

    assert states(result) == {"list": "1 succeeded", "n": "1 failed", "c": "1 skipped", "d": "1 succeeded"}


def test_a_condition_on_a_result_that_is_not_there_does_not_hold(client: Client) -> None:
    condition = ex.Op("ge", (Ref("a"), ex.constant(1)))

    result = run(client, node("a", FAIL), node("b", ex.constant(1), policy=ALWAYS, when=condition))

    assert states(result)["b"] == "1 skipped"


def test_a_map_that_runs_in_any_case_gets_none_for_items_that_failed(client: Client) -> None:
    def give(**inputs: Any) -> Any:
        return do(**inputs) if inputs["i0"] in ("fail", "fine") else str(inputs["i0"])

    result = run(
        client,
        node("m", ex.constant(["fail", "fine"]), each=("i0",)),
        node("n", "m", each=("i0",), policy=ALWAYS),
        node("o", "m", policy=ALWAYS),
        do=give,
    )

    assert result["n"] == ["None", "1"]
    assert result["o"] == "[None, 1]"


def test_a_map_over_a_list_that_is_not_there_fails_if_it_runs_in_any_case(client: Client) -> None:
    result = run(
        client,
        node("a", FAIL),
        node("m", ex.constant([1, 2]), each=("i0",), after=("a",)),
        node("n", "m", each=("i0",), policy=ALWAYS),
    )

    assert states(result)["n"] == "1 failed"


@pytest.mark.parametrize("length", [0, 2])
def test_lists_that_do_not_fit_fail_their_node_whatever_became_of_the_items(client: Client, length: int) -> None:
    """Even when the map that it follows has no items, or one that has failed already."""
    result = run(
        client,
        node("m", ex.constant(["fail", "fine"][:length]), each=("i0",)),
        node("slow", "m", policy=ALWAYS),
        node("n", "m", ex.constant([1, 2, 3]), "slow", each=("i0", "i1")),
        node("o", "n"),
    )

    assert states(result)["n"] == "1 failed"
    assert states(result)["o"] == "1 skipped"
    row = tasks.get(client.db, result.number, "n", 0)
    assert row is not None
    assert row.failure is not None
    assert f"i0 has {length}, i1 has 3" in row.failure.message


def test_a_map_over_a_map_that_was_skipped_is_skipped_and_not_said_to_have_lists_of_different_lengths(
    client: Client,
) -> None:
    result = run(
        client,
        node("a", FAIL),
        node("m", ex.constant([1, 2, 3]), each=("i0",), after=("a",)),
        node("n", "m", ex.constant([1, 2, 3]), each=("i0", "i1")),
    )

    assert states(result)["n"] == "1 skipped"


class Spoiler:
    """An executor that takes the file of a node's result away as soon as it reports it, for the first time."""

    def __init__(self, client: Client, node_id: str) -> None:
        self.client, self.node, self.made = client, node_id, 0

    def __call__(self, inner: Executor) -> Spoiler:
        self.inner = inner
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def poll(self, timeout_s: float) -> list[Report]:
        reports = self.inner.poll(timeout_s)
        for report in reports:
            if isinstance(report, Done) and isinstance(report.outcome, Succeeded) and report.node == self.node:
                self.made += 1
                if self.made == 1:
                    self.client.blobs.path(report.outcome.outputs["result"].digest).unlink()
        return reports


def test_a_list_that_is_lost_before_it_was_taken_apart_is_made_again(client: Client) -> None:
    spoiler = Spoiler(client, "list")

    result = run(client, node("list", LONG), node("m", "list", each=("i0",)), around=spoiler)

    assert states(result) == {"list": "1 succeeded", "m": "2000 succeeded"}
    assert spoiler.made == 2


def test_a_result_that_is_lost_before_a_condition_looks_at_it_is_made_again(client: Client) -> None:
    spoiler = Spoiler(client, "list")
    condition = ex.Op("ge", (Ref("list", (("item", 7),)), ex.constant(7)))

    result = run(client, node("list", LONG), node("c", ex.constant(1), when=condition), around=spoiler)

    assert states(result) == {"list": "1 succeeded", "c": "1 succeeded"}
    assert spoiler.made == 2


def test_a_part_of_a_result_that_is_lost_before_a_key_is_made_of_it_is_made_again(client: Client) -> None:
    spoiler = Spoiler(client, "list")
    part = Ref("list", (("item", 7),))

    result = run(client, node("list", LONG), *(node(f"c{k}", part, ex.constant(k)) for k in range(3)), around=spoiler)

    assert set(states(result).values()) == {"1 succeeded"}
    assert spoiler.made == 2


def test_a_list_that_cannot_be_made_again_skips_its_map(client: Client) -> None:
    """It failed when it was made for the second time."""
    spoiler, calls = Spoiler(client, "list"), []

    def once(**inputs: Any) -> Any:
        calls.append(inputs)
        if inputs["i0"] == "long" and sum(c["i0"] == "long" for c in calls) > 1:
            raise ValueError("no second time")
        return do(**inputs)

    nodes = (node("list", LONG), node("m", "list", each=("i0",)))
    result = run(client, *nodes, around=spoiler, do=once)

    assert states(result) == {"list": "1 failed", "m": "1 skipped"}


def test_what_a_cancelled_run_was_computing_is_computed_by_the_next_in_the_same_process(client: Client) -> None:
    """As in a notebook: its leases ended with it."""

    def cancel(step: Any) -> None:
        if any(isinstance(e, ev.Started) for e in step.events):
            runs.ask_cancel(client.db, runs.find(client.db, "last").number, "me")

    nodes = [node(f"n{k}", ex.constant(k), *([f"n{k - 1}"] if k else [])) for k in range(3)]
    clock = iter(range(10**9, 2 * 10**9))
    with Client(client.home.root, lambda: float(next(clock))) as hasty:
        first = hasty.run(Work(graph(*nodes), {"do": do}, {}, {}), INLINE, cancel)
    assert first.state == "cancelled"

    assert run(client, *nodes).state == "succeeded"


def test_a_retry_is_not_begun_before_its_time_even_if_it_was_asked_for_twice(tmp_path: Path) -> None:
    now = [1_000.0]
    begun: list[float] = []

    def clock() -> float:
        now[0] += 5
        return now[0]

    def fail_first(**inputs: Any) -> int:
        begun.append(now[0])
        if len(begun) == 1:
            raise ValueError("no")
        return 1

    with Client(tmp_path / ".ropewalk", clock) as client:
        work = Work(graph(node("a", policy=Policy(Retry(1, delay=30)))), {"do": fail_first}, {}, {})
        assert client.run(work, INLINE).state == "succeeded"

    assert begun[1] - begun[0] >= 30
