"""Rate limits and circuit breakers as all runs of a store share them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.core.expr import constant
from ropewalk.core.guard import Breaker, Circuit, Guard, RateLimit
from ropewalk.core.policy import Policy
from ropewalk.core.state import RunState
from ropewalk.engine.guards import Guards, standing
from ropewalk.engine.owner import this_process
from ropewalk.store import guards as kept
from ropewalk.store import runs
from ropewalk.store.database import Database, open_database
from tests.core.builders import graph, node
from tests.core.test_guard import most_in_a_window

API = RateLimit("api", 3, 60.0)
WAREHOUSE = Breaker("warehouse", 2, 60.0)
GRAPH = graph(
    node("plain", constant(1)),
    node("limited", constant(1), policy=Policy(guards=(API,))),
    node("broken", constant(1), policy=Policy(guards=(WAREHOUSE,))),
    node("both", constant(1), policy=Policy(guards=(WAREHOUSE, API))),
)
NOBODY = {**this_process(), "pid": 2**22 + 1}  # more than any process has


@dataclass
class Clock:
    now: float = 1e9

    def __call__(self) -> float:
        return self.now


@dataclass
class Caller:
    """What the scheduler of one run does with its gate."""

    db: Database
    clock: Clock
    run: runs.Run
    gate: Guards
    tokens: Iterator[int] = field(default_factory=lambda: count(1))

    def start(self, node_id: str = "limited", wanted: int = 1) -> int:
        """The token under which something was started; 0: nothing was."""
        with self.db.transaction():
            room = self.gate.room(node_id, 0, "w1", wanted)
            if room == 0:
                return 0
            token = next(self.tokens)
            self.gate.take(node_id, range(room), token, "w1")
            self.db.many("lease_put", [(self.run.number, token, node_id, "[0]", "[]", "w1", self.clock())])
            return token

    def end(self, token: int, failed: bool | None = False, node_id: str = "broken") -> None:
        self.gate.end(node_id, 0, token, failed)
        with self.db.transaction():
            self.db.many("lease_drop", [(self.run.number, token)])

    def fail(self, times: int = 1) -> None:
        for token in [self.start("broken") for _ in range(times)]:
            self.end(token, failed=True)


@dataclass
class Store:
    path: Path
    closing: ExitStack
    clock: Clock = field(default_factory=Clock)

    def caller(self, owner: dict[str, object] | None = None) -> Caller:
        """A run, with a connection of its own."""
        db = open_database(self.path)
        self.closing.callback(db.close)
        run = runs.create(db, runs.NewRun(GRAPH, {}, {}, "", 0, owner or this_process(), {}), self.clock())
        return Caller(db, self.clock, run, Guards(db, run.number, RunState(GRAPH), self.clock))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with ExitStack() as closing:
        yield Store(tmp_path / "store.db", closing)


# rate limits


def test_runs_share_a_limit(store: Store) -> None:
    a, b = store.caller(), store.caller()

    assert [bool(caller.start()) for caller in (a, b, a, b, a)] == [True, True, True, False, False]

    store.clock.now += 60
    assert [bool(caller.start()) for caller in (b, b, b, a)] == [True, True, True, False]


def test_a_limit_outlives_its_runs(store: Store, tmp_path: Path) -> None:
    before = store.caller()
    assert [bool(before.start()) for _ in range(3)] == [True] * 3

    store.closing.close()

    assert not store.caller().start()


def test_starts_are_granted_one_by_one_so_that_each_is_counted_when_it_begins(store: Store) -> None:
    caller = store.caller()

    with caller.db.transaction():
        assert caller.gate.room("limited", 0, "w1", 50) == 1


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.floats(0, 70), st.integers(1, 9)), max_size=25))
def test_no_window_holds_more_starts_than_allowed_whoever_asks(
    tmp_path_factory: pytest.TempPathFactory, wishes: list[tuple[int, float, int]]
) -> None:
    with ExitStack() as closing:
        store = Store(tmp_path_factory.mktemp("s") / "store.db", closing)
        callers, started = [store.caller() for _ in range(3)], []

        for who, pause_s, wanted in wishes:
            store.clock.now += pause_s
            started += [store.clock.now for _ in range(wanted) if callers[who].start()]

    assert most_in_a_window(started, 60.0) <= 3


def test_threads_that_ask_at_once_do_not_pass_together(store: Store) -> None:
    callers = [store.caller() for _ in range(4)]
    for caller in callers:
        caller.db.close()
    granted: list[int] = []
    together = threading.Barrier(4)

    def ask(number: int) -> None:
        with ExitStack() as closing:
            own = Store(store.path, closing, store.clock).caller()
            together.wait(30)
            granted.extend(number for _ in range(3) if own.start())

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(granted) == 3


def test_what_is_rolled_back_was_never_started(store: Store) -> None:
    caller = store.caller()

    def start_and_fail() -> None:
        with caller.db.transaction():
            caller.gate.take("limited", (0,), 1, "w1")
            raise KeyError

    with pytest.raises(KeyError):
        start_and_fail()

    assert [bool(caller.start()) for _ in range(4)] == [True, True, True, False]


def test_a_shut_gate_says_once_when_it_opens(store: Store) -> None:
    caller = store.caller()
    assert caller.gate.next_s(store.clock.now) == float("inf")
    for _ in range(4):
        caller.start()

    assert caller.gate.next_s(store.clock.now + 45) == 15
    assert caller.gate.next_s(store.clock.now + 60) == 0
    assert caller.gate.next_s(store.clock.now + 60) == float("inf")


def test_a_clock_that_is_set_back_does_not_shut_a_limit_for_longer_than_its_time(store: Store) -> None:
    caller = store.caller()
    for _ in range(3):
        caller.start()

    store.clock.now -= 3600
    assert not caller.start()
    store.clock.now += 60

    assert caller.start()


def test_a_node_without_guards_is_let_through_as_a_whole_and_writes_nothing(store: Store) -> None:
    caller = store.caller()

    with caller.db.transaction():
        assert caller.gate.room("plain", 0, "w1", 500) == 500
        caller.gate.take("plain", range(500), 1, "w1")
    caller.gate.end("plain", 0, 1, False)

    assert kept.listing(caller.db) == []


# circuit breakers


def test_failures_in_a_row_open_a_breaker_for_all_runs(store: Store) -> None:
    a, b = store.caller(), store.caller()

    a.fail()
    b.fail()

    assert not a.start("broken")
    assert not b.start("broken")
    assert a.gate.next_s(store.clock.now) == 60


@pytest.mark.parametrize(("between", "opens"), [(False, False), (None, True)])
def test_a_success_in_between_makes_the_count_begin_anew_and_a_loss_does_not(
    store: Store, between: bool | None, opens: bool
) -> None:
    caller = store.caller()

    caller.fail()
    caller.end(caller.start("broken"), failed=between)
    caller.fail()

    assert (caller.start("broken") == 0) is opens


def test_a_half_open_breaker_lets_one_attempt_through_in_the_whole_store(store: Store) -> None:
    a, b = store.caller(), store.caller()
    a.fail(2)
    store.clock.now += 60

    probe = b.start("broken", wanted=10)

    assert probe
    assert [caller.start("broken") for caller in (a, b)] == [0, 0]
    store.clock.now += 3600
    assert [caller.start("broken") for caller in (a, b)] == [0, 0]
    b.end(probe)
    assert all(caller.start("broken") for caller in (a, b))


def test_a_probe_that_fails_opens_the_breaker_again(store: Store) -> None:
    caller = store.caller()
    caller.fail(2)
    store.clock.now += 60

    caller.end(caller.start("broken"), failed=True)

    store.clock.now += 59
    assert not caller.start("broken")
    store.clock.now += 1
    assert caller.start("broken")


def test_a_probe_that_is_cancelled_is_followed_by_another(store: Store) -> None:
    a, b = store.caller(), store.caller()
    a.fail(2)
    store.clock.now += 60

    a.end(a.start("broken"), failed=None)

    assert b.start("broken")


def test_the_probe_of_a_scheduler_that_died_blocks_nobody(store: Store) -> None:
    dead, b = store.caller(NOBODY), store.caller()
    b.fail(2)
    store.clock.now += 60

    assert dead.start("broken")

    assert b.start("broken")


def test_the_probe_of_a_run_that_is_resumed_blocks_nobody(store: Store) -> None:
    """Its lease is still there, but nobody will tell how it ended."""
    a = store.caller()
    a.fail(2)
    store.clock.now += 60
    assert a.start("broken")

    a.gate = Guards(a.db, a.run.number, RunState(GRAPH), store.clock)

    assert a.start("broken")


def test_attempts_that_began_before_a_breaker_opened_neither_close_it_nor_hold_it_open(store: Store) -> None:
    caller = store.caller()
    slow = [caller.start("broken") for _ in range(3)]
    caller.fail(2)

    caller.end(slow[0])
    assert not caller.start("broken")
    store.clock.now += 60
    caller.end(slow[1], failed=True)

    assert caller.start("broken")


def test_no_more_start_together_under_a_breaker_than_may_fail(store: Store) -> None:
    caller = store.caller()

    with caller.db.transaction():
        assert caller.gate.room("broken", 0, "w1", 50) == 2
    caller.fail()

    with caller.db.transaction():
        assert caller.gate.room("broken", 0, "w1", 50) == 1


def test_a_node_passes_all_of_its_guards_or_none(store: Store) -> None:
    caller = store.caller()
    caller.fail(2)

    assert not caller.start("both")
    assert [one.guard for one in standing(caller.db, store.clock.now)] == [WAREHOUSE]  # the limit was not touched

    store.clock.now += 60
    for _ in range(3):
        caller.start("limited")
    assert not caller.start("both")
    assert kept.circuit(caller.db, WAREHOUSE) == Circuit(2, store.clock.now - 60)  # nor a probe sent


def test_a_person_can_close_a_breaker(store: Store) -> None:
    caller = store.caller()
    caller.fail(2)

    kept.reset(caller.db, "warehouse")

    assert caller.start("broken")


@pytest.mark.parametrize("guard", [API, WAREHOUSE])
def test_the_numbers_that_are_told_are_those_last_used(store: Store, guard: Guard) -> None:
    caller = store.caller()
    caller.start("limited")
    caller.fail()

    assert guard in [one.guard for one in standing(caller.db, store.clock.now)]


def test_how_guards_stand(store: Store) -> None:
    caller = store.caller()
    for _ in range(3):
        caller.start("limited")
    caller.fail(2)
    now = store.clock.now

    def told(at: float) -> list[tuple[str, int, float | None]]:
        return [(one.state, one.number, one.opens_at) for one in standing(caller.db, at)]

    assert told(now) == [("full", 3, now + 60), ("open", 2, now + 60)]
    assert told(now + 60) == [("free", 0, None), ("half-open", 2, None)]
