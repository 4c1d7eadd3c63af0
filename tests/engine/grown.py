"""Pipelines whose nodes come into being as they run."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd

from ropewalk import cross, each, first_of, loop, otherwise, pipeline, reduce, task, when
from tests.engine.live import note


@task
def number(x: float) -> float:
    return x


@task
def nearer(x: float, target: float = 10.0) -> float:
    return x + (target - x) / 2


@task
def is_near(x: float) -> bool:
    return x > 9.9


@task
def names(count: int) -> list[str]:
    return ["abcdefgh"[: n + 1] for n in range(count)]


@task
def days(store: str) -> list[int]:
    return list(range(len(store)))


@task
def square(day: int, plus: int = 0) -> int:
    return day * day + plus


@task
def total(parts: list[int]) -> int:
    return sum(parts)


@task
def joined(parts: list[str]) -> str:
    return "".join(parts)


@task
def is_long(store: str) -> bool:
    return len(store) > 2


class Both(NamedTuple):
    first: int
    second: str


@task
def both(x: int, name: str) -> Both:
    return Both(x, name)


@pipeline
def a_loop():
    return loop(nearer, number(3.0), until=lambda x: x > 9.9, at_most=50)


@pipeline
def a_loop_until_a_task_says_so():
    return loop(lambda x: nearer(x, target=11.0), 1.0, until=is_near, at_most=20)


@pipeline
def a_loop_that_runs_out():
    return loop(nearer, 0.0, until=lambda x: x > 1000, at_most=3)


@pipeline
def two_steps(x: float):
    return nearer(nearer(x), target=20.0)


@pipeline
def a_loop_over_a_pipeline():
    return number(loop(two_steps, number(0.0), at_most=4))


@pipeline
def loops_side_by_side():
    return loop(nearer, each([1.0, 5.0, 9.95]), until=lambda x: x > 9.9, at_most=9)


@pipeline
def a_loop_in_a_loop():
    def outer(x: float) -> float:
        return number(loop(nearer, x, until=lambda y: y > 5, at_most=3))

    return loop(outer, 0.0, at_most=3)


@pipeline
def per_store(store: str, plus: int = 0):
    return total(square(each(days(store)), plus))


@pipeline
def a_mapped_pipeline(count: int = 4):
    return per_store(each(names(count)), plus=2)


@pipeline
def of_known_items():
    return total(per_store(each(["a", "bb", "ccc"])))


@pipeline
def every_combination():
    return per_store(**cross(store=["a", "bbb"], plus=[0, 5]))


@pipeline
def with_a_branch(store: str):
    with when(is_long(store)):
        long = total(days(store))
    with otherwise():
        short = number(-1)
    return first_of(long, short)


@pipeline
def branches_inside():
    return with_a_branch(each(names(5)))


@pipeline
def several_results(store: str):
    return {"pair": both(total(days(store)), store), "name": store}


@pipeline
def results_of_several_kinds():
    return several_results(each(names(2)))


@pipeline
def nested(count: int = 2):
    def refine(x: float) -> float:
        return nearer(x, target=12.0)

    @pipeline
    def one(store: str):
        inner = per_store(each(names(2)))
        return [loop(refine, 1.0, at_most=2), inner, store]

    return one(each(names(count)))


@pipeline
def a_tree(count: int = 100, width: int = 4):
    return reduce(total, square(each(list(range(count)))), width=width)


@pipeline
def a_tree_of_a_list():
    return reduce(joined, names(7), width=2)


@task
def weigh(frame: pd.DataFrame, by: int) -> int:
    return int(frame["x"].sum()) * by


@task(dynamic=True)
def explore(count: int) -> int:
    frame = pd.DataFrame({"x": range(count + 1000)})
    weights = [weigh(frame, by) for by in range(count)]
    return total([*weights, total(square(each(list(range(count)))))])


@pipeline
def a_dynamic_task():
    return explore(3)


@pipeline
def dynamic_tasks_side_by_side():
    return total(explore(each([1, 2, 0])))


@task(dynamic=True)
def approach(x: float) -> float:
    return number(loop(nearer, x, until=lambda y: y > 5, at_most=4))


@pipeline
def a_group():
    return [explore(2), approach(1.0)]


@pipeline
def equal_dynamic_tasks_in_several_places():
    first = approach(1.0)
    second = approach(1.0)
    return [first, second, explore(2), a_group()]


@task
def stumbles(x: int, ledger: str, at: int = 99) -> int:
    note(ledger, f"turn {x}")
    if x == at:
        raise ValueError(f"not beyond {x}")
    return x + 1


@pipeline
def stumbling(ledger: str, at: int = 99):
    return loop(lambda x: stumbles(x, ledger, at), 0, until=lambda x: x >= 5, at_most=9)


@task(name="second")
def fails_late(x: int) -> int:
    if x == 3:
        raise ValueError("no 3")
    return x


@task(name="second")
def never_fails(x: int) -> int:
    return x


def with_second_step(second: Any):
    """A loop whose second step is repaired by a person."""

    @pipeline(name="two_steps")
    def made(ledger: str):
        return loop(lambda x: second(stumbles(x, ledger)), 0, at_most=4)

    return made


ALL = (
    a_loop, a_loop_until_a_task_says_so, a_loop_that_runs_out, a_loop_over_a_pipeline, loops_side_by_side,
    a_loop_in_a_loop, a_mapped_pipeline, of_known_items, every_combination, branches_inside,
    results_of_several_kinds, nested, a_tree, a_tree_of_a_list, a_dynamic_task, dynamic_tasks_side_by_side,
    equal_dynamic_tasks_in_several_places,
)  # fmt: skip


@task
def same(x: float) -> float:
    return x


@pipeline
def a_loop_that_stands_still():
    return loop(same, 1.0, at_most=4)


@task
def check(store: str) -> str:
    if len(store) == 3:
        raise ValueError("three letters are too many")
    return store


@pipeline
def checked(store: str):
    return joined([check(store)])


@pipeline
def one_bad_store():
    return checked(each(names(4)))


@pipeline
def only_long(store: str):
    with when(is_long(store)):
        return total(days(store))


@pipeline
def some_skipped():
    return only_long(each(names(4)))


@task
def shops() -> list[dict[str, str]]:
    return [{"name": "berlin", "at": "a"}, {"name": "new york", "at": "bb"}]


@task
def address(shop: dict[str, str]) -> str:
    return shop["at"]


@pipeline
def one_shop(shop: dict[str, str]):
    return address(shop)


@pipeline
def keyed():
    asked = address(each(shops(), key="name"))
    return {"asked": asked, "again": joined(days_of(each(asked))), "mapped": one_shop(each(shops(), key="name"))}


@task
def days_of(at: str) -> str:
    return at * 2


@task
def described(state: dict[str, int]) -> dict[str, int]:
    return {"turn": state["turn"] + 1}


@pipeline
def until_that_fails():
    return loop(described, {"turn": 0}, until=lambda state: state["missing"] > 1, at_most=3)
