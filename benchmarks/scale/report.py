"""What was measured, as the tables of `docs/explanation/scale.md`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from benchmarks import pages

Row: TypeAlias = Mapping[str, Any]
Column: TypeAlias = tuple[str, Callable[[Row], str]]
PART_NAMES = ("start", "deciding", "keys", "rows", "SQL", "loop")
HORIZONS_S = (0.1, 1, 10, 60)
MIB = 1 << 20


def markdown(found: Mapping[str, Sequence[Row]]) -> str:
    """All tables."""
    return "\n".join(tables(found).values())


def tables(found: Mapping[str, Sequence[Row]]) -> dict[str, str]:
    """The tables of each part."""
    makers: dict[str, Callable[[Sequence[Row]], str]] = {
        "growth": growth, "saturation": saturation, "fairness": fairness, "looks": looks, "writers": writers,
    }  # fmt: skip
    return {part: makers[part](rows) for part, rows in found.items()}


def filled(page: str, found: Mapping[str, Sequence[Row]]) -> str:
    """A page with these tables in the places that it has for them."""
    for part, text in tables(found).items():
        page = pages.filled(page, part, text)
    return page


def table(title: str, columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """One table."""
    lines = [
        " | ".join(name for name, _ in columns),
        " | ".join("---" if not k else "--:" for k in range(len(columns))),
    ]
    lines += [" | ".join(show(row) for _, show in columns) for row in rows]
    return f"**{title}**\n\n" + "\n".join(f"| {line} |" for line in lines) + "\n"


def growth(rows: Sequence[Row]) -> str:
    """One run."""
    first = rows[0]
    per_task = table(
        f"One run on {first['workers']:,} workers, tasks of {first['mean_s']:g} s",
        (
            ("task runs", lambda r: f"{r['tasks']:,}"),
            ("CPU of the scheduler per task run", lambda r: f"{r['cpu_us']:.0f} µs"),
            ("peak memory", lambda r: f"{r['peak_bytes'] / MIB:.0f} MiB"),
            ("store per task run", lambda r: f"{r['store_bytes'] / r['tasks']:.0f} bytes"),
            ("makespan", lambda r: f"{r['makespan_s']:,.0f} s"),
            ("to the lower bound", lambda r: f"{r['makespan_s'] / r['bound_s']:.2f} ×"),
            ("workers busy, steady", lambda r: f"{r['steady']:.1%}"),
            ("task runs in a commit", lambda r: f"{r['attempts'] / r['turns']:.1f}"),
        ),
        rows,
    )
    shares = table(
        "Where its CPU goes, per task run",
        (("task runs", lambda r: f"{r['tasks']:,}"), *(_share(part) for part in PART_NAMES)),
        rows,
    )
    return f"{per_task}\n{shares}"


def _share(part: str) -> Column:
    return part, lambda r: f"{r['parts'][part] / r['tasks'] * 1e6:.0f} µs" if part in r["parts"] else "–"


def saturation(rows: Sequence[Row]) -> str:
    """How fast one scheduler is."""
    reached = table(
        "One scheduler that is as slow as it is",
        (
            (
                "task runs",
                lambda r: f"{'mapped items' if r['kind'] == 'mapped' else 'single nodes'} of {r['mean_s']:g} s",
            ),
            ("workers", lambda r: f"{r['workers']:,}"),
            ("wanted", lambda r: f"{r['workers'] / r['mean_s']:,.0f}/s"),
            ("CPU per task run", lambda r: f"{r['cpu_us']:.0f} µs"),
            ("at 100 % CPU", lambda r: f"{r['rate']:,.0f}/s"),
            ("workers busy, steady", lambda r: f"{r['steady']:.0%}"),
            ("task runs in a commit", lambda r: f"{r['attempts'] / r['turns']:.1f}"),
        ),
        rows,
    )
    fastest = {
        kind: max(r["rate"] for r in rows if r["kind"] == kind) for kind in dict.fromkeys(r["kind"] for r in rows)
    }
    kept = table(
        "How many workers one scheduler keeps busy",
        (
            ("task runs", lambda r: "mapped items" if r["kind"] == "mapped" else "single nodes"),
            ("saturated at", lambda r: f"{r['rate']:,.0f}/s"),
            *(_workers(mean_s) for mean_s in HORIZONS_S),
        ),
        [{"kind": kind, "rate": rate} for kind, rate in fastest.items()],
    )
    return f"{reached}\n{kept}"


def _workers(mean_s: float) -> Column:
    return f"of {mean_s:g} s", lambda r: f"{r['rate'] * mean_s:,.0f}"


def fairness(rows: Sequence[Row]) -> str:
    """Many runs."""
    first = rows[0]
    return table(
        f"{first['runs']} runs with {first['tasks']:,} task runs together on {first['slots']:,} workers",
        (
            ("arrangement", lambda r: f"`{r['arrangement']}`"),
            ("Jain's index, mean", lambda r: f"{r['jain']:.2f}"),
            ("a tenth of the time below", lambda r: f"{r['jain_low']:.2f}"),
            ("of the workers wanted were used", lambda r: f"{r['used']:.0%}"),
            ("makespan", lambda r: f"{r['makespan_s']:,.0f} s"),
            ("slowdown of small runs, median", lambda r: f"{r['small_slowdown']:.1f} ×"),
            ("worst", lambda r: f"{r['small_worst']:.1f} ×"),
            ("of large ones, median", lambda r: f"{r['large_slowdown']:.1f} ×"),
            ("longest without any worker", lambda r: f"{r['starved_s']:,.0f} s"),
        ),
        rows,
    )


def looks(rows: Sequence[Row]) -> str:
    """One look into the store."""
    return table(
        "CPU of one look into the store",
        (
            ("attempts of other runs under way", lambda r: f"{r['leases']:,}"),
            ("which keys they compute", lambda r: f"{r['reuse_s'] * 1e3:.1f} ms"),
            ("which slots of pools they hold", lambda r: f"{r['pool_s'] * 1e3:.1f} ms"),
        ),
        rows,
    )


def writers(rows: Sequence[Row]) -> str:
    """Many processes."""
    return table(
        "Schedulers that write to one SQLite file all the time",
        (
            ("schedulers", lambda r: f"{r['writers']}"),
            ("commits", lambda r: f"{r['commits_per_s']:,.0f}/s"),
            ("task runs", lambda r: f"{r['tasks_per_s']:,.0f}/s"),
            ("wait, median", lambda r: f"{r['wait_median_s'] * 1e3:.1f} ms"),
            ("99 %", lambda r: f"{r['wait_p99_s']:.2f} s"),
            ("longest", lambda r: f"{r['wait_longest_s']:.2f} s"),
            ("gave up", lambda r: f"{r['refused']}"),
            ("commits of the slowest and fastest", lambda r: f"{r['commits_least']}–{r['commits_most']}"),
            ("CPU in the lock, each", lambda r: f"{r['held_cpu_s'] * 1e3:.1f} ms"),
        ),
        rows,
    )
