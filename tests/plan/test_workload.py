"""The simulated end of a run keeps to what no schedule can beat, and to what no greedy one can miss."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.plan.workload import Load, critical_path, ends_s, least_s, makespan_s


@st.composite
def workloads(draw: st.DrawFn, most: int = 8) -> list[Load]:
    loads: list[Load] = []
    for index in range(draw(st.integers(1, most))):
        needs = draw(st.lists(st.sampled_from([load.node for load in loads]), max_size=3)) if loads else []
        loads.append(Load(f"n{index}", draw(st.integers(0, 5)), draw(st.integers(0, 9)), tuple(needs)))
    return loads


def chains(loads: list[Load]) -> list[list[Load]]:
    """Every path through the graph, by brute force."""
    by_name = {load.node: load for load in loads}
    found = [[load] for load in loads]
    for chain in found:  # grows while we walk
        found += [[by_name[need], *chain] for need in set(chain[0].needs)]
    return found


def item_s(load: Load) -> float:
    return load.item_s or 0.0


def alone_s(load: Load, workers: int) -> float:
    return math.ceil(load.items / workers) * item_s(load)


@given(workloads(), st.integers(1, 4))
def test_no_schedule_is_shorter_than_its_work_and_its_longest_chain(loads: list[Load], workers: int) -> None:
    longest = max(sum(alone_s(load, workers) for load in chain) for chain in chains(loads))
    work = sum(load.items * item_s(load) for load in loads)

    end = makespan_s(loads, workers)

    assert end >= work / workers - 1e-9
    assert end >= max(sum(item_s(load) for load in chain if load.items) for chain in chains(loads)) - 1e-9
    assert end <= work / workers + longest + 1e-9  # Graham's bound: while a chain waits, all workers are busy


@given(workloads())
def test_one_worker_takes_the_sum_of_all_work(loads: list[Load]) -> None:
    assert makespan_s(loads, 1) == pytest.approx(sum(load.items * item_s(load) for load in loads))


@given(workloads(), st.integers(1, 4))
def test_the_critical_path_is_the_longest_of_all_chains(loads: list[Load], workers: int) -> None:
    path = critical_path(loads, workers)

    by_name = {load.node: load for load in loads}
    longest = max(sum(alone_s(load, workers) for load in chain) for chain in chains(loads))
    assert sum(alone_s(by_name[node], workers) for node in path) == pytest.approx(longest)
    assert all(by_name[node].items for node in path)


@given(workloads(), st.integers(1, 4))
def test_the_least_that_is_possible_is_the_longest_chain_or_the_work_shared_out(
    loads: list[Load], workers: int
) -> None:
    longest = max(sum(item_s(load) for load in chain if load.items) for chain in chains(loads))
    work = sum(load.items * item_s(load) for load in loads)

    assert least_s(loads, workers) == pytest.approx(max(longest, work / workers))


def test_a_free_worker_takes_the_first_by_rank() -> None:
    loads = [Load("a", 4, 1.0), Load("b", 1, 3.0)]

    assert ends_s(loads, 2) == {"a": 2.0, "b": 5.0}
    assert ends_s(loads, 2, {"a": (2.0,), "b": (1.0,)}.__getitem__) == {"a": 4.0, "b": 3.0}


def test_what_ends_at_the_same_time_is_seen_before_the_next_is_taken() -> None:
    """`b` and `c` end together; then `urgent`, which needs `c`, goes before `later`, which was ready all along."""
    loads = [Load("b", 1, 1.0), Load("c", 1, 1.0), Load("later", 2, 5.0), Load("urgent", 1, 1.0, ("c",))]
    ranks = {"b": (0.0,), "c": (0.0,), "urgent": (1.0,), "later": (2.0,)}

    assert ends_s(loads, 2, ranks.__getitem__)["urgent"] == 2.0


def test_what_was_never_timed_takes_no_time() -> None:
    assert makespan_s([Load("a", 3, None), Load("b", 1, 2.0, ("a",))], 1) == 2.0


def test_independent_tasks_run_side_by_side() -> None:
    assert makespan_s([Load("a", 1, 3.0), Load("b", 1, 2.0), Load("c", 1, 1.0, ("a", "b"))], 2) == 4.0


def test_items_of_a_mapped_node_fill_the_workers() -> None:
    assert makespan_s([Load("a", 5, 1.0)], 2) == 3.0


def test_what_is_reused_takes_no_time_but_keeps_the_order() -> None:
    loads = [Load("a", 1, 2.0), Load("reused", 0, 9.0, ("a",)), Load("c", 1, 1.0, ("reused",))]

    assert makespan_s(loads, 4) == 3.0
    assert critical_path(loads, 4) == ("a", "c")


def test_needs_that_are_not_there_count_as_done() -> None:
    assert makespan_s([Load("a", 1, 1.0, ("elsewhere",))], 1) == 1.0


def test_nothing_to_do_takes_no_time_and_has_no_critical_path() -> None:
    assert makespan_s([Load("a", 0, 1.0)], 2) == 0.0
    assert critical_path([Load("a", 0, 1.0)], 2) == ()


def test_long_chains_and_wide_maps_are_simulated_item_by_item() -> None:
    chain = [Load(f"n{i}", 1, 1.0, (f"n{i - 1}",) if i else ()) for i in range(5000)]

    end = makespan_s([*chain, Load("wide", 100_000, 0.1)], 2)

    assert (5000 + 10_000) / 2 <= end <= 5000 + 10_000 / 2
    assert len(critical_path(chain, 2)) == 5000


def test_the_bounds_convict_a_schedule_that_forgets_the_order() -> None:
    """Negative control: running everything at once would be shorter than the longest chain."""
    loads = [Load("a", 1, 2.0), Load("b", 1, 2.0, ("a",))]
    careless = max(item_s(load) for load in loads)

    assert careless < max(sum(item_s(load) for load in chain) for chain in chains(loads))
    assert list(itertools.chain(*chains(loads)))
