"""Checkpoints inside a task: what the next attempt finds, when it is time to save, and when they go."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ropewalk import Retry, context, pipeline, task
from ropewalk.core.errors import DefinitionError, UsageError
from ropewalk.engine.checkpoint import Checkpoint, every_one, folder_of, newest, observed_mtbf_s
from ropewalk.engine.home import Home
from ropewalk.engine.janitor import Swept, collect_garbage
from ropewalk.plan.interval import DAY_S, optimum_interval_s
from tests.engine.live import Live, both_executors, lines, note
from tests.faults.powercut import tmpfs

EPOCHS = 12


def train(ledger: str, fails_at: int, blob_bytes: int = 0) -> int:
    """Count epochs; fail once in the given one."""
    checkpoint = context().checkpoint
    start = checkpoint.load() or {"epoch": 0}
    timer = checkpoint.every(steps=3)
    for epoch in range(start["epoch"], EPOCHS):
        note(ledger, epoch)
        if epoch == fails_at and not os.path.exists(f"{ledger}-failed"):
            note(f"{ledger}-failed", epoch)
            raise RuntimeError("as told")
        if timer.due():
            checkpoint.save({"epoch": epoch + 1, "weights": bytes(blob_bytes)})
    return EPOCHS


@task(retry=Retry(1, delay="0s"))
def retried(ledger: str, fails_at: int) -> int:
    return train(ledger, fails_at)


@task
def tried_once(ledger: str, fails_at: int) -> int:
    return train(ledger, fails_at, 10_000)


@task(cache=False)
def impure(ledger: str, fails_at: int) -> int:
    return train(ledger, fails_at)


@pipeline
def patient(ledger: str, fails_at: int = 7) -> int:
    return retried(ledger, fails_at)


@pipeline
def strict(ledger: str, fails_at: int = 7) -> int:
    return tried_once(ledger, fails_at)


@pipeline
def unshared(ledger: str, fails_at: int = 7) -> int:
    return impure(ledger, fails_at)


def epochs(live: Live) -> list[int]:
    return list(map(int, lines(live.ledger)))


def checkpoints(live: Live) -> list[Path]:
    return [left.folder for left in every_one(Home(live.home))]


@both_executors
def test_a_retry_goes_on_from_the_last_checkpoint(tmp_path: Path, executor: str) -> None:
    live = Live(tmp_path)

    result = live.run(patient, executor, ledger=live.ledger)

    assert (result.state, result.output) == ("succeeded", EPOCHS)
    assert epochs(live) == [*range(8), *range(6, EPOCHS)]
    assert checkpoints(live) == [], "none is left when it has succeeded"


@both_executors
def test_a_resumed_run_goes_on_from_the_last_checkpoint(tmp_path: Path, executor: str) -> None:
    live = Live(tmp_path)
    failed = live.run(strict, executor, ledger=live.ledger)
    saved = newest(Home(live.home), failed.number, "tried_once", 0)

    result = live.resume(strict, executor, ledger=live.ledger)

    assert saved is not None
    assert saved.ref.size_bytes > 10_000
    assert result.state == "succeeded"
    assert epochs(live) == [*range(8), *range(6, EPOCHS)]
    assert checkpoints(live) == []


@both_executors
def test_another_run_takes_over_what_equal_work_has_saved(tmp_path: Path, executor: str) -> None:
    live = Live(tmp_path)
    live.run(strict, executor, ledger=live.ledger)

    result = live.run(strict, executor, ledger=live.ledger)

    assert result.state == "succeeded"
    assert epochs(live) == [*range(8), *range(6, EPOCHS)]
    assert checkpoints(live) == [], "nor what the first run had saved"


def test_other_work_starts_from_the_beginning(tmp_path: Path) -> None:
    """Its inputs differ, so its key does."""
    live = Live(tmp_path)
    live.run(strict, "inline", ledger=live.ledger)

    live.run(strict, "inline", ledger=live.ledger, fails_at=8)

    assert epochs(live)[8:] == [*range(EPOCHS)]


@pytest.mark.parametrize(("work", "reuse"), [(strict, False), (unshared, True)])
def test_what_may_not_reuse_results_starts_from_the_beginning_in_another_run(
    tmp_path: Path, work: Any, reuse: bool
) -> None:
    live = Live(tmp_path)
    live.run(work, "inline", ledger=live.ledger, reuse=reuse)

    live.run(work, "inline", ledger=live.ledger, reuse=reuse)

    assert epochs(live)[8:] == [*range(EPOCHS)]
    assert len(checkpoints(live)) == 1, "that of the first run, which can be resumed"


def test_what_may_not_reuse_results_goes_on_where_its_own_run_is_resumed(tmp_path: Path) -> None:
    live = Live(tmp_path)
    live.run(unshared, "inline", ledger=live.ledger)

    live.resume(unshared, "inline", ledger=live.ledger)

    assert epochs(live)[8:] == [*range(6, EPOCHS)]


@task(retry=Retry(1, delay="0s"))
def hungry() -> list[int]:
    """Saves something small, then something larger than the disk, in its first attempt."""
    checkpoint = context().checkpoint
    found = checkpoint.load()
    if found is None:
        checkpoint.save([1])
        checkpoint.save([2, bytes(20 << 20)])
    return list(found)


@pipeline
def on_a_small_disk() -> list[int]:
    return hungry()


@both_executors
def test_a_full_disk_while_saving_fails_the_attempt_and_keeps_what_was_saved_before(
    tmp_path: Path, executor: str
) -> None:
    with tmpfs(tmp_path / "disk", size_bytes=8 << 20) as disk:
        live = Live(disk)

        result = live.run(on_a_small_disk, executor)

        assert (result.state, result.output) == ("succeeded", [1])
        assert "space" in live.failures(result.number, "hungry")[0].message
        assert checkpoints(live) == []


def test_what_a_death_in_the_first_save_left_is_no_obstacle_to_taking_over(tmp_path: Path) -> None:
    Checkpoint(tmp_path / "key" / "1.train.0").save("of another run")
    mine = tmp_path / "key" / "2.train.0"
    (mine / "tmp").mkdir(parents=True)
    (mine / "tmp" / "half").write_bytes(b"half")

    assert Checkpoint(mine, takes_over=True).load() == "of another run"
    assert os.listdir(tmp_path / "key") == ["2.train.0"]


@pytest.mark.parametrize("order", [(1, 2, 3), (2, 3, 1), (3, 1, 2)])
def test_of_several_others_the_newest_is_taken_over(tmp_path: Path, order: tuple[int, ...]) -> None:
    for number in order:
        Checkpoint(tmp_path / "key" / f"{number}.train.0").save(number)

    assert Checkpoint(tmp_path / "key" / "4.train.0", takes_over=True).load() == order[-1]


# a plain call


def test_outside_a_run_a_checkpoint_lives_as_long_as_its_context() -> None:
    here = context()

    assert here.checkpoint.load() is None
    here.checkpoint.save({"epoch": 3})
    assert here.checkpoint.load() == {"epoch": 3}
    assert context().checkpoint.load() is None


def test_a_task_with_checkpoints_can_be_called_as_a_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert train(str(tmp_path / "ledger"), fails_at=-1) == EPOCHS

    assert os.listdir(tmp_path) == ["ledger"]


# when to save


@dataclass
class Clock:
    """Time that passes when a test says so."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Slow(dict[str, int]):
    """A value that takes a while to pickle."""

    def __init__(self, clock: Clock, takes_s: float) -> None:
        super().__init__()
        self._clock = clock
        self._takes_s = takes_s

    def __reduce__(self) -> tuple[Any, ...]:
        self._clock.now_s += self._takes_s
        return (dict, ())


