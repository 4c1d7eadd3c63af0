"""Flyte 1: a flytekit workflow, called as a Python function, which executes it locally."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import bodies
from benchmarks.peer import Peer, Variant

FRAME_STEPS = 5

ready: dict[str, Any] = {}  # tasks that a function at module level needs, as `@dynamic` wants it


def total(xs: list[int]) -> int:
    return bodies.total(xs)


def make(megabytes: int) -> Any:
    return bodies.make_frame(megabytes)


def touch(frame: Any) -> Any:
    return bodies.touch_frame(frame)


def digest(frame: Any) -> float:
    return bodies.digest_frame(frame)


def tasks(*functions: Callable[..., Any], cached: bool = False) -> list[Any]:
    from flytekit import Cache, task

    return [task(function, cache=Cache(version="1") if cached else False) for function in functions]


def hello(n: int, folder: Path, *, cached: bool = False) -> Any:
    from flytekit import workflow

    [say] = tasks(bodies.hello, cached=cached)

    @workflow
    def whole() -> str:
        return say()

    return whole()


def chained(n: int, *, cached: bool = False) -> Any:
    from flytekit import workflow

    [step] = tasks(bodies.step, cached=cached)

    @workflow
    def whole() -> int:
        x: Any = 0
        for _ in range(n):
            x = step(x=x)
        return x

    return whole


def chain(n: int, folder: Path, *, cached: bool = False) -> Any:
    return chained(n, cached=cached)()


def fanout(n: int, folder: Path) -> Any:
    from flytekit import map_task, workflow

    first, square, last = tasks(bodies.numbers, bodies.square, total)
    each = map_task(square)

    @workflow
    def whole(n: int) -> int:
        return last(xs=each(x=first(n=n)))

    return whole(n=n)


def spread(xs: list[int]) -> int:
    return ready["last"](xs=[ready["each"](x=x) for x in xs])


def cached(n: int, folder: Path, *, body: Callable[[int], int] = bodies.square) -> Any:
    """A fan-out with the result of each call in the cache; that of a `map_task` would be kept only as a whole."""
    from flytekit import dynamic, workflow

    first, ready["each"], ready["last"] = tasks(bodies.numbers, body, total, cached=True)
    rest = dynamic(spread)

    @workflow
    def whole(n: int) -> int:
        return rest(xs=first(n=n))

    return whole(n=n)


def layered(n: int, folder: Path) -> int:
    from flytekit import workflow

    source, mix = tasks(bodies.source, bodies.mix)

    @workflow
    def whole() -> list[int]:
        first, *later = bodies.layers(n)
        nodes = [source(x=i) for i in range(len(first))]
        for layer in later:
            nodes = [mix(a=nodes[a], b=nodes[b], c=nodes[c]) for a, b, c in layer]
        return nodes

    return sum(whole())


def frame(megabytes: int, folder: Path) -> Any:
    import pandas as pd
    from flytekit import workflow

    make.__annotations__["return"] = pd.DataFrame
    touch.__annotations__.update({"frame": pd.DataFrame, "return": pd.DataFrame})
    digest.__annotations__["frame"] = pd.DataFrame
    first, each, last = tasks(make, touch, digest)

    @workflow
    def whole(megabytes: int) -> float:
        frame = first(megabytes=megabytes)
        for _ in range(FRAME_STEPS):
            frame = each(frame=frame)
        return last(frame=frame)

    return whole(megabytes=megabytes)


def cpu(n: int, folder: Path) -> int:
    from flytekit import map_task, workflow

    [each] = tasks(bodies.spin)
    spin = map_task(each)

    @workflow
    def whole(seeds: list[int]) -> list[int]:
        return spin(seed=seeds)

    return sum(whole(seeds=list(range(n))))


def log(lines: int, folder: Path) -> Any:
    from flytekit import workflow

    [talk] = tasks(bodies.talk)

    @workflow
    def whole(lines: int) -> int:
        return talk(lines=lines)

    return whole(lines=lines)


def plan(n: int, folder: Path) -> int:
    return len(chained(n).nodes)


PEER = Peer(
    name="flyte",
    package="flytekit",
    variants=(
        Variant(
            name="flytekit",
            module="flytekit",
            configuration="a workflow called as a function, one task after the other; fan-out and cpu: map_task;"
            " frame: pandas.DataFrame, so Parquet files",
            keeps="nothing",
            records="nothing",
            jobs={
                "hello": hello,
                "chain": chain,
                "fanout": fanout,
                "layered": layered,
                "frame": frame,
                "cpu": cpu,
                "log": log,
                "plan": plan,
            },
            limits={"chain": 1000, "fanout": 10_000, "layered": 5000, "plan": 10_000},
        ),
        Variant(
            name="flytekit-cache",
            module="flytekit",
            configuration="a workflow called as a function, one task after the other, each with a Cache;"
            " fan-out: calls from a @dynamic, since the cache keeps that of a map_task only as a whole",
            keeps="process",
            records="result in SQLite (diskcache: WAL, synchronous NORMAL)",
            jobs={
                "hello": partial(hello, cached=True),
                "chain": partial(chain, cached=True),
                "fanout": cached,
                "rerun": cached,
                "crash": partial(cached, body=bodies.nap),
                "resume": partial(cached, body=bodies.nap),
            },
            limits={"chain": 1000, "fanout": 10_000, "rerun": 10_000},
        ),
    ),
)
