"""Messages between the scheduler and a worker: pickled, over a socket that each end keeps a poll object for."""

from __future__ import annotations

import os
import pickle
import select
import socket
from multiprocessing.connection import Connection
from typing import Any


class Channel:
    """One end. Not to be read by two threads at once, nor written by two."""

    def __init__(self, end: socket.socket) -> None:
        self._connection = Connection(end.detach())
        self._inode = os.fstat(self.fileno()).st_ino
        self._poll = select.poll()
        self._poll.register(self.fileno(), select.POLLIN)

    def fileno(self) -> int:
        return self._connection.fileno()

    @property
    def closed(self) -> bool:
        return self._connection.closed

    @property
    def is_ours(self) -> bool:
        """Whether nobody has closed the file behind our back, and opened another under its number."""
        return os.fstat(self.fileno()).st_ino == self._inode

    def send(self, message: Any) -> None:
        """Write a message as a whole.

        Raises:
            OSError: nobody reads.
        """
        self._connection.send_bytes(pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL))

    def waits(self, timeout_s: float = 0.0) -> bool:
        """Whether there is something to read, be it the end; waits for it at most so long."""
        return bool(self._poll.poll(timeout_s * 1000))

    def receive(self) -> Any:
        """The next message, waiting for it.

        Raises:
            EOFError, OSError: the other end is gone.
        """
        return pickle.loads(self._connection.recv_bytes())  # noqa: S301  # from our own parent or child

    def close(self) -> None:
        self._connection.close()
