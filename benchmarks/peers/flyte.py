"""Flyte 1: a flytekit workflow, called as a Python function, which executes it locally."""

from __future__ import annotations

from collections.abc import Callable
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


def hello(n: int, folder: Path) -> Any:
    from flytekit import task, workflow

    say = task(bodies.hello)

    @workflow
    def whole() -> str:
        return say()

    return whole()


def chained(n: int) -> Any:
    from flytekit import task, workflow

    step = task(bodies.step)

    @workflow
    def whole() -> int:
        x: Any = 0
        for _ in range(n):
            x = step(x=x)
        return x

    return whole


def chain(n: int, folder: Path) -> Any:
    return chained(n)()


def fanout(n: int, folder: Path) -> Any:
    from flytekit import map_task, task, workflow

    first, each, last = task(bodies.numbers), map_task(task(bodies.square)), task(total)

    @workflow
    def whole(n: int) -> int:
        return last(xs=each(x=first(n=n)))

    return whole(n=n)


def spread(xs: list[int]) -> int:
    return ready["last"](xs=[ready["each"](x=x) for x in xs])


def cached(n: int, body: Callable[[int], int]) -> Any:
    """A fan-out with the result of each call in the cache; that of a `map_task` would be kept only as a whole."""
    from flytekit import Cache, dynamic, task, workflow

    ready["each"], ready["last"] = task(body, cache=Cache(version="1")), task(total, cache=Cache(version="1"))
    first, rest = task(bodies.numbers, cache=Cache(version="1")), dynamic(spread)

    @workflow
    def whole(n: int) -> int:
        return rest(xs=first(n=n))

    return whole(n=n)


def rerun(n: int, folder: Path) -> Any:
    return cached(n, bodies.square)


def crash(n: int, folder: Path) -> Any:
    return cached(n, bodies.nap)


def layered(n: int, folder: Path) -> int:
    from flytekit import task, workflow

    source, mix = task(bodies.source), task(bodies.mix)

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
    from flytekit import task, workflow

    make.__annotations__["return"] = pd.DataFrame
    touch.__annotations__.update({"frame": pd.DataFrame, "return": pd.DataFrame})
    digest.__annotations__["frame"] = pd.DataFrame
    first, each, last = task(make), task(touch), task(digest)

    @workflow
    def whole(megabytes: int) -> float:
        frame = first(megabytes=megabytes)
        for _ in range(FRAME_STEPS):
            frame = each(frame=frame)
        return last(frame=frame)

    return whole(megabytes=megabytes)


def cpu(n: int, folder: Path) -> int:
    from flytekit import map_task, task, workflow

    spin = map_task(task(bodies.spin))

    @workflow
    def whole(seeds: list[int]) -> list[int]:
        return spin(seed=seeds)

    return sum(whole(seeds=list(range(n))))


def log(lines: int, folder: Path) -> Any:
    from flytekit import task, workflow

    talk = task(bodies.talk)

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
            configuration="a workflow called as a function, one task after the other; fan-out and cpu: map_task; rerun and"
            " crash: tasks with a Cache, called one by one from a @dynamic; frame: pandas.DataFrame, so Parquet files",
            keeps="nothing",
            records="nothing; with a Cache: result in SQLite (WAL, synchronous NORMAL)",
            jobs={
                "hello": hello,
                "chain": chain,
                "fanout": fanout,
                "layered": layered,
                "rerun": rerun,
                "frame": frame,
                "cpu": cpu,
                "log": log,
                "plan": plan,
                "crash": crash,
                "resume": crash,
            },
            limits={"chain": 1000, "fanout": 10_000, "layered": 5000, "rerun": 1000, "plan": 1000},
        ),
    ),
)