def test_by_steps_it_is_due_at_every_nth_call_since_the_last_save() -> None:
    checkpoint = Checkpoint()
    timer = checkpoint.every(steps=3)
    saved = []

    for step in range(1, 10):
        if timer.due():
            checkpoint.save(step)
            saved.append(step)

    assert saved == [3, 6, 9]


def test_it_stays_due_until_something_is_saved() -> None:
    timer = Checkpoint().every(steps=2)

    assert [timer.due() for _ in range(4)] == [False, True, True, True]


def test_by_time_it_is_due_so_long_after_the_last_save() -> None:
    clock = Clock()
    checkpoint = Checkpoint(clock=clock)
    timer = checkpoint.every("10m")

    clock.now_s += 599
    assert not timer.due()
    clock.now_s += 1
    assert timer.due()
    checkpoint.save(1)
    assert not timer.due()
    clock.now_s += 600
    assert timer.due()


def test_automatically_the_first_save_is_at_once_and_the_next_after_the_interval_of_young_and_daly(
    tmp_path: Path,
) -> None:
    clock = Clock()
    checkpoint = Checkpoint(tmp_path / "mine", mtbf_s=lambda: 3600.0, clock=clock)
    timer = checkpoint.every(auto=True)
    assert timer.due(), "so that the cost of saving is known"

    checkpoint.save(Slow(clock, 8.0))  # probed, but pickled once
    interval_s = optimum_interval_s(8.0, 3600.0)

    assert checkpoint.cost_s == 8.0
    clock.now_s += interval_s - 1
    assert not timer.due()
    clock.now_s += 2
    assert timer.due()


