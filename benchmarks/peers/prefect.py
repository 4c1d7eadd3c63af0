"""Prefect: flows and tasks that report to a server over HTTP; here to the one that Prefect starts by itself."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import bodies
from benchmarks.peer import Job, Peer, Variant

FRAME_STEPS = 5


@contextmanager
def start(folder: Path) -> Iterator[None]:
    """Its server: a process that ends with ours. Named by its address, since workers would start one each."""
    os.environ |= {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_LOCAL_STORAGE_PATH": str(folder / "results"),
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "100",
    }
    from prefect.client.orchestration import get_client
    from prefect.context import refresh_global_settings_context
    from prefect.settings import PREFECT_API_URL, temporary_settings

    refresh_global_settings_context()  # the settings above may have come after Prefect was imported
    with get_client(sync_client=True) as client:
        client.hello()
        with temporary_settings({PREFECT_API_URL: str(client.api_url)}):
            yield


def task(body: Callable[..., Any], *, stored: bool = False) -> Any:
    """A task whose value stays in memory, as by default, or is stored and found again by its inputs and its source."""
    import prefect
    from prefect.cache_policies import INPUTS, NO_CACHE, TASK_SOURCE

    if stored:
        return prefect.task(body, cache_policy=INPUTS + TASK_SOURCE, persist_result=True)
    return prefect.task(body, cache_policy=NO_CACHE)


def run(steps: Callable[[], Any], *, processes: bool = False) -> Any:
    """What the steps return, in a flow with two workers for what they submit."""
    from prefect import flow
    from prefect.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner

    runner = ProcessPoolTaskRunner if processes else ThreadPoolTaskRunner
    return flow(steps, name="bench", task_runner=runner(max_workers=2))()


def hello(n: int, folder: Path) -> Any:
    return run(task(bodies.hello))


def chain(n: int, folder: Path, *, stored: bool) -> Any:
    step = task(bodies.step, stored=stored)

    def steps() -> Any:
        x = 0
        for _ in range(n):
            x = step(x)
        return x

    return run(steps)


def fanout(n: int, folder: Path, *, stored: bool, body: Callable[..., Any] = bodies.square) -> Any:
    numbers, item, total = (task(each, stored=stored) for each in (bodies.numbers, body, bodies.total))
    return run(lambda: total(item.map(numbers(n))))


def layered(n: int, folder: Path, *, stored: bool) -> Any:
    source, mix = task(bodies.source, stored=stored), task(bodies.mix, stored=stored)

    def steps() -> int:
        first, *later = bodies.layers(n)
        futures = [source.submit(i) for i in range(len(first))]
        for layer in later:
            futures = [mix.submit(*(futures[p] for p in parents)) for parents in layer]
        return sum(future.result() for future in futures)

    return run(steps)


def frame(megabytes: int, folder: Path, *, stored: bool) -> Any:
    def kept(body: Callable[..., Any], name: str) -> Any:  # by name, since a key made from inputs would hash them
        made = task(body)
        return made.with_options(persist_result=True, result_storage_key=f"{name}.pkl") if stored else made

    def steps() -> Any:
        x = kept(bodies.make_frame, "made")(megabytes)
        for i in range(FRAME_STEPS):
            x = kept(bodies.touch_frame, f"touched{i}")(x)
        return kept(bodies.digest_frame, "digest")(x)

    return run(steps)


def cpu(n: int, folder: Path) -> int:
    spin = task(bodies.spin)
    return run(lambda: sum(spin.map(range(n)).result()), processes=True)


def log(lines: int, folder: Path) -> Any:
    talk = task(bodies.talk).with_options(log_prints=True)

    def steps() -> Any:
        logging.getLogger("prefect.task_runs").setLevel(logging.INFO)  # Prefect has set it up by now
        return talk(lines)

    return run(steps)


def jobs(*, stored: bool) -> dict[str, Job]:
    both = {"chain": chain, "fanout": fanout, "layered": layered, "frame": frame}
    return {name: partial(job, stored=stored) for name, job in both.items()}


rerun = partial(fanout, stored=True)
crash = partial(fanout, stored=True, body=bodies.nap)
SERVER = "server started by Prefect itself (SQLite: WAL, synchronous=NORMAL), log level WARNING (tuned)"

PEER = Peer(
    name="prefect",
    package="prefect",
    variants=(
        Variant(
            name="prefect",
            module="prefect",
            configuration=f"{SERVER}; ThreadPoolTaskRunner with 2 workers, cpu: ProcessPoolTaskRunner with 2;"
            " values in memory, as by default; cache policy NO_CACHE (tuned: the default hashes); log: log_prints",
            keeps="nothing",
            records="states of runs in SQLite, some time after they were reached; no values",
            jobs={**jobs(stored=False), "hello": hello, "cpu": cpu, "log": log},
            start=start,
            limits={"chain": 1000, "fanout": 1000, "layered": 500},
        ),
        Variant(
            name="prefect-persisted",
            module="prefect",
            configuration=f"{SERVER}; ThreadPoolTaskRunner with 2 workers; persist_result=True with cache policy"
            " INPUTS + TASK_SOURCE, by which rerun finds values; frame: result_storage_key (tuned: no hashing)",
            keeps="process",
            records="value in a file, not fsynced; states of runs in SQLite, some time after they were reached",
            jobs={**jobs(stored=True), "rerun": rerun, "crash": crash, "resume": crash},
            start=start,
            limits={"chain": 1000, "fanout": 1000, "layered": 500, "rerun": 1000},
        ),
    ),
)
