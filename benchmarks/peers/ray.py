"""Ray: tasks on two worker processes, values handed on as object references."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import bodies
from benchmarks.peer import Job, Peer, Variant

SHORT = 31  # characters of a folder, below which the path of a socket of Ray is no longer than the 107 that are allowed


@contextmanager
def cluster(_: Path) -> Iterator[None]:
    """Ray on this machine, with both workers up."""
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="disabled")
    import ray

    ours = tempfile.gettempdir()
    folder = tempfile.mkdtemp(prefix="r", dir=ours if len(ours) <= SHORT else "/tmp")
    try:
        ray.init(num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", _temp_dir=folder)
        ready = ray.remote(_ready)
        while len(set(ray.get([ready.remote(), ready.remote()]))) < 2:
            pass
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _ready() -> int:
    import time

    time.sleep(0.02)  # for the other one to go to the other worker
    return os.getpid()


def hello(_: int, __: Path) -> str:
    import ray

    return ray.get(ray.remote(bodies.hello).remote())


def chain(n: int, _: Path) -> int:
    import ray

    step, x = ray.remote(bodies.step), 0
    for _step in range(n):
        x = step.remote(x)
    return ray.get(x)


def _fan_out(body: Callable[[int], int]) -> Job:
    def job(n: int, _: Path) -> int:
        import ray

        numbers, mapped, total = map(ray.remote, (bodies.numbers, body, bodies.total))
        items = ray.get(numbers.remote(n))
        return ray.get(total.remote(ray.get([mapped.remote(x) for x in items])))

    return job


def layered(n: int, _: Path) -> int:
    import ray

    source, mix = ray.remote(bodies.source), ray.remote(bodies.mix)
    first, *later = bodies.layers(n)
    values = [source.remote(position) for position in range(len(first))]
    for layer in later:
        values = [mix.remote(*(values[parent] for parent in parents)) for parents in layer]
    return sum(ray.get(values))


def frame(megabytes: int, _: Path) -> float:
    import ray

    make, touch, digest = map(ray.remote, (bodies.make_frame, bodies.touch_frame, bodies.digest_frame))
    value: Any = make.remote(megabytes)
    for _step in range(5):
        value = touch.remote(value)
    return ray.get(digest.remote(value))


def cpu(n: int, _: Path) -> int:
    import ray

    spin = ray.remote(bodies.spin)
    return sum(ray.get([spin.remote(seed) for seed in range(n)]))


def log(n: int, _: Path) -> int:
    import ray

    return ray.get(ray.remote(bodies.talk).remote(n))


PEER = Peer(
    name="ray",
    package="ray",
    variants=(
        Variant(
            name="ray",
            configuration="ray.init(num_cpus=2), no dashboard, both workers were up; references as arguments",
            keeps="nothing",
            records="nothing on disk: states and objects in memory; after a crash everything is executed again",
            jobs={
                "hello": hello, "chain": chain, "fanout": _fan_out(bodies.square), "layered": layered, "frame": frame,
                "cpu": cpu, "log": log, "crash": _fan_out(bodies.nap), "resume": _fan_out(bodies.nap),
            },
            start=cluster,
            limits={"chain": 10_000, "fanout": 30_000, "layered": 30_000, "frame": 1000},
            module="ray",
        ),
    ),
)  # fmt: skip
