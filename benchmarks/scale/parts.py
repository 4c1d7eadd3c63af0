"""What there is to measure, each part on its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from benchmarks.scale import pipelines
from benchmarks.scale.fairness import Arrangement, share, sizes
from benchmarks.scale.looks import look
from benchmarks.scale.one import run_one
from benchmarks.scale.writers import contend

PARTS = ("growth", "saturation", "fairness", "looks", "writers")
MEAN_S = 10.0
COMMIT_S = 0.002  # that a durable commit waits for a disk


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything."""

    tasks: int = 1_000_000
    workers: int = 5_000
    runs: int = 100
    seed: int = 0
    shrink: int = 10  # fairness is looked at with so many times fewer task runs and workers
    means_s: tuple[float, ...] = (0.1, 1.0, 10.0, 60.0)
    writers: tuple[int, ...] = (1, 2, 10, 50, 100)
    writers_s: float = 10.0
    leases: tuple[int, ...] = (100, 1_000, 5_000, 20_000)


QUICK = Plan(
    3_000, 50, 10, means_s=(1.0,), shrink=1, writers=(2,), writers_s=1.0, leases=(100,),
)  # fmt: skip


def growth(plan: Plan, folder: Path, tasks: int) -> dict[str, Any]:
    """One run of many task runs."""
    return run_one(folder, pipelines.mixed(tasks, plan.seed), plan.workers, MEAN_S, seed=plan.seed).to_json()


def saturation(plan: Plan, folder: Path, kind: str, mean_s: float) -> dict[str, Any]:
    """One run whose scheduler is as slow in virtual time as it is."""
    workers = plan.workers if kind == "mapped" else plan.workers // 5  # since a graph is not made of so many nodes
    graph = pipelines.mapped(10 * workers) if kind == "mapped" else pipelines.single(20 * workers)
    ran = run_one(folder, graph, workers, mean_s, seed=plan.seed, commit_s=COMMIT_S)
    return {"kind": kind, **ran.to_json()}


def fairness(plan: Plan, folder: Path, arrangement: Arrangement) -> dict[str, Any]:
    """Many runs together."""
    tasks = sizes(plan.runs, plan.tasks // 10 // plan.shrink, plan.seed)
    shared = share(folder, arrangement, tasks, plan.workers // plan.shrink, MEAN_S, seed=plan.seed)
    return {**shared.summary(), "all_succeeded": {run.state for run in shared.runs} == {"succeeded"}}


def looks(plan: Plan, folder: Path, leases: int) -> dict[str, Any]:
    """Many leases of others."""
    return asdict(look(folder, leases, max(1, plan.runs - 1)))


def writers(plan: Plan, folder: Path, number: int) -> dict[str, Any]:
    """Many processes that write."""
    return asdict(contend(folder, number, plan.writers_s))


def jobs(plan: Plan, part: str) -> list[tuple[Callable[..., dict[str, Any]], tuple[Any, ...]]]:
    """What to measure for a part: functions and arguments."""
    if part == "growth":
        return [(growth, (tasks,)) for tasks in sorted({max(1_000, plan.tasks // d) for d in (100, 10, 1)})]
    if part == "saturation":
        return [(saturation, (kind, mean_s)) for kind in ("mapped", "single") for mean_s in plan.means_s]
    if part == "fairness":
        return [(fairness, (arrangement,)) for arrangement in get_args(Arrangement)]
    if part == "looks":
        return [(looks, (leases,)) for leases in plan.leases]
    return [(writers, (number,)) for number in plan.writers]
