"""The two threads of a worker, and what they must not do to each other."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Iterator

import pytest

from ropewalk.engine.executors import child
from ropewalk.engine.executors.channel import Channel
from ropewalk.testing.executor_suite import job, orders


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    ours, theirs = (Channel(end) for end in socket.socketpair())
    yield ours, theirs
    ours.close()
    theirs.close()


def idle_worker(channel: Channel) -> child._Worker:
    """One that has a channel and nothing to do; a whole one would take the output of this process over."""
    worker = object.__new__(child._Worker)
    worker._channel, worker._orders, worker._jobs, worker._idle = channel, deque(), {}, False
    worker._reading, worker._busy = threading.Lock(), threading.Event()
    return worker


def test_an_order_that_was_taken_in_by_the_watch_is_not_waited_for(
    ends: tuple[Channel, Channel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came after the worker had found that it has none, and before it began to wait."""
    monkeypatch.setattr(child, "IDLE_S", 3600.0)
    worker, of = idle_worker(ends[0]), job("square")
    worker._orders.extend(orders(of, 1))

    worker._receive()

    assert [order.item for order in worker._orders] == [1]


def test_a_worker_without_orders_waits_for_a_message(ends: tuple[Channel, Channel]) -> None:
    worker, of = idle_worker(ends[0]), job("square")
    ends[1].send(("orders", [(of, orders(of, 2))]))

    worker._receive()

    assert [order.item for order in worker._orders] == [2]
    assert worker._jobs == {of.id: of}
