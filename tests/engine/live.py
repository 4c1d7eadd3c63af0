"""A project in a folder, whose pipelines are really run, and what its tests need to look at them from outside."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import psutil
import pytest

from ropewalk.author.pipeline import Pipeline, trace
from ropewalk.core import events as ev
from ropewalk.core.artifact import Failure
from ropewalk.engine.client import Client, Options
from ropewalk.engine.context import context
from ropewalk.engine.result import RunResult
from ropewalk.engine.scheduler import Listener, Step
from ropewalk.store import runs, tasks

both_executors = pytest.mark.parametrize("executor", ["inline", "processes"])


@dataclass(frozen=True)
class Live:
    """A project, with a ledger that lies outside its store."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / ".ropewalk"

    @property
    def ledger(self) -> str:
        """No path: that would count by the content of its file."""
        return str(self.folder / "ledger")

    def client(self) -> Client:
        return Client(self.home)

    def run(
        self,
        pipeline: Pipeline[..., Any],
        executor: str = "processes",
        *,
        workers: int = 2,
        listener: Listener | None = None,
        seed: int = 0,
        reuse: bool = True,
        **params: Any,
    ) -> RunResult:
        with self.client() as client:
            return client.run(trace(pipeline, params), Options(executor, workers, seed, reuse), listener)

    def resume(
        self,
        pipeline: Pipeline[..., Any],
        executor: str = "processes",
        listener: Listener | None = None,
        **params: Any,
    ) -> RunResult:
        """Continue the last run."""
        with self.client() as client:
            last = runs.find(client.db, "last")
            return client.resume(last, trace(pipeline, params), Options(executor, 2), listener)

    def rows(self, run: int, node: str) -> list[tasks.TaskRun]:
        with self.client() as client:
            return tasks.listing(client.db, run, node)

    def failures(self, run: int, node: str) -> list[Failure]:
        """Why attempts of a node did not succeed, in order."""
        with self.client() as client:
            return [failure for *_, failure, _ in tasks.attempts(client.db, run, node)]

    def leases(self) -> list[tasks.Lease]:
        with self.client() as client:
            return [lease for run in runs.all_runs(client.db) for lease in tasks.leases(client.db, run.number)]

    def log(self, run: int, node: str, item: int = 0, attempt: int = 1) -> Path:
        with self.client() as client:
            return client.home.log(run, node, item, attempt)

    def done(self) -> list[str]:
        return lines(self.ledger)


def note(path: str, line: object) -> None:
    """Append a line in one write, which is whole or not there whatever is killed."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, f"{line}\n".encode())
    os.close(fd)


def lines(path: Path | str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def hang() -> NoReturn:
    """Until a signal handler raises. `signal.pause` sleeps on when the signal has come just before it."""
    while True:
        time.sleep(0.01)


def tell(number: float) -> None:
    """From inside a task to the listener of its run, at once."""
    context().progress(number, 0)


@dataclass
class Watch:
    """A listener that keeps all that it was told, with the time, and reacts to what tasks `tell`."""

    react: Callable[[int], None] = lambda _: None
    events: list[ev.Event] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    times: list[tuple[float, ev.Event]] = field(default_factory=list)

    def __call__(self, step: Step) -> None:
        now = time.perf_counter()
        self.events += step.events
        self.times += [(now, event) for event in step.events]
        for progress in step.progress:
            self.told.append(int(progress.done))
            self.react(int(progress.done))

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def gone(pids: list[int], within_s: float = 10) -> bool:
    """Whether all these processes end."""
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    return not psutil.wait_procs(processes, timeout=within_s)[1]


def room(mib: int) -> int:
    """So many MiB more, in bytes, than this process has with all that tests have imported.

    Its workers begin with that, and count the pages that they share with it and each other in part.
    """
    status = (line.split() for line in lines("/proc/self/status"))
    return sum(int(words[1]) << 10 for words in status if words[0] in ("RssAnon:", "RssShmem:")) + (mib << 20)


def only_child(process: psutil.Process | None = None) -> psutil.Process:
    """The nursery of the run that this process drives."""
    (child,) = (process or psutil.Process()).children()
    return child
