"""Rate limits and circuit breakers: a gate whose state all runs of a store share.

What is shared is read and written in the transaction that grants leases, of which a store has one at a time; so a limit
holds, and a probe is alone, however many schedulers there are. A node without guards costs a look into a dictionary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ropewalk.core import guard as rules
from ropewalk.core.guard import Breaker, Circuit, Guard, Probe, RateLimit, Starts
from ropewalk.core.state import RunState
from ropewalk.engine.owner import is_alive
from ropewalk.store import guards
from ropewalk.store.database import Database


class Guards:
    """The gate of one run.

    Args:
        run: its number.
        state: where the policies of its nodes are found, also of those that come into being later.
        clock: gives seconds since the epoch.
    """

    def __init__(self, db: Database, run: int, state: RunState, clock: Callable[[], float]) -> None:
        self._db = db
        self._run = run
        self._state = state
        self._clock = clock
        self._shut: dict[str, float] = {}  # node to when it may open by itself
        self._under_way: set[int] = set()  # tokens of probes: their leases may not be written yet

    def room(self, node: str, item: int, worker: str, wanted: int) -> int:
        """Under a rate limit one at a time, so that each starts when it is counted, and not behind another."""
        several = self._of(node)
        if not several or not wanted:
            return wanted
        now = self._clock()
        opens = max(self._opens_at(one, now) for one in several)
        if opens > now:
            self._shut[node] = opens
            return 0
        self._shut.pop(node, None)
        return min(wanted, *(self._most(one) for one in several))

    def take(self, node: str, items: Sequence[int], token: int, worker: str) -> None:
        for one in self._of(node):
            now = self._clock()
            if isinstance(one, RateLimit):
                memory = rules.remembered(one, guards.starts(self._db, one), now)
                guards.put(self._db, one, rules.started(one, memory, len(items), now))
                continue
            circuit = guards.circuit(self._db, one)
            if circuit.opened_at is not None:
                self._under_way.add(token)
                probe = Probe(self._run, token)
                guards.put(self._db, one, Circuit(circuit.failures, circuit.opened_at, probe))

    def end(self, node: str, item: int, token: int, failed: bool | None) -> None:
        """Args: failed: None: it says nothing about what a breaker protects (see `core.guard.verdict`)."""
        for one in self._of(node):
            if isinstance(one, Breaker):
                self._under_way.discard(token)
                if self._after(one, token, failed) is not None:  # as a rule nothing changes, and nothing is written
                    with self._db.transaction():
                        if (circuit := self._after(one, token, failed)) is not None:
                            guards.put(self._db, one, circuit)

    def _after(self, breaker: Breaker, token: int, failed: bool | None) -> Circuit | None:
        """The circuit after an attempt has ended; None: it is as before."""
        before = guards.circuit(self._db, breaker)
        after = rules.ended(breaker, before, Probe(self._run, token), failed, self._clock())
        return None if after == before else after

    def next_s(self, now: float) -> float:
        """A gate that has opened is told once: then it is up to those who wait for it."""
        wait_s = max(0.0, min(self._shut.values(), default=math.inf) - now)
        if wait_s == 0:
            self._shut = {node: at for node, at in self._shut.items() if at > now}
        return wait_s

    def _of(self, node: str) -> tuple[Guard, ...]:
        found = self._state.nodes[node].node.policy.guards
        return tuple(dict.fromkeys(found)) if found else found

    def _most(self, one: Guard) -> int:
        """How many may start together: a breaker must not find out too late."""
        return 1 if isinstance(one, RateLimit) else max(1, one.failures - guards.circuit(self._db, one).failures)

    def _opens_at(self, one: Guard, now: float) -> float:
        """When it lets one start; infinite: only when something ends."""
        if isinstance(one, RateLimit):
            starts = guards.starts(self._db, one)
            memory = rules.remembered(one, starts, now)
            if memory.log != starts.log[len(starts.log) - len(memory.log) :]:  # a clock was set back
                guards.put(self._db, one, memory)
            return rules.opens_at(one, memory, now)
        circuit = self._settled(one, now)
        if circuit.opened_at is None:
            return now
        if circuit.probe is not None and self._is_under_way(circuit.probe):
            return math.inf
        return max(now, circuit.opened_at + one.reset_s)

    def _settled(self, breaker: Breaker, now: float) -> Circuit:
        before = guards.circuit(self._db, breaker)
        after = rules.settled(before, now)
        if after != before:
            guards.put(self._db, breaker, after)
        return after

    def _is_under_way(self, probe: Probe) -> bool:
        """Whether an attempt still holds its lease, and the scheduler that granted it lives."""
        if probe.run == self._run:
            return probe.token in self._under_way
        owner = guards.lease_owner(self._db, probe)
        return owner is not None and is_alive(owner)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a guard stands now."""

    guard: Guard
    state: str  # of a limit: free | full; of a breaker: closed | open | half-open
    number: int  # starts in the window; failures in a row
    opens_at: float | None  # when it may let one start; None: now, or when its probe has ended


def standing(db: Database, now: float) -> list[Standing]:
    """All guards that were ever used, as they stand now."""
    return [_standing(kept.guard, kept.memory, now) for kept in guards.listing(db)]


def _standing(one: Guard, memory: guards.Memory, now: float) -> Standing:
    if isinstance(one, RateLimit):
        assert isinstance(memory, Starts)
        opens = rules.opens_at(one, memory, now)
        used = rules.counted(one, memory, now)
        return Standing(one, "full" if opens > now else "free", used, opens if opens > now else None)
    assert isinstance(memory, Circuit)
    state = rules.phase(one, memory, now)
    opens_at = memory.opened_at + one.reset_s if state == "open" and memory.opened_at is not None else None
    return Standing(one, state, memory.failures, opens_at)
