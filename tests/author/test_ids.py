"""Nodes are named after tasks and variables, so that names stay when unrelated lines change."""

from __future__ import annotations

import pytest

from ropewalk import pipeline
from tests.author.modules import as_before, made
from tests.author.steps import add, numbers, prepared, split, train


@pytest.fixture(autouse=True)
def _clean():
    with as_before():
        yield


def names(body: str, folder) -> list[str]:
    lines = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
    return sorted(made(folder, f"@pipeline\ndef flow():\n{lines}\n").graph().nodes)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("x = one(1)", ["one"]),
        ("one(1)", ["one"]),
        ("x = one(1)\ny = one(2)", ["one:x", "one:y"]),
        ("x = one(1)\none(2)", ["one:1", "one:x"]),
        ("one(1)\none(2)", ["one:1", "one:2"]),
        ("for n in range(3):\n    x = one(n)", ["one:1", "one:2", "one:3"]),
        ("x = one(1)\nx = one(x)", ["one:1", "one:2"]),
        ("x: int = one(1)\ny: int = one(2)", ["one:x", "one:y"]),
        ("x = one(\n    1,\n    b=2,\n)\ny = (\n    one(2)\n)", ["one:x", "one:y"]),
        ("x = one(1).after(two(0))\ny = one(2)", ["one:x", "one:y", "two"]),
        ("x = pair(1).low\ny = pair(2).high", ["pair:x", "pair:y"]),
        ("x = pair(1)[0]\ny = one(2)", ["one", "pair"]),
        ("one(x := one(1))", ["one:1", "one:x"]),
        ("x = two(0) >> one(1)\ny = one(2)", ["one:x", "one:y", "two"]),
        ("x, y = one(1), one(2)", ["one:x", "one:y"]),
        ("low, high = pair(1)\na, b = pair(2)", ["pair:a_b", "pair:low_high"]),
        ('found = {}\nfound["x"] = one(1)\nfound["y"] = one(2)', ["one:x", "one:y"]),
        ("found = [one(n) for n in range(2)]", ["one:1", "one:2"]),
        ("x = one.options(timeout=3)(1)\ny = one(2)", ["one:x", "one:y"]),
        ('one.options(name="first")(1)\nx = one(2)', ["first", "one"]),
        ('one.options(name="one")(1)\nx = one(2)', ["one", "one:x"]),
        ('one.options(name="one")(1)\none(2)', ["one", "one:1"]),
        ("x = one(one(1))", ["one:1", "one:x"]),
        ("größe = one(1)\nx = one(2)", ["one:1", "one:x"]),
        ("x = one(1) if True else None\ny = one(2)", ["one:1", "one:y"]),
    ],
)
def test_nodes_are_named_after_tasks_and_variables(body, expected, tmp_path):
    assert names(body, tmp_path) == expected


def test_names_stay_when_an_unrelated_call_is_added(tmp_path):
    before = names("x = one(1)\ny = one(2)\nz = two(y)", tmp_path)

    after = names("total([1])\nx = one(1)\nw = pair(x)\ny = one(2)\nz = two(y)", tmp_path)

    assert set(before) < set(after)


def test_names_stay_when_lines_change_places(tmp_path):
    before = names("x = one(1)\ny = one(2)\nz = two(3)", tmp_path)

    after = names("z = two(3)\n\n# a comment\ny = one(2)\nx = one(1)", tmp_path)

    assert before == after


def test_groups_are_named_like_nodes():
    @pipeline
    def outer():
        rows = numbers()
        first = prepared(rows)
        second = prepared(rows)
        add(first, second)

    assert {name.partition("/")[0] for name in outer.graph().nodes} == {
        "numbers",
        "prepared:first",
        "prepared:second",
        "add",
    }


def test_names_inside_a_group_do_not_depend_on_what_is_outside():
    @pipeline
    def outer():
        parts = split(numbers())
        model = train(parts.train)
        other = prepared(parts.test)
        add(model, other)

    assert {"train", "prepared/train", "prepared/split", "split"} <= set(outer.graph().nodes)


def test_groups_nest():
    @pipeline
    def middle(rows: list[int]) -> int:
        return prepared(rows)

    @pipeline
    def outer():
        middle(numbers())

    assert "middle/prepared/train" in outer.graph().nodes


def test_a_fixed_name_may_be_used_once_in_each_group():
    @pipeline
    def inner(n: int) -> int:
        return add.options(name="it")(n)

    @pipeline
    def outer():
        add.options(name="it")(inner(1), inner(2))

    assert sorted(outer.graph().nodes) == ["inner:1/it", "inner:2/it", "it"]
