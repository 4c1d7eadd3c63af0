"""How much memory a worker and the processes that it started use, for those whose attempt has a limit."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ropewalk.core.artifact import Failure
from ropewalk.core.quantity import show_size

SAMPLE_S = 0.05  # how often a limited attempt is looked at
LEFTOVER_SHARE = 0.25  # a worker in which earlier tasks left more than this of a limit is not used under that limit


def used_bytes(pid: int, limit_bytes: int) -> int:
    """The memory of a process and its descendants, exact where it is more than the limit.

    What is mapped from files, such as large frames, does not count: the system takes it back when memory is needed.
    The sum of what is resident counts pages that processes share once for each: the modules that all workers have
    from their nursery, or an array that a pool of processes looks at. It is quick, so that it is asked for first.
    """
    pids = _with_descendants(pid)
    resident = sum(map(_resident_bytes, pids))
    return resident if resident <= limit_bytes else sum(map(_proportional_bytes, pids))


def out_of_memory(asked_bytes: int, reached_bytes: int) -> Failure:
    """Why an attempt was ended that reached more than it had asked for."""
    return Failure(
        "oom",
        f"out of memory: asked {show_size(asked_bytes)}, reached {show_size(reached_bytes)}",
        help=(
            f'Resources(memory="{-(-reached_bytes * 3 // 2 >> 20)}Mi")     asks for more',
            'Retry(2, on_oom="memory*2")     asks for twice as much with each attempt',
        ),
    )


def _with_descendants(pid: int) -> list[int]:
    found = [pid]
    for parent in found:  # grows while we walk
        for file in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, file.read_text().split())
    return found


def _resident_bytes(pid: int) -> int:
    return _sum(Path(f"/proc/{pid}/status"), ("RssAnon:", "RssShmem:", "VmSwap:"))


def _proportional_bytes(pid: int) -> int:
    """Of pages that several processes share, each has its part."""
    return _sum(Path(f"/proc/{pid}/smaps_rollup"), ("Pss_Anon:", "Pss_Shmem:", "SwapPss:")) or _resident_bytes(pid)


def _sum(file: Path, names: tuple[str, ...]) -> int:
    """The sum of these lines in bytes; 0 where there is no such process or line."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(names))
