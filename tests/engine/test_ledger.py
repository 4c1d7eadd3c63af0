"""What attempts hold of a machine together is never more than it has, and who waits for room gets it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as of
from hypothesis import strategies as st

from ropewalk import Resources, Retry
from ropewalk.core import events as ev
from ropewalk.core.errors import UsageError
from ropewalk.core.graph import Graph
from ropewalk.core.policy import Policy
from ropewalk.core.state import RunState
from ropewalk.engine import capacity as machine
from ropewalk.engine.capacity import Capacity, check_schedulable, measure
from ropewalk.engine.ledger import FORGET_S, PATIENCE_S, Given, Ledger
from tests.core import builders

GIB = 1 << 30
SMALL = Capacity(cpu=4, memory_bytes=8 * GIB, disk_bytes=100, known_gpus=("0", "1"))
WORKERS = ("w0", "w1", "w2", "w3")


class Clock:
    """A clock that only tests move."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def graph(**policies: Policy) -> Graph:
    return builders.graph(*(builders.node(name, policy=policy) for name, policy in policies.items()))


def ledger(clock: Clock | None = None, capacity: Capacity = SMALL, /, **policies: Policy) -> Ledger:
    return Ledger(RunState(graph(**policies)), capacity, clock or Clock())


def asking(limit: int | None = None, retry: Retry = Retry(), **resources: Any) -> Policy:
    return Policy(retry=retry, resources=Resources(**resources), limit=limit)


def start(book: Ledger, node: str, worker: str, token: int, item: int = 0) -> bool:
    """Start a task run if there is room for it."""
    if not book.room(node, item, worker, 1):
        return False
    book.take(node, (item,), token, worker)
    return True


def test_plain_task_runs_are_let_through_in_batches() -> None:
    book = ledger(plain=Policy(), half=asking(cpu=0.5))

    assert book.room("plain", 0, "w0", 512) == 512
    book.take("plain", range(512), 1, "w0")
    assert book.room("plain", 512, "w0", 7) == 7
    assert book.room("half", 0, "w0", 3) == 3


def test_a_task_run_that_asks_for_more_than_a_core_has_a_worker_for_itself() -> None:
    book = ledger(big=asking(cpu=2), plain=Policy())
    book.take("plain", (0,), 1, "w0")

    assert book.room("big", 0, "w0", 5) == 0
    assert book.room("big", 0, "w1", 5) == 1
    book.take("big", (0,), 2, "w1")
    assert book.room("plain", 1, "w1", 5) == 0


def test_plain_task_runs_wait_while_their_core_is_taken() -> None:
    book = ledger(big=asking(cpu=3), plain=Policy())
    assert start(book, "big", "w0", 1)

    assert start(book, "plain", "w1", 2)
    assert book.room("plain", 1, "w1", 9) == 9  # its worker has a core already
    assert not start(book, "plain", "w2", 3)
    book.end("big", 0, 1, False)
    assert start(book, "plain", "w2", 3)


@pytest.mark.parametrize(
    ("each", "fit"),
    [({"cpu": 1.5}, 2), ({"cpu": "1500m", "memory": "1Gi"}, 2), ({"memory": "3Gi"}, 2), ({"gpu": 1}, 2),
     ({"gpu": 2}, 1), ({"disk": 40}, 2), ({"memory": "2Gi", "cpu": 0.1}, 4)],
)  # fmt: skip
def test_only_as_many_start_as_the_machine_has_room_for(each: dict[str, Any], fit: int) -> None:
    book = ledger(big=asking(**each))

    started = [start(book, "big", worker, token, token) for token, worker in enumerate(WORKERS)]

    assert sum(started) == fit
    book.end("big", 0, 0, False)
    assert start(book, "big", "w0", 9, 9)


def test_graphics_processors_are_given_out_by_name() -> None:
    book = ledger(train=asking(gpu=1))
    start(book, "train", "w0", 1, 0)
    start(book, "train", "w1", 2, 1)

    assert (book.given(1).gpus, book.given(2).gpus) == (("0",), ("1",))
    book.end("train", 0, 1, True)
    start(book, "train", "w2", 3, 2)
    assert book.given(3).gpus == ("0",)


