"""A worker process: takes orders from its connection, runs one at a time, reports in batches."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import pickle
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

from ropewalk.artifacts.blobs import Blobs
from ropewalk.core.artifact import Failed, Failure, Outcome
from ropewalk.engine.attempt import Job, Order, TaskCancelled, execute, raise_cancelled
from ropewalk.engine.home import Home

FLUSH_S = 0.002  # finished work is reported at least so often, and always before something longer is begun
LOG_MAX_BYTES = 50_000_000


def work(name: str, connection: socket.socket, functions: Mapping[str, Callable[..., Any]], home: Home) -> NoReturn:
    """Be the worker `name` until the connection closes."""
    worker = _Worker(name, Connection(connection.detach()), functions, home)
    try:
        worker.run()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(0)
    except TaskCancelled:
        worker.flush()
        os._exit(143)
    finally:
        os._exit(72)


class _Worker:
    def __init__(
        self, name: str, connection: Connection, functions: Mapping[str, Callable[..., Any]], home: Home
    ) -> None:
        self._connection = connection
        self._functions = functions
        self._blobs = Blobs(home.blobs)
        self._jobs: dict[int, Job] = {}
        self._orders: deque[Order] = deque()
        self._wake = threading.Event()
        self._closed = False
        self._send_lock = threading.Lock()
        self._reports: list[tuple[Any, ...]] = []
        self._flushed_at = time.monotonic()
        self._log = _Log(home, name)

    def run(self) -> None:
        signal.signal(signal.SIGTERM, raise_cancelled)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=self._receive, name="receive", daemon=True).start()
        while not self._closed:
            try:
                order = self._orders.popleft()
            except IndexError:
                self.flush()
                self._wake.wait()
                self._wake.clear()
                continue
            if time.monotonic() - self._flushed_at > FLUSH_S:
                self.flush()
            self._attempt(order)

    def _attempt(self, order: Order) -> None:
        job = self._jobs[order.job]

        def tell(done: float, total: float) -> None:
            self._send([("progress", job.node, order.item, done, total)])

        try:
            outcome = execute(job, order, self._functions[job.task], self._blobs, tell)
        except TaskCancelled:
            self._reports.append(("cancelled", job.node, order.item, order.token))
            self._log.keep(job, order)
            raise
        if isinstance(outcome, Failed):
            sys.stderr.write(outcome.failure.traceback)
        self._log.keep(job, order)
        self._reports.append(("done", job.node, order.item, order.token, outcome))

    def flush(self) -> None:
        """Report what is finished."""
        self._flushed_at = time.monotonic()
        if self._reports:
            reports, self._reports = self._reports, []
            try:
                self._send(reports)
            except (pickle.PicklingError, TypeError, AttributeError):  # a task put something odd into its metrics
                self._send([_unsendable(report) for report in reports])

    def _send(self, reports: list[tuple[Any, ...]]) -> None:
        data = pickle.dumps(reports, protocol=pickle.HIGHEST_PROTOCOL)
        with self._send_lock:
            self._connection.send_bytes(data)

    def _receive(self) -> None:
        """Take messages in while a task runs: more orders, or the wish to have orders back."""
        try:
            while True:
                kind, *rest = pickle.loads(self._connection.recv_bytes())  # noqa: S301  # from our own parent
                if kind == "orders":
                    job, orders = rest
                    if job is not None:
                        self._jobs[job.id] = job
                    self._orders.extend(orders)
                else:
                    self._give_back()
                self._wake.set()
        except (EOFError, OSError):
            os._exit(0)

    def _give_back(self) -> None:
        returned = []
        with contextlib.suppress(IndexError):
            while True:
                order = self._orders.pop()
                returned.append(("returned", self._jobs[order.job].node, order.item, order.token))
        self._send(returned)


def _unsendable(report: tuple[Any, ...]) -> tuple[Any, ...]:
    outcome: Outcome = report[-1]
    try:
        pickle.dumps(outcome)
    except Exception as error:  # noqa: BLE001  # whatever it is, the attempt has failed and the worker goes on
        return (*report[:-1], Failed(Failure("unstorable", f"its outcome cannot be sent: {error}", retryable=False)))
    return report


class _Log:
    """Everything that the present attempt prints, itself or through libraries and programs that it starts.

    Descriptors 1 and 2 lead to a spool file. When an attempt has written something the spool becomes its log, else
    the next attempt goes on with it, so silent tasks cost no file.
    """

    def __init__(self, home: Home, name: str) -> None:
        self._home = home
        self._spool = home.spool(name)
        self._folders: set[Path] = set()
        self._fd = -1
        self._open()
        sys.stdout = _text(1)
        sys.stderr = _text(2)
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S"))
        root = logging.getLogger()
        root.handlers[:] = [handler]
        root.setLevel(logging.INFO)
        logging.captureWarnings(True)

    def _open(self) -> None:
        try:
            fd = os.open(self._spool, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        except OSError:  # a full disk must not end the worker: what is printed is lost, results are not
            fd = os.open(os.devnull, os.O_WRONLY)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        os.close(fd)

    def keep(self, job: Job, order: Order) -> None:
        """Give the attempt what it has printed."""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # the task may have closed or replaced it
                stream.flush()
        size = os.fstat(1).st_size
        if not size:
            return
        path = self._home.log(job.run, job.node, order.item, order.attempt)
        with contextlib.suppress(OSError):
            if path.parent not in self._folders:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._folders.add(path.parent)
            if size > LOG_MAX_BYTES:
                shorten(self._spool, LOG_MAX_BYTES)
            os.rename(self._spool, path)
        self._open()


def _text(fd: int) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.FileIO(fd, "w", closefd=False), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )


def shorten(path: Path, most: int) -> None:
    """Keep the first and the last half of `most` bytes of a log, and say in between how much is missing."""
    size = path.stat().st_size
    half = most // 2
    with path.open("r+b") as file:
        file.seek(size - half)
        tail = file.read(half)
        file.seek(half)
        file.write(f"\n… {size - 2 * half} bytes left out …\n".encode() + tail)
        file.truncate()
