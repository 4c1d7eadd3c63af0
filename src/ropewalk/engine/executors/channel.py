"""Messages between the scheduler and a worker: pickled, over a socket that each end keeps a poll object for."""

from __future__ import annotations

import os
import pickle
import select
import socket
import struct
from contextlib import suppress
from typing import Any

_LENGTH = struct.Struct("!Q")


class Channel:
    """One end. Not to be read by two threads at once, nor written by two."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._inode = os.fstat(end.fileno()).st_ino
        self._poll = select.poll()
        self._poll.register(end.fileno(), select.POLLIN)
        self._unsent = bytearray()

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def closed(self) -> bool:
        return self._socket.fileno() < 0

    @property
    def is_ours(self) -> bool:
        """Whether nobody has closed the file behind our back, and opened another under its number."""
        return os.fstat(self.fileno()).st_ino == self._inode

    def send(self, message: Any) -> None:
        """Write a message as a whole, however long that takes.

        Raises:
            OSError: nobody reads.
        """
        self._socket.sendall(_framed(message))

    def offer(self, message: Any) -> bool:
        """Write as much of a message as the other end has room for; the rest is kept. Whether all of it is written.

        Raises:
            OSError: nobody reads.
        """
        self._unsent += _framed(message)
        return self.push()

    def push(self) -> bool:
        """Write more of what is kept; whether nothing is left."""
        with suppress(BlockingIOError):
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent, socket.MSG_DONTWAIT)]
        return not self._unsent

    def waits(self, timeout_s: float = 0.0) -> bool:
        """Whether there is something to read, be it the end; waits for it at most so long."""
        return bool(self._poll.poll(timeout_s * 1000))

    def receive(self) -> Any:
        """The next message, waiting for it.

        Raises:
            EOFError, OSError: the other end is gone.
        """
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size))
        return pickle.loads(self._read(length))  # noqa: S301  # from our own parent or child

    def _read(self, size: int) -> bytes:
        data = self._socket.recv(size, socket.MSG_WAITALL)
        while len(data) < size:  # a signal has come, or it is more than the system takes in at once
            more = self._socket.recv(size - len(data), socket.MSG_WAITALL)
            if not more:
                raise EOFError
            data += more
        return data

    def close(self) -> None:
        self._socket.close()


def _framed(message: Any) -> bytes:
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(data)) + data
