"""What pipelines of every shape return, on each executor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ropewalk import cross, each, first_of, otherwise, pipeline, task, when
from ropewalk.core import events as ev
from ropewalk.testing.invariants import problems
from tests.engine.live import Live, Watch, both_executors, note

pytestmark = both_executors


@task
def numbers(n: int) -> list[int]:
    return list(range(n))


@task
def add(a: int, b: int = 0) -> int:
    return a + b


@task
def total(parts: list[int]) -> int:
    return sum(parts)


@task
async def later(x: int) -> int:
    return x + 1


@task
def gather(data: Any) -> Any:
    return data


@task
def fail(x: int = 0) -> int:
    raise ValueError("on purpose")


@task
def fail_at_1(x: int) -> int:
    if x == 1:
        raise ValueError("on purpose")
    return x


@task
def odd(x: int) -> bool:
    return x % 2 == 1


def run(tmp_path: Path, executor: str, flow, **params: Any):
    live = Live(tmp_path)
    result = live.run(flow, executor, **params)
    with live.client() as client:
        assert problems(client.db, result.number) == []
    return result


@pytest.mark.parametrize("n", [0, 1, 5, 700])
def test_a_list_that_is_known_only_at_run_time_is_mapped_and_collected(tmp_path: Path, executor: str, n: int) -> None:
    @pipeline
    def flow(n: int):
        parts = add(each(numbers(n)), 1)
        return total(parts), parts

    result = run(tmp_path, executor, flow, n=n)

    assert (result.state, result.output) == ("succeeded", (sum(range(1, n + 1)), list(range(1, n + 1))))
    assert result["add"] == list(range(1, n + 1))


def test_lists_go_in_step_or_in_every_combination(tmp_path: Path, executor: str) -> None:
    @pipeline
    def flow():
        zipped = add(each([1, 2, 3]), each(numbers(3)))
        crossed = add.options(name="crossed")(**cross(a=[10, 20], b=numbers(3)))
        return zipped, crossed

    assert run(tmp_path, executor, flow).output == ([1, 3, 5], [10, 11, 12, 20, 21, 22])


def test_lists_of_different_lengths_do_not_go_in_step(tmp_path: Path, executor: str) -> None:
    @pipeline
    def flow():
        return add(each([1, 2]), each(numbers(3)))

    result = run(tmp_path, executor, flow)

    assert result.state == "failed"
    (row,) = Live(tmp_path).rows(result.number, "add")
    assert "same length" in row.failure.message


def test_references_may_lie_deep_inside_containers(tmp_path: Path, executor: str) -> None:
    @pipeline
    def flow():
        return gather({"a": [add(1), (add(2), {"b": later(3)})], "c": add(each([1, 2])), "d": "plain"})

    assert run(tmp_path, executor, flow).output == {"a": [1, (2, {"b": 4})], "c": [1, 2], "d": "plain"}


@pytest.mark.parametrize(("x", "taken", "output"), [(1, "add", 101), (2, "later", 3)])
def test_one_branch_is_taken_the_other_skipped(tmp_path: Path, executor: str, x: int, taken: str, output: int) -> None:
    @pipeline
    def flow(x: int):
        with when(odd(x)):
            a = add(x, 100)
        with otherwise():
            b = later(x)
        return first_of(a, b)

    result = run(tmp_path, executor, flow, x=x)

    assert (result.state, result.output) == ("succeeded", output)
    assert {node: list(counts) for node, counts in result.nodes.items() if node != "odd"} == {
        node: ["succeeded" if node == taken else "skipped"] for node in ("add", "later")
    }


@pytest.mark.parametrize(("x", "output"), [(5, 5), (50, 51), (500, 502)])
def test_conditions_compare_results(tmp_path: Path, executor: str, x: int, output: int) -> None:
    @pipeline
    def flow(x: int):
        value = add(x)
        with when(value >= 100):
            large = add.options(name="large")(value, 2)
        with otherwise((value > 10) & ~(value == 11)):
            middle = add.options(name="middle")(value, 1)
        return first_of(large, middle, value)

    assert run(tmp_path, executor, flow, x=x).output == output


@pytest.mark.parametrize(
    ("rule", "bad", "state"),
    [
        ("all_succeeded", True, "skipped"),
        ("none_failed", True, "skipped"),
        ("all_done", True, "succeeded"),
        ("any_failed", True, "succeeded"),
        ("always", True, "succeeded"),
        ("all_succeeded", False, "succeeded"),
        ("none_failed", False, "succeeded"),
        ("all_done", False, "succeeded"),
        ("any_failed", False, "skipped"),
        ("always", False, "succeeded"),
    ],
)
def test_a_task_says_what_of_those_before_it_it_needs(
    tmp_path: Path, executor: str, rule: str, bad: bool, state: str
) -> None:
    @pipeline
    def flow():
        before = fail() if bad else add(1)
        mapped = (
            fail_at_1.options(name="mapped")(each([0, 1, 2])) if bad else add.options(name="mapped")(each([0, 1, 2]))
        )
        return gather.options(run_if=rule)({"one": [before, add.options(name="other")(2)], "many": mapped})

    result = run(tmp_path, executor, flow)

    assert result.nodes["gather"] == {state: 1}
    assert result.state == ("failed" if bad else "succeeded")
    if state == "succeeded":
        assert result["gather"] == {"one": [None if bad else 1, 2], "many": [0, None if bad else 1, 2]}


def test_a_task_comes_after_another_that_gives_it_nothing(tmp_path: Path, executor: str) -> None:
    @pipeline
    def flow():
        return add(2).after(later(1))

    watch = Watch()
    result = Live(tmp_path).run(flow, executor, listener=watch)

    assert result.output == 2
    assert [event.node for event in watch.of(ev.Succeeded)] == ["later", "add"]


class Split(NamedTuple):
    train: list[int]
    test: list[int]


@dataclass(frozen=True)
class Scores:
    auc: float
    notes: dict[str, str]


@task
def split(n: int, extra: int = 0) -> Split:
    return Split(list(range(n)), [n + extra])


@task
def score(train: list[int]) -> Scores:
    return Scores(len(train) / 10, {"size": str(len(train))})


@task
def pair(x: int) -> tuple[int, str]:
    return x, str(x)


def test_parts_of_results_can_be_passed_on(tmp_path: Path, executor: str) -> None:
    @pipeline
    def flow():
        parts = split(4)
        scores = score(parts.train)
        number, text = pair(7)
        whole = gather.options(name="whole")(parts)
        return total(parts.train), scores.auc, scores.notes["size"], number, text, whole

    output = run(tmp_path, executor, flow).output

    assert output[:5] == (6, 0.4, "4", 7, "7")
    assert output[5] == Split([0, 1, 2, 3], [4])


@task
def use(ledger: str, data: Any) -> int:
    note(ledger, "use")
    return len(data)


def test_a_task_depends_only_on_the_part_that_it_uses(tmp_path: Path, executor: str) -> None:
    """The other part changes, and its result is reused."""

    @pipeline
    def flow(ledger: str, n: int, extra: int):
        return use(ledger, split(n, extra).train)

    live = Live(tmp_path)
    live.run(flow, executor, ledger=live.ledger, n=4, extra=0)
    live.run(flow, executor, ledger=live.ledger, n=4, extra=1)
    assert live.done() == ["use"]

    live.run(flow, executor, ledger=live.ledger, n=5, extra=1)
    assert live.done() == ["use", "use"]


def test_ten_thousand_items_end_right(tmp_path: Path, executor: str) -> None:
    @pipeline
    def flow():
        return total(add(each(range(10_000)), 1))

    result = Live(tmp_path).run(flow, executor)

    assert (result.state, result.output) == ("succeeded", 50_005_000)
    assert result.nodes["add"] == {"succeeded": 10_000}
