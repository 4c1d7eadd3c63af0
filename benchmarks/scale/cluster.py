"""A cluster that does not exist: how long its attempts take, which of them fail, and how busy its workers are."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from zlib import crc32

from ropewalk.core.artifact import ArtifactRef, Failed, Failure, Outcome, Succeeded
from ropewalk.engine.attempt import Job, Order
from ropewalk.engine.executors.base import Report
from ropewalk.testing.clock import Stage
from ropewalk.testing.workers import LOST

SIGMA = 1.2  # of the logarithm of durations: one in a hundred takes eight times the mean
LONGEST = 50.0  # times the mean
DRAWN = 1 << 14
WRONG = Failure("exception", "ValueError: no", "builtins.ValueError", ("builtins.Exception",))
TURN_S = 0.005  # that one turn of a scheduler takes in virtual time: some arithmetic and one durable commit


def durations(mean_s: float, seed: int) -> list[float]:
    """Log-normal durations with a heavy tail; their mean is `mean_s`."""
    rng = Random(f"durations {seed}")  # to be had again
    drawn = [min(rng.lognormvariate(0.0, SIGMA), LONGEST * math.exp(SIGMA**2 / 2)) for _ in range(DRAWN)]
    scale = mean_s * DRAWN / sum(drawn)
    return [one * scale for one in drawn]


@dataclass(slots=True)
class Busy:
    """How many workers were busy when."""

    began: float
    workers: int = 0
    work_s: float = 0.0
    attempts: int = 0
    samples: list[tuple[float, int]] = field(default_factory=list)  # seconds since it began, and workers from then on

    def change(self, now: float, by: int) -> None:
        self.workers += by
        at = now - self.began
        if self.samples and at - self.samples[-1][0] < 1.0:
            self.samples[-1] = (self.samples[-1][0], self.workers)
        else:
            self.samples.append((at, self.workers))


class Cluster:
    """A Director whose tasks compute nothing.

    Args:
        mean_s: of the durations of attempts.
        failures: how likely an attempt fails by its own fault.
        deaths: how likely the worker of an attempt dies.
        turn_s: gives the virtual seconds that a turn of a scheduler takes; None: `TURN_S`.
    """

    def __init__(
        self,
        stage: Stage,
        *,
        mean_s: float,
        seed: int = 0,
        failures: float = 0.005,
        deaths: float = 0.0005,
        turn_s: Callable[[], float] | None = None,
    ) -> None:
        self.rng = Random(seed)  # to be had again
        self.stage = stage
        self.late: list[Report] = []
        self.busy = Busy(stage.now)
        self.turns = 0
        self.longest_wait_s = 0.0
        self._durations = durations(mean_s, seed)
        self._failures, self._deaths = failures, deaths
        self._turn_s = turn_s or (lambda: TURN_S)

    def duration_s(self, node: str, item: int, attempt: int = 1) -> float:
        """How long an attempt of a task run takes."""
        return self._durations[crc32(f"{node}/{item}/{attempt}".encode()) % DRAWN]

    def takes_s(self, job: Job, order: Order) -> float:
        taken_s = self.duration_s(job.node, order.item, order.attempt)
        self.busy.work_s += taken_s
        return taken_s

    def attempt(self, job: Job, order: Order, work: Callable[[], Outcome]) -> Outcome | Failure:
        luck = self.rng.random()
        if luck < self._deaths:
            return LOST
        if luck < self._deaths + self._failures:
            return Failed(WRONG)
        text = f"{order.item}".encode()
        digest = hashlib.sha256(order.key.encode()).hexdigest()
        return Succeeded({"result": ArtifactRef(digest, len(text), "json", "int", text.decode(), text)})

    def is_told_again(self) -> bool:
        return False

    def before_poll(self) -> None:
        self.turns += 1
        self.stage.wait(self._turn_s())

    def begins(self, order: Order, node: str) -> None:
        self.busy.attempts += 1
        self.busy.change(self.stage.now, 1)

    def ends(self, order: Order, node: str) -> None:
        self.busy.change(self.stage.now, -1)


class Paced:
    """Virtual seconds that a turn of a scheduler takes: the CPU seconds that it took, without those of the simulation.

    Args:
        simulation_s: gives the CPU seconds that the simulation has taken until now.
        commit_s: what waiting for the disk adds to each turn.
    """

    def __init__(self, simulation_s: Callable[[], float], commit_s: float) -> None:
        self._simulation_s = simulation_s
        self._commit_s = commit_s
        self._last_s = self._own_s()

    def _own_s(self) -> float:
        return time.process_time() - self._simulation_s()

    def __call__(self) -> float:
        before, self._last_s = self._last_s, self._own_s()
        return self._last_s - before + self._commit_s
