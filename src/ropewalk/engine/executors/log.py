"""What attempts print in a worker process: each attempt's own log, and no more of it than fits."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import io
import logging
import os
import sys
from pathlib import Path

from ropewalk.engine.attempt import Job, Order
from ropewalk.engine.home import Home

LOG_MAX_BYTES = 50_000_000
_PUNCH_HOLE_KEEP_SIZE = 3  # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE of fallocate(2)


class Log:
    """Everything that the present attempt prints, itself or through libraries and programs that it starts.

    Descriptors 1 and 2 lead to a spool file. When an attempt has written something the spool becomes its log, else
    the next attempt goes on with it, so silent tasks cost no file. What a task did to its output is undone after it.
    """

    def __init__(self, home: Home, name: str) -> None:
        self._home = home
        self._spool = home.spool(name)
        self._folders: set[Path] = set()
        self._fd = -1
        self._flush_c = ctypes.CDLL(None).fflush
        self._handler = logging.StreamHandler()
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S"))
        root = logging.getLogger()
        root.handlers[:] = [self._handler]
        root.setLevel(logging.INFO)
        logging.captureWarnings(True)
        self._open()
        self._install()

    def _open(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        try:
            self._fd = os.open(self._spool, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        except OSError:  # a full disk must not end the worker: what is printed is lost, results are not
            self._fd = os.open(os.devnull, os.O_WRONLY)
        os.dup2(self._fd, 1)
        os.dup2(self._fd, 2)

    def _install(self) -> None:
        self._streams = (_text(1), _text(2))
        sys.stdout, sys.stderr = self._streams
        self._handler.setStream(sys.stderr)

    def write(self, text: str) -> None:
        """Add to what the present attempt has printed."""
        with contextlib.suppress(OSError):
            os.write(self._fd, text.encode("utf-8", "backslashreplace"))

    def keep(self, job: Job, order: Order) -> None:
        """Give the attempt what it has printed."""
        for stream in (sys.stdout, sys.stderr, *self._streams):
            with contextlib.suppress(Exception):  # the task may have closed or replaced it
                stream.flush()
        self._flush_c(None)
        size = os.fstat(self._fd).st_size
        spoiled = self._is_spoiled()
        if size:
            self._move(self._home.log(job.run, job.node, order.item, order.attempt))
        if size or spoiled:
            self._open()
        if spoiled:
            self._install()

    def _move(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            if path.parent not in self._folders:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._folders.add(path.parent)
            _rename(self._spool, path)

    def _is_spoiled(self) -> bool:
        """Whether the task has closed, replaced or redirected its output."""
        if (sys.stdout, sys.stderr) != self._streams or any(stream.closed for stream in self._streams):
            return True
        try:
            return not all(os.path.samestat(os.fstat(number), os.fstat(self._fd)) for number in (1, 2))
        except OSError:
            return True


def _text(fd: int) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.FileIO(fd, "w", closefd=False), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )


def shorten(path: Path, most: int, become: Path | None = None) -> None:
    """Keep the first and the last half of `most` bytes of a log, say in between how much is missing, and rename it."""
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # or `hollow` would cut its hole into what has moved there
        size, half = os.fstat(file.fileno()).st_size, most // 2
        file.seek(size - half)
        tail = file.read(half)
        file.seek(half)
        file.write(f"\n… {size - 2 * half} bytes left out …\n".encode() + tail)
        file.truncate()
        os.rename(path, become or path)


def hollow(path: Path, most: int) -> None:
    """Free the room on the disk that a log takes, while it is being written, beyond the two halves of `most` bytes.

    Its size does not change, so that `shorten` can still say how much is missing. Linux only; elsewhere, and on a file
    system that cannot do it, a log has its full length until its attempt ends.
    """
    with contextlib.suppress(OSError, AttributeError):
        if path.stat().st_size <= most:
            return
        with path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            half, size = most // 2, os.fstat(file.fileno()).st_size
            if not os.path.samestat(os.fstat(file.fileno()), path.stat()):  # its attempt has ended
                return
            offset, length = ctypes.c_int64(half), ctypes.c_int64(size - 2 * half)
            ctypes.CDLL(None).fallocate64(file.fileno(), _PUNCH_HOLE_KEEP_SIZE, offset, length)


def keep_spool(home: Home, name: str, job: Job, order: Order) -> None:
    """Give an attempt what it had printed when its worker died."""
    path, spool = home.log(job.run, job.node, order.item, order.attempt), home.spool(name)
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _rename(spool, path)


def _rename(spool: Path, path: Path) -> None:
    """Make a spool a log, which is no longer than it may be."""
    if spool.stat().st_size > LOG_MAX_BYTES:
        shorten(spool, LOG_MAX_BYTES, path)
    else:
        os.rename(spool, path)
