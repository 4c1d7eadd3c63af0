"""Expressions of references: what they are worth, what they need, how they are written."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.core import expr as ex
from ropewalk.core.errors import UnstorableError
from ropewalk.core.expr import Build, Const, FirstOf, Op, Param, Ref, Unavailable, constant

NAMES = st.sampled_from(["a", "b", "split"])
STEPS = st.tuples(st.sampled_from(["attr", "item"]), st.sampled_from(["train", "x"]))
LEAVES = st.one_of(
    st.integers().map(constant), NAMES.map(Param), st.builds(Ref, NAMES, st.lists(STEPS, max_size=2).map(tuple))
)
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda a, b: Op("add", (a, b)), inner, inner),
        st.builds(lambda a: Op("not", (a,)), inner),
        st.lists(inner, max_size=3).map(lambda items: Build("list", (), tuple(items))),
        st.dictionaries(st.text(max_size=3), inner, max_size=3).map(
            lambda d: Build("dict", tuple(d), tuple(d.values()))
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: FirstOf(tuple(items))),
    ),
    max_leaves=8,
)


def values(**known: Any) -> Any:
    def value_of(leaf: Ref | Param) -> Any:
        name = leaf.name if isinstance(leaf, Param) else leaf.node
        if name not in known:
            raise Unavailable
        return ex.project(known[name], leaf.path) if isinstance(leaf, Ref) else known[name]

    return value_of


@given(expr=EXPRESSIONS)
def test_an_expression_is_read_back_as_it_was_written(expr: ex.Expr) -> None:
    assert ex.from_json(ex.to_json(expr)) == expr


@given(expr=EXPRESSIONS)
def test_hard_references_are_those_outside_first_of(expr: ex.Expr) -> None:
    inside = [ref for choice in ex.choices(expr) for ref in ex.refs(choice)]

    assert sorted(map(str, ex.refs(expr))) == sorted(map(str, [*ex.hard_refs(expr), *inside]))


@pytest.mark.parametrize(
    ("name", "args", "value"),
    [
        ("ge", (2, 2), True), ("gt", (2, 2), False), ("le", (1, 2), True), ("lt", (2, 1), False), ("eq", (1, 1), True),
        ("ne", (1, 1), False), ("and", (1, 0), False), ("or", (0, 3), True), ("not", (0,), True), ("add", (1, 2), 3),
        ("sub", (1, 2), -1), ("mul", (2, 3), 6), ("div", (1, 2), 0.5), ("neg", (2,), -2),
    ],
)  # fmt: skip
def test_an_operator_computes(name: str, args: tuple[int, ...], value: Any) -> None:
    assert ex.evaluate(Op(name, tuple(map(constant, args))), values()) == value


def test_every_operator_is_tried_above() -> None:
    assert len(ex.OPERATORS) == 14


def test_containers_are_built_of_the_values_inside() -> None:
    parts = (Ref("a"), Param("p"), constant("c"))

    assert ex.evaluate(Build("list", (), parts), values(a=1, p=2)) == [1, 2, "c"]
    assert ex.evaluate(Build("tuple", (), parts), values(a=1, p=2)) == (1, 2, "c")
    assert ex.evaluate(Build("dict", ("x", 1, None), parts), values(a=1, p=2)) == {"x": 1, 1: 2, None: "c"}


def test_an_object_is_built_by_its_class() -> None:
    point = Build("datetime:timedelta", ("days", "hours"), (Ref("a"), constant(2)))

    assert ex.evaluate(point, values(a=1)) == dt.timedelta(days=1, hours=2)
    assert ex.show(point) == "timedelta(days=a, hours=2)"
    assert ex.from_json(ex.to_json(point)) == point


def test_first_of_takes_the_first_that_is_there() -> None:
    choice = FirstOf((Ref("a"), Op("add", (Ref("b"), constant(1))), constant(0)))

    assert ex.evaluate(choice, values(a=5, b=7)) == 5
    assert ex.evaluate(choice, values(b=7)) == 8
    assert ex.evaluate(choice, values()) == 0


def test_what_is_not_there_makes_an_expression_unavailable() -> None:
    for expr in (Ref("a"), Op("not", (Ref("a"),)), Build("list", (), (Ref("a"),)), FirstOf((Ref("a"), Ref("b")))):
        with pytest.raises(Unavailable):
            ex.evaluate(expr, values())


def test_a_part_is_reached_by_attribute_and_item() -> None:
    assert ex.project({"x": [complex(1, 2)]}, (("item", "x"), ("item", 0), ("attr", "imag"))) == 2

    with pytest.raises(KeyError):
        ex.project({}, (("item", "x"),))


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (Ref("best", (("attr", "auc"),)), "best.auc"),
        (Ref("m", (("item", 0), ("item", "k"))), "m[0]['k']"),
        (Op("ge", (Ref("a"), Param("min_auc"))), "a >= min_auc"),
        (Op("not", (Op("and", (Ref("a"), Ref("b"))),)), "~(a & b)"),
        (Build("dict", ("k",), (constant(1),)), "{'k': 1}"),
        (Build("tuple", (), (constant(1), Ref("b"))), "(1, b)"),
        (FirstOf((Ref("a"), Ref("b"))), "first_of(a, b)"),
    ],
)
def test_an_expression_is_shown_as_a_person_would_write_it(expr: ex.Expr, text: str) -> None:
    assert ex.show(expr) == text


def test_only_plain_values_are_constants() -> None:
    assert constant((1, "a")) == Const({"$": "tuple", "v": [1, "a"]})

    with pytest.raises(UnstorableError):
        constant(object())
