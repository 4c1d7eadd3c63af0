"""Pools: what runs that are alive hold of one together is never more than it has, and who is killed holds nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given as of
from hypothesis import settings
from hypothesis import strategies as st

from ropewalk import Resources
from ropewalk.core.errors import NotFoundError, UsageError
from ropewalk.core.policy import Policy
from ropewalk.core.state import RunState
from ropewalk.engine.owner import this_process
from ropewalk.engine.pools import LOOK_S, PoolGate, living_holders, remove_pool, set_pool, shortages, sizes
from ropewalk.store import runs
from ropewalk.store.database import Database, open_database
from tests.core import builders

NODES = {
    "one": Policy(resources=Resources(pools={"warehouse": 1})),
    "two": Policy(resources=Resources(pools={"warehouse": 2, "api": 1})),
    "api": Policy(resources=Resources(pools={"api": 1})),
    "none": Policy(),
}
GRAPH = builders.graph(*(builders.node(name, policy=policy) for name, policy in NODES.items()))


class Competitor:
    """A run with a connection and a gate of its own, as in a process of its own."""

    def __init__(self, path: Path, counts_leases: Callable[[Competitor], object] = lambda _: None) -> None:
        self.db = open_database(path)
        new = runs.NewRun(GRAPH, {}, {}, "", 0, this_process(), {})
        self.run = runs.create(self.db, new, time.time())
        self.now = 0.0
        self.gate = PoolGate(self.db, self.run.number, RunState(GRAPH), lambda: self.now)
        self.held: dict[int, str] = {}
        self.token = 0
        counts_leases(self)

    def start(self, node: str) -> bool:
        """Ask for room and, where there is some, take it: in one transaction, as a scheduler does."""
        with self.db.transaction():
            if not self.gate.room(node, 0, "w", 1):
                return False
            self.token += 1
            self.gate.take(node, (0,), self.token, "w")
            self.held[self.token] = node
            self.db.many("lease_put", [(self.run.number, self.token, node, "[0]", "[]", "w", time.time())])
            holds = json.dumps(dict(NODES[node].resources.pools))
            self.db.many("lease_hold", [(holds, self.run.number, self.token)])
        return True

    def end(self, place: int) -> None:
        if self.held:
            token = sorted(self.held)[place % len(self.held)]
            self.gate.end(self.held.pop(token), 0, token, False)
            with self.db.transaction():
                self.db.many("lease_drop", [(self.run.number, token)])

    def die(self) -> None:
        """What it holds stays in the store, but nobody answers for it."""
        runs.disown(self.db, self.run)
        self.held.clear()

    def close(self) -> None:
        self.db.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def give(path: Path, **slots: int) -> None:
    db = open_database(path)
    for name, number in slots.items():
        set_pool(db, name, number, "me", 1.0)
    db.close()


def slots_of(competitors: list[Competitor]) -> Counter[str]:
    held: Counter[str] = Counter()
    for competitor in competitors:
        for node in competitor.held.values():
            held.update(dict(NODES[node].resources.pools))
    return held


def test_a_slot_that_one_run_holds_is_not_there_for_another_until_it_is_freed(path: Path) -> None:
    give(path, warehouse=1)
    first, second = Competitor(path), Competitor(path)

    assert first.start("one")
    assert not first.start("one")
    assert not second.start("one")
    assert second.gate.next_s(0) == LOOK_S
    first.end(0)

    assert second.start("one")
    assert second.gate.next_s(0) > 1e9
    assert not first.start("one")


def test_slots_are_taken_all_together_or_not_at_all(path: Path) -> None:
    give(path, warehouse=2, api=1)
    first, second = Competitor(path), Competitor(path)
    assert first.start("one")

    assert not second.start("two")
    assert second.start("api")
    second.end(0)
    first.end(0)

    assert second.start("two")


def test_what_a_run_holds_whose_scheduler_is_gone_counts_for_nothing(path: Path) -> None:
    give(path, warehouse=1)
    first, second = Competitor(path), Competitor(path)
    assert first.start("one")
    assert [(h.run, h.node, h.slots) for h in living_holders(second.db)] == [(1, "one", 1)]

    first.die()

    assert second.start("one")
    assert [(h.run, h.node, h.slots) for h in living_holders(second.db)] == [(2, "one", 1)]


def test_a_process_that_dies_without_a_word_is_noticed_though_the_store_does_not_change(path: Path) -> None:
    give(path, warehouse=1)
    holder = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    first, second = Competitor(path), Competitor(path)
    started = Path(f"/proc/{holder.pid}/stat").read_text().rpartition(")")[2].split()[19]
    owner = this_process() | {"pid": holder.pid, "started": float(started)}
    first.run = runs.take_over(first.db, first.run, owner)
    assert first.start("one")
    assert not second.start("one")

    holder.kill()
    holder.wait()
    second.now += LOOK_S

    assert second.start("one")


def test_a_pool_without_slots_or_that_is_gone_lets_nothing_start(path: Path) -> None:
    competitor = Competitor(path)
    assert not competitor.start("one")

    give(path, warehouse=0)
    assert not competitor.start("one")
    give(path, warehouse=1)

    assert competitor.start("one")
    assert competitor.start("none")


def test_who_holds_slots_keeps_them_when_a_pool_becomes_smaller(path: Path) -> None:
    give(path, warehouse=2)
    first, second = Competitor(path), Competitor(path)
    assert first.start("one")
    assert first.start("one")

    give(path, warehouse=1)

    assert len(living_holders(second.db)) == 2
    first.end(0)
    assert not second.start("one")
    first.end(0)
    assert second.start("one")


def test_who_holds_the_slots_that_a_task_lacks_is_named(path: Path) -> None:
    give(path, warehouse=2, api=1)
    first, second = Competitor(path), Competitor(path)
    assert list(shortages(second.db, GRAPH.nodes["two"])) == []

    first.start("one")

    assert list(shortages(second.db, GRAPH.nodes["two"])) == ["1 of 2 slots of the pool `warehouse` are held by 1/one"]
    assert list(shortages(second.db, GRAPH.nodes["one"])) == []
    give(path, api=0)
    assert list(shortages(second.db, GRAPH.nodes["api"])) == ["0 of 0 slots of the pool `api` are held"]


# any order of starts, ends and deaths of several runs

STEPS = st.lists(
    st.tuples(st.sampled_from([*NODES, "end", "die"]), st.integers(0, 2), st.integers(0, 9)), min_size=1, max_size=40
)


def play(path: Path, steps: list[tuple[str, int, int]], spoil: Callable[[Competitor], object]) -> list[str]:
    """What is held that is not there, after some step."""
    there = {"warehouse": 3, "api": 1}
    give(path, **there)
    with ExitStack() as stack:

        def join() -> Competitor:
            competitor = Competitor(path, spoil)
            stack.callback(competitor.close)
            return competitor

        living = [join() for _ in range(3)]
        for what, who, place in steps:
            if what == "die":
                living[who].die()
                living[who] = join()
            elif what == "end":
                living[who].end(place)
            else:
                living[who].start(what)
            held = slots_of(living)
            if over := [pool for pool in there if held[pool] > there[pool]]:
                return over
        for competitor in living:
            while competitor.held:
                competitor.end(0)
        return [] if living[0].start("two") else ["slots leak"]


@of(STEPS)
@settings(max_examples=25)
def test_in_any_order_of_starts_ends_and_deaths_no_pool_is_overfull_and_none_leaks(
    steps: list[tuple[str, int, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert play(Path(folder) / "store.db", steps, lambda _: None) == []


def blind(competitor: Competitor) -> None:
    """Sees what it holds itself, and nothing of other runs."""
    competitor.gate._look = lambda: competitor.gate._left.update(sizes(competitor.db))  # type: ignore[method-assign]


def counting(competitor: Competitor) -> None:
    """Frees a slot when somebody says so, and not when its holder dies: a counter in the place of leases."""
    competitor.die = competitor.held.clear  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("spoil", "steps", "problem"),
    [
        (blind, [("api", 0, 0), ("api", 1, 0)], "api"),
        (counting, [("api", 0, 0), ("die", 0, 0)], "slots leak"),
    ],
)
def test_a_gate_that_is_wrong_is_found(
    path: Path, spoil: Callable[[Competitor], object], steps: list[tuple[str, int, int]], problem: str
) -> None:
    assert play(path, steps, spoil) == [problem]


# setting and removing


@pytest.fixture
def db(path: Path) -> Database:
    return open_database(path)


def test_setting_a_pool_says_what_it_was_before(db: Database) -> None:
    assert set_pool(db, "warehouse", 5, "me", 1.0) is None

    before = set_pool(db, "warehouse", 2, "you", 2.0)

    assert before is not None
    assert (before.slots, before.by) == (5, "me")
    assert sizes(db) == {"warehouse": 2}


@pytest.mark.parametrize(("name", "slots"), [("", 1), ("a b", 1), ("-x", 1), ("x" * 81, 1), ("x", -1), ("x", 10**7)])
def test_what_cannot_be_a_pool_is_refused(db: Database, name: str, slots: int) -> None:
    with pytest.raises(UsageError):
        set_pool(db, name, slots, "me", 1.0)

    assert sizes(db) == {}


def test_a_pool_that_is_not_there_cannot_be_removed_and_is_guessed(db: Database) -> None:
    set_pool(db, "warehouse", 5, "me", 1.0)

    with pytest.raises(NotFoundError) as caught:
        remove_pool(db, "warehose")

    assert "did you mean `warehouse`?" in caught.value.help


def test_a_pool_that_a_run_needs_that_goes_on_is_not_removed(path: Path, db: Database) -> None:
    give(path, warehouse=1, other=1)
    competitor = Competitor(path)

    with pytest.raises(UsageError, match="run 1 needs the pool `warehouse`"):
        remove_pool(db, "warehouse")
    remove_pool(db, "other")
    competitor.die()
    remove_pool(db, "warehouse")

    assert sizes(db) == {}
