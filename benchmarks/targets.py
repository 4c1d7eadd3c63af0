"""`make bench`: our targets, each beside the floor that it is measured with, in one run."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import machine, pages
from benchmarks.host import ROOT, Cell
from benchmarks.measure import Terms, measure
from benchmarks.report import seconds
from benchmarks.results import OURS, Measured, median

INLINE, PROCESS, BOTH = f"{OURS}-inline", f"{OURS}-process", f"{OURS}-inline-process"
FLOORS = ("loop", "process-pool", "commit", "commit+pipe", "raw-file")
SPIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Line:
    """One figure beside its target."""

    workload: str
    target: str
    measured: str
    floor: str
    ok: bool


@dataclass(slots=True)
class Bench:
    """Takes figures.

    Args:
        repeat: repetitions of what is quick.
        scale: divides all sizes.
    """

    repeat: int = 3
    scale: int = 1
    terms: Terms = field(default_factory=lambda: Terms(300.0))

    def together(self, repeat: int, *wanted: tuple[str, str, int]) -> list[list[Measured]]:
        """Runs of several variants, workloads and sizes, interleaved; for each of them its repetitions.

        Raises:
            RuntimeError: one could not be measured.
        """
        found: list[list[Measured]] = [[] for _ in wanted]
        for _ in range(repeat):
            for runs, (variant, workload, n) in zip(found, wanted, strict=True):
                runs.append(self.one(variant, workload, n))
        return found

    def one(self, variant: str, workload: str, n: int) -> Measured:
        peer = "floors" if variant in FLOORS else OURS
        run = measure(Cell(peer, variant, workload, n, module=OURS), self.terms)
        if run.outcome != "ok":
            raise RuntimeError(f"{variant}, {workload} {n:,}: {run.outcome}; {run.why}")
        print(f"  {variant} {workload} {n:,}: {run.wall_s:.3f} s, CPU {run.cpu_s:.3f} s", file=sys.stderr)
        return run


def wall(run: Measured) -> float:
    return run.wall_s


def whole(run: Measured) -> float:
    return run.whole_s


def fact(name: str) -> Callable[[Measured], float]:
    return lambda run: run.facts[name]


def starts(bench: Bench) -> Iterator[Line]:
    hello, imported = bench.together(bench.repeat + 2, (OURS, "hello", 1), (OURS, "import", 1))
    took, used = (median(hello, fact(name)) for name in ("command_s", "command_cpu_s"))
    bare = median(imported, fact("bare_s"))
    shown, beside = f"{took:.2f} s, {used:.2f} s CPU", f"{took / bare:.0f} × bare Python"
    yield Line("hello, fresh process", "≤ 0.5 s, ≤ 0.4 s CPU", shown, beside, took <= 0.5 and used <= 0.4)
    extra = median(imported, wall) * 1000
    yield Line("import ropewalk", "≤ 60 ms over bare Python", f"{extra:.0f} ms", f"{bare * 1000:.0f} ms", extra <= 60)


def fan_outs(bench: Bench) -> Iterator[Line]:
    n = 10_000 // bench.scale
    pool, ours, inline, again = bench.together(
        bench.repeat, ("process-pool", "fanout", n), (OURS, "fanout", n), (INLINE, "fanout", n), (OURS, "rerun", n)
    )
    floor, took, alone, reused = median(pool, wall), median(ours, wall), median(inline, wall), median(again, whole)
    beside = f"{floor / took:.2f} × process pool ({n / floor:,.0f}/s)"
    yield Line(
        f"fan-out {n:,}, processes", "≥ 5,000/s, ≥ 0.5 × pool", f"{n / took:,.0f} tasks/s", beside,
        n / took >= 5_000 and floor / took >= 0.5,
    )  # fmt: skip
    beside = f"{floor / alone:.2f} × process pool"
    yield Line(f"fan-out {n:,}, inline", "≥ 15,000/s", f"{n / alone:,.0f} tasks/s", beside, n / alone >= 15_000)
    beside = f"{reused / floor:.2f} × computing it in a process pool"
    yield Line(f"rerun {n:,}, all reused, with start", "≤ 1.0 s", seconds(reused), beside, reused <= 1.0)
    yield from large(bench, n, took, median(ours, fact("store_bytes")))


def large(bench: Bench, small: int, took: float, stored: float) -> Iterator[Line]:
    """Ten times as many, against what a tenth took."""
    n = small * 10
    ((big, *_),) = bench.together(1, (OURS, "fanout", n))
    growth, megabytes = big.wall_s / (10 * took), big.largest_bytes / 1e6
    yield Line(
        f"fan-out {n:,}, processes", "linear (≤ 1.3 ×), ≤ 600 MB", f"{n / big.wall_s:,.0f} tasks/s, {megabytes:.0f} MB",
        f"{growth:.2f} × linear from {small:,}", growth <= 1.3 and megabytes <= 600,
    )  # fmt: skip
    each = (big.facts["store_bytes"] - stored) / (n - small)
    yield Line("store, an uneventful item more", "≤ 100 bytes", f"{each:.0f} bytes", "results included", each <= 100)


def chains(bench: Bench) -> Iterator[Line]:
    n = 1_000 // bench.scale
    wanted = [(name, "chain", n) for name in ("commit+pipe", OURS, PROCESS, BOTH)]
    floors, ours, *process = bench.together(bench.repeat, *wanted)
    floor, took = median(floors, wall), median(ours, wall)
    yield Line(
        f"chain {n:,}, durable", "≤ 1.5 × commit + round trip", f"{took / n * 1000:.2f} ms/task, {took / floor:.2f} ×",
        f"{floor / n * 1000:.2f} ms/task", took <= 1.5 * floor,
    )  # fmt: skip
    for how, runs in zip(("processes", "inline"), process, strict=True):
        each = median(runs, wall) / n * 1000
        beside = f"{each * n / 1000 / floor:.2f} × commit + round trip"
        yield Line(f"chain {n:,}, survives kill -9, {how}", "≤ 0.5 ms/task", f"{each:.2f} ms/task", beside, each <= 0.5)


def layers(bench: Bench) -> Iterator[Line]:
    n = 5_000 // bench.scale
    pool, ours = bench.together(bench.repeat, ("process-pool", "layered", n), (OURS, "layered", n))
    rate, beside = n / median(ours, wall), f"process pool {n / median(pool, wall):,.0f}/s"
    yield Line(f"layered {n:,}, processes", "≥ 3,000/s", f"{rate:,.0f} tasks/s", beside, rate >= 3_000)


def frames(bench: Bench) -> Iterator[Line]:
    n = 200 // bench.scale
    raw, loop, ours = bench.together(bench.repeat, *((name, "frame", n) for name in ("raw-file", "loop", OURS)))
    floor, took = median(raw, wall), median(ours, wall)
    name = f"frame of {n} MB through five tasks"
    yield Line(name, "≤ 1.5 × raw file", f"{seconds(took)}, {took / floor:.2f} ×", seconds(floor), took <= 1.5 * floor)
    ours_bytes, loop_bytes = (median(runs, lambda run: run.largest_bytes) / 1e6 for runs in (ours, loop))
    shown, beside = f"{ours_bytes:.0f} MB, {ours_bytes / n:.1f} ×", f"plain loop {loop_bytes:.0f} MB"
    yield Line("  the largest process", "≤ 2 × the frame", shown, beside, ours_bytes <= 2 * n)


def spins(bench: Bench) -> Iterator[Line]:
    alone, pool, ours = bench.together(1, ("loop", "cpu", 8), ("process-pool", "cpu", 8), (OURS, "cpu", 8))
    slow = median(alone, wall)
    faster, beside = slow / median(ours, wall), f"loop {seconds(slow)}, process pool {slow / median(pool, wall):.2f} ×"
    name = f"cpu, 8 × {SPIN_S / bench.scale:g} s"
    yield Line(name, "≥ 1.9 × on two cores", f"{faster:.2f} ×", beside, faster >= 1.9)


def plans(bench: Bench) -> Iterator[Line]:
    n = 10_000 // bench.scale
    traced, planned = bench.together(bench.repeat, (OURS, "plan", n), (OURS, "plan+lookup", n))
    took = median(planned, wall)
    yield Line(
        f"plan of {n:,} nodes",
        "≤ 1.0 s",
        seconds(took),
        f"the graph alone {seconds(median(traced, wall))}",
        took <= 1.0,
    )


def thinking(bench: Bench) -> Iterator[Line]:
    from benchmarks.decisions import cost_s

    sizes = (1_000, 10_000 // bench.scale, 100_000 // bench.scale)
    costs = {n: statistics.median(cost_s(n) * 1e6 for _ in range(bench.repeat)) for n in sizes}
    first, last = costs[sizes[0]], costs[sizes[-1]]
    shown = " · ".join(f"{cost:.1f}" for cost in costs.values())
    beside, ok = f"{last / first:.2f} × from 1,000 to {sizes[-1]:,}", last <= 20 and last <= 1.5 * first
    yield Line("scheduler decision", "≤ 20 µs an event, flat", f"{shown} µs", beside, ok)


GROUPS: tuple[Callable[[Bench], Iterator[Line]], ...] = (
    starts, fan_outs, chains, layers, frames, spins, plans, thinking,
)  # fmt: skip


def main(*, repeat: int, scale: int, path: Path | None, page: Path | None = None) -> int:
    """Print all lines; 1 if a figure could not be taken, whatever came out of the others."""
    about = machine.describe(ROOT)
    bench = Bench(repeat, scale)
    bench.terms.spins = machine.spins_for(SPIN_S / scale)
    print(
        f"{about['cores']} cores, {about['cpu']}, Python {about['python']}, {about['file_system']}, "
        f"fsync {about['fsync_ms']} ms, load {about['load']}; medians of {repeat}, interleaved\n"
    )
    print(_row(Line("workload", "target", "measured", "floor", ok=True), ""))
    lines, broken = [], []
    for group in GROUPS:
        try:
            for line in group(bench):
                lines.append(line)
                print(_row(line, "ok" if line.ok else "MISSED"), flush=True)
        except RuntimeError as error:
            broken.append(group.__name__)
            print(f"could not be measured: {error}", flush=True)
    print(f"\n{sum(line.ok for line in lines)} of {len(lines)} targets met")
    if path:
        path.write_text(
            json.dumps({"machine": about, "lines": [asdict(line) for line in lines]}, indent=1, ensure_ascii=False)
        )
    if page:
        pages.fill(page, "targets", markdown(about, lines))
    return 1 if broken else 0


def markdown(about: Mapping[str, Any], lines: Sequence[Line]) -> str:
    """The lines as a table, with the machine that they are of."""
    rows = [f"| {one.workload.strip()} | {one.target} | {one.measured} | {one.floor} | {_mark(one)} |" for one in lines]
    head = ["| workload | target | measured | beside it | |", "|---|---|---|---|---|"]
    where = f"{about['cores']} cores, {about['cpu']}, {about['file_system']}, an fsync of {about['fsync_ms']} ms"
    return "\n".join([*head, *rows, "", f"{where}, Python {about['python']}."])


def _mark(line: Line) -> str:
    return "" if line.ok else "missed"


def _row(line: Line, mark: str) -> str:
    return f"{line.workload:34} {line.target:29} {line.measured:28} {line.floor:42} {mark}".rstrip()
