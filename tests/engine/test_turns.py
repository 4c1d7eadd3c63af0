"""Whose turn it is: by rank, unless somebody has waited for too long."""

from __future__ import annotations

import math
from collections.abc import Mapping

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ropewalk.engine.attempt import Order
from ropewalk.engine.executors.base import FULL, NOBODY, Offer
from ropewalk.engine.queue import Queue
from ropewalk.engine.startable import Startable
from ropewalk.engine.turns import Turns
from ropewalk.plan.order import aged
from ropewalk.testing.workers import SimulatedExecutor

RANKS = {"urgent": (1.0,), "usual": (2.0,), "usual too": (2.0,), "last": (3.0,)}
PATIENCE_S = 60.0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def always(*_: object) -> bool:
    return True


def ranked(clock: Clock | None = None) -> Turns:
    return Turns(RANKS.__getitem__, PATIENCE_S, clock or Clock())


def test_the_first_by_rank_is_first_whenever_it_came() -> None:
    turns = ranked()
    for node in ("last", "usual too", "urgent", "usual"):
        turns.join(node)

    assert list(turns.order()) == ["urgent", "usual too", "usual", "last"]
    assert turns.first() == "urgent"


def test_without_ranks_who_came_first_is_first() -> None:
    turns = Turns()
    for node in "cab":
        turns.join(node)
    turns.leave("a")
    turns.join("a")

    assert list(turns.order()) == ["c", "b", "a"]


def test_who_had_no_turn_for_too_long_is_first_and_then_waits_anew() -> None:
    turns = ranked(clock := Clock())
    turns.join("last")
    clock.now = 10.0
    turns.join("usual")
    clock.now = 60.0
    turns.join("urgent")

    assert list(turns.order()) == ["last", "urgent", "usual"]
    turns.served("last")
    assert list(turns.order()) == ["urgent", "usual", "last"]
    clock.now = 70.0
    assert turns.first() == "usual"


def test_a_clock_that_is_set_back_makes_nobody_tired() -> None:
    turns = ranked(clock := Clock())
    clock.now = 3600.0
    turns.join("last")
    clock.now = 0.0
    turns.join("urgent")

    assert turns.first() == "urgent"


def test_a_rank_is_better_only_if_somebody_has_it() -> None:
    few, none = ranked(), ranked()
    few.join("urgent")

    assert not few.before(none)
    assert not none.before(few)
    none.join("usual")
    assert few.before(none)


