"""What each worker is at, in memory that it shares with the scheduler: to be read even when it hangs or is dead."""

from __future__ import annotations

import mmap
import os
import struct
import time

_RECORD = struct.Struct("=qdq")


class Begun:
    """The worker at each place: how many orders it has begun, when the last, and its process.

    To be made before workers are forked.
    """

    def __init__(self, places: int) -> None:
        self._memory = mmap.mmap(-1, places * _RECORD.size)

    def clear(self, place: int) -> None:
        """A new worker has begun nothing."""
        _RECORD.pack_into(self._memory, place * _RECORD.size, 0, 0.0, 0)

    def add(self, place: int) -> None:
        """The worker begins its next order; called by the worker."""
        count, _ = self.read(place)
        _RECORD.pack_into(self._memory, place * _RECORD.size, count + 1, time.monotonic(), os.getpid())

    def read(self, place: int) -> tuple[int, float]:
        """How many orders were begun, and when the last of them was, by the clock that all processes share."""
        count, at, _ = _RECORD.unpack_from(self._memory, place * _RECORD.size)
        return count, at

    def process(self, place: int) -> int:
        """The number of the worker's process; 0: it has not begun anything yet."""
        return int(_RECORD.unpack_from(self._memory, place * _RECORD.size)[2])
