"""`python -m benchmarks.host PEER VARIANT --check`: each job of a variant at a tiny size. Is what it does right?"""

from __future__ import annotations

from benchmarks import bodies
from benchmarks.host import Cell, find
from benchmarks.measure import Terms, measure
from benchmarks.results import Measured

CHECKED = {
    "hello": 1, "chain": 5, "fanout": 8, "layered": 20, "rerun": 8, "frame": 1, "cpu": 4, "log": 20, "plan": 50,
    "plan+lookup": 50, "crash": 20,
}  # fmt: skip
FRAME_STEPS = 5


def check_all(peer: str, variant: str, workloads: list[str], limit_s: float) -> int:
    """Say of each job what is wrong with it, or "ok"; the exit code."""
    jobs, failed = find(peer, variant).jobs, 0
    for workload in workloads or [name for name in CHECKED if name in jobs]:
        found = measure(Cell(peer, variant, workload, CHECKED[workload]), Terms(limit_s, counted=True))
        problem = wrong(found)
        failed += bool(problem)
        facts = ", ".join(f"{name} {value:.0f}" for name, value in found.facts.items())
        print(f"{variant:24} {workload:11} {problem or 'ok':4} {'' if problem else facts}".rstrip(), flush=True)
    return min(failed, 1)


def wrong(found: Measured) -> str:
    """What is wrong with a run that was counted; empty: nothing."""
    wanted = executions(found.workload, found.n)
    if found.outcome == "wrong":
        return f"{found.why}, not {bodies.expected(found.workload, found.n)!r}"
    if not found.counts:
        return f"{found.outcome}: {found.why}"
    if found.facts.get("first", wanted[-1]) not in wanted:
        return f"its first run has executed {found.facts['first']:.0f} bodies, not {wanted[-1]}"
    if found.workload not in ("rerun", "crash") and found.facts["executed"] not in wanted:
        return f"{found.facts['executed']:.0f} bodies were executed, not {wanted[-1]}"
    return ""


def executions(workload: str, n: int) -> range:
    """How many bodies a workload executes; fewer than the most, where calls are alike and a tool knows them again."""
    known = {"hello": 1, "log": 1, "plan": 0, "plan+lookup": 0, "frame": FRAME_STEPS + 2, "chain": n, "cpu": n}
    least = most = known.get(workload, n + 2)
    if workload == "layered":
        least, most = n // 10, n
    return range(least, most + 1)
