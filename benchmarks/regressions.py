"""`make bench-check`: our ratios to the floors beside those that were accepted last.

A ratio is the median over repetitions of ours to the floor's, each measured right after the other. What has become
worse by more than 25 % is measured again, with more repetitions, before it is said: noise does not strike twice.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine
from benchmarks.host import ROOT, Cell
from benchmarks.measure import Terms, measure
from benchmarks.results import OURS, Measured

ACCEPTED = ROOT / "benchmarks/accepted.json"
WORSE = 1.25
REPEAT, AGAIN = 5, 9
INLINE = f"{OURS}-inline"


@dataclass(frozen=True, slots=True)
class Pair:
    """What is compared with which floor.

    Args:
        figures: `wall` and `cpu`; where little is computed, CPU seconds are too few to be compared.
        floor_workload: another one than ours, for a rerun.
    """

    ours: str
    workload: str
    n: int
    floor: str
    figures: tuple[str, ...] = ("wall", "cpu")
    floor_workload: str = ""

    @property
    def name(self) -> str:
        return f"{self.workload} {self.n:,}, {self.ours} to {self.floor}"


PAIRS = (
    Pair(OURS, "fanout", 3_000, "process-pool"),
    Pair(INLINE, "fanout", 3_000, "process-pool"),
    Pair(OURS, "chain", 200, "commit+pipe"),
    Pair(INLINE, "chain", 200, "commit"),
    Pair(OURS, "layered", 1_000, "process-pool"),
    Pair(OURS, "rerun", 3_000, "process-pool", floor_workload="fanout"),
    Pair(OURS, "frame", 40, "raw-file"),
    Pair(OURS, "hello", 1, "loop"),
)

Measure = Callable[[str, str, int], Measured]
Ratios = Mapping[str, Mapping[str, float]]


def accept(path: Path = ACCEPTED, pairs: Sequence[Pair] = PAIRS) -> int:
    """Measure all of them, and take what comes out as what is to be kept."""
    ratios = take(pairs, AGAIN, real)
    about = machine.describe(ROOT)
    path.write_text(json.dumps({"machine": about, "ratios": ratios}, indent=1, ensure_ascii=False) + "\n")
    print(table(pairs, ratios, {}))
    print(f"\naccepted: {path.name}")
    return 0


def check(
    path: Path = ACCEPTED,
    pairs: Sequence[Pair] = PAIRS,
    take_one: Measure | None = None,
    repeats: tuple[int, int] = (REPEAT, AGAIN),
    *,
    busy: bool | None = None,
) -> int:
    """Compare with what was accepted; 1 if something has become worse, which is named.

    Args:
        repeats: how often all are measured, and then what seems worse; the better of both counts.
        busy: whether others use the machine, so that wall seconds say nothing; None: look at its load.
    """
    take_one = take_one or real
    judged = ("cpu",) if (is_busy() if busy is None else busy) else ("wall", "cpu")
    if "wall" not in judged:
        print("others are using this machine: wall seconds are shown, but only CPU seconds are judged", file=sys.stderr)
    if not path.exists():
        print(f"nothing was accepted yet: {path.name} is missing; python -m benchmarks check --accept", file=sys.stderr)
        return 1
    accepted: Ratios = json.loads(path.read_text())["ratios"]
    ratios = take(pairs, repeats[0], take_one)
    doubtful = [pair for pair in pairs if worse(pair, ratios, accepted, judged)]
    if doubtful:
        print(f"again, since it seems worse: {'; '.join(pair.name for pair in doubtful)}", file=sys.stderr)
        ratios |= better(ratios, take(doubtful, repeats[1], take_one))
    print(table(pairs, ratios, accepted))
    regressions = [text for pair in doubtful for text in worse(pair, ratios, accepted, judged)]
    for text in regressions:
        print(f"REGRESSION: {text}")
    return 1 if regressions else 0


def is_busy() -> bool:
    """Whether more is going on than there are cores for."""
    return os.getloadavg()[0] > len(os.sched_getaffinity(0))


def better(first: Ratios, second: Ratios) -> dict[str, dict[str, float]]:
    """The smaller ratio of both, for each pair of the second one."""
    return {
        name: {figure: min(now, first[name][figure]) for figure, now in each.items()} for name, each in second.items()
    }


def take(pairs: Iterable[Pair], repeat: int, take_one: Measure) -> dict[str, dict[str, float]]:
    """The median ratios of all pairs, by name and figure; repetition by repetition, pair by pair.

    Raises:
        RuntimeError: one could not be measured.
    """
    pairs = tuple(pairs)
    found: dict[str, dict[str, list[float]]] = {pair.name: {figure: [] for figure in pair.figures} for pair in pairs}
    for _ in range(repeat):
        for pair in pairs:
            floor = take_one(pair.floor, pair.floor_workload or pair.workload, pair.n)
            ours = take_one(pair.ours, pair.workload, pair.n)
            for run in (floor, ours):
                if run.outcome != "ok":
                    raise RuntimeError(f"{run.variant}, {run.workload} {run.n}: {run.outcome}; {run.why}")
            for figure, ratios in found[pair.name].items():
                ratios.append(seconds(ours, figure) / seconds(floor, figure))
    return {name: {figure: statistics.median(all_) for figure, all_ in each.items()} for name, each in found.items()}


def seconds(run: Measured, figure: str) -> float:
    """Wall or CPU seconds; of a rerun the whole process."""
    if figure == "cpu":
        return run.cpu_s
    return run.whole_s if run.workload == "rerun" else run.wall_s


def worse(pair: Pair, ratios: Ratios, accepted: Ratios, judged: Sequence[str] = ("wall", "cpu")) -> list[str]:
    """In words what has become worse by more than is put up with."""
    before = accepted.get(pair.name, {})
    return [
        f"{pair.name}: {figure} was {before[figure]:.2f} ×, is {now:.2f} × (+{now / before[figure] - 1:.0%})"
        for figure, now in ratios[pair.name].items()
        if figure in judged and figure in before and now > WORSE * before[figure]
    ]


def table(pairs: Sequence[Pair], ratios: Ratios, accepted: Ratios) -> str:
    """All ratios, beside the accepted ones."""
    lines = [f"{'ratio':44} {'':5} {'accepted':>9} {'now':>9} {'change':>8}"]
    for pair in pairs:
        for figure, now in ratios[pair.name].items():
            before = accepted.get(pair.name, {}).get(figure)
            beside = (
                f"{'–':>9} {now:8.2f}×" if before is None else f"{before:8.2f}× {now:8.2f}× {now / before - 1:+8.0%}"
            )
            lines.append(f"{pair.name:44} {figure:5} {beside}")
    return "\n".join(lines)


def real(variant: str, workload: str, n: int) -> Measured:
    """One run, here and now."""
    peer = OURS if variant.startswith(OURS) else "floors"
    run = measure(Cell(peer, variant, workload, n), Terms(120.0))
    print(f"  {variant} {workload} {n:,}: {run.wall_s:.3f} s, CPU {run.cpu_s:.3f} s {run.outcome}", file=sys.stderr)
    return run
