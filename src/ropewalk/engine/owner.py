"""Who runs a scheduler: a process, told apart from a later one that got the same number."""

from __future__ import annotations

import getpass
import os
import socket
from functools import cache
from pathlib import Path
from typing import Any


def this_process() -> dict[str, Any]:
    """This process as the owner of a run."""
    pid = os.getpid()
    return {"host": socket.gethostname(), "boot": _boot_id(), "pid": pid, "started": _started(pid)}


def whoami() -> str:
    """The name of the person whose process this is."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())


def is_alive(owner: dict[str, Any]) -> bool:
    """Whether the owner is still running, as far as can be told from this machine.

    A process on another host, or from before this machine was last started, is taken for gone.
    """
    if not owner or owner.get("host") != socket.gethostname() or owner.get("boot") != _boot_id():
        return False
    started = _started(owner["pid"])
    return started is not None and started == owner.get("started")


@cache
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _started(pid: int) -> float | None:
    """When a process started, in clock ticks since boot; None: there is none, or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return _started_elsewhere(pid) if not Path("/proc/self/stat").exists() else None
    except OSError:
        return None
    return None if fields[0] in "ZX" else float(fields[19])


def _started_elsewhere(pid: int) -> float | None:
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None
