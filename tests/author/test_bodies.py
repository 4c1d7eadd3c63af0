"""What cannot be repeated, mapped or folded is refused when the graph is made, with one clear message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ropewalk import each, loop, pipeline, reduce, task, when
from ropewalk.core.errors import DefinitionError


@task
def step(x: float) -> float:
    return x


@task
def shown(x: float) -> str:
    return str(x)


@task
def merged(parts: list[float]) -> float:
    return sum(parts)


@task
def several() -> list[float]:
    return [1.0]


@pipeline
def branch(x: float):
    return step(x)


def two(x: float) -> float:
    inner.append(step(x))
    return inner[-1]


inner: list[Any] = []


def leak() -> Any:
    loop(two, 1.0, at_most=2)
    return step(inner[-1])


def leak_into_a_condition() -> Any:
    loop(two, 1.0, at_most=2)
    with when(inner[-1] > 1):
        return step(1.0)


def leak_into_after() -> Any:
    loop(two, 1.0, at_most=2)
    return step(1.0).after(inner[-1])


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "at_most is missing": (lambda: loop(step, 1.0), "`at_most` is missing"),
    "at_most is 0": (lambda: loop(step, 1.0, at_most=0), "from 1 to 10,000, not 0"),
    "at_most is True": (lambda: loop(step, 1.0, at_most=True), "not True"),
    "at_most is a text": (lambda: loop(step, 1.0, at_most="5"), "not '5'"),
    "at_most is huge": (lambda: loop(step, 1.0, at_most=10**9), "from 1 to 10,000"),
    "the type changes": (lambda: loop(shown, step(1.0), at_most=3), "is given a `float` and returns a `str`"),
    "a turn returns nothing": (lambda: loop(lambda _: None, step(1.0), at_most=3), "and returns nothing"),
    "a turn returns a constant": (lambda: loop(lambda _: "3", step(1.0), at_most=3), "and returns '3'"),
    "the start is of another type": (lambda: loop(step, "1", at_most=3), "`step` needs a"),
    "a start for each is of another type": (lambda: loop(step, each([1.0, "1"]), at_most=3), "`step` needs a"),
    "the body is no function": (lambda: loop(3, step(1.0), at_most=3), "not 3"),  # type: ignore[arg-type]
    "it starts with a list": (lambda: loop(step, several(), at_most=3), "for one loop for each item"),
    "until is no function": (lambda: loop(step, 1.0, until=True, at_most=3), "`until` must be a function"),
    "until is no condition": (lambda: loop(step, 1.0, until=lambda x: x, at_most=3), "`until` needs something"),
    "until says a text": (lambda: loop(step, 1.0, until=lambda _: "no", at_most=3), "`until` needs something"),
    "the width is 1": (lambda: reduce(merged, several(), width=1), "from 2 to 1,000, not 1"),
    "a tree without a list": (lambda: reduce(merged, step(1.0)), "needs a list"),
    "a tree of a function": (lambda: reduce(sum, several()), "`reduce` takes a task"),
    "a task that takes no list": (lambda: reduce(step, several()), "does not take a list first"),
    "a result of a turn outside": (leak, "is a result inside a loop or a mapped pipeline"),
    "a result of a turn in a condition": (leak_into_a_condition, "is a result inside"),
    "a result of a turn in after": (leak_into_after, "is a result inside"),
    "a pipeline mapped over a number": (lambda: branch(each(step(1.0))), "needs a list"),
    "a pipeline mapped over what never ends": (lambda: branch(each(iter(int, 1))), "may never end"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused(case: str) -> None:
    build, message = REFUSED[case]

    @pipeline
    def wrong():
        return build()

    with pytest.raises(DefinitionError) as refused:
        wrong.graph()
    assert message in str(refused.value)
    assert refused.value.where is not None


def test_a_loop_outside_a_pipeline_is_refused() -> None:
    with pytest.raises(DefinitionError, match="`loop` is used outside a pipeline"):
        loop(step, 1.0, at_most=3)


def test_lines_elsewhere_do_not_change_what_a_loop_is() -> None:
    @pipeline
    def plain():
        return loop(step, 1.0, at_most=3)

    @pipeline(name="plain")
    def with_more():
        shown(1.0)
        return loop(step, 1.0, at_most=3)

    bodies = [graph.to_json(places=False)["bodies"] for graph in (plain.graph(), with_more.graph())]
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize(
    ("items", "key", "message"),
    [
        (["a", "b", "a"], str, "items 0 and 2 have the same key, `a`"),
        ([{"n": 1}, {"m": 2}], "n", "item 1 has no `n`"),
        (["", "a"], str, "item 0 has an empty key"),
        (["a"], 3, "must be the name of a field"),
        (["a"], "two words", "must be the name of a field"),
    ],
)
def test_keys_that_name_no_item_are_refused(items: list[Any], key: Any, message: str) -> None:
    @pipeline
    def wrong():
        return shown(each(items, key=key))

    with pytest.raises(DefinitionError, match=message):
        wrong.graph()
