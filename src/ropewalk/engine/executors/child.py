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
from types import FrameType
from typing import Any, NoReturn

from ropewalk.artifacts.blobs import Blobs
from ropewalk.core.artifact import Failed, Failure, Outcome
from ropewalk.engine.attempt import Job, Order, TaskCancelled, execute, function_of
from ropewalk.engine.executors.begun import Begun
from ropewalk.engine.executors.channel import Channel
from ropewalk.engine.executors.log import Log
from ropewalk.engine.executors.threads import Threads
from ropewalk.engine.home import Home

FLUSH_S = 0.002  # finished work is reported at least so often, as long as orders are short
LOOK_S = 0.01  # and should the next order take longer, so soon
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
    worker = _Worker(name, Channel(connection), functions, home, begun, Threads(threads))
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
        channel: Channel,
        functions: Mapping[str, Callable[..., Any]],
        home: Home,
        begun: Begun,
        threads: Threads,
    ) -> None:
        self._channel = channel
        self._functions = functions
        self._blobs = Blobs(home.blobs)
        self._jobs: dict[int, Job] = {}
        self._orders: deque[Order] = deque()
        self._idle = True  # the main thread waits for messages
        self._busy = threading.Event()  # the watch is to look whether it does
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        self._holding = False  # the main thread writes
        self._ending = False  # this process was asked to end meanwhile
        self._reports: deque[tuple[Any, ...]] = deque()
        self._flushed_at = time.monotonic()
        self._log = Log(home, name)
        self._begun, self._place = begun, place_of(name)
        self._threads = threads

    def run(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        faulthandler.enable(2)  # a crash in native code leaves a Python traceback in the log
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        while True:
            try:
                order = self._orders.popleft()
            except IndexError:
                self.flush()
                self._receive()
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
        if not job.mapped:
            del self._jobs[order.job]  # it has no other order, and may be large
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
            with self._writing:
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
        if not self._channel.is_ours:
            os._exit(72)  # a task has closed our files
        self._channel.send(reports)

    def _receive(self) -> None:
        """Wait for a message and take it in; the watch sleeps meanwhile."""
        self._idle = True
        with self._reading:
            if not self._orders and self._channel.waits(IDLE_S):  # the watch may have taken some in since we looked
                if not self._channel.is_ours:
                    os._exit(72)
                self._take_in(*self._channel.receive())
        self._idle = False
        if not self._busy.is_set():
            self._busy.set()

    def _watch(self) -> None:
        """While a task runs, take messages in and report what is finished before it."""
        try:
            while True:
                self._busy.wait()
                time.sleep(LOOK_S)
                self._busy.clear()
                if not self._idle:
                    self._busy.set()
                    self._look()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            os._exit(0)
        finally:
            os._exit(72)

    def _look(self) -> None:
        if not self._channel.is_ours:
            os._exit(72)
        with self._reading:
            while not self._idle and self._channel.waits():
                self._take_in(*self._channel.receive())
        self.flush()

    def _take_in(self, kind: str, *rest: Any) -> None:
        """More orders, or the wish to have orders back."""
        if kind == "return":
            self._give_back()
            return
        for job, orders in rest[0]:
            if job is not None:
                self._jobs[job.id] = job
            self._orders.extend(orders)

    def _give_back(self) -> None:
        returned = []
        with contextlib.suppress(IndexError):
            while True:
                order = self._orders.pop()
                job = self._jobs[order.job]
                if not job.mapped:
                    del self._jobs[order.job]
                returned.append(("returned", job.node, order.item, order.token))
        with self._uninterrupted():
            self._send(returned)


def _unsendable(report: tuple[Any, ...]) -> tuple[Any, ...]:
    outcome: Outcome = report[-1]
    try:
        pickle.dumps(outcome)
    except Exception as error:  # noqa: BLE001  # whatever it is, the attempt has failed and the worker goes on
        return (*report[:-1], Failed(Failure("unstorable", f"its outcome cannot be sent: {error}", retryable=False)))
    return report
