"""What the same work costs without an orchestrator: the floors that ratios are taken to."""

from __future__ import annotations

import hashlib
import os
import pickle
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.workloads import make_frame, square


def process_pool(n: int, workers: int) -> float:
    """Seconds for n no-op calls through ProcessPoolExecutor; nothing is kept."""
    with ProcessPoolExecutor(workers) as pool:
        pool.submit(square, 1).result()
        started = time.perf_counter()
        done = sum(pool.map(square, range(n)))
        took = time.perf_counter() - started
    if done != sum(x * x for x in range(n)):
        raise AssertionError(done)
    return took


def commit_and_round_trip(n: int, folder: Path) -> float:
    """Seconds for n times one FULL commit and one round trip over a pipe."""
    import apsw

    connection = apsw.Connection(str(folder / "floor.db"))
    connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (a, b)").fetchall()
    ours, theirs = Pipe()
    echo = Process(target=_echo, args=(theirs,), daemon=True)
    echo.start()
    started = time.perf_counter()
    for number in range(n):
        ours.send_bytes(b"x" * 200)
        ours.recv_bytes()
        with connection:
            connection.execute("INSERT INTO t VALUES (?, ?)", (number, "x" * 200))
    took = time.perf_counter() - started
    ours.send_bytes(b"")
    echo.join()
    connection.close()
    return took


def _echo(connection: Connection) -> None:
    while data := connection.recv_bytes():
        connection.send_bytes(data)


def write_and_read(megabytes: int, times: int, folder: Path) -> float:
    """Seconds to make a frame, then `times` write its bytes durably and read them again."""
    started = time.perf_counter()
    frame: Any = make_frame(megabytes)
    data = frame.to_numpy().tobytes()
    for number in range(times):
        path = folder / f"raw{number}"
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass
        frame = frame + 1  # what the task does
        path.unlink()
    return time.perf_counter() - started


def hash_and_pickle(n: int) -> float:
    """Seconds to hash and pickle n small values: the least that keeping them by content takes in Python."""
    started = time.perf_counter()
    for number in range(n):
        data = pickle.dumps(number)
        hashlib.sha256(data).hexdigest()
    return time.perf_counter() - started
