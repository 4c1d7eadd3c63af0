"""`-p task.parameter=value` changes one parameter of one task, and nothing else."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from ropewalk import Range, each, pipeline, task
from ropewalk.author.override import overridable, override
from ropewalk.author.pipeline import trace
from ropewalk.core.errors import UsageError
from ropewalk.core.expr import Const, Param
from tests.author.steps import add, anything, numbers, prepared, train


@task
def limited(x: int, share: Annotated[float, Range(0, 1)] = 0.5, loose: Any = 3) -> float:
    return share


@pipeline
def flow(count: int = 3):
    rows = numbers(count)
    first = train(rows, depth=4)
    second = train(rows, depth=each([5, 6]))
    prepared(rows)
    limited(add(first, 2))
    anything(second)


@pytest.fixture
def made():
    return trace(flow)


def changed(made, **texts):
    return override(made.graph, {k.replace("__", "."): v for k, v in texts.items()}, made.functions)


def refusal(made, *pairs):
    with pytest.raises(UsageError) as caught:
        override(made.graph, pairs, made.functions)
    return caught.value


def test_a_task_name_stands_for_all_its_nodes(made):
    graph = override(made.graph, {"add.b": "9"}, made.functions)

    assert graph.nodes["add"].bindings["b"] == Const(9)
    assert graph.nodes["prepared/add"].bindings["b"] == Const(1)


def test_a_task_that_is_called_several_times_is_changed_everywhere(made):
    graph = override(made.graph, {"train.rate": "0.5"}, made.functions)

    rates = [node.bindings["rate"] for node in graph.nodes.values() if node.task == "train"]
    assert rates == [Const(0.5)] * 3


def test_a_node_id_stands_for_one_node(made):
    graph = override(made.graph, {"prepared/train.depth": "9"}, made.functions)

    assert graph.nodes["prepared/train"].bindings["depth"] == Const(9)
    assert graph.nodes["train:first"].bindings["depth"] == Const(4)


def test_a_parameter_of_the_pipeline_gives_way(made):
    assert made.graph.nodes["numbers"].bindings["count"] == Param("count")

    assert changed(made, numbers__count="7").nodes["numbers"].bindings["count"] == Const(7)


def test_everything_else_stays(made):
    graph = changed(made, numbers__count="7")

    assert {k: v for k, v in graph.nodes.items() if k != "numbers"} == {
        k: v for k, v in made.graph.nodes.items() if k != "numbers"
    }
    assert graph.digest != made.graph.digest


def test_the_functions_are_imported_when_they_are_not_given():
    @pipeline
    def small():
        train([1])

    graph = override(small.graph(), {"train.depth": "9"})

    assert graph.nodes["train"].bindings["depth"] == Const(9)


def test_what_comes_from_another_task_cannot_be_given(made):
    error = refusal(made, ("limited.x", "3"))

    assert error.code == "P104"
    assert error.title == "parameter `limited.x` cannot be given: it takes add"


def test_what_is_mapped_cannot_be_given(made):
    assert "it is taken apart by each() or cross()" in refusal(made, ("train.depth", "3")).title


def test_an_unknown_name_suggests_the_nearest(made):
    error = refusal(made, ("trian.rate", "3"))

    assert error.title == "unknown parameter `trian.rate`"
    assert "train.rate" in error.facts[0]
    assert error.help == ("did you mean `train.rate`?", "ropewalk run -p train.rate=3")


def test_a_value_that_does_not_fit_names_type_range_and_place(made):
    error = refusal(made, ("limited.share", "2"))

    assert error.title == "parameter `limited.share` of `flow` expects a number from 0 to 1 (float), not `2`"
    assert error.facts[0].startswith("declared at tests/author/test_override.py:")


def test_all_problems_are_told_at_once(made):
    error = refusal(made, ("limited.x", "3"), ("limited.share", "x"), ("nobody.x", "1"))

    assert error.title == "3 problems with the parameters of `flow`"
    assert len(error.facts) == 3


def test_without_an_annotation_the_present_value_says_the_type(made):
    assert changed(made, limited__loose="4").nodes["limited"].bindings["loose"] == Const(4)
    assert "expects a whole number" in refusal(made, ("limited.loose", "x")).title


def test_names_that_can_be_overridden_are_listed(made):
    names = overridable(made.graph)

    assert {"numbers.count", "limited.share", "train.rate", "prepared/train.depth", "train:first.depth"} <= set(names)
    assert "limited.x" not in names
    assert "train:second.depth" not in names
