"""The simulated end of a run keeps to what no schedule can beat, and to what no greedy one can miss."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.plan.workload import Load, critical_path, makespan_s


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


def alone_s(load: Load, workers: int) -> float:
    return math.ceil(load.items / workers) * load.item_s


@given(workloads(), st.integers(1, 4))
def test_no_schedule_is_shorter_than_its_work_and_its_longest_chain(loads: list[Load], workers: int) -> None:
    longest = max(sum(alone_s(load, workers) for load in chain) for chain in chains(loads))
    work = sum(load.items * load.item_s for load in loads)

    end = makespan_s(loads, workers)

    assert end >= work / workers - 1e-9
    assert end >= max(sum(load.item_s for load in chain if load.items) for chain in chains(loads)) - 1e-9
    assert end <= work / workers + longest + 1e-9  # Graham's bound: while a chain waits, all workers are busy


@given(workloads())
def test_one_worker_takes_the_sum_of_all_work(loads: list[Load]) -> None:
    assert makespan_s(loads, 1) == pytest.approx(sum(load.items * load.item_s for load in loads))


@given(workloads(), st.integers(1, 4))
def test_the_critical_path_is_the_longest_of_all_chains(loads: list[Load], workers: int) -> None:
    path = critical_path(loads, workers)

    by_name = {load.node: load for load in loads}
    longest = max(sum(alone_s(load, workers) for load in chain) for chain in chains(loads))
    assert sum(alone_s(by_name[node], workers) for node in path) == pytest.approx(longest)
    assert all(by_name[node].items for node in path)


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
    careless = max(load.item_s for load in loads)

    assert careless < max(sum(load.item_s for load in chain) for chain in chains(loads))
    assert list(itertools.chain(*chains(loads)))
