"""Luigi: a class for each kind of task, a file for each result, the local scheduler with one or two workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.peer import Job, Peer, Variant


@contextmanager
def configured(folder: Path) -> Iterator[None]:
    """Without the waits that suit a cluster."""
    tasks().folder = folder
    from luigi import configuration

    for option, value in ("wait_interval", "0.01"), ("wait_jitter", "0"):
        configuration.get_config().set("worker", option, value)
    yield


def tasks() -> ModuleType:
    """The classes, which cannot be defined before Luigi is imported."""
    from benchmarks.peers.pipelines import luigi

    return luigi


def build(wanted: list[Any], workers: int) -> list[Any]:
    """Have tasks done where they are not, and return their results."""
    import luigi

    if not luigi.build(wanted, local_scheduler=True, workers=workers, log_level="ERROR"):
        raise RuntimeError("a task could not be scheduled")
    return [task.read() for task in wanted]


def one(n: int, _: Path, workers: int, *, task: Callable[[Any, int], Any]) -> Any:
    return build([task(tasks(), n)], workers)[0]


def cpu(n: int, _: Path, workers: int) -> int:
    return sum(build([tasks().Spin(seed) for seed in range(n)], workers))


fan_out = partial(one, task=lambda t, n: t.Total(n))
crash = partial(one, task=lambda t, n: t.NapTotal(n))
JOBS: dict[str, Callable[..., Any]] = {
    "hello": partial(one, task=lambda t, _: t.Hello()),
    "chain": partial(one, task=lambda t, n: t.Step(n)),
    "fanout": fan_out,
    "layered": partial(one, task=lambda t, n: t.Layered(n)),
    "rerun": fan_out,
    "frame": partial(one, task=lambda t, n: t.Digest(n)),
    "cpu": cpu,
    "log": partial(one, task=lambda t, n: t.Talk(n)),
    "crash": crash,
    "resume": crash,
}


def jobs(workers: int) -> dict[str, Job]:
    return {name: partial(job, workers=workers) for name, job in JOBS.items()}


SHARED = "luigi.build(local_scheduler=True), dynamic dependencies for the fan-out"
RECORDS = "result in a pickle file, renamed when complete, not fsynced; a task is done when its file exists"

PEER = Peer(
    name="luigi",
    package="luigi",
    variants=(
        Variant(
            name="luigi",
            configuration=f"{SHARED}; workers=1: in this process",
            keeps="process",
            records=RECORDS,
            jobs=jobs(1),
            start=configured,
            limits={"chain": 2000, "fanout": 2000, "layered": 1000, "rerun": 2000, "frame": 1000},
            module="luigi",
        ),
        Variant(
            name="luigi-2",
            configuration=f"{SHARED}; workers=2: a process is forked for each task; wait_interval 0.01 s (tuned)",
            keeps="process",
            records=RECORDS,
            jobs=jobs(2),
            start=configured,
            limits={"chain": 1000, "fanout": 1000, "layered": 500, "rerun": 1000, "frame": 1000},
            module="luigi",
        ),
    ),
)
