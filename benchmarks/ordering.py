"""What the order of ready work is worth: `python -m benchmarks.ordering [--quick]`. Simulated, so always the same."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from statistics import fmean, geometric_mean

from benchmarks.graphs import SHAPES, random_graph, small_graph
from benchmarks.optimum import optimum_s
from ropewalk.core.policy import Order
from ropewalk.plan.order import POLICIES, Ranking, ranking
from ropewalk.plan.workload import Load, ends_s, least_s, makespan_s

NEAR = 1.05  # within 5 % of the optimum


@dataclass(frozen=True, slots=True)
class Comparison:
    """One graph under every policy."""

    floor_s: float
    ends_s: dict[Order, float]
    met: dict[Order, float]  # share of the deadlines

    def to_fifo(self, policy: Order) -> float:
        return self.ends_s[policy] / self.ends_s["fifo"]

    def to_floor(self, policy: Order) -> float:
        return self.ends_s[policy] / self.floor_s


def compare(loads: Sequence[Load], workers: int) -> Comparison:
    """Simulate a graph under every policy."""
    ends = {policy: ends_s(loads, workers, ranking(loads, workers, policy)) for policy in POLICIES}
    due = {load.node: load.deadline_s for load in loads if load.deadline_s is not None}
    met = {policy: fmean([ends[policy][n] <= at for n, at in due.items()] or [1.0]) for policy in POLICIES}
    return Comparison(least_s(loads, workers), {policy: max(found.values()) for policy, found in ends.items()}, met)


def with_wishes(random: Random, loads: Sequence[Load], workers: int) -> list[Load]:
    """The graph with a deadline for every third node, some of them too early, and a priority for every fifth."""
    usual = ends_s(loads, workers)
    made = []
    for load in loads:
        deadline_s = usual[load.node] * random.uniform(0.5, 1.2) if random.random() < 1 / 3 else None
        priority = random.randint(1, 9) if random.random() < 1 / 5 else 0
        made.append(replace(load, deadline_s=deadline_s, priority=priority))
    return made


def random_comparisons(count: int) -> list[Comparison]:
    """Random graphs of up to 40 nodes on 2, 4 or 8 workers."""
    found = []
    for seed in range(count):
        random = Random(seed)
        loads, workers = random_graph(random), random.choice((2, 4, 8))
        found.append(compare(with_wishes(random, loads, workers), workers))
    return found


def optimum_ratios(count: int, size: int, order: Callable[[Sequence[Load], int], Ranking] = ranking) -> list[float]:
    """How much longer than the optimum an order takes, on random graphs of `size` tasks on 2 to 4 workers."""
    ratios = []
    for seed in range(count):
        random = Random(f"{size}/{seed}")
        loads, workers = small_graph(random, size), random.randint(2, 4)
        ratios.append(makespan_s(loads, workers, order(loads, workers)) / optimum_s(loads, workers))
    return ratios


def shape_lines() -> Iterator[str]:
    """Every shape under every policy, as a table."""
    yield "| shape | tasks | workers | lower bound | " + " | ".join(POLICIES) + " |"
    yield "|---|--:|--:|--:|" + "--:|" * len(POLICIES)
    for name, make in SHAPES.items():
        for workers in (2, 4, 8):
            random = Random(name)
            loads = with_wishes(random, make(random), workers)
            found = compare(loads, workers)
            cells = [f"{found.ends_s[p]:.1f} s ({found.to_fifo(p):.2f})" for p in POLICIES]
            yield f"| {name} | {len(loads)} | {workers} | {found.floor_s:.1f} s | " + " | ".join(cells) + " |"


def _random_lines(count: int) -> Iterator[str]:
    found = random_comparisons(count)
    yield "| policy | to FIFO | best | worst | shorter / same / longer than FIFO | to the lower bound | deadlines met |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for policy in POLICIES:
        ratios = [c.to_fifo(policy) for c in found]
        shorter, longer = sum(r < 1 - 1e-9 for r in ratios), sum(r > 1 + 1e-9 for r in ratios)
        counts = f"{shorter} / {count - shorter - longer} / {longer}"
        floor = geometric_mean(c.to_floor(policy) for c in found)
        met = fmean(c.met[policy] for c in found)
        yield (
            f"| {policy} | {geometric_mean(ratios):.3f} | {min(ratios):.2f} | {max(ratios):.2f} | {counts} | "
            f"{floor:.3f} | {met:.1%} |"
        )


def _optimum_lines(count: int) -> Iterator[str]:
    yield "| tasks | graphs | critical-path: optimal | within 5 % | worst | fifo: optimal | within 5 % | worst |"
    yield "|--:|--:|--:|--:|--:|--:|--:|--:|"
    for size in range(2, 9):
        cells = []
        for ratios in (optimum_ratios(count, size), optimum_ratios(count, size, lambda *_: Ranking())):
            optimal, near = (fmean(ratio <= most for ratio in ratios) for most in (1 + 1e-9, NEAR + 1e-9))
            cells += [f"{optimal:.1%}", f"{near:.1%}", f"{max(ratios):.2f}"]
        yield f"| {size} | {count} | " + " | ".join(cells) + " |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the graphs")
    scale = 10 if parser.parse_args().quick else 1
    sections = (
        ("Shapes: makespan, and in brackets its ratio to FIFO", shape_lines()),
        (f"{500 // scale} random graphs: geometric means of ratios of makespans", _random_lines(500 // scale)),
        ("Small graphs: against the optimum found by exhaustive search", _optimum_lines(1000 // scale)),
    )
    for title, lines in sections:
        print(f"{title}\n")
        for line in lines:
            print(line, flush=True)
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
