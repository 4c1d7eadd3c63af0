"""What a pipeline's calls become in the graph."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest

from ropewalk import Cache, Range, RopewalkError, each, pipeline, task
from ropewalk.author.pipeline import trace
from ropewalk.core import expr as ex
from ropewalk.core.expr import Build, Const, Op, Param, Ref
from ropewalk.core.graph import Graph
from tests.author import steps
from tests.author.steps import (
    Kind,
    Settings,
    add,
    anything,
    evaluate,
    halves,
    numbers,
    of_settings,
    prepared,
    register,
    split,
    train,
)


def binding(graph: Graph, node: str, name: str) -> ex.Expr:
    return graph.nodes[node].bindings[name]


def bound(*values):
    """How `anything(value)` is bound, for each value."""

    @pipeline
    def wired():
        for value in values:
            anything(value() if callable(value) else value)

    graph = wired.graph()
    return [node.bindings["value"] for node in graph.nodes.values() if node.task == "anything"]


def test_a_call_becomes_a_node_with_every_parameter_bound():
    @pipeline
    def wired():
        train(numbers(), depth=3)

    graph = wired.graph()

    assert list(graph.nodes) == ["numbers", "train"]
    assert graph.nodes["train"].bindings == {"rows": Ref("numbers"), "depth": Const(3), "rate": Const(0.1)}


def test_a_node_knows_where_it_is_called():
    @pipeline
    def wired():
        numbers()

    node = wired.graph().nodes["numbers"]

    assert node.file == "tests/author/test_graph.py"
    assert Path(__file__).read_text().splitlines()[node.line - 1].strip() == "numbers()"


def test_constants_keep_their_types():
    values = [1, 1.0, True, None, "1", b"x", (1, 2), {3}, Path("a"), Kind.FOREST, Settings(4)]

    assert [ex.evaluate(b, lambda _: None) for b in bound(*values)] == values


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float64(0.5), 0.5),
        (np.int32(3), 3),
        (np.bool_(True), True),
        ([np.int64(1)], [1]),
        ({"a": np.str_("b")}, {"a": "b"}),
    ],
)
def test_numpy_scalars_become_plain_numbers(value, expected):
    (const,) = bound(value)

    assert const == ex.constant(expected)


def test_results_inside_containers_are_found():
    made = bound(
        lambda: [add(1), 2],
        lambda: (add(1), "x"),
        lambda: {"a": add(1), "b": {"c": add(2)}},
    )

    assert [type(b) for b in made] == [Build, Build, Build]
    assert [len(list(ex.refs(b))) for b in made] == [1, 1, 2]


def test_a_dataclass_with_a_result_inside_is_made_when_the_task_runs():
    @pipeline
    def wired():
        return of_settings(Settings(depth=add(2)))

    assert binding(wired.graph(), "of_settings", "settings") == Build(
        "tests.author.steps:Settings", ("depth", "rates"), (Ref("add"), ex.constant((0.1,)))
    )
    assert wired() == 3


def test_fields_and_items_are_projections():
    @pipeline
    def wired():
        parts = split(numbers())
        train(parts.train)
        halved = halves(parts[1])
        train(halved[-1])
        anything(anything()["a"][0].b)

    graph = wired.graph()

    assert binding(graph, "train:1", "rows") == Ref("split", (("attr", "train"),))
    assert binding(graph, "halves", "rows") == Ref("split", (("attr", "test"),))
    assert binding(graph, "train:2", "rows") == Ref("halves", (("item", 1),))
    assert binding(graph, "anything:2", "value") == Ref("anything:1", (("item", "a"), ("item", 0), ("attr", "b")))


def test_a_tuple_or_named_tuple_can_be_unpacked():
    @pipeline
    def wired():
        first, second = split(numbers())
        train(first)
        _, last = halves(second)
        train(last)

    graph = wired.graph()

    assert binding(graph, "train:1", "rows") == Ref("split", (("attr", "train"),))
    assert binding(graph, "train:2", "rows") == Ref("halves", (("item", 1),))


def test_a_field_that_is_called_after_is_reached_as_an_item():
    @pipeline
    def wired():
        anything(evaluate(1, [1])["after"])

    assert binding(wired.graph(), "anything", "value") == Ref("evaluate", (("attr", "after"),))


def test_a_property_of_a_result_is_a_projection():
    @pipeline
    def wired():
        return anything(evaluate(50, [1]).percent)

    assert wired() == 50.0


def test_comparisons_and_arithmetic_are_expressions():
    made = bound(
        lambda: add(1) >= 2,
        lambda: 2 >= add(1),  # noqa: SIM300  # the reflected operator
        lambda: ~(add(1) == 2),
        lambda: (add(1) + 1) * 2 / 4 - 3,
        lambda: 1 - add(1),
        lambda: -add(1),
        lambda: (add(1) > 0) & True,
        lambda: False | (add(1) < 0),
        lambda: np.float64(2.0) <= add(1),
    )

    values = [ex.evaluate(b, lambda _: 2) for b in made]

    assert values == [True, True, False, -1.5, -1, -2, True, False, True]
    assert made[1].name == "le"


def test_after_and_shift_are_control_dependencies():
    @pipeline
    def wired():
        a, b, c, d = numbers(1), numbers(2), numbers(3), numbers(4)
        b.after(a)
        a >> c
        [a, b] >> d
        e = add(1).after(a, [b, c])
        f = add.options(after=[d])(2)
        d >> [e, f]

    graph = wired.graph()
    after = {node.id: node.after for node in graph.nodes.values()}

    assert after["numbers:b"] == ("numbers:a",)
    assert after["numbers:c"] == ("numbers:a",)
    assert after["numbers:d"] == ("numbers:a", "numbers:b")
    assert after["add:e"] == ("numbers:a", "numbers:b", "numbers:c", "numbers:d")
    assert after["add:f"] == ("numbers:d",)


def test_shifts_can_be_chained():
    @pipeline
    def wired():
        first, second, third = numbers(1), numbers(2), numbers(3)
        first >> second >> third

    graph = wired.graph()

    assert graph.nodes["numbers:third"].after == ("numbers:second",)
    assert graph.nodes["numbers:second"].after == ("numbers:first",)


def test_a_cycle_is_named_with_its_lines():
    @pipeline
    def wired():
        a = add(1)
        b = add(a)
        a.after(b)

    with pytest.raises(RopewalkError) as caught:
        wired.graph()

    assert caught.value.code == "P210"
    assert "add:a" in caught.value.title
    assert all("tests/author/test_graph.py:" in fact for fact in caught.value.facts)


def test_a_parameter_that_is_passed_on_is_bound_by_name():
    @pipeline
    def wired(count: int = 3, rate: float = 0.5, name: str = "x", path: Path = Path("p")):
        train(numbers(count), rate=rate)
        anything([name, path])

    graph = wired.graph()

    assert binding(graph, "numbers", "count") == Param("count")
    assert binding(graph, "train", "rate") == Param("rate")
    assert binding(graph, "anything", "value") == Build("list", (), (Param("name"), Param("path")))


def test_what_is_computed_from_a_parameter_is_a_constant():
    @pipeline
    def wired(count: int = 3, name: str = "x", path: Path = Path("p")):
        anything([count + 1, f"{name}!", name.upper(), path / "q", path.parent, -count, count // 2])

    (const,) = wired.graph().nodes["anything"].bindings.values()

    assert const == ex.constant([4, "x!", "X", Path("p/q"), Path(), -3, 1])


def test_a_parameter_shapes_the_graph():
    @pipeline
    def wired(count: int = 2, careful: bool = False, kind: str = "a"):
        for n in range(count):
            numbers(n)
        if careful or kind == "b":
            add(1)

    assert len(wired.graph(3).nodes) == 3
    assert len(wired.graph(careful=True).nodes) == 3
    assert len(wired.graph(kind="b").nodes) == 3


def test_the_digest_does_not_depend_on_parameters_that_do_not_shape_the_graph():
    @pipeline
    def wired(count: int = 2, least: float = 0.5, label: str = "x"):
        scored = evaluate(count, numbers(count))
        with_label = anything(label)
        register(scored).after(with_label)
        return scored.auc >= least

    assert wired.graph().digest == wired.graph(3, 0.7, "y").digest


def test_a_parameter_compared_with_a_result_stays_a_parameter():
    @pipeline
    def wired(least: float = 0.5):
        return least <= evaluate(1, [1]).auc

    assert wired.graph().output == Op("ge", (Ref("evaluate", (("attr", "auc"),)), Param("least")))


def test_lists_and_flags_among_the_parameters_are_constants():
    @pipeline
    def wired(depths: list[int] = [1, 2], careful: bool = True):  # noqa: B006
        anything([depths, careful])

    graph = wired.graph()

    assert binding(graph, "anything", "value") == ex.constant([[1, 2], True])
    assert graph.digest != wired.graph([3]).digest


def test_tasks_get_exact_types_where_parameters_were_computed_with():
    seen = []

    @task
    def look(value):
        seen.append(value)

    @pipeline
    def wired(count: int = 3, name: str = "x"):
        look([count, {"n": name}, (count,), max(count, 1)])

    wired()

    flat = [seen[0][0], seen[0][1]["n"], seen[0][2][0], seen[0][3]]
    assert [type(v) for v in flat] == [int, str, int, int]


def test_a_pipeline_in_a_pipeline_is_a_group():
    @pipeline
    def outer():
        rows = numbers()
        first = prepared(rows)
        second = prepared(rows, depth=5)
        return add(first, second)

    graph = outer.graph()

    assert list(graph.nodes) == [
        "numbers", "prepared:first/split", "prepared:second/split", "prepared:first/train", "prepared:second/train",
        "prepared:first/add", "prepared:second/add", "add",
    ]  # fmt: skip
    assert binding(graph, "prepared:first/train", "depth") == Const(2)
    assert binding(graph, "prepared:second/train", "depth") == Const(5)
    assert outer() == (1 * 2 + 1) + (1 * 5 + 1)


def test_a_parameter_reaches_through_a_group():
    @pipeline
    def outer(depth: int = 7):
        return prepared(numbers(), depth)

    assert binding(outer.graph(), "prepared/train", "depth") == Param("depth")


def test_a_group_may_take_a_result_for_a_parameter():
    @pipeline
    def outer():
        return prepared(numbers(), add(1))

    assert binding(outer.graph(), "prepared/train", "depth") == Ref("add")


def test_policies_come_from_the_task_and_from_the_call():
    slow = task(steps.add.fn, name="slow", timeout="1h", retry=1)

    @pipeline
    def wired():
        slow.options(retry=3, cache=Cache(version="2"))(1)

    policy = wired.graph().nodes["slow"].policy

    assert (policy.timeout_s, policy.retry.count, policy.cache.version) == (3600, 3, "2")


def test_a_task_appears_once_however_often_it_is_called():
    @pipeline
    def wired():
        for n in range(3):
            add(n)

    graph = wired.graph()

    assert list(graph.tasks) == ["add"]
    assert {node.task for node in graph.nodes.values()} == {"add"}


def test_the_functions_come_with_the_graph():
    @pipeline
    def wired():
        return add(1)

    made = trace(wired)

    assert made.functions == {"add": add.fn}
    assert made.params == {}
    assert made.target == "tests/author/test_graph.py:wired"


def test_a_graph_survives_json():
    @pipeline
    def wired(count: Annotated[int, Range(1, 9)] = 3, kind: Kind = Kind.FOREST):
        parts = split(numbers(count))
        models = train(parts.train, depth=each([1, 2]))
        return {"models": models, "kind": anything(kind), "n": count}

    graph = wired.graph()

    back = Graph.from_json(json.loads(json.dumps(graph.to_json())))

    assert back == graph
    assert back.digest == graph.digest


@pytest.mark.parametrize(
    "make",
    [lambda v: v, lambda v: [v, 1], lambda v: (v,), lambda v: {"a": v}, lambda _: None],
    ids=["itself", "list", "tuple", "dict", "nothing"],
)
def test_a_pipeline_may_return_results_in_containers(make):
    @pipeline
    def wired():
        return make(add(1))

    assert wired() == make(2)


def test_debuggers_and_notebooks_may_look_at_a_reference():
    seen = []

    @pipeline
    def wired():
        score = evaluate(1, [1])
        seen.extend([repr(score.auc >= 0.5), hasattr(score, "_repr_html_"), hasattr(score, "__array__")])
        assert copy.copy(score) is score
        assert copy.deepcopy([score])[0] is score
        assert {score: 1}[score] == 1
        register(score)

    wired.graph()

    assert seen == ["<ref evaluate.auc >= 0.5>", False, False]


def test_the_pipeline_tells_its_file_parameters_and_first_line_of_its_docstring():
    @pipeline(name="nightly-fit")
    def wired(count: int = 3):
        """Fit.

        Every night.
        """
        numbers(count)

    graph = wired.graph()

    assert (graph.name, graph.doc, graph.file) == ("nightly-fit", "Fit.", "tests/author/test_graph.py")
    assert [p.name for p in graph.params] == ["count"]


@dataclass
class Box:
    inside: object


def test_a_constant_of_a_class_inside_a_function_is_refused():
    @dataclass
    class Local:
        x: int = 1

    with pytest.raises(RopewalkError, match="which a graph cannot hold") as caught:
        bound(Local)

    assert "cannot be found again" in str(caught.value)


def test_a_constant_of_a_class_at_the_top_of_a_module_is_kept():
    assert bound(Box(3)) == [ex.constant(Box(3))]
