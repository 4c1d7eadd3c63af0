"""A training loop with checkpoints may be killed at any epoch: each time it loses at most one interval."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from ropewalk.engine.checkpoint import every_one
from ropewalk.engine.client import Client
from ropewalk.engine.home import Home
from tests.faults.training import EPOCHS, INTERVAL

PROGRAM = Path(__file__).with_name("training.py")


@dataclass
class Training:
    """A training that is killed, retried and resumed until it ends, and what was seen meanwhile."""

    folder: Path
    epoch_s: float = 0.002
    plant: tuple[str, ...] = ()
    kills: list[str] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)

    def start(self) -> subprocess.Popen[str]:
        env = {**os.environ, "TRAINING_FOLDER": str(self.folder), "TRAINING_EPOCH_S": str(self.epoch_s)}
        mode = "resume" if self.ledger() else "run"
        command = [sys.executable, str(PROGRAM), mode, *self.plant]
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def ledger(self) -> list[tuple[int, int]]:
        """Epoch and process of every epoch that was begun."""
        path = self.folder / "ledger"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(int(epoch), int(pid)) for epoch, pid in (line.split() for line in lines)]

    def losses(self) -> list[int]:
        """How many epochs were begun again after each kill."""
        ledger = self.ledger()
        pairs = pairwise(ledger)
        return [before + 1 - after for (before, old), (after, new) in pairs if old != new]

    def left_over(self) -> list[Path]:
        return [left.folder for left in every_one(Home(self.folder / "home"))]


def kill_at(training: Training, epochs: Sequence[int], victims: Sequence[str]) -> None:
    """Kill the worker, or the scheduler and with it the worker, each time a further epoch is reached; then let it end.

    Args:
        epochs: how many epochs are begun, counted from the last kill, until the next one.
        victims: "worker" or "scheduler", each time.
    """
    process = training.start()
    for more, victim in zip(epochs, victims, strict=True):
        begun = len(training.ledger())
        while process.poll() is None and len(training.ledger()) < begun + more:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.001)
        if process.poll() is not None:
            break
        try:
            worker = psutil.Process(training.ledger()[-1][1])
            (worker if victim == "worker" else process).send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:  # it has just come to its end
            break
        training.kills.append(victim)
        psutil.wait_procs([worker], timeout=10)
        if victim == "scheduler":
            process.communicate()
            process = training.start()
    out, _ = process.communicate(timeout=100)
    assert process.returncode == 0, out
    training.result = json.loads(out.splitlines()[-1])


def undisturbed(folder: Path) -> dict[str, Any]:
    folder.mkdir()
    training = Training(folder, 0.0)
    kill_at(training, [], [])
    return training.result


def campaign(tmp_path: Path, seed: int, kills: int, *plant: str) -> Training:
    rng = random.Random(seed)
    folder = tmp_path / "killed"
    folder.mkdir()
    training = Training(folder, plant=plant)
    victims = [rng.choice(("worker", "scheduler")) for _ in range(kills)]
    kill_at(training, [rng.randrange(1, 40) for _ in range(kills)], victims)
    return training


def check(training: Training, expected: dict[str, Any]) -> None:
    assert training.result == expected, "the result differs from that of an undisturbed run"
    assert {epoch for epoch, _ in training.ledger()} == set(range(EPOCHS))
    assert max(training.losses(), default=0) <= INTERVAL, "more than one interval was lost"
    assert training.left_over() == [], "a checkpoint is left"
    with Client(training.folder / "home") as client:
        assert client.db.problems() == []


def test_a_training_that_is_killed_at_random_epochs_loses_at_most_one_interval_each_time(tmp_path: Path) -> None:
    """Kill -9 of the worker, which is retried, and of the whole run, which is resumed."""
    training = campaign(tmp_path, seed=7, kills=8)

    check(training, undisturbed(tmp_path / "undisturbed"))
    assert set(training.kills) == {"worker", "scheduler"}
    assert len(training.losses()) == len(training.kills) >= 5


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(10))
def test_trainings_that_are_killed_a_hundred_times_lose_at_most_one_interval_each_time(
    tmp_path: Path, seed: int
) -> None:
    """The same with ten seeds of ten kills each."""
    check(campaign(tmp_path, seed, 10), undisturbed(tmp_path / "undisturbed"))


def test_a_training_that_does_not_load_its_checkpoint_is_noticed(tmp_path: Path) -> None:
    """Negative control: it starts over, comes to the same result, and yet loses more than one interval."""
    folder = tmp_path / "killed"
    folder.mkdir()
    training = Training(folder, plant=("forget",))

    kill_at(training, [35], ["worker"])

    assert training.losses()[0] >= 35
    with pytest.raises(AssertionError, match="more than one interval"):
        check(training, undisturbed(tmp_path / "undisturbed"))