def test_a_limit_holds_for_its_node_only() -> None:
    book = ledger(few=Policy(limit=2), many=Policy())

    assert [start(book, "few", worker, token, token) for token, worker in enumerate(WORKERS)] == [1, 1, 0, 0]
    assert start(book, "many", "w2", 8)
    book.end("few", 0, 0, False)
    assert start(book, "few", "w3", 9, 2)


def test_after_running_out_of_memory_a_task_run_asks_for_more_and_others_of_its_node_do_not() -> None:
    state = RunState(graph(fit=asking(memory="1Gi", retry=Retry(5, on_oom="memory*2"))))
    book = Ledger(state, SMALL, Clock())
    state.nodes["fit"].ooms[3] = 2

    book.take("fit", (3,), 1, "w0")
    book.take("fit", (4,), 2, "w1")

    assert (book.given(1).memory_bytes, book.given(2).memory_bytes) == (4 * GIB, GIB)


def test_nobody_asks_for_more_memory_than_there_is_however_often_it_has_grown() -> None:
    state = RunState(graph(fit=asking(memory="1Gi", retry=Retry(100, on_oom="memory*1000"))))
    book = Ledger(state, SMALL, Clock())
    state.nodes["fit"].ooms[0] = 100

    assert start(book, "fit", "w0", 1)
    assert book.given(1).memory_bytes == 8 * GIB


def test_an_end_that_is_told_twice_or_of_something_unknown_frees_nothing_twice() -> None:
    book = ledger(big=asking(cpu=4))
    start(book, "big", "w0", 1)

    book.end("big", 0, 1, False)
    book.end("big", 0, 1, False)
    book.end("big", 0, 77, False)

    assert start(book, "big", "w0", 2)
    assert not start(book, "big", "w1", 3)


def test_who_has_waited_long_for_room_is_not_overtaken_any_more() -> None:
    clock = Clock()
    book = ledger(clock, small=asking(cpu=2), large=asking(cpu=4), plain=Policy())
    start(book, "small", "w0", 1)
    assert not start(book, "large", "w1", 2)
    assert start(book, "small", "w1", 3, 1)

    for _ in range(9):
        clock.now += 1
        assert not start(book, "large", "w2", 2)
    assert clock.now - 1000 > PATIENCE_S
    book.end("small", 0, 1, False)
    assert not start(book, "small", "w0", 4, 2)
    assert not start(book, "plain", "w0", 5)
    book.end("small", 1, 3, False)

    assert start(book, "large", "w0", 6)


def test_who_waits_for_memory_holds_up_nobody_who_asks_for_none() -> None:
    clock = Clock()
    book = ledger(clock, fits=asking(memory="5Gi"), waits=asking(memory="5Gi"), plain=Policy(), some=asking(memory=1))
    start(book, "fits", "w0", 1)
    for _ in range(9):
        clock.now += 1
        assert not start(book, "waits", "w1", 2)

    assert start(book, "plain", "w1", 3)
    assert not start(book, "some", "w2", 4)


def test_who_waited_and_is_not_asked_about_any_more_is_forgotten() -> None:
    clock = Clock()
    book = ledger(clock, small=asking(cpu=2), large=asking(cpu=4))
    start(book, "small", "w0", 1)
    assert not start(book, "large", "w2", 2)
    clock.now += PATIENCE_S + 1
    assert not start(book, "small", "w1", 3, 1)

    clock.now += FORGET_S

    assert start(book, "small", "w1", 4, 1)


def test_who_waited_and_was_cancelled_holds_nobody_up() -> None:
    clock, state = Clock(), RunState(graph(small=asking(cpu=2), large=asking(cpu=4)))
    book = Ledger(state, SMALL, clock)
    start(book, "small", "w0", 1)
    assert not start(book, "large", "w2", 2)
    clock.now += PATIENCE_S + 1
    assert not start(book, "small", "w1", 3, 1)

    state.apply(ev.Cancelled("large", None))

    assert start(book, "small", "w1", 4, 1)


