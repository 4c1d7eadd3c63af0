"""Named places where a test may make the process stop, fail or run out of disk.

`ROPEWALK_FAILPOINTS="blob.synced=exit@2,commit.before=raise"` arms them; the number after `@` is
which passage through the point counts (the first by default). Unarmed they cost one dictionary look-up.
"""

from __future__ import annotations

import errno
import os


def _parse(text: str) -> dict[str, tuple[str, int]]:
    armed = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, _, action = part.partition("=")
        action, _, nth = action.partition("@")
        armed[name] = (action, int(nth or 1))
    return armed


_armed = _parse(os.environ.get("ROPEWALK_FAILPOINTS", ""))
_passed: dict[str, int] = {}


def failpoint(name: str) -> None:
    """Do what `name` is armed for: `exit` (as by kill -9), `raise`, `enospc` or `eio`."""
    if name not in _armed:
        return
    action, nth = _armed[name]
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] != nth:
        return
    if action == "exit":
        os._exit(137)
    if action == "enospc":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if action == "eio":
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    raise RuntimeError(f"failpoint {name}")


def arm(text: str) -> None:
    """Arm failpoints in this process, replacing what was armed; an empty text disarms all."""
    _armed.clear()
    _passed.clear()
    _armed.update(_parse(text))
