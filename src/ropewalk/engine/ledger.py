"""The gate of the machine: what its attempts hold of cores, memory, graphics processors and disk is never too much."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ropewalk.core.policy import Policy
from ropewalk.core.state import RunState
from ropewalk.core.taskstate import READY, WAITING
from ropewalk.engine.capacity import Capacity

PATIENCE_S = 5.0  # for so long smaller task runs may overtake one that waits for room; then they leave it the room
FORGET_S = 60.0  # one that was not asked about for so long holds nobody up: it may wait for something else by now
_ROUNDING = 1e-9  # cores are fractions
_DIGITS = 9  # to which sums of them are rounded, so that errors do not add up


@dataclass(frozen=True, slots=True)
class Vector:
    """An amount of everything that a machine has."""

    cpu: float = 0.0
    memory_bytes: int = 0
    gpu: int = 0
    disk_bytes: int = 0

    def __add__(self, other: Vector) -> Vector:
        return Vector(
            round(self.cpu + other.cpu, _DIGITS), self.memory_bytes + other.memory_bytes,
            self.gpu + other.gpu, self.disk_bytes + other.disk_bytes,
        )  # fmt: skip

    def __sub__(self, other: Vector) -> Vector:
        return Vector(
            round(self.cpu - other.cpu, _DIGITS), self.memory_bytes - other.memory_bytes,
            self.gpu - other.gpu, self.disk_bytes - other.disk_bytes,
        )  # fmt: skip

    def lacking(self, capacity: Capacity) -> frozenset[str]:
        """Of what this is more than there is."""
        lacks = {
            "cpu": self.cpu > capacity.cpu + _ROUNDING,
            "memory_bytes": self.memory_bytes > capacity.memory_bytes,
            "gpu": self.gpu > 0 and self.gpu > len(capacity.gpus),
            "disk_bytes": self.disk_bytes > capacity.disk_bytes,
        }
        return frozenset(name for name, lacking in lacks.items() if lacking)


@dataclass(frozen=True, slots=True)
class Given:
    """What an attempt gets: its memory is a limit; the graphics processors are named as CUDA names them."""

    memory_bytes: int | None = None
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Ask:
    vector: Vector
    limit: int | None
    alone: bool  # its attempts share a worker with no other lease


@dataclass(slots=True)
class _Lease:
    node: str
    worker: str
    ask: _Ask
    left: int  # orders that have not ended
    gpus: tuple[str, ...]


@dataclass(slots=True)
class _Waiting:
    """A task run that fits into the machine, but not beside what runs now."""

    node: str
    item: int
    since: float
    asked_at: float
    lacks: frozenset[str]


class Ledger:
    """A Gate.

    A worker executes the orders of its leases one after another, so it holds the element-wise maximum of them. One
    that has a lease of a node that asks for more than a core, or is limited, has that lease only, with one order.

    Args:
        state: tells what nodes ask for, and how often a task run has been out of memory.
        capacity: has a core for each worker at least.
        clock: any that does not go back, in seconds.
    """

    def __init__(self, state: RunState, capacity: Capacity, clock: Callable[[], float] = time.monotonic) -> None:
        self._state = state
        self._capacity = capacity
        self._clock = clock
        self._asks: dict[str, _Ask] = {}
        self._leases: dict[int, _Lease] = {}  # by token
        self._workers: dict[str, Counter[_Ask]] = {}  # what each has leases for, and how many
        self._held = Vector()  # by all workers
        self._alone: Counter[str] = Counter()  # leases by node, of those that share no worker
        self._waiting: _Waiting | None = None

    def room(self, node: str, item: int, worker: str, wanted: int) -> int:
        ask = self._ask(node, item)
        if not ask.alone:
            if not self._alone and self._waiting is None:
                return wanted  # a core for each worker is there
            if any(held.alone for held in self._workers.get(worker, ())):
                return 0
            fits = not self._with(ask.vector, worker).lacking(self._capacity)
            return wanted if fits and not self._leaves_room(ask, node, item) else 0
        if worker in self._workers or (ask.limit is not None and self._alone[node] >= ask.limit):
            return 0
        if lacks := self._with(ask.vector, worker).lacking(self._capacity):
            self._wait(node, item, lacks)
            return 0
        return 0 if self._leaves_room(ask, node, item) else 1

    def take(self, node: str, items: Sequence[int], token: int, worker: str) -> None:
        ask = self._ask(node, items[0])
        gpus = self._free_gpus()[: ask.vector.gpu] if ask.vector.gpu else ()
        self._leases[token] = _Lease(node, worker, ask, len(items), gpus)
        asks = self._workers.setdefault(worker, Counter())
        if ask not in asks:
            self._held = self._with(ask.vector, worker) if asks else self._held + ask.vector
        asks[ask] += 1
        if ask.alone:
            self._alone[node] += 1
            if self._waiting is not None and (self._waiting.node, self._waiting.item) == (node, items[0]):
                self._waiting = None

    def given(self, token: int) -> Given:
        """What the attempts under a lease get."""
        lease = self._leases[token]
        return Given(lease.ask.vector.memory_bytes or None, lease.gpus)

    def end(self, node: str, item: int, token: int, failed: bool | None) -> None:
        lease = self._leases.get(token)
        if lease is None:
            return
        lease.left -= 1
        if lease.left > 0:
            return
        del self._leases[token]
        self._give_back(lease.ask, lease.worker)
        if lease.ask.alone:
            self._alone[node] -= 1
            if not self._alone[node]:
                del self._alone[node]

    def _give_back(self, ask: _Ask, worker: str) -> None:
        asks = self._workers[worker]
        asks[ask] -= 1
        if asks[ask]:
            return
        before = _maximum(held.vector for held in asks) if len(asks) > 1 else ask.vector
        del asks[ask]
        self._held += (_maximum(held.vector for held in asks) if asks else Vector()) - before
        if not asks:
            del self._workers[worker]
        if not self._workers:
            self._held = Vector()  # without what rounding has left

    def next_s(self, now: float) -> float:
        return float("inf")

    def _ask(self, node: str, item: int) -> _Ask:
        run = self._state.nodes[node]
        if run.ooms.get(item):
            return _ask_of(run.node.policy, self._capacity, run.ooms[item])
        if node not in self._asks:
            self._asks[node] = _ask_of(run.node.policy, self._capacity)
        return self._asks[node]

    def _with(self, vector: Vector, worker: str) -> Vector:
        """What all workers hold if one of them takes this on besides: at a cost that does not grow with the workers."""
        held = [held.vector for held in self._workers.get(worker, ())]
        return self._held + (_maximum([*held, vector]) - _maximum(held))

    def _free_gpus(self) -> tuple[str, ...]:
        taken = {gpu for lease in self._leases.values() for gpu in lease.gpus}
        return tuple(gpu for gpu in self._capacity.gpus if gpu not in taken)

    def _wait(self, node: str, item: int, lacks: frozenset[str]) -> None:
        now, waiting = self._clock(), self._waiting
        if waiting is not None and (waiting.node, waiting.item) == (node, item):
            waiting.asked_at, waiting.lacks = now, lacks
        elif waiting is None or self._is_stale(waiting, now):
            self._waiting = _Waiting(node, item, now, now, lacks)

    def _leaves_room(self, ask: _Ask, node: str, item: int) -> bool:
        """Whether a task run has to wait, since another one has waited too long for what it asks for, too."""
        waiting, now = self._waiting, self._clock()
        if waiting is None or (waiting.node, waiting.item) == (node, item) or now - waiting.since <= PATIENCE_S:
            return False
        return any(getattr(ask.vector, name) for name in waiting.lacks) and not self._is_stale(waiting, now)

    def _is_stale(self, waiting: _Waiting, now: float) -> bool:
        begun = self._state.nodes[waiting.node].state(waiting.item) not in (WAITING, READY)
        return begun or now - waiting.asked_at > FORGET_S


def _ask_of(policy: Policy, capacity: Capacity, ooms: int = 0) -> _Ask:
    """What an attempt asks for after so many that were out of memory; never for more memory than there is."""
    wanted = policy.resources
    memory_bytes = (wanted.memory_bytes or 0) * (policy.retry.on_oom or 1) ** ooms
    vector = Vector(wanted.cpu, int(min(memory_bytes, capacity.memory_bytes)), wanted.gpu, wanted.disk_bytes or 0)
    return _Ask(vector, policy.limit, alone=policy.limit is not None or not wanted.is_plain)


def _maximum(vectors: Iterable[Vector]) -> Vector:
    several = list(vectors)
    return Vector(
        max((v.cpu for v in several), default=0.0), max((v.memory_bytes for v in several), default=0),
        max((v.gpu for v in several), default=0), max((v.disk_bytes for v in several), default=0),
    )  # fmt: skip
