"""What waits for its turn: nothing is taken twice, before its time, or when it is not due any more."""

from __future__ import annotations

import math

from ropewalk.engine.attempt import Order
from ropewalk.engine.queue import Queue
from ropewalk.engine.startable import Startable
from ropewalk.testing.workers import SimulatedExecutor


def always(*_: object) -> bool:
    return True


def order(item: int, key: str = "") -> Order:
    return Order(1, item, 0, 0, key or f"key{item}", ())


def test_first_come_first_served_and_no_more_than_asked_for() -> None:
    queue = Queue()
    queue.add("a", range(3), None, 0.0)
    queue.add("b", (0,), None, 0.0)

    assert queue.take(2, 0.0, always) == [("a", 0), ("a", 1)]
    assert queue
    assert queue.take(9, 0.0, always) == [("a", 2), ("b", 0)]
    assert not queue


def test_what_is_queued_twice_is_taken_once() -> None:
    """After a crash what was running is asked for as lost, and again as left to do."""
    queue = Queue()
    queue.add("a", (0, 1), None, 0.0)
    queue.add("a", (1, 0), None, 0.0)

    assert queue.take(9, 0.0, always) == [("a", 0), ("a", 1)]


def test_what_is_not_due_any_more_is_dropped() -> None:
    queue = Queue()
    queue.add("a", range(4), None, 0.0)

    assert queue.take(9, 0.0, lambda _, item: item % 2 == 0) == [("a", 0), ("a", 2)]
    assert queue.take(9, 0.0, always) == []


def test_a_retry_is_not_taken_before_its_time() -> None:
    queue = Queue()
    queue.add("a", (0,), 30.0, 10.0)

    assert (queue.take(9, 29.0, always), queue.next_s(10.0)) == ([], 20.0)
    assert queue.take(9, 30.0, always) == [("a", 0)]
    assert queue.next_s(30.0) == math.inf


def test_a_time_that_has_passed_is_now() -> None:
    queue = Queue()
    queue.add("a", (0,), 5.0, 10.0)

    assert queue.next_s(10.0) == 0.0


def test_who_waits_for_a_key_is_ready_when_it_was_released_and_that_is_committed() -> None:
    queue = Queue()
    queue.park("k", "a", 0)
    queue.park("other", "b", 0)

    queue.release("k")
    assert (queue.take(9, 0.0, always), queue.parked()) == ([], ["other"])
    queue.flush()

    assert queue.take(9, 0.0, always) == [("a", 0)]


def executor(slots: int, batch: int) -> SimulatedExecutor:
    return SimulatedExecutor(None, {}, None, slots, batch)  # type: ignore[arg-type]  # it is only asked for room


def test_orders_go_to_workers_as_they_have_room() -> None:
    startable = Startable()
    for item in range(5):
        startable.add("a", order(item))

    assigned = [(worker, [o.item for o in orders]) for worker, _, orders in startable.assign(executor(2, 2), always)]

    assert assigned == [("w0", [0, 1]), ("w1", [2, 3])]
    assert len(startable) == 1
    assert ("a", 4) in startable
    assert ("a", 0) not in startable


def test_orders_that_are_not_due_any_more_take_no_room() -> None:
    startable = Startable()
    for item in range(5):
        startable.add("a", order(item))

    assigned = list(startable.assign(executor(1, 2), lambda _, o: o.item > 1))

    assert [[o.item for o in orders] for _, _, orders in assigned] == [[2, 3]]


def test_orders_are_withdrawn_by_node_and_by_key() -> None:
    startable = Startable()
    startable.add("a", order(0, "shared"))
    startable.add("b", order(0, "shared"))
    startable.add("b", order(1))

    assert [(node, o.item) for node, o in startable.withdraw_keys({"shared"})] == [("a", 0), ("b", 0)]
    assert [o.item for o in startable.withdraw("b")] == [1]
    assert startable.withdraw("b") == []
    assert ("b", 1) not in startable
    assert len(startable) == 0
