"""The simulation of scale: what it says is true of the runs, equal seeds say the same, and unfairness is seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.scale import pipelines
from benchmarks.scale.fairness import Arrangement, Dispatcher, Shared, fair_shares, jain, share
from benchmarks.scale.looks import look
from benchmarks.scale.one import Ran, run_one
from benchmarks.scale.report import filled, growth, looks, saturation
from ropewalk.testing.workers import SimulatedExecutor

TASKS, WORKERS = 2_000, 50


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return run_one(tmp_path_factory.mktemp("one") / "home", pipelines.mixed(TASKS), WORKERS, 10.0)


@pytest.mark.parametrize("tasks", [10, 11, 57, 100, 999, 20_000])
def test_a_pipeline_has_as_many_task_runs_as_were_asked_for(tasks: int) -> None:
    assert sum(pipelines.lengths(dict(pipelines.mixed(tasks).nodes)).values()) == tasks


def test_every_task_run_succeeds_once_whatever_fails_on_the_way(ran: Ran) -> None:
    assert (ran.state, ran.succeeded) == ("succeeded", TASKS)
    assert TASKS < ran.attempts < 1.05 * TASKS


def test_the_workers_are_busy_and_no_bound_is_beaten(ran: Ran) -> None:
    """In virtual time: it does not depend on the machine."""
    assert ran.steady > 0.95
    assert ran.bound_s <= ran.makespan_s < 1.5 * ran.bound_s


def test_equal_seeds_play_the_same(ran: Ran, tmp_path: Path) -> None:
    again = run_one(tmp_path / "home", pipelines.mixed(TASKS), WORKERS, 10.0)

    assert (again.makespan_s, again.turns, again.attempts) == (ran.makespan_s, ran.turns, ran.attempts)


def test_the_parts_of_the_cpu_time_add_up(ran: Ran) -> None:
    assert set(ran.parts) == {"start", "deciding", "keys", "rows", "SQL", "loop"}
    assert all(spent > 0 for spent in ran.parts.values())
    assert sum(ran.parts.values()) == pytest.approx(ran.cpu_s)


def test_a_scheduler_as_slow_as_it_is_comes_to_its_end(tmp_path: Path) -> None:
    ran = run_one(tmp_path / "home", pipelines.mapped(200), 20, 1.0, commit_s=0.002)

    assert (ran.state, ran.succeeded) == ("succeeded", 200)


def together(folder: Path, arrangement: Arrangement) -> Shared:
    """A large run and some small ones that come a little later, on few workers."""
    return share(folder / arrangement, arrangement, [400, 10, 12, 15, 20], 10, 10.0)


@pytest.mark.parametrize("arrangement", ["apart", "pool", "first", "fair"])
def test_runs_that_share_workers_all_succeed_and_never_have_more_than_there_are(
    tmp_path: Path, arrangement: Arrangement
) -> None:
    shared = together(tmp_path, arrangement)

    assert [run.state for run in shared.runs] == ["succeeded"] * 5
    assert 0 < shared.most_running <= 10


def test_a_pool_shares_as_first_come_first_served_does(tmp_path: Path) -> None:
    pool, first = (replace(together(tmp_path, name), arrangement="first", cpu_s=0) for name in ("pool", "first"))

    assert pool == first


def test_a_planted_unfair_order_is_seen_as_unfair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dispatcher that gives a run nothing while one of a lower number holds or wants something."""
    fair = together(tmp_path, "fair").summary()

    def greedy(self: Dispatcher, run: str, wanted: int) -> int:
        before = [name for name in {*self._held, *self._hungry} if name < run]
        given = 0 if before else min(wanted, self._slots - self._held.total())
        if given < wanted:
            self._hungry.add(run)
        return given

    monkeypatch.setattr(Dispatcher, "room", greedy)
    unfair = share(tmp_path / "unfair", "fair", [400, 10, 12, 15, 20], 10, 10.0).summary()

    assert fair["jain"] > 0.9
    assert unfair["jain"] < 0.6
    assert unfair["starved_s"] > 5 * fair["starved_s"]
    assert unfair["small_slowdown"] > 2 * fair["small_slowdown"]


def test_jains_index_is_one_when_all_get_their_due_and_falls_to_one_in_n() -> None:
    assert jain([0.5, 0.5, 0.5]) == pytest.approx(1.0)
    assert jain([1.0, 0.0, 0.0, 0.0]) == pytest.approx(0.25)


def test_fair_shares_leave_nothing_over_that_somebody_wants() -> None:
    assert fair_shares([1, 10, 10], 9) == [1, 4, 4]
    assert fair_shares([1, 2], 9) == [1, 2]


def test_an_executor_with_many_workers_hands_out_each_of_them_once() -> None:
    executor = SimulatedExecutor(None, {}, None, 100, 1)  # type: ignore[arg-type]  # it is only asked for room
    taken: dict[str, float] = {}
    while (offer := executor.offer("n", 1, taken)) is not None:
        assert offer[0] not in taken
        taken[offer[0]] = 1.0

    assert len(taken) == 100


def test_a_look_into_the_store_is_measured_and_tables_are_made(ran: Ran, tmp_path: Path) -> None:
    seen = look(tmp_path / "home", leases=50, others=3)
    row = ran.to_json()

    assert seen.reuse_s > 0
    assert "2,000" in growth([row])
    assert "mapped items of 10 s" in saturation([{"kind": "mapped", **row}])
    assert "| 50 |" in looks([{"leases": 50, "reuse_s": seen.reuse_s, "pool_s": seen.pool_s}])


def test_tables_go_to_their_places_in_a_page() -> None:
    page = "a\n<!-- looks: begin -->\nstale\n<!-- looks: end -->\nb\n"
    found = {"looks": [{"leases": 50, "reuse_s": 0.1, "pool_s": 0.2}]}

    once = filled(page, found)

    assert "100.0 ms" in once
    assert "stale" not in once
    assert once.startswith("a\n")
    assert once.endswith("<!-- looks: end -->\nb\n")
    assert filled(once, found) == once
