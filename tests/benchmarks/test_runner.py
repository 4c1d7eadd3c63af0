"""Who runs what and when, what is left out, and that it comes back from JSON as it was."""

from __future__ import annotations

import pytest

from benchmarks import catalogue, report, sizes
from benchmarks.host import load
from benchmarks.results import read
from benchmarks.runner import Request, schedule


def test_repetitions_are_interleaved(results) -> None:
    loops = [(r.variant, r.workload) for r in results.runs if r.variant in ("loop", "right") and r.n == 5]

    assert loops == [("loop", "fanout"), ("right", "fanout"), ("loop", "chain"), ("right", "chain")] * 2


def test_what_fails_is_not_tried_again(results) -> None:
    assert [len(results.of(name, "fanout", 5)) for name in ("right", "wrong", "raising", "hanging")] == [2, 1, 1, 1]


def test_what_is_not_worth_waiting_for_is_not_run(results) -> None:
    assert [results.outcome("right", "chain", n) for n in (5, 6)] == ["ok", "limit"]


def test_each_way_to_end_is_told_apart_in_the_table(results) -> None:
    text = report.text(results)

    assert "| right | nothing |" in text
    assert "| wrong | nothing | WRONG |" in text
    assert "| raising | nothing | failed |" in text
    assert "| hanging | nothing | > 5 s |" in text
    assert "not run (limit)" in text
    assert "Not offered by wrong, raising, hanging, daemon, busy, keeping." in text
    assert "there is no reason" in text


def test_results_come_back_from_json(results, tmp_path) -> None:
    results.save(tmp_path / "results.json")

    assert read(tmp_path / "results.json") == results


def test_the_machine_has_no_name(results) -> None:
    import platform

    assert set(results.machine) == {
        "cores", "cpu", "memory_gb", "kernel", "python", "file_system", "fsync_ms", "load", "date",
    }  # fmt: skip
    assert platform.node() not in results.machine.values()


def test_only_we_are_asked_for_the_largest_size() -> None:
    request = Request([load("floors"), load("ropewalk")], [], ours_only=[("fanout", 100_000)])

    assert {variant.name.split("-")[0] for _, variant, _, _ in schedule(request)} == {"ropewalk"}


@pytest.mark.parametrize(
    ("workloads", "size", "cells"),
    [
        ("chain", "small", [("chain", 50), ("chain", 200)]),
        ("", "fanout=100+1_000,chain=7", [("fanout", 100), ("fanout", 1000), ("chain", 7)]),
        ("hello,chain", "chain=7", [("hello", 1), ("chain", 7)]),
    ],
)
def test_sizes_are_chosen(workloads, size, cells) -> None:
    assert sizes.cells(workloads, size) == cells


@pytest.mark.parametrize(("workloads", "size"), [("chian", "small"), ("chain", "large"), ("", "chain=many")])
def test_what_cannot_be_chosen_is_said(workloads, size) -> None:
    with pytest.raises(SystemExit, match=r"chian|large|many"):
        sizes.cells(workloads, size)


def test_a_peer_that_is_not_installed_is_named_with_the_command(peers) -> None:
    (peers / "elsewhere.txt").write_text("elsewhere==1\n")
    (peers / "elsewhere.py").write_text("")

    with pytest.raises(SystemExit, match="make bench-peers PEERS=elsewhere"):
        catalogue.chosen("elsewhere")
    with pytest.raises(SystemExit, match="no peer `nobody`"):
        catalogue.chosen("nobody")
    assert [peer.name for peer in catalogue.chosen("fake")] == ["floors", "ropewalk", "fake"]
