"""One run of many task runs, and what it cost."""

from __future__ import annotations

import resource
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.scale.cluster import Cluster, Paced
from benchmarks.scale.meter import SIMULATION, START, Meter
from benchmarks.scale.pipelines import FUNCTIONS, lengths
from ropewalk.core.graph import Graph
from ropewalk.engine.client import Client, Options, Work
from ropewalk.plan.workload import Load, least_s
from ropewalk.testing.clock import Stage
from ropewalk.testing.processes import Process, patched


@dataclass(frozen=True, slots=True)
class Ran:
    """What one simulated run was and took."""

    tasks: int
    workers: int
    mean_s: float
    state: str
    succeeded: int
    attempts: int
    turns: int
    makespan_s: float
    bound_s: float  # no order could have been faster
    utilisation: float  # of the workers, from the first start to the last end
    steady: float  # from when a tenth of the work was done until nine tenths were
    cpu_s: float  # of the scheduler, without the simulation
    parts: dict[str, float]  # of `cpu_s`
    simulation_s: float
    peak_bytes: int  # of the process, simulation included
    store_bytes: int

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU for each task run."""
        return self.cpu_s / self.tasks * 1e6

    @property
    def rate(self) -> float:
        """Task runs that a scheduler could dispatch each second if it had a whole core, once it has started."""
        return self.tasks / (self.cpu_s - self.parts[START])

    def to_json(self) -> dict[str, Any]:
        """What is kept of it."""
        return {**asdict(self), "cpu_us": self.cpu_us, "rate": self.rate}


def run_one(
    folder: Path, graph: Graph, workers: int, mean_s: float, *, seed: int = 0, commit_s: float | None = None
) -> Ran:
    """Run a pipeline on simulated workers.

    Args:
        folder: for the store; what writing costs depends on where it is.
        commit_s: None: a turn of the scheduler takes a fixed virtual time, so equal seeds give equal runs. Else it
            takes the CPU time that it really took, and so many seconds to wait for the disk.
    """
    meter, stage = Meter(), Stage(None, 1_000_000.0)
    paced = None if commit_s is None else Paced(lambda: meter.spent[SIMULATION], commit_s)
    cluster = Cluster(stage, mean_s=mean_s, seed=seed, turn_s=paced)
    with meter.watching(), patched(stage, meter.at_failpoint), Process(folder, cluster, workers) as client:
        result = client.run(Work(graph, FUNCTIONS, {}, {}), Options(workers=workers, seed=seed))
        spent = meter.read()
        simulation_s = spent.pop(SIMULATION)
        sizes = lengths(dict(graph.nodes))
        succeeded = sum(row.number for row in _counts(client, result.run.number) if row.state == "succeeded")
    makespan_s = stage.now - cluster.busy.began
    return Ran(
        sum(sizes.values()), workers, mean_s, result.run.state, succeeded, cluster.busy.attempts, cluster.turns,
        makespan_s, bound_s(graph, sizes, cluster.duration_s, workers), cluster.busy.work_s / makespan_s / workers,
        steady(cluster.busy.samples, workers), sum(spent.values()), spent, simulation_s,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, _size_bytes(folder),
    )  # fmt: skip


def _counts(client: Client, run: int) -> Any:
    from ropewalk.store import tasks

    return tasks.counts(client.db, run)


def _size_bytes(folder: Path) -> int:
    """Bytes of the store, once its write-ahead log is folded into it."""
    return sum(path.stat().st_size for path in folder.glob("*.db*"))


def bound_s(graph: Graph, sizes: dict[str, int], duration_s: Callable[[str, int], float], workers: int) -> float:
    """What no order could beat if no attempt failed: the work shared out evenly, the longest chain or task."""
    loads, longest_s = [], 0.0
    for node in graph.nodes.values():
        taken = [duration_s(node.id, item) for item in range(sizes[node.id])]
        longest_s = max([longest_s, *taken])
        loads.append(Load(node.id, len(taken), sum(taken) / len(taken), graph.upstream[node.id]))
    return max(longest_s, least_s(loads, workers))


def steady(samples: list[tuple[float, int]], workers: int) -> float:
    """Share of the workers that was busy while neither the beginning nor the end of the run was near."""
    spans = [(then - at) * busy for (at, busy), (then, _) in pairwise(samples)]
    total, done, busy_s, passed_s = sum(spans), 0.0, 0.0, 0.0
    for span, ((at, _), (then, _)) in zip(spans, pairwise(samples), strict=True):
        done += span
        if 0.1 * total < done <= 0.9 * total:
            busy_s, passed_s = busy_s + span, passed_s + then - at
    return busy_s / passed_s / workers if passed_s else 0.0
