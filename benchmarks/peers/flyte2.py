"""Flyte 2 in its local mode: tasks that call tasks, in one process and one event loop."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import bodies
from benchmarks.peer import Peer, Variant

FRAME_STEPS = 5
METADATA = Path("/tmp/flyte/metadata")  # where a local run has its folder; there is no setting for it


def total(xs: list[int]) -> int:
    return bodies.total(xs)


def make(megabytes: int) -> Any:
    return bodies.make_frame(megabytes)


def touch(frame: Any) -> Any:
    return bodies.touch_frame(frame)


def digest(frame: Any) -> float:
    return bodies.digest_frame(frame)


def run_name(folder: Path) -> str:
    return "bench" + str(folder).replace("/", "-")


@contextmanager
def start(folder: Path) -> Iterator[None]:
    """Let nothing stay behind."""
    try:
        yield
    finally:
        shutil.rmtree(METADATA / run_name(folder), ignore_errors=True)
        with suppress(OSError):
            os.removedirs(METADATA)


def tasks(*functions: Callable[..., Any], cache: str = "disable") -> list[Any]:
    import flyte

    environment = flyte.TaskEnvironment("bench", cache=flyte.Cache(cache, version_override="1"))
    return [environment.task(function) for function in functions]


def run(whole: Callable[..., Any], folder: Path, *given: int, cache: str = "disable") -> Any:
    """Run a function as the task that calls the others."""
    import flyte

    flyte.init()
    [task] = tasks(whole, cache=cache)
    context = flyte.with_runcontext(mode="local", name=run_name(folder), raw_data_path=str(folder / "values"))
    return context.run(task, *given).outputs()[0]


def hello(n: int, folder: Path, *, cache: str = "disable") -> Any:
    return run(bodies.hello, folder, cache=cache)


def chain(n: int, folder: Path, *, cache: str = "disable") -> Any:
    [step] = tasks(bodies.step, cache=cache)

    async def whole(n: int) -> int:
        x = 0
        for _ in range(n):
            x = await step.aio(x)
        return x

    return run(whole, folder, n)


def fanout(n: int, folder: Path, *, cache: str = "disable") -> Any:
    return mapped(bodies.square, n, folder, cache=cache, concurrency=0)


def crash(n: int, folder: Path) -> Any:
    return mapped(bodies.nap, n, folder, cache="auto", concurrency=2)


def mapped(body: Callable[[int], int], n: int, folder: Path, *, cache: str, concurrency: int) -> Any:
    import flyte

    first, each, last = tasks(bodies.numbers, body, total, cache=cache)

    async def whole(n: int) -> int:
        squares = flyte.map.aio(each, await first.aio(n), concurrency=concurrency)
        return await last.aio([x async for x in squares])

    return run(whole, folder, n)


def layered(n: int, folder: Path) -> int:
    source, mix = tasks(bodies.source, bodies.mix)

    async def whole(n: int) -> int:
        first, *later = bodies.layers(n)
        nodes = await asyncio.gather(*map(source.aio, range(len(first))))
        for layer in later:
            nodes = await asyncio.gather(*(mix.aio(nodes[a], nodes[b], nodes[c]) for a, b, c in layer))
        return sum(nodes)

    return run(whole, folder, n)


def frame(megabytes: int, folder: Path) -> Any:
    import pandas as pd

    make.__annotations__["return"] = pd.DataFrame
    touch.__annotations__.update({"frame": pd.DataFrame, "return": pd.DataFrame})
    digest.__annotations__["frame"] = pd.DataFrame
    first, each, last = tasks(make, touch, digest)

    async def whole(megabytes: int) -> float:
        frame = await first.aio(megabytes)
        for _ in range(FRAME_STEPS):
            frame = await each.aio(frame)
        return await last.aio(frame)

    return run(whole, folder, megabytes)


def cpu(n: int, folder: Path) -> Any:
    [spin] = tasks(bodies.spin)

    async def whole(n: int) -> int:
        return sum(await asyncio.gather(*map(spin.aio, range(n))))

    return run(whole, folder, n)


def log(lines: int, folder: Path) -> Any:
    return run(bodies.talk, folder, lines)


PEER = Peer(
    name="flyte2",
    package="flyte",
    variants=(
        Variant(
            name="flyte2",
            module="flyte",
            configuration="flyte.run in local mode, one process; fan-out: flyte.map; layered: asyncio.gather;"
            " frame: pandas.DataFrame, so Parquet files",
            keeps="nothing",
            records="nothing",
            start=start,
            jobs={
                "hello": hello,
                "chain": chain,
                "fanout": fanout,
                "layered": layered,
                "frame": frame,
                "cpu": cpu,
                "log": log,
            },
            limits={"chain": 1000, "fanout": 10_000, "layered": 5000},
        ),
        Variant(
            name="flyte2-cache",
            module="flyte",
            configuration="flyte.run in local mode, one process, each task with a Cache; fan-out: flyte.map;"
            " crash: with concurrency=2",
            keeps="power",
            records="result in SQLite (rollback journal, synchronous FULL)",
            start=start,
            jobs={
                "hello": partial(hello, cache="auto"),
                "chain": partial(chain, cache="auto"),
                "fanout": partial(fanout, cache="auto"),
                "rerun": partial(fanout, cache="auto"),
                "crash": crash,
                "resume": crash,
            },
            limits={"chain": 1000, "fanout": 1000, "rerun": 1000},
        ),
    ),
)
