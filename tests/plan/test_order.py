"""The ranks of each policy, and that the default one is near the best order that there is."""

from __future__ import annotations

import itertools
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.graphs import SHAPES, random_graph
from benchmarks.optimum import optimum_s
from benchmarks.ordering import NEAR, compare, optimum_ratios, random_comparisons, shape_lines
from ropewalk.core.policy import Order
from ropewalk.plan.order import LEAST_PATIENCE_S, POLICIES, Ranking, aged, ranking, remaining_s
from ropewalk.plan.workload import Load, ends_s, least_s, makespan_s

#   load ─┬─ clean ── train ─┬─ report
#         └─ count ──────────┘
DIAMOND = [
    Load("load", 1, 1.0),
    Load("count", 1, 2.0, ("load",)),
    Load("clean", 1, 1.0, ("load",)),
    Load("train", 5, 3.0, ("clean",)),
    Load("report", 1, 1.0, ("count", "train")),
]


def in_order(loads: list[Load], policy: Order, workers: int = 2) -> list[str]:
    ranks = ranking(loads, workers, policy)
    return sorted((load.node for load in loads), key=ranks)


def test_the_rank_of_a_node_is_the_longest_chain_that_it_begins() -> None:
    """A mapped node counts with the rounds that its items take."""
    assert remaining_s(DIAMOND, 2) == {"load": 12.0, "count": 3.0, "clean": 11.0, "train": 10.0, "report": 1.0}


def test_on_the_critical_path_comes_first() -> None:
    assert in_order(DIAMOND, "critical-path") == ["load", "clean", "train", "count", "report"]


def test_without_history_hops_are_counted() -> None:
    chain = [Load("short", 1, None), Load("a", 1, None), Load("b", 1, None, ("a",)), Load("c", 1, None, ("b",))]

    assert remaining_s([Load(n.node, 1, 1.0, n.needs) for n in chain], 1)["a"] == 3.0
    assert in_order(chain, "critical-path")[:3] == ["a", "b", "short"]


def test_what_was_never_timed_is_taken_to_be_as_long_as_the_others() -> None:
    loads = [Load("known", 1, 4.0), Load("long", 1, 8.0), Load("new", 1, None)]

    assert ranking(loads, 1).ranks == {"known": (-4.0,), "long": (-8.0,), "new": (-6.0,)}


def test_where_the_longest_chain_first_leaves_a_worker_idle_something_else_goes_first() -> None:
    """`b` fits beside `c` only if it does not come last."""
    loads = [Load("a", 1, 2.0), Load("b", 1, 3.0), Load("c", 1, 5.0, ("a",)), Load("d", 1, 6.0)]
    chains = remaining_s(loads, 2)

    assert makespan_s(loads, 2, lambda node: (-chains[node],)) == 9.0
    assert makespan_s(loads, 2, ranking(loads, 2)) == optimum_s(loads, 2) == 8.0


def test_the_earliest_deadline_comes_first() -> None:
    loads = [Load("none", 1, 9.0), Load("late", 1, 1.0, deadline_s=60.0), Load("soon", 1, 1.0, deadline_s=5.0)]

    assert in_order(loads, "deadline") == ["soon", "late", "none"]


def test_what_a_deadline_depends_on_has_an_earlier_one() -> None:
    """`clean` has to be done 3 s before `train` has, or `train` cannot be."""
    loads = [Load("clean", 1, 1.0), Load("train", 1, 3.0, ("clean",), deadline_s=10.0), Load("x", 1, 1.0, (), 8.0)]

    assert ranking(loads, 2, "deadline").ranks == {"clean": (7.0, -4.0), "train": (10.0, -3.0), "x": (8.0, -1.0)}


def test_meeting_deadlines_beats_the_shortest_run_at_meeting_deadlines() -> None:
    found = random_comparisons(60)

    met = {policy: sum(c.met[policy] for c in found) for policy in POLICIES}
    assert met["deadline"] > 1.3 * max(met["critical-path"], met["fifo"])


def test_the_highest_priority_comes_first_and_then_the_longest_chain() -> None:
    loads = [Load("a", 1, 1.0), Load("b", 1, 5.0), Load("c", 1, 1.0, priority=2), Load("d", 1, 9.0, priority=-1)]

    assert in_order(loads, "priority") == ["c", "b", "a", "d"]


def test_what_somebody_urgent_waits_for_is_as_urgent() -> None:
    loads = [Load("slow", 1, 9.0), Load("need", 1, 1.0, priority=-5), Load("vip", 1, 1.0, ("need",), priority=3)]

    assert in_order(loads, "priority") == ["need", "vip", "slow"]


def test_what_may_wait_is_not_hurried_by_those_who_need_it() -> None:
    loads = [Load("background", 1, 9.0, priority=-1), Load("x", 1, 1.0), Load("end", 1, 1.0, ("background", "x"))]

    assert in_order(loads, "priority") == ["x", "end", "background"]


