"""Many schedulers that write to one store at the same time: real processes, real commits, no virtual time between."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.scale.cluster import Cluster
from benchmarks.scale.pipelines import FUNCTIONS, mapped
from ropewalk.engine.client import Client, Options, Work
from ropewalk.engine.scheduler import Step
from ropewalk.store.database import Database
from ropewalk.testing.clock import Stage
from ropewalk.testing.processes import Process, patched

SLOTS = 16  # attempts in a commit
MANY = 50_000  # more than anybody gets done


class _Over(Exception):
    """The time is over."""


@dataclass(frozen=True, slots=True)
class Written:
    """What some processes wrote together."""

    writers: int
    commits_per_s: float
    tasks_per_s: float
    wait_median_s: float  # of a commit, until it may write
    wait_p99_s: float
    wait_longest_s: float
    refused: int  # writers that gave up: nobody may wait for longer than the store allows
    held_cpu_s: float  # of a commit: CPU seconds that it spends while no other may write
    commits_least: int  # of the slowest writer
    commits_most: int
    cpu_s: float  # of all


def write(folder: Path, number: int, seconds: float) -> dict[str, Any]:
    """Be one of them: drive a run whose attempts take no time. It counts from when all have begun."""
    stage = Stage(None)
    cluster = Cluster(stage, mean_s=1e-6, seed=number, turn_s=lambda: 1e-5)
    told = _Told()

    def listen(_: Step) -> None:
        told.commits += 1
        if told.commits == 1:
            _wait_for_all()
            told.begin(seconds, cluster.busy.attempts)
        elif time.monotonic() > told.until:
            raise _Over

    with patched(stage, lambda _: None), _timed(told), Process(folder, cluster, SLOTS) as client:
        try:
            client.run(Work(mapped(MANY), FUNCTIONS, {}, {}), Options(workers=SLOTS, seed=number), listen)
        except _Over:
            pass
        except Exception as error:  # noqa: BLE001  # it is what is being looked for
            told.refused = str(error)
    return {
        "commits": told.commits - 1, "tasks": cluster.busy.attempts - told.tasks_before, "waits": told.waits,
        "held_cpu_s": told.held_cpu_s, "refused": told.refused, "cpu_s": time.process_time() - told.cpu_began,
    }  # fmt: skip


def _wait_for_all() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()


@dataclass(slots=True)
class _Told:
    """What one of them has seen."""

    waits: list[float] = field(default_factory=list)
    commits: int = 0
    until: float = 0.0
    tasks_before: int = 0
    cpu_began: float = 0.0
    held_cpu_s: float = 0.0  # CPU seconds while others could not write
    refused: str = ""

    def begin(self, seconds: float, tasks: int) -> None:
        """What counts begins now."""
        self.waits.clear()
        self.held_cpu_s, self.tasks_before = 0.0, tasks
        self.until, self.cpu_began = time.monotonic() + seconds, time.process_time()


@contextlib.contextmanager
def _timed(told: _Told) -> Iterator[None]:
    """Note how long each transaction waits until it may write, and what it computes then."""
    begin = Database.transaction

    @contextlib.contextmanager
    def timed(self: Database) -> Iterator[None]:
        asked, cpu_s = time.monotonic(), 0.0
        with begin(self):
            told.waits.append(time.monotonic() - asked)
            cpu_s = time.process_time()
            yield
        told.held_cpu_s += time.process_time() - cpu_s

    with patch.object(Database, "transaction", timed):
        yield


def contend(folder: Path, writers: int, seconds: float) -> Written:
    """Let so many processes write for so long."""
    Client(folder).db.close()
    command = [sys.executable, "-m", "benchmarks.scale.writers", str(folder)]
    started = [
        subprocess.Popen([*command, str(n), str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for n in range(writers)
    ]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [json.loads(process.communicate()[0]) for process in started]
    waits = sorted(wait for one in told for wait in one["waits"])
    commits = [one["commits"] for one in told]
    return Written(
        writers, sum(commits) / seconds, sum(one["tasks"] for one in told) / seconds, waits[len(waits) // 2],
        waits[len(waits) * 99 // 100], waits[-1], sum(bool(one["refused"]) for one in told),
        sum(one["held_cpu_s"] for one in told) / max(1, sum(commits)), min(commits), max(commits),
        sum(one["cpu_s"] for one in told),
    )  # fmt: skip


if __name__ == "__main__":
    sys.stdout.write(json.dumps(write(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))))
