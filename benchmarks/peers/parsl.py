"""Parsl: Python apps on two worker processes (HighThroughputExecutor) or two threads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import bodies
from benchmarks.peer import Job, Peer, Variant


def _processes() -> Any:
    from parsl.executors import HighThroughputExecutor
    from parsl.providers import LocalProvider

    return HighThroughputExecutor(
        address="127.0.0.1",
        max_workers_per_node=2,
        provider=LocalProvider(init_blocks=1, max_blocks=1),
        encrypted=False,
        prefetch_capacity=32,
    )


def _threads() -> Any:
    from parsl.executors import ThreadPoolExecutor

    return ThreadPoolExecutor(max_threads=2)


@contextmanager
def started(folder: Path, executor: Callable[[], Any], *, checkpoints: bool) -> Iterator[None]:
    """Parsl with workers that have answered; with checkpoints those of earlier runs are loaded."""
    import parsl
    from parsl.dataflow.memoization import BasicMemoizer

    logging.getLogger("parsl").setLevel(logging.WARNING)
    config = parsl.Config(
        executors=[executor()],
        memoizer=BasicMemoizer(checkpoint_mode="task_exit") if checkpoints else None,
        run_dir=str(folder / "runinfo"),
        strategy="none",
        usage_tracking=0,
        initialize_logging=False,
    )
    with parsl.load(config):
        parsl.python_app(_ready)().result()
        yield


def _ready() -> None:
    pass


def app(body: Callable[..., Any], *, cache: bool = False) -> Callable[..., Any]:
    from parsl import python_app

    return python_app(body, cache=cache)


def total(inputs: list[int]) -> int:
    """Parsl waits for futures in a list that is named so."""
    return bodies.total(inputs)


def hello(_: int, __: Path, *, cache: bool = False) -> str:
    return app(bodies.hello, cache=cache)().result()


def chain(n: int, _: Path, *, cache: bool = False) -> int:
    step, x = app(bodies.step, cache=cache), 0
    for _step in range(n):
        x = step(x)
    return x.result()


def fanout(n: int, _: Path, *, body: Callable[[int], int] = bodies.square, cache: bool = False) -> int:
    numbers, mapped, summed = (app(each, cache=cache) for each in (bodies.numbers, body, total))
    return summed(inputs=[mapped(x) for x in numbers(n).result()]).result()


def layered(n: int, _: Path) -> int:
    source, mix = app(bodies.source), app(bodies.mix)
    first, *later = bodies.layers(n)
    values = [source(position) for position in range(len(first))]
    nodes = [*values]
    for layer in later:
        values = [mix(*(values[parent] for parent in parents)) for parents in layer]
        nodes += values
    for node in nodes:
        node.result()
    return sum(value.result() for value in values)


def frame(megabytes: int, _: Path) -> float:
    touch, value = app(bodies.touch_frame), app(bodies.make_frame)(megabytes)
    for _step in range(5):
        value = touch(value)
    return app(bodies.digest_frame)(value).result()


def cpu(n: int, _: Path) -> int:
    spin = app(bodies.spin)
    return sum(value.result() for value in [spin(seed) for seed in range(n)])


def log(n: int, _: Path) -> int:
    return app(bodies.talk)(n).result()


crash = partial(fanout, body=bodies.nap)
JOBS: dict[str, Job] = {
    "hello": hello, "chain": chain, "fanout": fanout, "layered": layered, "frame": frame, "cpu": cpu, "log": log,
    "crash": crash, "resume": crash,
}  # fmt: skip
CHECKPOINTED: dict[str, Job] = {
    "hello": partial(hello, cache=True),
    "chain": partial(chain, cache=True),
    "fanout": partial(fanout, cache=True),
    "rerun": partial(fanout, cache=True),
    "crash": partial(crash, cache=True),
    "resume": partial(crash, cache=True),
}
HTEX = (
    "HighThroughputExecutor with 2 workers on loopback, not encrypted, prefetch_capacity=32, strategy none (tuned);"
    " futures as arguments"
)
NOTHING = "nothing: states and values in memory; after a crash everything is executed again"

PEER = Peer(
    name="parsl",
    package="parsl",
    variants=(
        Variant(
            name="parsl-htex",
            configuration=HTEX,
            keeps="nothing",
            records=NOTHING,
            jobs=JOBS,
            start=partial(started, executor=_processes, checkpoints=False),
            limits={"chain": 5_000, "fanout": 20_000, "layered": 20_000, "frame": 200},
            module="parsl",
        ),
        Variant(
            name="parsl-htex-checkpoint",
            configuration=f"{HTEX}; apps with cache=True, checkpoint_mode=task_exit",
            keeps="process",
            records="hash of function name and arguments, and result, appended to a file that is not fsynced",
            jobs=CHECKPOINTED,
            start=partial(started, executor=_processes, checkpoints=True),
            limits={"chain": 5_000, "fanout": 10_000, "rerun": 10_000},
            module="parsl",
        ),
        Variant(
            name="parsl-threads",
            configuration="ThreadPoolExecutor(max_threads=2) in this process, strategy none; futures as arguments",
            keeps="nothing",
            records=NOTHING,
            jobs=JOBS,
            start=partial(started, executor=_threads, checkpoints=False),
            limits={"chain": 50_000, "fanout": 50_000, "layered": 50_000, "frame": 1000},
            module="parsl",
        ),
    ),
)
