"""Run a command and see to all that descends from it: CPU, memory, a limit, a clean end. Standard library only."""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_SAMPLE_S = 0.1
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment that the command told of.

    Args:
        at_s: seconds since its start.
        on_s: the same, when it was allowed to go on.
        cpu_s: CPU seconds that it and all that descends from it had used by then.
    """

    at_s: float
    on_s: float
    cpu_s: float


@dataclass(slots=True)
class Ended:
    """How a command ended.

    Args:
        code: its exit code; None: it was killed, since it ran into its limit or because `stop` said so.
        marks: moments by name; `exit` is always there.
        answer: the last line that it sent that was no mark.
        peak_bytes: the largest sum of resident memory (pages shared by several count for each), sampled.
        largest_bytes: the largest peak (VmHWM) of any single process, sampled.
    """

    code: int | None = None
    marks: dict[str, Mark] = field(default_factory=dict)
    answer: str = ""
    peak_bytes: int = 0
    largest_bytes: int = 0

    def between(self, first: str, last: str) -> tuple[float, float]:
        """Wall and CPU seconds from one moment (`exec`: its start) to another."""
        a, b = self.marks.get(first, Mark(0, 0, 0)), self.marks[last]
        return b.at_s - a.on_s, b.cpu_s - a.cpu_s


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be run.

    Args:
        limit_s: seconds that it may take until its mark `started`, and again from there.
        output: the file to which its output is added.
        ticks: a file; once it has `kill_at` lines, everything is killed on the spot.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    output: str
    limit_s: float
    ticks: str = ""
    kill_at: int = 0

    def is_enough(self) -> bool:
        return bool(self.kill_at) and os.path.exists(self.ticks) and _lines(self.ticks) >= self.kill_at


def watch(order: Order) -> Ended:
    """Run a command in a session of its own until it ends, and then kill whatever it has left behind, daemons too.

    The command finds a socket's number in BENCH_CONTROL. A line `mark NAME` is answered with `ok` once the CPU has been
    read; anything else is its answer. All of this happens in a process between this one and the command, which becomes
    the parent of those that lose theirs.

    Raises:
        RuntimeError: that process has failed.
    """
    guard = [sys.executable, "-m", __spec__.name]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    with subprocess.Popen(guard, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        answer = process.communicate(json.dumps(asdict(order)).encode())[0]
    if process.returncode != 0:
        raise RuntimeError(f"watching {order.command} ended with exit code {process.returncode}")
    found = json.loads(answer)
    return Ended(**{**found, "marks": {name: Mark(**mark) for name, mark in found["marks"].items()}})


def main() -> None:
    """Watch what stdin says, and tell stdout how it ended."""
    order = Order(**json.load(sys.stdin))
    print(json.dumps(asdict(_guard(order))))


def _guard(order: Order) -> Ended:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) or libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    ours, theirs = socket.socketpair()
    with ours, open(order.output, "ab") as out:
        began = time.perf_counter()
        with theirs:
            child = subprocess.Popen(
                order.command, cwd=order.folder, env={**order.environment, "BENCH_CONTROL": str(theirs.fileno())},
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )  # fmt: skip
        watching = _Watching(child, ours, began)
        try:
            return watching.run(order.limit_s, order.is_enough)
        finally:
            watching.kill_all()


def _lines(path: str) -> int:
    return Path(path).read_bytes().count(b"\n")


class _Watching:
    def __init__(self, child: subprocess.Popen[bytes], control: socket.socket, began: float) -> None:
        self.child, self.control, self.began = child, control, began
        self.ended = Ended()
        self.gone_cpu_s = 0.0
        self.exit_code: int | None = None
        self.had = b""
        self.talks = True
        self.pidfd = os.pidfd_open(child.pid)  # readable as soon as it has ended

    def run(self, limit_s: float, stop: Callable[[], bool]) -> Ended:
        deadline = self.began + limit_s
        while not self._exited():
            if self._listen():
                deadline = time.perf_counter() + limit_s
            self._sample()
            if time.perf_counter() > deadline or stop():
                break
        else:
            self.ended.code = self.exit_code
            self._read_rest()
        self._mark("exit")
        return self.ended

    def _exited(self) -> bool:
        """Reap the child and adopted orphans; what they have used is added up."""
        with suppress(ChildProcessError):
            while (done := os.wait4(-1, os.WNOHANG))[0]:
                pid, status, usage = done
                self.gone_cpu_s += usage.ru_utime + usage.ru_stime
                if pid == self.child.pid:
                    self.exit_code = self.child.returncode = os.waitstatus_to_exitcode(status)
        return self.exit_code is not None

    def _listen(self) -> bool:
        """Wait a moment for what the command says, or its end; True: its timed part begins."""
        sources = [self.pidfd, self.control.fileno()] if self.talks else [self.pidfd]
        if self.control.fileno() not in select.select(sources, [], [], _SAMPLE_S)[0]:
            return False
        data = self.control.recv(1 << 16)
        self.talks = bool(data)
        return self._hear(data)

    def _read_rest(self) -> None:
        self.control.setblocking(False)
        with suppress(BlockingIOError, ConnectionError):
            while data := self.control.recv(1 << 16):
                self._hear(data)

    def _hear(self, data: bytes) -> bool:
        *lines, self.had = (self.had + data).split(b"\n")
        started = False
        for line in lines:
            word, _, name = line.decode().partition(" ")
            if word != "mark":
                self.ended.answer = line.decode()
                continue
            self._mark(name)
            started = started or name == "started"
            with suppress(OSError):
                self.control.sendall(b"ok\n")
        return started

    def _mark(self, name: str) -> None:
        at_s = time.perf_counter() - self.began
        cpu_s = self.gone_cpu_s + sum(_cpu_s(pid) for pid in descendants(os.getpid()))
        self._sample()
        self.ended.marks[name] = Mark(at_s, time.perf_counter() - self.began, cpu_s)

    def _sample(self) -> None:
        total = 0
        for pid in descendants(os.getpid()):
            rss, high = _memory(pid)
            total += rss
            self.ended.largest_bytes = max(self.ended.largest_bytes, high)
        self.ended.peak_bytes = max(self.ended.peak_bytes, total)

    def kill_all(self) -> None:
        """Until nothing descends from us any more."""
        give_up = time.monotonic() + 10
        while pids := list(descendants(os.getpid())):
            for pid in pids:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            self._exited()
            if time.monotonic() > give_up:
                raise RuntimeError(f"processes {pids} do not go away")
            time.sleep(0.005)
        self._exited()


def descendants(pid: int) -> Iterator[int]:
    """Everything that descends from a process, without itself."""
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError):
                for child in map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split()):
                    yield child
                    yield from descendants(child)


def _cpu_s(pid: int) -> float:
    """CPU seconds of a process, with those of its children that it has waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    own, reaped = sum(map(int, fields[11:13])), sum(map(int, fields[13:15]))
    with suppress(OSError):  # in nanoseconds, where it is still running: clock_getcpuclockid(3)
        return time.clock_gettime((~pid << 3) | 2) + reaped / TICKS_PER_S
    return (own + reaped) / TICKS_PER_S


def _memory(pid: int) -> tuple[int, int]:
    """Resident bytes of a process now, and at most so far."""
    found = {"VmRSS": 0, "VmHWM": 0}
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            key, _, value = line.partition(":")
            if key in found:
                found[key] = int(value.split()[0]) * 1024
    return found["VmRSS"], found["VmHWM"]


def control() -> Callable[[str], Any]:
    """Within the command: what sends a line; a mark waits until it has been noted."""
    number = int(os.environ.pop("BENCH_CONTROL"))
    os.set_inheritable(number, False)
    line = socket.socket(fileno=number)

    def send(text: str) -> None:
        line.sendall(text.encode() + b"\n")
        if text.startswith("mark "):
            line.recv(16)

    return send


if __name__ == "__main__":
    main()
