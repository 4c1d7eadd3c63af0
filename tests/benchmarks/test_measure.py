"""What the harness says of tools that are right, wrong, slow, or leave something behind."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

import benchmarks.measure
from benchmarks.bodies import SPINS, spin
from benchmarks.host import Cell, environment, right, spun
from benchmarks.measure import FOLDER, Terms, measure
from benchmarks.watch import Order, watch


def test_what_is_right_is_timed(fake) -> None:
    found = fake("right")

    assert (found.outcome, found.value) == ("ok", 285)
    assert 0 < found.wall_s < found.whole_s
    assert found.peak_bytes >= found.largest_bytes > 1_000_000


def test_a_wrong_value_is_found(fake) -> None:
    found = fake("wrong")

    assert (found.outcome, found.why) == ("wrong", "its value is 286")
    assert not found.counts


def test_what_a_failure_said_is_kept_without_names_of_folders(fake) -> None:
    found = fake("raising")

    assert found.outcome == "failed"
    assert found.why.endswith("RuntimeError: there is no reason")
    assert FOLDER not in found.why


def test_what_hangs_is_killed_when_its_time_is_over(fake) -> None:
    found = fake("hanging", limit_s=1.5)

    assert found.outcome == "timeout"
    assert not psutil.Process().children(recursive=True)


def test_a_daemon_is_killed_although_it_has_left_its_session(fake) -> None:
    found = fake("daemon")

    assert found.outcome == "ok"
    assert not psutil.Process().children(recursive=True)


def test_cpu_of_processes_in_other_sessions_counts(fake) -> None:
    assert fake("busy").cpu_s == pytest.approx(0.5, abs=0.2)


def test_a_run_leaves_no_folder_behind(fake, tmp_path: Path, monkeypatch) -> None:
    (root := tmp_path / "root").mkdir()
    monkeypatch.setattr(benchmarks.measure, "ROOT", root)

    assert fake("right").outcome == "ok"

    assert list(root.iterdir()) == []


def test_a_rerun_that_executes_again_is_marked(fake) -> None:
    found = fake("right", "rerun")

    assert (found.outcome, found.facts["executed"]) == ("again", 12)


def test_a_rerun_that_remembers_is_not(fake) -> None:
    found = fake("keeping", "rerun")

    assert (found.outcome, found.facts["executed"]) == ("ok", 0)


def test_after_a_crash_it_is_known_what_ran_again(fake) -> None:
    found = fake("keeping", "crash", 20)

    assert (found.outcome, found.facts) == ("ok", {"finished": 10, "again": 1})


def test_what_ends_before_it_can_be_killed_has_shown_nothing_of_crashes(fake, peers) -> None:
    code = (peers / "fake.py").read_text().replace("crash=crash", "crash=nothing")
    (peers / "fake.py").write_text(code)

    assert fake("keeping", "crash", 4).outcome == "failed"


def test_an_import_is_taken_over_a_bare_interpreter(fake) -> None:
    found = fake("right", "import", 1)

    assert found.outcome == "ok"
    assert found.wall_s < found.whole_s


def test_frames_have_to_come_to_the_same_for_everybody() -> None:
    terms = Terms(60.0)

    first = measure(Cell("floors", "loop", "frame", 1), terms)
    terms.known["frame", 1] += 0.5
    second = measure(Cell("floors", "raw-file", "frame", 1), terms)

    assert (first.outcome, second.outcome) == ("ok", "wrong")


@pytest.mark.parametrize("turns", [0, 1, 2, 1000])
def test_the_value_of_a_spin_is_known_without_spinning(turns, monkeypatch) -> None:
    monkeypatch.setenv(SPINS, str(turns))

    assert [spun(seed, turns) for seed in range(5)] == [spin(seed) for seed in range(5)]


def test_a_wrong_sum_of_spins_is_found() -> None:
    value = sum(spun(seed, 1000) for seed in range(4))

    assert right("cpu", 4, value, spins=1000)
    assert not right("cpu", 4, value + 1, spins=1000)


def test_a_tool_sees_nothing_of_our_environment(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "secret")

    found = environment(tmp_path, "/somewhere/bin/python", {})

    assert "SOME_TOKEN" not in found
    assert (found["HOME"], found["OMP_NUM_THREADS"]) == (str(tmp_path / "home"), "1")


def test_a_command_that_says_nothing_is_watched_to_its_end(tmp_path) -> None:
    ended = watch(Order(["/bin/sh", "-c", "exit 3"], {}, str(tmp_path), str(tmp_path / "out"), 10))

    assert (ended.code, ended.answer) == (3, "")
    assert 0 < ended.marks["exit"].at_s < 10
