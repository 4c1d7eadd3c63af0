"""Attempts in this very process, one after another: no process to start, nothing to send."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from ropewalk.artifacts.blobs import Blobs
from ropewalk.core.artifact import Failed, Failure
from ropewalk.engine.attempt import Job, Order, TaskCancelled, execute, function_of
from ropewalk.engine.executors.base import FULL, NOBODY, Done, Ended, Offer, Report, Returned
from ropewalk.engine.executors.log import LOG_MAX_BYTES, shorten
from ropewalk.engine.executors.pace import BATCH_S, Pace, batch, load_of
from ropewalk.engine.home import Home

CHUNK_S = 0.02  # reports are handed over at least so often, so that they are committed
_AS_IT_IS = contextlib.nullcontext()


class InlineExecutor:
    """Runs attempts in the calling thread, during `poll`."""

    slots = 1

    def __init__(self, functions: Mapping[str, Callable[..., Any]], home: Home, blobs: Blobs) -> None:
        self._functions = functions
        self._home = home
        self._blobs = blobs
        self._queue: deque[tuple[Job, Order]] = deque()
        self._reports: list[Report] = []
        self._running = False
        self._interrupted = False
        self._pace = Pace()
        self._capture = _Capture()

    def offer(self, node: str, remaining: int, taken: Mapping[str, float] = NOBODY, task: str = "") -> Offer | None:
        load, mean_s = taken.get("inline", 0.0), self._pace.mean_s(node, task)
        if self._queue or load >= FULL:
            return None
        if load and mean_s > BATCH_S / 2:
            return Offer("inline", 0)
        return Offer("inline", batch(mean_s, load), load_of(mean_s))

    def submit(self, worker: str, job: Job, orders: Sequence[Order]) -> None:
        self._queue.extend((job, order) for order in orders)

    def poll(self, timeout_s: float) -> list[Report]:
        if not self._queue and not self._reports:
            if timeout_s > 0 and not self._interrupted:
                time.sleep(min(timeout_s, 0.05))
            return []
        until = time.monotonic() + CHUNK_S
        with self._capture.entered():
            while self._queue and not self._interrupted:
                self._run(*self._queue.popleft())
                if time.monotonic() >= until:
                    break
        self._interrupted = False
        reports, self._reports = self._reports, []
        return reports

    def _run(self, job: Job, order: Order) -> None:
        self._capture.begin(lambda: self._home.log(job.run, job.node, order.item, order.attempt))
        try:
            with _surroundings(job.timeout_s, order.gpus):
                self._running = True
                outcome = execute(job, order, function_of(job, self._functions), self._blobs)
                self._running = False
            if isinstance(outcome, Failed) and outcome.failure.error_type == "builtins.KeyboardInterrupt":
                self._interrupted = True
                self._end(job, order, Failure("cancelled", "interrupted", retryable=False))
            else:
                if isinstance(outcome, Failed):
                    self._capture.write(outcome.failure.traceback)
                self._reports.append(Done(job.node, order.item, order.token, outcome))
                self._pace.learn(job.node, job.task, outcome.usage.wall_s)
        except TaskCancelled:
            if self._interrupted:
                self._end(job, order, Failure("cancelled", "interrupted", retryable=False))
            else:
                self._end(job, order, Failure("timeout", f"timed out after {job.timeout_s:g} s"))
        finally:
            self._running = False
            self._capture.end()

    def _end(self, job: Job, order: Order, failure: Failure) -> None:
        self._reports.append(Ended(job.node, order.item, order.token, failure))

    def kill(self, node: str, item: int, token: int) -> None:
        for pair in [p for p in self._queue if (p[0].node, p[1].item, p[1].token) == (node, item, token)]:
            self._queue.remove(pair)
            self._reports.append(Returned(node, item, token))

    def wake(self) -> None:
        """As any executor's. The task that is interrupted by the signal ends here and now: nobody else can end it."""
        self._interrupted = True
        if self._running and threading.current_thread() is threading.main_thread():
            raise TaskCancelled

    def close(self) -> None:
        self._queue.clear()


@contextlib.contextmanager
def _limited(timeout_s: float | None, gpus: tuple[str, ...]) -> Iterator[None]:
    with _alarm(timeout_s), _devices(gpus):
        yield


def _surroundings(timeout_s: float | None, gpus: tuple[str, ...]) -> contextlib.AbstractContextManager[None]:
    """What an attempt is executed in; most need nothing."""
    return _AS_IT_IS if timeout_s is None and not gpus else _limited(timeout_s, gpus)


@contextlib.contextmanager
def _devices(gpus: tuple[str, ...]) -> Iterator[None]:
    """Let what runs inside see these graphics processors, as long as it has not looked for them before."""
    if not gpus:
        yield
        return
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    try:
        yield
    finally:
        if before is None:
            del os.environ["CUDA_VISIBLE_DEVICES"]
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = before


@contextlib.contextmanager
def _alarm(timeout_s: float | None) -> Iterator[None]:
    """End what runs inside after `timeout_s`; only the main thread of a process can be told."""
    if timeout_s is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise TaskCancelled

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _Capture(io.TextIOBase):
    """Stands in for stdout and stderr; makes the log file when something is written."""

    def __init__(self) -> None:
        self._path: Callable[[], Path] | None = None
        self._file: Any = None
        self._handler = logging.StreamHandler(self)
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S"))

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """What is printed or logged inside comes here."""
        root = logging.getLogger()
        level = root.level
        root.addHandler(self._handler)
        root.setLevel(min(level, logging.INFO) or logging.INFO)
        try:
            with contextlib.redirect_stdout(self), contextlib.redirect_stderr(self):
                yield
        finally:
            root.removeHandler(self._handler)
            root.setLevel(level)
            sys.stdout.flush()

    def begin(self, path: Callable[[], Path]) -> None:
        self._path = path

    def end(self) -> None:
        if self._file is None:
            return
        size = self._file.tell()
        self._file.close()
        if size > LOG_MAX_BYTES:
            shorten(Path(self._file.name), LOG_MAX_BYTES)
        self._file = None

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self._file is None and self._path is not None and text:
            path = self._path()
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)
        if self._file is not None:
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        if self._file is not None:
            self._file.flush()