def test_who_is_asked_about_only_now_and_then_has_waited_all_the_time() -> None:
    clock = Clock()
    book = ledger(clock, small=asking(cpu=2), large=asking(cpu=4))
    start(book, "small", "w0", 1)
    assert not start(book, "large", "w2", 2)

    clock.now += 10 * FORGET_S
    assert not start(book, "large", "w2", 2)

    assert not start(book, "small", "w1", 3, 1)


# any order of starts and ends

POLICIES = {
    "plain": Policy(),
    "half": asking(cpu=0.5),
    "few": Policy(limit=2),
    "wide": asking(cpu=2.5),
    "deep": asking(memory="3Gi", retry=Retry(9, on_oom="memory*2")),
    "gpu": asking(gpu=1, memory="1Gi"),
    "both": asking(gpu=2, disk=60),
    "disk": asking(disk=30, limit=3),
}


class Machine:
    """Its own account of who runs where, for comparison."""

    def __init__(self, book: Ledger, state: RunState) -> None:
        self.book, self.state = book, state
        self.leases: dict[int, tuple[str, str, list[int], Given]] = {}  # node, worker, items
        self.items: Counter[str] = Counter()
        self.token = 0

    def start(self, node: str, worker: str, wanted: int) -> None:
        first = self.items[node]
        if count := self.book.room(node, first, worker, wanted):
            self.token += 1
            items = list(range(first, first + count))
            self.items[node] += count
            self.book.take(node, items, self.token, worker)
            self.leases[self.token] = (node, worker, items, self.book.given(self.token))

    def end(self, place: int, *, oom: bool) -> None:
        if not self.leases:
            return
        token = sorted(self.leases)[place % len(self.leases)]
        node, _, items, _ = self.leases[token]
        item = items.pop()
        if oom:  # the next of its node has grown
            self.state.nodes[node].ooms[self.items[node]] = 1
        self.book.end(node, item, token, oom)
        if not items:
            del self.leases[token]

    def problems(self) -> list[str]:
        found = []
        workers = {worker: [x for x in self.leases.values() if x[1] == worker] for worker in WORKERS}
        held: Counter[str] = Counter()
        for leases in workers.values():
            asks = [(POLICIES[node].resources, given.memory_bytes or 0) for node, _, _, given in leases]
            held["cpu"] += max((r.cpu for r, _ in asks), default=0)  # type: ignore[assignment]  # a fraction
            held["memory"] += max((memory for _, memory in asks), default=0)
            held["gpu"] += max((r.gpu for r, _ in asks), default=0)
            held["disk"] += max((r.disk_bytes or 0 for r, _ in asks), default=0)
            alone = [x for x in leases if x[0] not in ("plain", "half")]
            if alone and (len(leases) > 1 or len(alone[0][2]) > 1):
                found.append("not alone")
        there = {"cpu": 4, "memory": 8 * GIB, "gpu": 2, "disk": 100}
        found += [f"too much {name}" for name in there if held[name] > there[name] + 1e-6]
        gpus = [gpu for *_, given in self.leases.values() for gpu in given.gpus]
        found += ["a GPU is given out twice"] if len(gpus) != len(set(gpus)) else []
        running = Counter(node for node, *_ in self.leases.values())
        found += [n for n, p in POLICIES.items() if p.limit is not None and running[n] > p.limit]
        return found


STEPS = st.lists(
    st.tuples(st.sampled_from([*POLICIES, "end", "oom"]), st.sampled_from(WORKERS), st.integers(1, 20)), max_size=80
)


def play(kind: type[Ledger], steps: Sequence[tuple[str, str, int]]) -> list[str]:
    """What is wrong after some step."""
    state = RunState(graph(**POLICIES))
    clock = Clock()
    there = Machine(kind(state, SMALL, clock), state)
    for what, worker, number in steps:
        clock.now += number / 10
        if what in ("end", "oom"):
            there.end(number, oom=what == "oom")
        else:
            there.start(what, worker, number)
        if found := there.problems():
            return found
    return []


@of(STEPS)
def test_in_any_order_of_starts_and_ends_nothing_is_held_twice_or_too_much(steps: list[tuple[str, str, int]]) -> None:
    assert play(Ledger, steps) == []


