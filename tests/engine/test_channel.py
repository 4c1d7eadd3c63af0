"""Messages between the scheduler and a worker."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ropewalk.engine.executors.channel import Channel

LARGE = ("orders", os.urandom(3_000_000))


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    ours, theirs = (Channel(end) for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM))
    yield ours, theirs
    ours.close()
    theirs.close()


def test_messages_arrive_whole_and_in_order(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends

    ours.send(("a", [1, 2]))
    ours.send(("b",))

    assert theirs.waits()
    assert [theirs.receive(), theirs.receive()] == [("a", [1, 2]), ("b",)]
    assert not theirs.waits()


def test_what_nobody_reads_keeps_nobody_waiting_and_is_not_lost(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    received: list[Any] = []

    assert not ours.offer(LARGE), "negative control: it is more than there is room for"
    assert not ours.offer(("return",))
    reader = threading.Thread(target=lambda: received.extend([theirs.receive(), theirs.receive()]))
    reader.start()
    while not ours.push():
        pass
    reader.join()

    assert received == [LARGE, ("return",)]


def test_the_end_of_the_other_is_noticed_even_within_a_message(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    ours.offer(LARGE)

    ours.close()

    assert ours.closed
    assert theirs.waits()
    with pytest.raises(EOFError):
        theirs.receive()