def test_the_cost_of_saving_is_a_moving_average(tmp_path: Path) -> None:
    clock = Clock()
    checkpoint = Checkpoint(tmp_path / "mine", clock=clock)

    costs = []
    for takes_s in (10.0, 20.0, 20.0, 20.0):
        checkpoint.save(Slow(clock, takes_s))
        costs.append(checkpoint.cost_s)

    assert costs[0] == 10.0
    assert costs == sorted(costs)
    assert 15 < (costs[-1] or 0) < 20


@pytest.mark.parametrize("wrong", [{}, {"auto": False}, {"steps": 5, "auto": True}, {"interval": "1m", "steps": 5}])
def test_exactly_one_way_to_say_when_is_needed(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="exactly one"):
        Checkpoint().every(**wrong)


@pytest.mark.parametrize("steps", [0, -1, 1.5, "3", True])
def test_steps_are_a_positive_integer(steps: Any) -> None:
    with pytest.raises(UsageError, match="positive integer"):
        Checkpoint().every(steps=steps)


@pytest.mark.parametrize("interval", ["10 parsecs", -1, True, ""])
def test_an_interval_is_a_duration(interval: Any) -> None:
    with pytest.raises(DefinitionError, match="not a duration"):
        Checkpoint().every(interval)


# how often attempts fail


@task(retry=Retry(3, delay="0s"))
def fragile(ledger: str) -> int:
    note(ledger, "begin")
    if len(lines(ledger)) < 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return 1


@pipeline
def breaks_twice(ledger: str) -> int:
    return fragile(ledger)


def test_lost_attempts_of_the_store_count(tmp_path: Path) -> None:
    live = Live(tmp_path)
    assert observed_mtbf_s(Home(live.home)) == DAY_S, "there is no store yet"

    live.run(breaks_twice, ledger=live.ledger)

    assert observed_mtbf_s(Home(live.home)) == pytest.approx(DAY_S / 3, rel=0.01)


def test_attempts_that_failed_by_themselves_do_not_count(tmp_path: Path) -> None:
    live = Live(tmp_path)
    live.run(patient, "inline", ledger=live.ledger)

    assert observed_mtbf_s(Home(live.home)) == pytest.approx(DAY_S, rel=0.01)


# what is left over


def sweep(live: Live, *, keep_runs: int | None = None, dry_run: bool = False, grace_s: float = 0.0) -> Swept:
    with live.client() as client:
        now = time.time() + 10
        return collect_garbage(client, now=now, keep_runs=keep_runs, grace_s=grace_s, dry_run=dry_run)


def test_checkpoints_of_a_run_that_can_be_resumed_stay(tmp_path: Path) -> None:
    live = Live(tmp_path)
    live.run(strict, "inline", ledger=live.ledger)

    swept = sweep(live)

    assert swept.checkpoints == 0
    assert live.resume(strict, "inline", ledger=live.ledger).state == "succeeded"
    assert epochs(live)[8:] == [*range(6, EPOCHS)]


def test_checkpoints_of_a_forgotten_run_go_with_it(tmp_path: Path) -> None:
    live = Live(tmp_path)
    live.run(strict, "inline", ledger=live.ledger)

    told = sweep(live, keep_runs=0, dry_run=True)
    assert (told.checkpoints, len(checkpoints(live))) == (1, 1), "as a dry run it only tells"
    swept = sweep(live, keep_runs=0)

    assert (swept.checkpoints, checkpoints(live)) == (1, [])
    assert swept.freed_bytes == told.freed_bytes > 20_000


def leave_over(live: Live) -> Path:
    """What a scheduler leaves that dies after the commit, but before it has removed the checkpoint."""
    done = live.run(strict, "inline", ledger=live.ledger, fails_at=-1)
    (row,) = live.rows(done.number, "tried_once")
    folder = folder_of(Home(live.home), row.key or "", done.number, "tried_once", 0)
    Checkpoint(folder).save({"epoch": 3})
    return folder


def test_a_leftover_of_a_task_run_that_succeeded_goes(tmp_path: Path) -> None:
    live = Live(tmp_path)
    leave_over(live)

    swept = sweep(live)

    assert (swept.checkpoints, checkpoints(live)) == (1, [])


def test_a_leftover_of_a_node_that_its_run_has_no_more_goes_when_the_run_has_succeeded(tmp_path: Path) -> None:
    """The pipeline was changed before the run was resumed."""
    live = Live(tmp_path)
    done = live.run(strict, "inline", ledger=live.ledger, fails_at=-1)
    Checkpoint(folder_of(Home(live.home), "0" * 64, done.number, "group/renamed", 3)).save(1)
    assert [(left.node, left.item) for left in every_one(Home(live.home))] == [("group/renamed", 3)]

    assert sweep(live).checkpoints == 1


def test_a_leftover_that_is_young_stays_for_now(tmp_path: Path) -> None:
    live = Live(tmp_path)
    folder = leave_over(live)

    assert sweep(live, grace_s=3600).checkpoints == 0
    assert checkpoints(live) == [folder]