class Forgetful(Ledger):
    """Frees what a lease holds with the first of its orders that ends, and not with the last."""

    def end(self, node: str, item: int, token: int, failed: bool) -> None:
        if token in self._leases:
            self._leases[token].left = 1
        super().end(node, item, token, failed)


class Overgenerous(Ledger):
    """Lets every node onto every worker."""

    def room(self, node: str, item: int, worker: str, wanted: int) -> int:
        return wanted


@pytest.mark.parametrize(
    ("kind", "steps", "problem"),
    [
        (Overgenerous, [("wide", "w0", 1), ("wide", "w1", 1)], "too much cpu"),
        (Overgenerous, [("few", "w0", 2)], "not alone"),
        (Forgetful, [("plain", "w0", 2), ("end", "w0", 1), ("wide", "w0", 1)], "not alone"),
    ],
)
def test_a_ledger_that_is_wrong_is_found(kind: type[Ledger], steps: list[tuple[str, str, int]], problem: str) -> None:
    assert problem in play(kind, steps)


# what can never start


@pytest.mark.parametrize(
    ("policy", "title", "code"),
    [
        (asking(cpu=5), "task `fit` is unschedulable: it asks for 5 cores, and this machine has 4", "P315"),
        (
            asking(memory="9Gi"),
            "task `fit` is unschedulable: it asks for 9.0 GiB of memory, and this machine has 8.0 GiB",
            "P315",
        ),
        (asking(gpu=3), "task `fit` is unschedulable: it asks for 3 GPUs, and this machine has 2", "P315"),
        (asking(disk=101), "task `fit` is unschedulable: it asks for 101 B of disk, and this machine has 100 B free",
         "P315"),
        (asking(pools={"warehouse": 3}),
         "task `fit` is unschedulable: it asks for 3 slots of the pool `warehouse`, which has 2", "P315"),
        (asking(pools={"warehose": 1}), "task `fit` asks for slots of the pool `warehose`, which does not exist",
         "P316"),
    ],
)  # fmt: skip
def test_what_can_never_start_is_refused(policy: Policy, title: str, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_schedulable(graph(plain=Policy(), fit=policy), SMALL, {"warehouse": 2})

    assert (caught.value.title, caught.value.code) == (title, code)
    assert caught.value.help


def test_a_pool_that_is_spelt_wrongly_is_guessed_and_the_command_that_makes_it_is_shown() -> None:
    with pytest.raises(UsageError) as caught:
        check_schedulable(graph(fit=asking(pools={"warehose": 1})), SMALL, {"warehouse": 2})

    assert caught.value.help == ("did you mean `warehouse`?", "ropewalk pools set warehose 1")


def test_all_that_can_never_start_is_named_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        check_schedulable(graph(one=asking(cpu=5), two=asking(gpu=5)), SMALL, {})

    assert caught.value.facts == ("task `two` is unschedulable: it asks for 5 GPUs, and this machine has 2",)


def test_what_fits_exactly_is_not_refused() -> None:
    everything = asking(cpu=4, memory="8Gi", gpu=2, disk=100, pools={"warehouse": 2})

    check_schedulable(graph(fit=everything), SMALL, {"warehouse": 2})


# what this machine has


def test_a_machine_is_measured(tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0))

    found = measure(cores + 5, tmp_path / "not" / "there" / "yet")

    assert found.cpu == cores + 5
    assert measure(1, tmp_path).cpu == cores
    assert 64 << 20 < found.memory_bytes <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert found.disk_bytes > 0


def test_graphics_processors_are_those_that_the_driver_lists_and_the_environment_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = tmp_path / "nvidia-smi"
    driver.write_text('#!/bin/sh\nfor i in 0 1 2; do echo "GPU $i: Some (UUID: GPU-$i)"; done\n')
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    assert machine.find_gpus() == ("0", "1", "2")
    for allowed, found in {"2,0": ("2", "0"), "": (), "-1": (), "1,7": ("1",), "GPU-1": ("GPU-1",)}.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allowed)
        assert machine.find_gpus() == found


def test_without_a_driver_there_are_no_graphics_processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "nvidia-smi"
    broken.write_text("#!/bin/sh\nexit 9\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")

    assert machine.find_gpus() == () or Path("/proc/driver/nvidia/gpus").is_dir()
