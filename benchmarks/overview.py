"""All tools and all workloads at a glance: how many times as long as we somebody takes."""

from __future__ import annotations

from benchmarks.results import OURS, Measured, Outcome, Results, Subject


def table(results: Results) -> str:
    """A row for each variant, a column for each workload; empty: we were not measured."""
    workloads = list(dict.fromkeys(workload for workload, _ in results.cells()))
    if not any(run.variant == OURS and run.counts for run in results.runs):
        return ""
    lines = [
        "## At a glance\n",
        "Wall time beside that of Ropewalk with processes, at the largest size that the tool has finished; the size is",
        "named where it is not the largest. –: not offered; ¹: computed again instead of reused.\n",
        f"| | survives | {' | '.join(workloads)} |",
        "|---|---|" + "--:|" * len(workloads),
    ]
    for subject in results.subjects:
        name = f"**{subject.name}**" if subject.peer == OURS else subject.name
        cells = " | ".join(_cell(results, subject, workload) for workload in workloads)
        lines.append(f"| {name} | {subject.keeps} | {cells} |")
    return "\n".join(lines)


def _cell(results: Results, subject: Subject, workload: str) -> str:
    """The ratio at the largest size that both have finished; without one what happened at the smallest."""
    if not offers(subject, workload):
        return "–"
    ns = results.shared_sizes(workload)
    for n in ns:
        wall_s, ours = results.median(subject.name, workload, n, _wall), results.median(OURS, workload, n, _wall)
        if wall_s is not None and ours:
            again = "¹" if results.outcome(subject.name, workload, n) == "again" else ""
            return f"{ratio(wall_s / ours)} ×{again}{'' if n == ns[0] else f' ({n:,})'}"
    return reason(results, results.outcome(subject.name, workload, ns[-1]))


def offers(subject: Subject, workload: str) -> bool:
    """Whether a variant can do a workload at all."""
    return subject.imports if workload == "import" else workload in subject.jobs


def reason(results: Results, outcome: Outcome | None) -> str:
    """Why there is no figure."""
    known = {None: "not run", "limit": "not run (limit)", "wrong": "WRONG", "ok": "no ratio", "again": "no ratio"}
    return f"> {results.settings['limit_s']:g} s" if outcome == "timeout" else known.get(outcome, "failed")


def ratio(value: float) -> str:
    """Two or three digits that matter."""
    return f"{value:.2f}" if value < 2 else f"{value:.1f}" if value < 20 else f"{value:,.0f}"


def _wall(run: Measured) -> float:
    return run.wall_s
