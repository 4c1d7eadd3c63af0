"""Flyte 2 in its local mode: tasks that call tasks, in one process and one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import bodies
from benchmarks.peer import Peer, Variant

FRAME_STEPS = 5


def total(xs: list[int]) -> int:
    return bodies.total(xs)


def make(megabytes: int) -> Any:
    return bodies.make_frame(megabytes)


def touch(frame: Any) -> Any:
    return bodies.touch_frame(frame)


def digest(frame: Any) -> float:
    return bodies.digest_frame(frame)


def tasks(*functions: Callable[..., Any], cache: str = "disable") -> list[Any]:
    import flyte

    environment = flyte.TaskEnvironment("bench", cache=flyte.Cache(cache, version_override="1"))
    return [environment.task(function) for function in functions]


def run(whole: Callable[..., Any], folder: Path, *given: Any) -> Any:
    """Run a task that calls others."""
    import flyte

    flyte.init()
    [task] = tasks(whole)
    return flyte.with_runcontext(mode="local", raw_data_path=str(folder / "values")).run(task, *given).outputs()[0]


def hello(n: int, folder: Path) -> Any:
    return run(bodies.hello, folder)


def chain(n: int, folder: Path) -> Any:
    [step] = tasks(bodies.step)

    async def whole(n: int) -> int:
        x = 0
        for _ in range(n):
            x = await step.aio(x)
        return x

    return run(whole, folder, n)


def fanout(n: int, folder: Path, *, body: Callable[[int], int] = bodies.square, cache: str = "disable") -> Any:
    first, each, last = tasks(bodies.numbers, body, total, cache=cache)

    async def whole(n: int) -> int:
        return await last.aio(await asyncio.gather(*map(each.aio, await first.aio(n))))

    return run(whole, folder, n)
