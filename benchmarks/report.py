"""What a run of the benchmark has found, as Markdown; every figure comes from its JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import chart, overview, versus
from benchmarks.catalogue import ALWAYS, SURVIVES
from benchmarks.host import ROOT
from benchmarks.results import OURS, Measured, Results, Subject

DOCS = ROOT / "docs/reference"
WORKLOADS = {
    "hello": "a fresh process with one task, from its start to its end, the interpreter included",
    "import": "importing the tool, over a bare interpreter in the same environment",
    "chain": "tasks one after the other, each on the result of the one before",
    "fanout": "one task, then n side by side, then one that gets all their results",
    "layered": "ten layers of n/10 tasks, each on three random ones of the layer before",
    "rerun": "the fan-out again, in a new process, with everything known already",
    "frame": "a DataFrame of n MB through five tasks",
    "cpu": "n times about {spin_s:g} s of pure Python, on two workers",
    "log": "n lines printed by one task",
    "plan": "building a graph of n nodes, layered, without running it",
    "crash": "kill -9 of all processes half-way through n tasks of 50 ms side by side, then a resume in a new process",
}


def wall(run: Measured) -> float:
    return run.wall_s


def cpu(run: Measured) -> float:
    return run.cpu_s


def write(results: Results, path: Path, *, docs: bool = False) -> list[Path]:
    """The page and its charts, beside the figures or in the docs; the files that were written."""
    folder, stem = (DOCS, "benchmark") if docs else (path.parent, path.stem)
    chart_file, page = folder / f"{stem}.svg", folder / f"{stem}.md"
    chart_file.write_text(chart.svg(results))
    page.write_text(f"{_head(results)}\n![Milliseconds for each task]({chart_file.name})\n\n{text(results)}\n")
    if docs:
        results.save(folder / f"{stem}.json")
    return [page, chart_file]


def text(results: Results) -> str:
    """All tables, without the head."""
    found = [_table(results, workload) for workload in dict.fromkeys(workload for workload, _ in results.cells())]
    parts = [overview.table(results), *found, versus.table(results), _variants(results), _failures(results)]
    return "\n\n".join(part for part in parts if part)


def _head(results: Results) -> str:
    about, settings = results.machine, results.settings
    return (
        "# The benchmark, in figures\n\n"
        "Written by `python -m benchmarks report` from what `python -m benchmarks run` has measured: the JSON beside\n"
        "this page; [how to run it](../how-to/run-the-benchmark.md).\n\n"
        f"{about['cores']} cores of {about['cpu']}, {about['memory_gb']} GB, {about['kernel']},\n"
        f"Python {about['python']}; {about['file_system']}, an fsync takes {about['fsync_ms']} ms;\n"
        f"load before the start {about['load']}; {about['date']}.\n\n"
        f"Medians of {settings['repeat']}, {_how(settings)};\n"
        "two workers for everybody. Each figure is followed by its\n"
        "ratio to Ropewalk's: 3.0 × took three times as long. CPU seconds are those of all processes, servers and\n"
        "daemons too.\n"
    )


def _how(settings: Mapping[str, Any]) -> str:
    parts = settings.get("parts", 1)
    return (
        "all interleaved"
        if parts == 1
        else f"in {parts} parts, each interleaved, with us and the floors in all of them"
    )


def _table(results: Results, workload: str) -> str:
    """A row for each variant that offers it, the fastest at the largest size first."""
    ns = [n for name, n in results.cells() if name == workload]
    about = WORKLOADS.get(workload, workload).format(**results.settings)
    lines = [f"## {workload}\n", f"{about[0].upper()}{about[1:]}.\n"]
    columns = [f"{workload} {n:,}" for n in ns] if len(ns) > 1 else [f"n = {ns[0]:,}"]
    facts = _FACTS.get(workload, {})
    header = [f"{column} | × | CPU | ×" for column in columns] + list(facts)
    lines += [f"| | survives | {' | '.join(header)} |", "|---|---|" + "--:|" * (4 * len(ns) + len(facts))]
    for subject in sorted(results.subjects, key=lambda subject: _place(results, subject, workload, ns)):
        if overview.offers(subject, workload):
            cells = [cell for n in ns for cell in _cells(results, subject, workload, n)]
            cells += [_fact(results, subject.name, workload, ns[-1], figure) for figure in facts.values()]
            name = f"**{subject.name}**" if subject.peer == OURS else subject.name
            lines.append(f"| {name} | {subject.keeps} | {' | '.join(cells)} |")
    offered = {s.peer for s in results.subjects if overview.offers(s, workload)} if workload == "import" else set()
    missing = [s for s in results.subjects if not overview.offers(s, workload) and s.peer not in (*ALWAYS, *offered)]
    if missing:
        lines.append(f"\nNot offered by {', '.join(s.name for s in missing)}.")
    return "\n".join(lines)


def _place(results: Results, subject: Subject, workload: str, ns: Sequence[int]) -> tuple[float, ...]:
    """Fastest first at the largest size; what has not got there comes after what has."""
    walls = [results.median(subject.name, workload, n, wall) for n in reversed(ns)]
    return tuple(float("inf") if value is None else value for value in walls)


def _cells(results: Results, subject: Subject, workload: str, n: int) -> list[str]:
    """Wall, ratio, CPU, ratio; or why there is none."""
    outcome = results.outcome(subject.name, workload, n)
    if outcome not in ("ok", "again"):
        return [overview.reason(results, outcome), "", "", ""]
    mark = " (computed again)" if outcome == "again" else ""
    found = []
    for figure in (wall, cpu):
        value, ours = results.median(subject.name, workload, n, figure), results.median(OURS, workload, n, figure)
        found += [seconds(value) + mark, "" if not ours or value is None else f"{overview.ratio(value / ours)} ×"]
        mark = ""
    return found


def _fact(results: Results, variant: str, workload: str, n: int, figure: Callable[[Measured], str]) -> str:
    runs = [run for run in results.of(variant, workload, n) if run.counts]
    return figure(runs[-1]) if runs else ""


_FACTS: dict[str, dict[str, Callable[[Measured], str]]] = {
    "rerun": {
        "executed again": lambda run: f"{run.facts['executed']:,.0f}",
        "whole process": lambda run: seconds(run.whole_s),
    },
    "crash": {
        "finished before": lambda run: f"{run.facts['finished']:,.0f}",
        "of these ran again": lambda run: f"{run.facts['again']:,.0f}",
    },
    "frame": {
        "largest process": lambda run: f"{run.largest_bytes / 1e6:,.0f} MB",
        "all processes": lambda run: f"{run.peak_bytes / 1e6:,.0f} MB",
    },
    "fanout": {"all processes": lambda run: f"{run.peak_bytes / 1e6:,.0f} MB"},
}


def _variants(results: Results) -> str:
    lines = [
        "## Who was measured, and how\n",
        "| | version | survives | records | configuration |",
        "|---|---|---|---|---|",
    ]
    for one in results.subjects:
        known = f"{one.package} {one.version}".strip()
        lines.append(f"| {one.name} | {known} | {SURVIVES[one.keeps]} | {one.records} | {one.configuration} |")
    return "\n".join(lines)


def _failures(results: Results) -> str:
    lines = [_failure(run) for run in results.failures()]
    return "## What went wrong\n\n" + "\n".join(lines) if lines else ""


def _failure(run: Measured) -> str:
    told = [line.strip() for line in run.why.splitlines() if line.strip()]
    shown = " … ".join(dict.fromkeys([*told[:1], *told[-1:]]))[:400].replace("`", "'")
    return f"- {run.variant}, {run.workload} {run.n:,}: {run.outcome}. `{shown}`"


def seconds(value: float | None) -> str:
    """Three digits that matter."""
    if value is None:
        return ""
    if value < 1:
        return f"{value * 1000:,.3g} ms" if value < 0.0995 else f"{value * 1000:,.0f} ms"
    return f"{value:.2f} s" if value < 10 else f"{value:,.1f} s" if value < 100 else f"{value:,.0f} s"