def test_first_come_first_served_ranks_nobody() -> None:
    assert ranking(DIAMOND, 2, "fifo") == Ranking()
    assert {ranking(DIAMOND, 2, "fifo")(load.node) for load in DIAMOND} == {()}


def test_a_node_that_grew_has_the_rank_of_the_one_it_belongs_to() -> None:
    ranks = ranking(DIAMOND, 2)

    assert ranks("train/3/fit") == ranks("train/3/inner/0/fit") == ranks("train")
    assert ranks("from nowhere") < ranks("load")


# ageing


RANKS = st.tuples(st.floats(-1e9, 1e9))


@given(RANKS, RANKS, st.floats(0, 99), st.floats(100, 1e6))
def test_what_has_waited_long_enough_goes_before_every_rank(mine: tuple[float], other: tuple[float], short: float,
                                                            long: float) -> None:  # fmt: skip
    assert aged(mine, long, 100.0) < aged(other, short, 100.0)
    assert aged(mine, long + 1.0, 100.0) < aged(other, long, 100.0)


@given(RANKS, RANKS, st.floats(0, 99), st.floats(0, 99))
def test_until_then_the_rank_decides(mine: tuple[float], other: tuple[float], a: float, b: float) -> None:
    assert (aged(mine, a, 100.0) < aged(other, b, 100.0)) == (mine < other)


@given(st.integers(0, 2**32), st.integers(1, 8), st.sampled_from(POLICIES))
def test_nobody_is_out_of_patience_in_a_run_that_goes_as_predicted(seed: int, workers: int, policy: Order) -> None:
    loads = random_graph(Random(seed))

    made = ranking(loads, workers, policy)

    assert made.patience_s >= (LEAST_PATIENCE_S if policy == "fifo" else makespan_s(loads, workers, made))


# how good it is


@given(st.integers(0, 2**32), st.integers(1, 8), st.sampled_from(POLICIES))
def test_no_order_loses_a_node_or_beats_the_lower_bound(seed: int, workers: int, policy: Order) -> None:
    loads = random_graph(Random(seed), most=12)

    ends = ends_s(loads, workers, ranking(loads, workers, policy))

    assert ends.keys() == {load.node for load in loads}
    assert max(ends.values()) >= least_s(loads, workers) - 1e-9


def test_on_random_graphs_it_is_never_longer_than_first_come_first_served_and_often_shorter() -> None:
    found = random_comparisons(100)

    ratios = [c.to_fifo("critical-path") for c in found]
    assert max(ratios) <= 1 + 1e-9
    assert sum(ratio < 0.999 for ratio in ratios) > 70
    assert sum(c.to_floor("critical-path") for c in found) / len(found) < 1.09


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("workers", [2, 4, 8])
def test_on_the_classic_shapes_it_is_never_longer_than_first_come_first_served(shape: str, workers: int) -> None:
    found = compare(SHAPES[shape](Random(shape)), workers)

    assert 1 - 1e-9 <= found.to_floor("critical-path") <= 1.4
    assert found.to_fifo("critical-path") <= 1 + 1e-9


def test_the_page_shows_what_is_measured() -> None:
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "ordering.md").read_text(encoding="utf-8")

    assert "\n".join(shape_lines()) in page


@pytest.mark.parametrize("size", range(2, 9))
def test_on_small_graphs_it_is_within_5_percent_of_the_optimum(size: int) -> None:
    ratios = optimum_ratios(100, size)

    assert sum(ratio <= NEAR + 1e-9 for ratio in ratios) >= 95


def test_the_measure_convicts_first_come_first_served() -> None:
    """Negative control."""
    ratios = optimum_ratios(100, 8, lambda *_: Ranking())

    assert sum(ratio <= NEAR + 1e-9 for ratio in ratios) < 80


def best_order_s(loads: list[Load], workers: int) -> float:
    """The shortest makespan of all orders of the nodes."""
    orders = itertools.permutations(load.node for load in loads)
    ranks = ({node: (float(place),) for place, node in enumerate(order)} for order in orders)
    return min(makespan_s(loads, workers, rank.__getitem__) for rank in ranks)


@given(st.integers(0, 2**32), st.integers(2, 3))
def test_the_optimum_is_what_trying_all_orders_finds_or_better(seed: int, workers: int) -> None:
    """It may be better only by letting a worker wait on purpose."""
    loads = [Load(n.node, 1, n.item_s, n.needs) for n in random_graph(Random(seed), most=5)]

    assert least_s(loads, workers) - 1e-9 <= optimum_s(loads, workers) <= best_order_s(loads, workers) + 1e-9


def test_the_optimum_lets_a_worker_wait_where_that_pays() -> None:
    """After `a` it is better not to begin `e`, so that `b` and `c` are done at once and `d` can begin."""
    loads = [
        Load("a", 1, 1.0), Load("b", 1, 1.0, ("a",)), Load("c", 1, 1.0, ("a",)),
        Load("d", 1, 5.0, ("b", "c")), Load("e", 1, 4.0),
    ]  # fmt: skip

    assert (optimum_s(loads, 2), best_order_s(loads, 2)) == (7.0, 8.0)
