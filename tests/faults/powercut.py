"""A disk that loses power: ext4 in a file, stopped by the kernel without writing anything back, and mounted again.

Whatever had not reached the disk by then is gone, as after pulling the plug. Needs root, loop devices and ext4; where
they are missing, tests skip and say why.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
_WITHOUT_WRITING_LOG = 2  # EXT4_GOING_FLAGS_NOLOGFLUSH


class Disk:
    """An ext4 file system that can lose power; `folder` is where it is mounted."""

    def __init__(self, image: Path, folder: Path) -> None:
        self._image = image
        self.folder = folder
        folder.mkdir()
        with open(image, "wb") as file:
            file.truncate(256 << 20)
        _run("mkfs.ext4", "-q", "-F", str(image))
        self._mount()

    def cut_power(self) -> None:
        """Stop the disk now. Everybody who has files open on it gets errors from here on."""
        fd = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, _SHUTDOWN, struct.pack("I", _WITHOUT_WRITING_LOG))
        finally:
            os.close(fd)

    def restart(self) -> None:
        """Mount it again, which replays its journal. Nobody may have files open on it."""
        self.close()
        self._mount()

    def close(self) -> None:
        """Unmount it."""
        _run("umount", str(self.folder))

    def _mount(self) -> None:
        _run("mount", "-o", "loop", str(self._image), str(self.folder))


def lines_told_before_cut(disk: Disk, code: str, *arguments: str, told: int, quiet: bool = False) -> list[str]:
    """Run Python code that prints a line for everything that it calls durable, and cut the power after `told` lines.

    Another process syncs a file of its own all the time: that is what makes names reach the disk before their content.
    On a `quiet` disk there is none: what the code does not sync itself does not reach the disk.

    Returns:
        The first `told` lines; the disk is mounted again. What else was told until the writer noticed does not count:
        a sync that is under way at that very moment may be told to have succeeded, though nobody would be left to hear
        it.
    """
    other = str(disk.folder / "other")
    with (
        subprocess.Popen(
            [sys.executable, "-c", "" if quiet else _SYNC_OTHERS, other], stderr=subprocess.DEVNULL
        ) as others,
        subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as writer,
    ):
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(told)]
        disk.cut_power()
        others.kill()
        writer.kill()
    disk.restart()
    assert all(lines), "the writer ended before it had told enough"
    return [line.strip() for line in lines]


_SYNC_OTHERS = """
import os, sys
fd = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
while True:
    os.pwrite(fd, b"x" * 4096, 0)
    os.fsync(fd)
"""


@contextmanager
def power_cut_disk(place: Path) -> Iterator[Disk]:
    """A disk below `place`; skips the test where this machine cannot offer one."""
    _need_root()
    try:
        disk = Disk(place / "disk.img", place / "disk")
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        pytest.skip(f"no loop-mounted ext4 here: {error}")
    try:
        yield disk
    finally:
        disk.close()


@contextmanager
def tmpfs(folder: Path, *, size_bytes: int, inodes: int = 0) -> Iterator[Path]:
    """A file system in memory of limited size; skips the test where it cannot be mounted."""
    _need_root()
    folder.mkdir()
    limits = f"size={size_bytes}" + (f",nr_inodes={inodes}" if inodes else "")
    try:
        _run("mount", "-t", "tmpfs", "-o", limits, "tmpfs", str(folder))
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        pytest.skip(f"no tmpfs can be mounted here: {error}")
    try:
        yield folder
    finally:
        _run("umount", "-l", str(folder))


def _need_root() -> None:
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a file system needs root on Linux")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
