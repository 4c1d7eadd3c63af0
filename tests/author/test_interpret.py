"""Calling a pipeline runs it in memory, as running it would."""

from __future__ import annotations

import pandas as pd
import pytest

from ropewalk import each, first_of, pipeline, task, when
from ropewalk.core.errors import DefinitionError, ExecutionError, UsageError
from tests.author.steps import add, anything, evaluate, fail, fetch, numbers, prepared, register, split, train


def test_a_pipeline_is_a_function():
    assert prepared([1, 2, 3, 4]) == (1 + 2) * 2 + 1
    assert prepared([1, 2], depth=5) == 1 * 5 + 1


def test_values_go_from_task_to_task_as_they_are():
    marker = object()

    @task
    def make():
        return marker

    @pipeline
    def wired():
        return anything(make())

    assert wired() is marker


def test_data_that_no_graph_can_hold_may_be_passed_in():
    @task
    def mean(frame: pd.DataFrame) -> float:
        return float(frame["a"].mean())

    @pipeline
    def wired(frame: pd.DataFrame) -> float:
        return mean(frame)

    assert wired(pd.DataFrame({"a": [1, 3]})) == 2.0


def test_async_tasks_are_awaited():
    @pipeline
    def wired():
        return fetch(fetch("x"))

    assert wired() == "<<x>>"


def test_what_depends_on_a_skipped_task_is_skipped():
    ran = []

    @task
    def note(value):
        ran.append(value)
        return value

    @pipeline
    def wired():
        with when(add(1) > 100):
            first = note("first")
        second = note(first)
        third = note("third").after(second)
        note("fourth")
        return first_of(second, third, "nothing")

    assert wired() == "nothing"
    assert ran == ["fourth"]


def test_a_failed_option_of_first_of_is_not_passed_over():
    @pipeline
    def wired():
        return add(first_of(fail(), add(1)))

    with pytest.raises(ValueError, match="no such luck"):
        wired()


def test_what_a_pipeline_returns_is_none_when_it_was_skipped():
    @pipeline
    def wired():
        with when(add(1) > 100):
            return add(5)

    assert wired() is None


@pytest.mark.parametrize(
    ("rule", "breaks", "runs"),
    [
        ("all_succeeded", True, False),
        ("all_succeeded", False, True),
        ("all_done", True, True),
        ("all_done", False, True),
        ("any_failed", True, True),
        ("any_failed", False, False),
        ("none_failed", True, False),
        ("none_failed", False, True),
        ("always", True, True),
    ],
)
def test_run_if_decides_after_failures(rule, breaks, runs):
    ran = []

    @task
    def first():
        if breaks:
            raise ValueError("broken")

    @task(run_if=rule)
    def last(value):
        ran.append(value)

    @pipeline
    def wired():
        last(first())

    try:
        wired()
    except ValueError:
        assert breaks

    assert bool(ran) is runs


def test_none_failed_runs_after_a_skipped_task():
    @pipeline
    def wired():
        with when(add(1) > 100):
            skipped = add(5)
        return anything.options(run_if="none_failed")(skipped)

    assert wired() is None


def test_a_pipeline_calls_its_tasks_in_order_of_need():
    order = []

    @task
    def note(name, *, needs=None):
        order.append(name)

    @pipeline
    def wired():
        last = note("last")
        first = note("first")
        first >> last

    wired()

    assert order == ["first", "last"]


def test_mapping_over_what_turns_out_to_be_no_list_is_an_error():
    @pipeline
    def wired():
        return add(each(anything(3)))

    with pytest.raises(ExecutionError, match="is a `int` and not a list"):
        wired()


def test_mapping_over_lists_that_turn_out_to_differ_is_an_error():
    @pipeline
    def wired():
        return add(each(numbers(2)), each(numbers(3)))

    with pytest.raises(ExecutionError, match="different lengths") as caught:
        wired()

    assert caught.value.facts == ("`a` has 2 items", "`b` has 3 items")


def test_wrong_parameters_are_refused_before_anything_runs():
    with pytest.raises(UsageError, match="expects a whole number"):
        prepared([1], depth="two")


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ((), {}, "is required"),
        (([1],), {"dept": 2}, "unknown parameter `dept`"),
        (([1],), {"rows": []}, "given 2 times"),
    ],
)
def test_a_wrong_call_of_a_pipeline_is_a_wrong_parameter(args, kwargs, words):
    with pytest.raises(UsageError, match=words) as caught:
        prepared(*args, **kwargs)

    assert caught.value.code == "P104"


def test_too_many_arguments_are_refused():
    with pytest.raises(DefinitionError, match="3 positional arguments, but it takes 2"):
        prepared([1], 2, 3)


def test_a_task_that_calls_a_task_calls_the_plain_function():
    @task
    def outer(rows: list[int]) -> int:
        return train(split(rows).train)

    @pipeline
    def wired():
        return outer(numbers())

    assert list(wired.graph().nodes) == ["numbers", "outer"]
    assert wired() == 6


def test_a_pipeline_that_wires_nothing_to_its_result_returns_the_constant():
    @pipeline
    def wired():
        register(evaluate(1, [1]))
        return {"a": 1}

    assert wired() == {"a": 1}
