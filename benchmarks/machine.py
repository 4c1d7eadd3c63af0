"""The machine that figures are of. Its name is nobody's business."""

from __future__ import annotations

import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

from benchmarks.bodies import SPINS, spin
from benchmarks.measure import scratch


def describe(folder: Path) -> dict[str, Any]:
    """Cores, CPU, kernel, Python, and what the disk of a folder does."""
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    return {
        "cores": len(os.sched_getaffinity(0)), "cpu": _cpu(), "memory_gb": round(int(memory.split()[1]) / 1e6, 1),
        "kernel": f"{platform.system()} {platform.release().split('-')[0]}", "python": platform.python_version(),
        "file_system": _file_system(folder), "fsync_ms": round(fsync_ms(), 3), "load": round(os.getloadavg()[0], 2),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }  # fmt: skip


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    """Of the mount that the folder is in."""
    place, best = str(folder.resolve()), ("", "unknown")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, kind, *_ = line.split()
        if f"{place}/".startswith(f"{mount.rstrip('/')}/") and len(mount) >= len(best[0]):
            best = (mount, kind)
    return best[1]


def fsync_ms() -> float:
    """The median of fifty appends of 4 KiB that are synced one by one."""
    taken = []
    with scratch() as place, (place / "file").open("wb") as file:
        for _ in range(50):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1000


def spins_for(seconds: float) -> int:
    """How many turns the loop of `spin` needs for so many CPU seconds, by a plain loop, here and now."""
    turns, taken = 500_000, []
    os.environ[SPINS] = str(turns)
    for seed in range(5):
        began = time.process_time()
        spin(seed)
        taken.append(time.process_time() - began)
    return int(turns * seconds / min(taken))
