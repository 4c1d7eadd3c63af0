"""A small process that forks workers, and outlives the scheduler just long enough to end them.

It is forked once, when the pipeline's modules are loaded and before any work is done: workers start in a few
milliseconds, with everything imported. It is the parent of all workers, so it learns at once when one dies, can
kill one without ever hitting a stranger with a recycled number, and, being their subreaper, finds what they leave.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import select
import signal
import socket
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_MESSAGE = 256


class Nursery:
    """The scheduler's end.

    Args:
        work: called in each new worker with its name and its end of the connection; never returns to its caller.
    """

    def __init__(self, work: Callable[[str, socket.socket], None]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        gc.freeze()
        parent = os.getpid()
        with warnings.catch_warnings():  # Python 3.12 warns where there are threads, as in a notebook's kernel
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if self.pid == 0:
            ours.close()
            _run(theirs, parent, work)
        gc.unfreeze()
        theirs.close()
        self.control = ours

    def spawn(self, name: str) -> socket.socket:
        """Start a worker; what comes back is the connection to it."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        socket.send_fds(self.control, [f"spawn {name}".encode()], [theirs.fileno()])
        theirs.close()
        return ours

    def kill(self, name: str, number: int) -> None:
        """Send a signal to a worker; SIGKILL also reaches everything that it started."""
        with contextlib.suppress(OSError):
            self.control.send(f"kill {name} {number}".encode())

    def exits(self) -> list[tuple[str, int]]:
        """Workers that have ended since the last call, with their wait status.

        Raises:
            EOFError: the nursery itself is gone.
        """
        ended = []
        while select.select([self.control], [], [], 0)[0]:
            message = self.control.recv(_MESSAGE).decode()
            if not message:
                raise EOFError
            name, status = message.split()
            ended.append((name, int(status)))
        return ended

    def close(self) -> None:
        """End all workers and the nursery."""
        self.control.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def _run(control: socket.socket, parent: int, work: Callable[[str, socket.socket], None]) -> NoReturn:
    try:
        _Keeper(control, work).keep(parent)
    except BaseException:  # noqa: BLE001  # nothing above this frame belongs to this process
        os._exit(70)
    os._exit(0)


class _Keeper:
    """The nursery's own end."""

    def __init__(self, control: socket.socket, work: Callable[[str, socket.socket], None]) -> None:
        self._control = control
        self._work = work
        self._workers: dict[str, int] = {}

    def keep(self, parent: int) -> None:
        os.setsid()
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        child_read, child_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(child_write, warn_on_full_buffer=False)
        try:
            while os.getppid() == parent:
                ready = select.select([self._control.fileno(), child_read], [], [])[0]
                if child_read in ready:
                    os.read(child_read, 4096)
                    self._reap()
                if self._control.fileno() in ready and not self._obey():
                    break
        finally:
            self._end_all()

    def _obey(self) -> bool:
        message, fds, _, _ = socket.recv_fds(self._control, _MESSAGE, 1)
        if not message:
            return False
        verb, name, *rest = message.decode().split()
        if verb == "spawn":
            self._spawn(name, socket.socket(fileno=fds[0]))
        elif name in self._workers:
            self._kill(self._workers[name], int(rest[0]))
        return True

    def _spawn(self, name: str, connection: socket.socket) -> None:
        keeper = os.getpid()
        pid = os.fork()
        if pid:
            connection.close()
            self._workers[name] = pid
            return
        try:
            self._control.close()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setpgid(0, 0)
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == keeper:
                self._work(name, connection)
        finally:
            os._exit(71)

    def _kill(self, pid: int, number: int) -> None:
        targets = [pid] if number != signal.SIGKILL else [pid, *_descendants(pid)]
        for target in targets:
            with contextlib.suppress(ProcessLookupError):
                os.kill(target, number)

    def _reap(self) -> None:
        """Tell of workers that ended; whatever they left behind has become ours, and is ended too."""
        names = {pid: name for name, pid in self._workers.items()}
        ended = False
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = found
                if pid in names:
                    ended = True
                    del self._workers[names[pid]]
                    with contextlib.suppress(OSError):
                        self._control.send(f"{names[pid]} {status}".encode())
        if ended:
            for stray in set(_children(os.getpid())) - set(self._workers.values()):
                self._kill(stray, signal.SIGKILL)

    def _end_all(self) -> None:
        """Kill what is below, until nothing is: orphans come up to us as their parents go."""
        with contextlib.suppress(ChildProcessError):
            while True:
                for child in _children(os.getpid()):
                    self._kill(child, signal.SIGKILL)
                os.waitpid(-1, 0)


def _prctl(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):  # other systems than Linux lack it
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _parents() -> dict[int, int]:
    """The parent of each process."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            found[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    return found


def _children(pid: int) -> list[int]:
    return [child for child, parent in _parents().items() if parent == pid]


def _descendants(pid: int) -> list[int]:
    parents = _parents()
    found = [pid]
    for parent in found:  # grows while we walk
        found += [child for child, of in parents.items() if of == parent]
    return found[1:]
