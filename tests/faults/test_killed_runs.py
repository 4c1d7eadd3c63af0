"""A run may be killed at any moment: `resume` goes on from there, and nothing is lost, doubled or left behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import psutil
import pytest

from ropewalk.engine.client import Client
from ropewalk.engine.janitor import collect_garbage

PROGRAM = Path(__file__).with_name("killable.py")
FAILPOINTS = (
    "blob.written", "blob.synced", "blob.renamed", "blob.published",
    "commit.append", "commit.before", "commit.after", "commit.done",
)  # fmt: skip


@dataclass
class Trial:
    """A run that is killed and resumed until it ends, and what was seen meanwhile."""

    folder: Path
    items: int
    task_s: float
    plant: tuple[str, ...] = ()
    durability: str = "power"
    kills: int = 0
    again: list[int] = field(default_factory=list)  # acknowledged, and yet begun once more
    result: dict[str, Any] = field(default_factory=dict)

    def start(self, failpoints: str = "") -> subprocess.Popen[str]:
        env = {
            **os.environ, "KILLABLE_FOLDER": str(self.folder), "KILLABLE_ITEMS": str(self.items),
            "KILLABLE_TASK_S": str(self.task_s), "KILLABLE_DURABILITY": self.durability,
            "ROPEWALK_FAILPOINTS": failpoints,
        }  # fmt: skip
        mode = "resume" if self._has_run() else "run"
        command = [sys.executable, str(PROGRAM), mode, *self.plant]
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def finish(self, process: subprocess.Popen[str]) -> None:
        out, _ = process.communicate(timeout=100)
        assert process.returncode == 0, out
        self.result = json.loads(out.splitlines()[-1])

    def after_kill(self, acked: set[int], ledger: list[str]) -> None:
        """Compare what was acknowledged before with what was done after."""
        fresh = self.ledger()[len(ledger) :]
        begun = [int(line.split()[1]) for line in fresh if line.startswith("begin")]
        self.again += [item for item in begun if item in acked]

    def _has_run(self) -> bool:
        store = self.folder / "home" / "store.db"
        if not store.exists():
            return False
        try:
            return next(iter(apsw.Connection(str(store)).execute("SELECT count(*) FROM runs")))[0] > 0
        except apsw.SQLError:  # killed before the tables were made
            return False

    def acks(self) -> set[int]:
        return set(map(int, self._lines("acks")))

    def ledger(self) -> list[str]:
        return self._lines("ledger")

    def workers(self) -> list[psutil.Process]:
        pids = {int(line.split()[2]) for line in self.ledger()}
        return [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]

    def _lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []


def kill_at_random(trial: Trial, rng: random.Random, kills: int) -> None:
    """Kill after a random number of steps of the tasks, and a random moment more; then let it end."""
    while not trial.result:
        acked, ledger = trial.acks(), trial.ledger()
        process = trial.start()
        if trial.kills < kills and not ends_before(
            process, trial, len(ledger) + rng.randrange(24), rng.uniform(0, 0.01)
        ):
            process.send_signal(signal.SIGKILL)
            process.communicate()
            trial.kills += 1
            _, alive = psutil.wait_procs(trial.workers(), timeout=10)
            assert not alive, f"left behind: {alive}"
        else:
            trial.finish(process)
        trial.after_kill(acked, ledger)


def ends_before(process: subprocess.Popen[str], trial: Trial, lines: int, more_s: float) -> bool:
    """Whether the process ends before the ledger has so many lines, and then some time has passed."""
    while len(trial.ledger()) < lines:
        if ended_within(process, 0.005):
            return True
    return ended_within(process, more_s)


def ended_within(process: subprocess.Popen[str], wait_s: float) -> bool:
    try:
        process.wait(timeout=wait_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def undisturbed(folder: Path, items: int) -> dict[str, Any]:
    folder.mkdir()
    trial = Trial(folder, items, 0.0)
    trial.finish(trial.start())
    return trial.result


def check(trial: Trial, expected: dict[str, Any]) -> None:
    begun = {int(line.split()[1]) for line in trial.ledger() if line.startswith("begin")}
    assert trial.result == expected
    assert begun == set(range(trial.items)), "some items were never executed"
    assert trial.again == [], "finished work was done again"
    with Client(trial.folder / "home") as client:
        assert client.db.query("lease_others", run=0) == [], "leases are left"
        collect_garbage(client, now=time.time() + 1, grace_s=0)
        left = client.blobs.sweep_temporary(0, now=time.time() + 1, dry_run=True)
        assert left == 0, "temporary files are left"
        assert client.db.problems() == []


def kill_campaign(tmp_path: Path, seed: int, kills: int) -> Trial:
    expected = undisturbed(tmp_path / "undisturbed", 300)
    folder = tmp_path / "killed"
    folder.mkdir()
    trial = Trial(folder, 300, 0.01)
    kill_at_random(trial, random.Random(seed), kills)
    check(trial, expected)
    return trial


def test_a_run_that_is_killed_twenty_times_at_random_loses_and_repeats_nothing(tmp_path: Path) -> None:
    """Kill -9 of the whole run, again and again; workers end with it."""
    trial = kill_campaign(tmp_path, seed=20, kills=20)
    assert trial.kills >= 15


def kill_when_acknowledged(trial: Trial, more: int) -> int:
    """Kill the run once so many items more are acknowledged; how many are then."""
    acked, ledger = trial.acks(), trial.ledger()
    process = trial.start()
    while len(trial.acks()) < len(acked) + more:
        assert not ended_within(process, 0.005), process.communicate()[0]
    process.kill()
    process.communicate()
    trial.after_kill(acked, ledger)
    return len(trial.acks())


def test_what_is_recorded_to_survive_the_end_of_processes_survives_kills(tmp_path: Path) -> None:
    """Kill -9 takes a process, and not what it has handed to the kernel."""
    expected = undisturbed(tmp_path / "undisturbed", 60)
    folder = tmp_path / "killed"
    folder.mkdir()
    trial = Trial(folder, 60, 0.02, durability="process")

    first, second = kill_when_acknowledged(trial, 5), kill_when_acknowledged(trial, 5)
    acked, ledger = trial.acks(), trial.ledger()
    trial.finish(trial.start())
    trial.after_kill(acked, ledger)

    check(trial, expected)
    assert 5 <= first < second < trial.items


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(10))
def test_runs_that_are_killed_two_hundred_times_lose_and_repeat_nothing(tmp_path: Path, seed: int) -> None:
    """The same with ten seeds of twenty kills each."""
    kill_campaign(tmp_path, seed=seed, kills=20)


def crash_points() -> Iterator[tuple[str, int]]:
    for name in FAILPOINTS:
        for passage in (1, 2, 4):
            yield name, passage


@pytest.mark.parametrize(("name", "passage"), list(crash_points()))
def test_a_crash_at_each_durable_step_loses_and_repeats_nothing(tmp_path: Path, name: str, passage: int) -> None:
    """The process (scheduler or worker) vanishes exactly there; what was acknowledged before stays."""
    folder = tmp_path / "crashed"
    folder.mkdir()
    trial = Trial(folder, 20, 0.0)
    crash(trial, f"{name}=exit@{passage}")

    acked, ledger = trial.acks(), trial.ledger()
    if not trial.result:
        trial.finish(trial.start())
    trial.after_kill(acked, ledger)

    check(trial, undisturbed(tmp_path / "undisturbed", 20))


def crash(trial: Trial, failpoints: str) -> None:
    """One start that is to crash; a worker's crash is survived within it."""
    process = trial.start(failpoints)
    out, _ = process.communicate(timeout=100)
    assert process.returncode in (0, 137), out
    if process.returncode == 0:
        trial.result = json.loads(out.splitlines()[-1])


@pytest.mark.parametrize(("plant", "caught"), [(("acknowledge-early",), True), ((), False)])
def test_the_oracle_catches_a_scheduler_that_acknowledges_before_it_commits(
    tmp_path: Path, plant: tuple[str, ...], caught: bool
) -> None:
    """Negative control: with that bug planted, a crash before a commit makes acknowledged work be done again."""
    again = []
    for passage in (4, 5, 6):  # the commits of the first results
        folder = tmp_path / str(passage)
        folder.mkdir()
        trial = Trial(folder, 20, 0.0, plant)
        crash(trial, f"commit.before=exit@{passage}")
        acked, ledger = trial.acks(), trial.ledger()
        crash(trial, "")
        trial.after_kill(acked, ledger)
        again += trial.again

    assert bool(again) == caught
