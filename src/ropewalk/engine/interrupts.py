"""What Ctrl-C and SIGTERM do to a run."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from ropewalk.engine.executors.base import Executor
from ropewalk.engine.scheduler import Scheduler


@contextlib.contextmanager
def interruptible(scheduler: Scheduler, executor: Executor) -> Iterator[None]:
    """Ctrl-C and SIGTERM ask the run to stop; a second Ctrl-C ends its tasks without grace."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(_signal: int, _frame: FrameType | None) -> None:
        if scheduler.interrupt() > 1:
            kill_all = getattr(executor, "kill_all", None)
            if kill_all is not None:
                kill_all()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