class LikeTheDefinition(RuleBasedStateMachine):
    """The order is the one that sorting by aged ranks would give, and ties keep the order of arrival."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.turns = ranked(self.clock)
        self.waiting: dict[str, list[float]] = {}  # node → when it came, when it last had a turn; in order of arrival
        self.count = 0

    @rule(node=st.sampled_from(sorted(RANKS)))
    def join(self, node: str) -> None:
        self.turns.join(node)
        self.count += 1
        self.waiting.setdefault(node, [self.count, self.clock.now])

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        node = data.draw(st.sampled_from(sorted(self.waiting)))
        self.turns.leave(node)
        del self.waiting[node]

    @precondition(lambda self: self.waiting)
    @rule()
    def serve(self) -> None:
        node = self.turns.first()
        self.turns.served(node)
        self.waiting[node][1] = self.clock.now

    @rule(seconds=st.integers(1, 40))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds

    @invariant()
    def agrees(self) -> None:
        now = self.clock.now
        expected = sorted(
            self.waiting, key=lambda n: (aged(RANKS[n], now - self.waiting[n][1], PATIENCE_S), self.waiting[n][0])
        )
        found = list(self.turns.order())
        assert [self.key(node) for node in found] == [self.key(node) for node in expected]
        assert sorted(found) == sorted(expected) == sorted(node for node in RANKS if node in self.turns)
        assert len(self.turns) == len(found)
        assert not found or self.turns.first() == found[0]

    def key(self, node: str) -> tuple[float, ...]:
        """Nodes that are equally tired may come in either order."""
        waited_s = self.clock.now - self.waiting[node][1]
        rank = aged(RANKS[node], waited_s, PATIENCE_S)
        return rank if waited_s >= PATIENCE_S else (*rank, self.waiting[node][0])


TestLikeTheDefinition = LikeTheDefinition.TestCase
TestLikeTheDefinition.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


# what has a rank in the queue and among what can start


def test_the_queue_gives_the_first_by_rank_and_its_items_in_order() -> None:
    queue = Queue(ranked())
    queue.add("last", range(3), None, 0.0)
    queue.add("urgent", (4, 2), None, 0.0)

    assert queue.take(3, 0.0, always) == [("urgent", 4), ("urgent", 2), ("last", 0)]
    queue.add("usual", (0,), 5.0, 0.0)
    queue.add("urgent", (9,), None, 0.0)
    assert queue.take(9, 5.0, always) == [("urgent", 9), ("usual", 0), ("last", 1), ("last", 2)]


def test_a_fan_out_cannot_keep_another_node_waiting_for_ever() -> None:
    """Items keep coming to the node that is first; after its patience the other one has a turn all the same."""
    queue = Queue(ranked(clock := Clock()))
    queue.add("last", range(2), None, 0.0)
    taken_at: list[float] = []

    for moment in range(200):
        clock.now = float(moment)
        queue.add("urgent", (moment,), None, clock.now)
        if ("last", 0) in (found := queue.take(1, clock.now, always)) or ("last", 1) in found:
            taken_at.append(clock.now)

    assert taken_at == [60.0, 120.0]


def test_orders_of_the_first_by_rank_start_first() -> None:
    startable = Startable(ranked())
    for node, items in (("last", 3), ("urgent", 1), ("usual", 2)):
        for item in range(items):
            startable.add(node, Order(1, item, 0, 0, f"{node}{item}", ()))
    executor = SimulatedExecutor(None, {}, None, 3, 1)  # type: ignore[arg-type]  # it is only asked for room

    assigned = [(node, orders[0].item) for _, node, orders in startable.assign(executor, always)]

    assert assigned == [("urgent", 0), ("usual", 0), ("usual", 1)]
    assert list(startable.turns.order()) == ["last"]


def test_what_is_withdrawn_or_not_due_any_more_waits_for_no_turn() -> None:
    startable = Startable(ranked())
    startable.add("last", Order(1, 0, 0, 0, "a", ()))
    startable.add("urgent", Order(1, 0, 0, 0, "b", ()))
    startable.add("usual", Order(1, 0, 0, 0, "c", ()))

    startable.withdraw("urgent")
    startable.withdraw_keys({"a"})
    assert list(startable.turns.order()) == ["usual"]

    executor = SimulatedExecutor(None, {}, None, 3, 1)  # type: ignore[arg-type]  # it is only asked for room
    assert not list(startable.assign(executor, lambda *_: False))
    assert not startable.turns


class Counted(float):
    """A number that counts how often it is compared."""

    compared = 0

    def __lt__(self, other: float) -> bool:
        Counted.compared += 1
        return float.__lt__(self, other)


def comparisons(nodes: int) -> float:
    """For each of so many nodes, all of different rank, that join a queue and are served."""
    queue = Queue(Turns(lambda node: (Counted(int(node) * 7919 % 10_007),)))
    Counted.compared = 0
    for node in range(nodes):
        queue.add(str(node), range(3), None, 0.0)
    assert len(queue.take(3 * nodes, 0.0, always)) == 3 * nodes
    return Counted.compared / nodes


def test_a_turn_costs_the_logarithm_of_how_many_wait() -> None:
    few, many = comparisons(100), comparisons(10_000)

    assert few >= 1
    assert many <= few + 3 * math.log2(100)


class Reserving(SimulatedExecutor):
    """One worker, which has something to do; `urgent` has to wait until it is done, the others could go with it."""

    def offer(self, node: str, remaining: int, taken: Mapping[str, float] = NOBODY, task: str = "") -> Offer | None:
        if taken.get("w0", 0.0) >= FULL:
            return None
        return Offer("w0", 0 if node == "urgent" else 1, 0.1)


def test_what_goes_first_is_not_put_off_by_what_could_go_with_the_work_under_way() -> None:
    startable = Startable(ranked())
    for node in ("last", "urgent"):
        startable.add(node, Order(1, 0, 0, 0, node, ()))
    executor = Reserving(None, {}, None, 1, 1)  # type: ignore[arg-type]  # it is only asked for room

    assert not list(startable.assign(executor, always))
    startable.withdraw("urgent")
    assert [node for _, node, _ in startable.assign(executor, always)] == ["last"]
