"""A limit on how long importing a file may take."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


class Hang(BaseException):
    """The time is over; not an Exception, so that the code that hangs does not swallow it."""


@contextmanager
def time_limit(limit_s: float | None) -> Iterator[None]:
    """Raise Hang in the code inside after `limit_s` seconds; only in the main thread, and only where SIGALRM exists."""
    if not limit_s or not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def over(_: int, __: FrameType | None) -> NoReturn:
        raise Hang

    before = signal.signal(signal.SIGALRM, over)
    remaining_s, _ = signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, remaining_s)
        signal.signal(signal.SIGALRM, before)
