"""The targets that name another tool, as a table: how many times as long it takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.catalogue import ALWAYS
from benchmarks.results import OURS, Results, Subject


@dataclass(frozen=True, slots=True)
class Target:
    """A tool should take at least so many times as long as we do.

    Args:
        peer: the name of one; `durable`: all of which something survives; `any`: all that are no floors.
    """

    workload: str
    ours: str
    peer: str
    least: float


TARGETS = (
    Target("fanout", OURS, "ray", 4), Target("fanout", OURS, "dask", 8), Target("fanout", OURS, "durable", 10),
    Target("fanout", f"{OURS}-inline", "durable", 30), Target("chain", f"{OURS}-inline-process", "dbos", 4),
    Target("chain", f"{OURS}-process", "dbos", 4), Target("chain", f"{OURS}-inline-process", "ray", 3),
    Target("chain", f"{OURS}-process", "ray", 3), Target("hello", OURS, "any", 5),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds for each task, at the largest size that a variant has finished."""

    variant: str
    n: int
    each_s: float


def table(results: Results) -> str:
    """A line for each target for which both have been measured; empty: there is none."""
    lines = [line for target in TARGETS for line in _lines(results, target)]
    if not lines:
        return ""
    head = [
        "## Targets that name another tool\n",
        "| workload | we | the fastest of | takes | target | |",
        "|---|---|---|--:|--:|---|",
    ]
    return "\n".join([*head, *lines])


def _lines(results: Results, target: Target) -> Iterator[str]:
    ours = cost(results, target.ours, target.workload)
    theirs = [cost(results, s.name, target.workload) for s in results.subjects if _is_meant(s, target.peer)]
    found = [one for one in theirs if one is not None]
    if ours is None or not found:
        return
    best = min(found, key=lambda one: one.each_s)
    times = best.each_s / ours.each_s
    mark = "ok" if times >= target.least else "MISSED"
    whom = {"durable": "all that are durable", "any": "all"}.get(target.peer, target.peer)
    sizes = f"{ours.n:,}" if ours.n == best.n else f"{ours.n:,} and {best.n:,}"
    what = f"| {target.workload} {sizes} | {ours.variant} | {whom}: {best.variant} |"
    yield f"{what} {times:.1f} × | ≥ {target.least:g} × | {mark} |"


def _is_meant(subject: Subject, peer: str) -> bool:
    if subject.peer in ALWAYS:
        return False
    return peer in ("any", subject.peer) or (peer == "durable" and subject.keeps != "nothing")


def cost(results: Results, variant: str, workload: str) -> Cost | None:
    """What a task costs a variant; None: it has finished no size."""
    for n in results.shared_sizes(workload):
        wall_s = results.median(variant, workload, n, lambda run: run.wall_s)
        if wall_s is not None:
            return Cost(variant, n, wall_s / n)
    return None
