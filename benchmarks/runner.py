"""`python -m benchmarks run`: everybody, interleaved, and what came of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import catalogue, machine, sizes
from benchmarks.host import ROOT, Cell
from benchmarks.measure import Terms, measure
from benchmarks.peer import Peer, Variant
from benchmarks.results import OURS, Measured, Results


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be measured."""

    peers: Sequence[Peer]
    cells: Sequence[tuple[str, int]]
    repeat: int = 3
    limit_s: float = 120.0
    spin_s: float = 2.0
    ours_only: Sequence[tuple[str, int]] = ()
    settings: dict[str, Any] = field(default_factory=dict)


def run(request: Request) -> Results:
    """Repetition by repetition, workload by workload, variant by variant; progress goes to stderr."""
    about = machine.describe(ROOT)
    terms = Terms(request.limit_s, machine.spins_for(request.spin_s))
    print(f"{about['cores']} cores, load {about['load']}, fsync {about['fsync_ms']} ms", file=sys.stderr)
    runs: list[Measured] = []
    given_up: dict[tuple[str, str], int] = {}
    for repetition in range(request.repeat):
        for peer, variant, workload, n in schedule(request):
            if n >= given_up.get((variant.name, workload), sys.maxsize):
                continue  # it has failed, or took too long, at this size or at a smaller one
            found = _one(peer, variant, workload, n, terms)
            runs.append(found)
            if found.outcome not in ("ok", "again", "limit"):
                given_up[variant.name, workload] = n
            _say(repetition, found)
    settings = {
        **request.settings, "repeat": request.repeat, "limit_s": request.limit_s, "workers": 2, "spins": terms.spins,
        "spin_s": request.spin_s,
    }  # fmt: skip
    return Results(about, settings, tuple(catalogue.subjects(request.peers)), tuple(runs))


def schedule(request: Request) -> Iterator[tuple[Peer, Variant, str, int]]:
    """One repetition: each workload and size with all that can do it, one after the other."""
    for workload, n in (*request.cells, *request.ours_only):
        for peer in request.peers:
            for variant in peer.variants:
                ours = variant.name == OURS or variant.name.startswith(f"{OURS}-")
                if can(peer, variant, workload) and (ours or (workload, n) not in request.ours_only):
                    yield peer, variant, workload, n


def can(peer: Peer, variant: Variant, workload: str) -> bool:
    """Whether a variant offers a workload; `crash` takes two jobs, `import` none, but is the same for all variants."""
    if workload == "import":
        return bool(variant.module) and variant is peer.variants[0]
    return {workload, "resume"} <= set(variant.jobs) if workload == "crash" else workload in variant.jobs


def _one(peer: Peer, variant: Variant, workload: str, n: int, terms: Terms) -> Measured:
    limit = variant.limits.get(workload)
    if limit is not None and n > limit:
        return Measured(variant.name, workload, n, "limit", f"its largest size is {limit:,}")
    return measure(Cell(peer.name, variant.name, workload, n, catalogue.python(peer.name), variant.module), terms)


def _say(repetition: int, found: Measured) -> None:
    what = f"{repetition + 1}  {found.workload:8} {found.n:>7,}  {found.variant:28}"
    if found.counts:
        facts = "".join(f"  {name} {value:,.3g}" for name, value in found.facts.items())
        print(f"{what} {found.wall_s:9.3f} s  CPU {found.cpu_s:8.3f} s{facts}", file=sys.stderr)
    else:
        print(f"{what} {found.outcome}: {found.why.splitlines()[-1] if found.why else ''}"[:200], file=sys.stderr)


def request_from(peers: str, workloads: str, size: str, repeat: int, limit_s: float) -> Request:
    """What the command line asks for."""
    cells = sizes.cells(workloads, size)
    more = [
        (name, n) for name, n in sizes.OURS_ONLY.items() if size == "full" and any(name == cell[0] for cell in cells)
    ]
    return Request(
        catalogue.chosen(peers), cells, repeat, limit_s, sizes.SPIN_S.get(size, 2.0), more, {"sizes": size},
    )  # fmt: skip


def newest(folder: Path = ROOT / "benchmarks/results") -> Path:
    """Where results go if nothing else is said."""
    return folder / "latest.json"
