"""What was measured: runs, the variants that they are of, and medians of them. Read from and written to JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from benchmarks.peer import Keeps

OURS = "ropewalk"  # the variant that ratios are taken to
Outcome: TypeAlias = Literal["ok", "failed", "timeout", "wrong", "again", "limit"]
"""`again`: a rerun that executed bodies again; `limit`: not run, since `Variant.limits` says so."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one workload.

    Args:
        why: it failed, or what is wrong with it.
        wall_s: of the workload; of `hello` the whole process without what `start` took; of `import` over a bare Python.
        cpu_s: of the same part, by everything that descends from the process, servers and daemons too.
        whole_s: of the whole process, start of a server included.
        startup_s: what `start` took.
        peak_bytes: the largest sum of resident memory over all processes, sampled.
        largest_bytes: the largest peak of a single one.
        facts: numbers of this workload only: `executed` of a rerun; `finished` and `again` of a crash; `store_bytes`.
    """

    variant: str
    workload: str
    n: int
    outcome: Outcome
    why: str = ""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    whole_s: float = 0.0
    startup_s: float = 0.0
    peak_bytes: int = 0
    largest_bytes: int = 0
    facts: Mapping[str, float] = field(default_factory=dict)
    value: Any = None

    @property
    def counts(self) -> bool:
        """Whether its figures say something."""
        return self.outcome in ("ok", "again")


@dataclass(frozen=True, slots=True)
class Subject:
    """A variant as the report names it."""

    name: str
    peer: str
    package: str
    version: str
    configuration: str
    keeps: Keeps
    records: str
    jobs: tuple[str, ...]
    imports: bool


@dataclass(frozen=True, slots=True)
class Results:
    """All of one `python -m benchmarks run`."""

    machine: Mapping[str, Any]
    settings: Mapping[str, Any]
    subjects: tuple[Subject, ...]
    runs: tuple[Measured, ...]

    def cells(self) -> list[tuple[str, int]]:
        """Workloads with their sizes, in the order in which they were run."""
        return list(dict.fromkeys((run.workload, run.n) for run in self.runs))

    def shared_sizes(self, workload: str) -> list[int]:
        """Its sizes, the largest first, without those that only we were asked for."""
        asked = {(run.n, run.variant.startswith(OURS)) for run in self.runs if run.workload == workload}
        shared = {n for n, is_ours in asked if not is_ours} or {n for n, _ in asked}
        return sorted(shared, reverse=True)

    def of(self, variant: str, workload: str, n: int) -> list[Measured]:
        return [run for run in self.runs if (run.variant, run.workload, run.n) == (variant, workload, n)]

    def median(self, variant: str, workload: str, n: int, figure: Callable[[Measured], float]) -> float | None:
        """Of the repetitions that ended well; None: not a single one has, or one has not."""
        runs = self.of(variant, workload, n)
        return statistics.median(map(figure, runs)) if runs and all(run.counts for run in runs) else None

    def outcome(self, variant: str, workload: str, n: int) -> Outcome | None:
        """The worst of the repetitions; None: there is none."""
        order: list[Outcome] = ["ok", "limit", "again", "failed", "timeout", "wrong"]
        return max((run.outcome for run in self.of(variant, workload, n)), key=order.index, default=None)

    def failures(self) -> list[Measured]:
        return [run for run in self.runs if run.outcome in ("failed", "wrong", "timeout")]

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")


def read(path: Path) -> Results:
    """What `save` has written."""
    found = json.loads(path.read_text())
    subjects = tuple(Subject(**{**one, "jobs": tuple(one["jobs"])}) for one in found["subjects"])
    return Results(found["machine"], found["settings"], subjects, tuple(Measured(**one) for one in found["runs"]))


def merged(several: Sequence[Results]) -> Results:
    """Several runs on one machine as one: each was interleaved in itself, and we and the floors are in all of them.

    Raises:
        SystemExit: they are of different machines.
    """
    first = several[0]
    if any(one.machine["cpu"] != first.machine["cpu"] for one in several):
        raise SystemExit("these were measured on different machines, so they cannot be put together")
    repeats = sorted({str(one.settings["repeat"]) for one in several})
    settings = {
        **first.settings, "repeat": " or ".join(repeats), "limit_s": max(one.settings["limit_s"] for one in several),
        "sizes": ",".join(str(one.settings.get("sizes", "")) for one in several), "parts": len(several),
    }  # fmt: skip
    subjects = {subject.name: subject for one in several for subject in one.subjects}
    runs = tuple(run for one in several for run in one.runs)
    return Results(first.machine, settings, tuple(subjects.values()), runs)


def median(runs: Iterable[Measured], figure: Callable[[Measured], float]) -> float:
    """Of runs that all have to have ended well.

    Raises:
        RuntimeError: one has not.
    """
    values = []
    for run in runs:
        if run.outcome != "ok":
            raise RuntimeError(f"{run.variant}, {run.workload} {run.n}: {run.outcome}; {run.why}")
        values.append(figure(run))
    return statistics.median(values)
