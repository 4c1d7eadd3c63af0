"""Dask: futures of `distributed` on two worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import bodies
from benchmarks.peer import Job, Peer, Variant

_client: Any = None


@contextmanager
def cluster(folder: Path) -> Iterator[None]:
    """A scheduler in this process and two workers."""
    global _client
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, local_directory=str(folder)
        ) as workers,
        Client(workers) as _client,
    ):
        _client.wait_for_workers(2)
        yield


def submit(body: Callable[..., Any], *args: Any) -> Any:
    """A task whose result is not looked up by a hash of its arguments, which would only cost time here."""
    return _client.submit(body, *args, pure=False)


def hello(_: int, __: Path) -> str:
    return submit(bodies.hello).result()


def chain(n: int, _: Path) -> int:
    x: Any = 0
    for _step in range(n):
        x = submit(bodies.step, x)
    return x.result()


def _fan_out(body: Callable[[int], int]) -> Job:
    def job(n: int, _: Path) -> int:
        items = submit(bodies.numbers, n).result()
        return submit(bodies.total, _client.map(body, items, pure=False)).result()

    return job


def layered(n: int, _: Path) -> int:
    first, *later = bodies.layers(n)
    values = _client.map(bodies.source, range(len(first)), pure=False)
    kept = [*values]  # a task whose future is gone, and that nothing waits for, is not executed
    for layer in later:
        values = [submit(bodies.mix, *(values[parent] for parent in parents)) for parents in layer]
        kept += values
    return sum(_client.gather(values))


def frame(megabytes: int, _: Path) -> float:
    value = submit(bodies.make_frame, megabytes)
    for _step in range(5):
        value = submit(bodies.touch_frame, value)
    return submit(bodies.digest_frame, value).result()


def cpu(n: int, _: Path) -> int:
    return sum(_client.gather(_client.map(bodies.spin, range(n), pure=False)))


def log(n: int, _: Path) -> int:
    return submit(bodies.talk, n).result()


def _square_at(items: list[int], i: int) -> int:
    return bodies.square(items[i])


def plan(n: int, _: Path) -> int:
    """The graph of a fan-out, as `dask.delayed` makes it: of `layered` it grows with the number of ancestors."""
    from dask import delayed

    items, square = delayed(bodies.numbers)(n - 2), delayed(_square_at, pure=False)
    graph = delayed(bodies.total)([square(items, i) for i in range(n - 2)]).__dask_graph__()
    return len(graph.to_dict())


PEER = Peer(
    name="dask",
    package="distributed",
    variants=(
        Variant(
            name="dask",
            configuration="LocalCluster of 2 processes with a thread each, no dashboard; futures, pure=False",
            keeps="nothing",
            records="nothing on disk: states and values in memory; after a crash everything is executed again",
            jobs={
                "hello": hello, "chain": chain, "fanout": _fan_out(bodies.square), "layered": layered, "frame": frame,
                "cpu": cpu, "log": log, "plan": plan, "crash": _fan_out(bodies.nap), "resume": _fan_out(bodies.nap),
            },
            start=cluster,
            limits={"chain": 5_000, "fanout": 20_000, "layered": 20_000, "plan": 10_000, "frame": 1000},
            module="distributed",
        ),
    ),
)  # fmt: skip
