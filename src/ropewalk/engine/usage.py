"""What an attempt used: wall time, CPU of it and of the programs it ran, and peak memory."""

from __future__ import annotations

import contextlib
import resource
import time

from ropewalk.core.artifact import Usage

SHORT_S = 0.02  # the peak memory of shorter attempts is not asked for: that would cost more than many of them


class Meter:
    """Measures from its making on."""

    def __init__(self) -> None:
        self._at = time.time()
        self._cpu_s = _cpu_s()
        self._started = time.perf_counter()

    def read(self) -> Usage:
        """What was used since; `peak_bytes` is the resident memory of the process at its largest, 0 if not measured."""
        wall_s = time.perf_counter() - self._started
        peak = _take_peak() if wall_s >= SHORT_S else 0
        return Usage(wall_s, _cpu_s() - self._cpu_s, peak, self._at)


def _cpu_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _take_peak() -> int:
    """The largest resident memory since the last call, in bytes."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        with open("/proc/self/status") as status:
            peak = int(next(line for line in status if line.startswith("VmHWM:")).split()[1]) * 1024
        with open("/proc/self/clear_refs", "w") as reset:
            reset.write("5")  # starts the mark over; see proc(5)
        return peak
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
