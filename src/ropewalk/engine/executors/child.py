"""A worker process: takes orders from its connection, runs one at a time, reports in batches."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import pickle
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, NoReturn

from ropewalk.artifacts.blobs import Blobs
from ropewalk.core.artifact import Failed, Failure, Outcome
from ropewalk.engine.attempt import Job, Order, TaskCancelled, execute, function_of
from ropewalk.engine.executors.begun import Begun
from ropewalk.engine.executors.log import Log
from ropewalk.engine.executors.threads import Threads
from ropewalk.engine.home import Home

FLUSH_S = 0.002  # finished work is reported at least so often, as long as orders are short
LATEST_S = 0.02  # and should the next order take longer, so soon
IDLE_S = 1.0  # how often the connection is looked at anew: a task may have closed it


def name_of(place: int, number: int) -> str:
    """The name of a worker: the number tells it from all others of this process, the place from those that live."""
    return f"w{os.getpid()}-{place}-{number}"


def place_of(name: str) -> int:
    """The place in a worker's name."""
    return int(name.split("-")[1])


def work(
    name: str,
    connection: socket.socket,
    functions: Mapping[str, Callable[..., Any]],
    home: Home,
    begun: Begun,
    threads: int,
) -> NoReturn:
    """Be the worker `name` until the connection closes; libraries use so many threads unless a task asks for more."""
    worker = _Worker(name, Connection(connection.detach()), functions, home, begun, Threads(threads))
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
        self,
        name: str,
        connection: Connection,
        functions: Mapping[str, Callable[..., Any]],
        home: Home,
        begun: Begun,
        threads: Threads,
    ) -> None:
        self._connection = connection
        self._inode = os.fstat(connection.fileno()).st_ino
        self._functions = functions
        self._blobs = Blobs(home.blobs)
        self._jobs: dict[int, Job] = {}
        self._orders: deque[Order] = deque()
        self._wake = threading.Event()
        self._closed = False
        self._lock = threading.Lock()  # of the connection
        self._holding = False  # the main thread has it
        self._ending = False  # this process was asked to end meanwhile
        self._reports: deque[tuple[Any, ...]] = deque()
        self._flushed_at = time.monotonic()
        self._log = Log(home, name)
        self._begun, self._place = begun, place_of(name)
        self._threads = threads

    def run(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        faulthandler.enable(2)  # a crash in native code leaves a Python traceback in the log
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
            if order.gpus:  # only the end of a process gives a graphics processor and its memory back
                self.flush()
                os._exit(0)

    def _attempt(self, order: Order) -> None:
        job = self._jobs[order.job]

        def tell(done: float, total: float) -> None:
            with self._uninterrupted():
                self._send([("progress", job.node, order.item, done, total)])

        if signal.getsignal(signal.SIGTERM) != self._end:  # at the start, and when the task before has changed it
            signal.signal(signal.SIGTERM, self._end)
        self._begun.add(self._place)
        self._threads.use(job.cpu)
        if order.gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(order.gpus)
        try:
            outcome = execute(job, order, function_of(job, self._functions), self._blobs, tell)
        except TaskCancelled:
            self._reports.append(("cancelled", job.node, order.item, order.token))
            self._log.keep(job, order)
            raise
        if isinstance(outcome, Failed):
            self._log.write(outcome.failure.traceback)
        self._log.keep(job, order)
        self._reports.append(("done", job.node, order.item, order.token, outcome))

    def _end(self, _signal: int, _frame: FrameType | None) -> None:
        """Signal handler: end the attempt that is under way, and this process."""
        if not self._holding:
            raise TaskCancelled
        self._ending = True

    @contextlib.contextmanager
    def _uninterrupted(self) -> Iterator[None]:
        """Hold the connection; a signal that comes meanwhile takes effect afterwards."""
        main = threading.current_thread() is threading.main_thread()
        self._holding |= main
        try:
            with self._lock:
                yield
        finally:
            self._holding &= not main
        if main and self._ending:
            raise TaskCancelled

    def flush(self) -> None:
        """Report what is finished."""
        self._flushed_at = time.monotonic()
        if not self._reports:
            return
        with self._uninterrupted():
            reports = [self._reports.popleft() for _ in range(len(self._reports))]
            try:
                self._send(reports)
            except (pickle.PicklingError, TypeError, AttributeError):  # a task put something odd into its metrics
                self._send([_unsendable(report) for report in reports])

    def _send(self, reports: list[tuple[Any, ...]]) -> None:
        if os.fstat(self._connection.fileno()).st_ino != self._inode:
            os._exit(72)  # a task has closed our files, and another was opened under the number of the connection
        self._connection.send_bytes(pickle.dumps(reports, protocol=pickle.HIGHEST_PROTOCOL))

    def _receive(self) -> None:
        """Take messages in while a task runs: more orders, or the wish to have orders back."""
        try:
            while True:
                busy = self._orders or self._reports
                if not self._connection.poll(LATEST_S if busy else IDLE_S):
                    self.flush()
                    continue
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
        with self._uninterrupted():
            self._send(returned)


def _unsendable(report: tuple[Any, ...]) -> tuple[Any, ...]:
    outcome: Outcome = report[-1]
    try:
        pickle.dumps(outcome)
    except Exception as error:  # noqa: BLE001  # whatever it is, the attempt has failed and the worker goes on
        return (*report[:-1], Failed(Failure("unstorable", f"its outcome cannot be sent: {error}", retryable=False)))
    return report
