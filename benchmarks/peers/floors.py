"""What the same work costs without an orchestrator: the floors that ratios are taken to."""

from __future__ import annotations

import os
import pickle
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks import bodies
from benchmarks.peer import Job, Peer, Variant

WORKERS = 2
CALL = Callable[..., Any]

_pool: ProcessPoolExecutor | None = None


# The plain loop.


def hello(_: int, __: Path) -> str:
    return bodies.hello()


def chain(n: int, _: Path) -> int:
    x = 0
    for _step in range(n):
        x = bodies.step(x)
    return x


def fan_out(n: int, _: Path) -> int:
    return bodies.total([bodies.square(x) for x in bodies.numbers(n)])


def layered(n: int, _: Path) -> int:
    first, *later = bodies.layers(n)
    values = [bodies.source(position) for position in range(len(first))]
    for layer in later:
        values = [bodies.mix(*(values[parent] for parent in parents)) for parents in layer]
    return sum(values)


def spins(n: int, _: Path) -> int:
    return sum(bodies.spin(seed) for seed in range(n))


def log(n: int, _: Path) -> int:
    return bodies.talk(n)


def frame(megabytes: int, _: Path) -> float:
    made = bodies.make_frame(megabytes)
    for _step in range(5):
        made = bodies.touch_frame(made)
    return bodies.digest_frame(made)


LOOP: dict[str, Job] = {
    "hello": hello, "chain": chain, "fanout": fan_out, "layered": layered, "cpu": spins, "log": log, "frame": frame,
}  # fmt: skip


# Two processes that do what they are told.


@contextmanager
def pool(_: Path) -> Iterator[None]:
    global _pool
    with ProcessPoolExecutor(WORKERS, get_context("fork")) as _pool:
        list(_pool.map(abs, range(WORKERS)))
        yield


def pooled_chain(n: int, _: Path) -> int:
    assert _pool is not None
    x = 0
    for _step in range(n):
        x = _pool.submit(bodies.step, x).result()
    return x


def pooled_fan_out(n: int, _: Path) -> int:
    assert _pool is not None
    items = _pool.submit(bodies.numbers, n).result()
    return int(_pool.submit(bodies.total, list(_pool.map(bodies.square, items))).result())


def pooled_layered(n: int, _: Path) -> int:
    assert _pool is not None
    first, *later = bodies.layers(n)
    values = list(_pool.map(bodies.source, range(len(first))))
    for layer in later:
        columns = zip(*([values[parent] for parent in parents] for parents in layer), strict=True)
        values = list(_pool.map(bodies.mix, *columns))
    return sum(values)


def pooled_spins(n: int, _: Path) -> int:
    assert _pool is not None
    return sum(_pool.map(bodies.spin, range(n)))


POOLED: dict[str, Job] = {
    "chain": pooled_chain, "fanout": pooled_fan_out, "layered": pooled_layered, "cpu": pooled_spins,
}  # fmt: skip


# One durable commit for each task, in this process or with a round trip to another one.


@contextmanager
def results(folder: Path) -> Iterator[Callable[[CALL], CALL]]:
    """A database in which the result of each call is committed with FULL, before the next one."""
    with closing(sqlite3.connect(folder / "floor.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE results (id INTEGER PRIMARY KEY, value BLOB) STRICT")

        def kept(body: CALL) -> CALL:
            def call(*args: Any) -> Any:
                value = body(*args)
                db.execute("INSERT INTO results (value) VALUES (?)", (pickle.dumps(value),))
                return value

            return call

        yield kept


def _committed(body: Callable[[CALL, int], Any]) -> Job:
    def job(n: int, folder: Path) -> Any:
        with results(folder) as kept:
            return body(kept, n)

    return job


def _committed_with_round_trip(body: Callable[[CALL, int], Any]) -> Job:
    def job(n: int, folder: Path) -> Any:
        with far_away() as far, results(folder) as kept:
            return body(lambda function: kept(far(function)), n)

    return job


@contextmanager
def far_away() -> Iterator[Callable[[CALL], CALL]]:
    """Another process that executes one call after the other, told of it through a pipe."""
    context = get_context("fork")
    ours, theirs = context.Pipe()
    other = context.Process(target=_serve, args=(theirs,), daemon=True)
    other.start()
    theirs.close()

    def far(body: CALL) -> CALL:
        def call(*args: Any) -> Any:
            ours.send((body, args))
            return ours.recv()

        return call

    yield far
    ours.send(None)
    other.join()


def _serve(connection: Connection) -> None:
    while (call := connection.recv()) is not None:
        body, args = call
        connection.send(body(*args))


def _chain(kept: CALL, n: int) -> int:
    x, step = 0, kept(bodies.step)
    for _step in range(n):
        x = step(x)
    return x


def _fan_out(kept: CALL, n: int) -> int:
    square = kept(bodies.square)
    return int(kept(bodies.total)([square(x) for x in kept(bodies.numbers)(n)]))


SEQUENCES = {"chain": _chain, "fanout": _fan_out}


# The bytes of a frame, written durably and read once for each task that hands it on.


def written_frame(megabytes: int, folder: Path) -> float:
    import numpy as np
    import pandas as pd

    made = bodies.make_frame(megabytes)
    path = folder / "frame"
    for step in range(6):
        _write(path, np.ascontiguousarray(made.to_numpy()))
        values = np.fromfile(path).reshape(made.shape)
        path.unlink()
        made = pd.DataFrame(values, columns=made.columns)
        if step < 5:
            made = bodies.touch_frame(made)
    return bodies.digest_frame(made)


def _write(path: Path, data: Any) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


PEER = Peer(
    "floors",
    "",
    (
        Variant("loop", "a plain loop in one process", "nothing", "nothing", LOOP),
        Variant(
            "process-pool", "ProcessPoolExecutor, 2 processes that run already, one call a task", "nothing", "nothing",
            POOLED, start=pool,
        ),
        Variant(
            "commit", "a plain loop; the standard library's SQLite, WAL, synchronous=FULL, one commit a task", "power",
            "each result", {name: _committed(body) for name, body in SEQUENCES.items()},
        ),
        Variant(
            "commit+pipe", "as `commit`, but a second process executes: one round trip through a pipe a task", "power",
            "each result", {name: _committed_with_round_trip(body) for name, body in SEQUENCES.items()},
        ),
        Variant(
            "raw-file", "each task's frame is written as bytes, fsynced, and read again", "power", "each frame",
            {"frame": written_frame},
        ),
    ),
)  # fmt: skip
