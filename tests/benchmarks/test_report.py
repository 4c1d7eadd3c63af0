"""Tables and charts of figures that were made up."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from benchmarks import chart, overview, report, versus
from benchmarks.results import Measured, Results, Subject, median, merged

MACHINE = {
    "cores": 2, "cpu": "a CPU", "memory_gb": 8.0, "kernel": "Linux 6", "python": "3.11.0", "file_system": "ext4",
    "fsync_ms": 1.0, "load": 0.0, "date": "2026-01-01",
}  # fmt: skip


def subject(name: str, peer: str, keeps="nothing", jobs=("chain", "fanout", "rerun")) -> Subject:
    return Subject(name, peer, peer, "1.0", "as it comes", keeps, "nothing", jobs, imports=False)


def made(*runs: Measured) -> Results:
    subjects = (
        subject("loop", "floors"), subject("ropewalk", "ropewalk", "power"), subject("ray", "ray"),
        subject("dbos", "dbos", "process"), subject("idle", "idle", jobs=()),
    )  # fmt: skip
    return Results(MACHINE, {"repeat": 3, "limit_s": 120.0, "spin_s": 2.0}, subjects, runs)


def taken(variant: str, wall_s: float, workload: str = "fanout", n: int = 1000, **more) -> Measured:
    return Measured(variant, workload, n, more.pop("outcome", "ok"), wall_s=wall_s, cpu_s=wall_s / 2, **more)


def test_ratios_of_medians_are_to_us() -> None:
    ours = [taken("ropewalk", seconds) for seconds in (0.9, 0.2, 0.1)]
    theirs = [taken("ray", seconds) for seconds in (0.6, 0.7, 0.1)]

    text = report.text(made(*ours, *theirs))

    assert "| ray | nothing | 600 ms | 3.0 × | 300 ms | 3.0 × |" in text
    assert "| **ropewalk** | power | 200 ms | 1.00 × | 100 ms | 1.00 × |" in text


def test_the_fastest_comes_first_and_what_has_no_figure_last() -> None:
    results = made(taken("ropewalk", 0.2), taken("ray", 0.1), taken("dbos", 0.0, outcome="timeout"))

    lines = report.text(results).partition("## fanout")[2].splitlines()
    names = [line.split("|")[1].strip() for line in lines if line.startswith("| ") and "survives" not in line]
    assert names[:3] == ["ray", "**ropewalk**", "loop"]


def test_at_a_glance_stands_the_ratio_at_the_largest_size_or_why_there_is_none() -> None:
    results = made(
        *(taken("ropewalk", wall_s, n=n) for wall_s, n in ((1.0, 100), (2.0, 1000), (9.0, 100_000))),
        *(taken("loop", 0.1, n=n) for n in (100, 1000)),
        taken("ray", 3.0, n=100), taken("ray", 0.0, outcome="limit"), taken("dbos", 0.0, n=100, outcome="timeout"),
    )  # fmt: skip

    text = overview.table(results)

    assert "| loop | nothing | 0.05 × |" in text
    assert "| **ropewalk** | power | 1.00 × |" in text
    assert "| ray | nothing | 3.0 × (100) |" in text
    assert "| dbos | process | > 120 s |" in text
    assert "| idle | nothing | – |" in text


def test_a_median_of_what_failed_is_refused() -> None:
    with pytest.raises(RuntimeError, match="ray, fanout 1000: failed; because"):
        median([taken("ray", 1.0), taken("ray", 1.0, outcome="failed", why="because")], lambda run: run.wall_s)


def test_what_was_computed_again_is_marked() -> None:
    results = made(
        taken("ropewalk", 0.2, "rerun"), taken("ray", 0.4, "rerun", outcome="again", facts={"executed": 1002})
    )

    assert "| ray | nothing | 400 ms (computed again) | 2.0 × |" in report.text(
        Results(results.machine, results.settings, results.subjects, (results.runs[1], _counted(results.runs[0])))
    )


def _counted(run: Measured) -> Measured:
    return taken(run.variant, run.wall_s, "rerun", facts={"executed": 0})


def test_targets_that_name_a_tool_are_met_or_missed() -> None:
    text = versus.table(made(taken("ropewalk", 1.0), taken("ray", 5.0), taken("dbos", 9.0)))

    assert "| fanout 1,000 | ropewalk | ray: ray | 5.0 × | ≥ 4 × | ok |" in text
    assert "| fanout 1,000 | ropewalk | all that are durable: dbos | 9.0 × | ≥ 10 × | MISSED |" in text
    assert "dask" not in text


def test_sizes_that_differ_are_both_named() -> None:
    text = versus.table(made(*(taken(name, 1.0, n=10_000) for name in ("loop", "ropewalk")), taken("ray", 1.0)))

    assert "| fanout 10,000 and 1,000 | ropewalk | ray: ray | 10.0 × | ≥ 4 × | ok |" in text


def test_the_chart_is_an_image_with_a_bar_for_each_variant() -> None:
    found = chart.svg(made(*(taken(name, wall) for name, wall in (("loop", 0.001), ("ropewalk", 0.2), ("ray", 4.0)))))

    bars = [each for each in ET.fromstring(found).iter("{http://www.w3.org/2000/svg}rect") if each.get("y") != "14"]
    widths = [float(each.get("width", 0)) for each in bars]
    assert [each.get("class") for each in bars] == ["nothing", "ours", "nothing"]
    assert widths == sorted(widths)
    assert "prefers-color-scheme: dark" in found


def test_the_report_is_a_page_with_its_chart_beside_it(tmp_path) -> None:
    page, image = report.write(made(taken("ropewalk", 1.0)), tmp_path / "mine.json")

    assert f"({image.name})" in page.read_text()
    assert image.read_text().startswith("<svg")


def test_parts_that_were_measured_one_after_the_other_make_one_report() -> None:
    first, second = made(taken("ropewalk", 0.2), taken("ray", 0.4)), made(taken("ropewalk", 0.4), taken("dbos", 0.9))

    text = report.text(merged([first, second]))

    assert "| **ropewalk** | power | 300 ms | 1.00 × |" in text
    assert "| dbos | process | 900 ms | 3.0 × |" in text


def test_parts_of_different_machines_are_not_put_together() -> None:
    here, there = made(), replace(made(), machine={**MACHINE, "cpu": "another CPU"})

    with pytest.raises(SystemExit, match="different machines"):
        merged([here, there])
