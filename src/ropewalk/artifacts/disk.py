"""What a file system has to be told so that bytes survive a power cut, and what its refusals mean."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ropewalk.core.errors import StoreError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED = frozenset({errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST})
_FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)  # macOS: plain fsync stops at the drive's cache


def sync_file(fd: int) -> None:
    """Wait until the bytes written to `fd` are on the disk."""
    if _FULL_SYNC is None:
        os.fsync(fd)
    else:
        fcntl.fcntl(fd, _FULL_SYNC)


def sync_folder(folder: Path) -> None:
    """Wait until the names in `folder` are on the disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync_file(fd)
    finally:
        os.close(fd)


def make_folder(folder: Path) -> None:
    """Make `folder` and the missing ones above it, readable by the owner only, durably."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def remove_tree(folder: Path) -> None:
    """Remove a folder even where it was made read-only; what is gone already is not an error."""

    def unlock(action: Callable[..., Any], path: str, _: object) -> None:
        if not os.path.lexists(path):
            return
        os.chmod(os.path.dirname(path), 0o700)
        if os.path.isdir(path) and not os.path.islink(path):
            os.chmod(path, 0o700)
            shutil.rmtree(path, ignore_errors=True)
        else:
            action(path)

    shutil.rmtree(folder, onerror=unlock)


@contextmanager
def disk_errors(place: Path, needed_bytes: int = 0) -> Iterator[None]:
    """Tell a full, broken or forbidden disk as a StoreError that names `place`; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise _full(place, needed_bytes, error) from error
        if error.errno in _REFUSED:
            raise _refused(place, error) from error
        raise


def _full(place: Path, needed_bytes: int, error: OSError) -> StoreError:
    free = _free_bytes(place)
    room = "" if free is None else f", {readable_size(free)} free"
    return StoreError(
        f"no space left to store {readable_size(needed_bytes)} in `{place}`{room}",
        code="P520",
        facts=[f"the system says: {os.strerror(error.errno or 0)}", "nothing half-written was left behind"],
        help=["ropewalk gc --dry-run      shows what could go"],
    )


def _refused(place: Path, error: OSError) -> StoreError:
    return StoreError(
        f"cannot write to `{place}`: {os.strerror(error.errno or 0)}",
        code="P530",
        facts=[f"error number {errno.errorcode.get(error.errno or 0, error.errno)}, user id {os.getuid()}"],
        help=[f"ls -ld {place}", f"touch {place}/probe      as the same user"],
    )


def _free_bytes(place: Path) -> int | None:
    try:
        return shutil.disk_usage(place).free
    except OSError:
        return None


def readable_size(size_bytes: int) -> str:
    """A size for people, e.g. "3.2 GiB"."""
    if size_bytes < 1024:
        return f"{size_bytes} bytes"
    size = float(size_bytes)
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if size < 1024:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} TiB"
