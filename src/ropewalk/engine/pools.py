"""The gate of the pools: named, counted resources that the runs of a store share.

A slot is held by a lease of a run whose scheduler is alive, and by nothing else: who is killed holds nothing.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from ropewalk.core.errors import NotFoundError, UsageError, did_you_mean
from ropewalk.core.graph import Graph, Node
from ropewalk.core.state import RunState
from ropewalk.engine.capacity import all_nodes
from ropewalk.engine.owner import is_alive
from ropewalk.store import pools, runs
from ropewalk.store.database import Database
from ropewalk.store.pools import Holder, Pool

LOOK_S = 0.2  # how often a scheduler that waits for a slot looks whether another run has freed one
MAX_SLOTS = 1_000_000
MOST_NAMED = 10  # holders in a message
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")


class PoolGate:
    """A Gate: no pool has more slots held than it has, by all runs together."""

    def __init__(self, db: Database, run: int, state: RunState, clock: Callable[[], float] = time.monotonic) -> None:
        self._db = db
        self._run = run
        self._state = state
        self._clock = clock
        self._own: Counter[str] = Counter()
        self._leases: dict[int, int] = {}  # by token, how many of its orders have not ended
        self._left: dict[str, int] = {}  # of each pool, what other runs leave
        self._seen = (-1, -math.inf)  # state of the store and time at which `_left` was true
        self._refused = False

    def room(self, node: str, item: int, worker: str, wanted: int) -> int:
        asked = self._asked(node)
        if not asked:
            return wanted
        self._look()
        for pool, slots in asked:
            wanted = min(wanted, max(0, self._left.get(pool, 0) - self._own[pool]) // slots)
        self._refused |= wanted == 0
        return wanted

    def take(self, node: str, items: Sequence[int], token: int, worker: str) -> None:
        if asked := self._asked(node):
            self._leases[token] = len(items)
            self._own.update({pool: slots * len(items) for pool, slots in asked})
            self._refused = False

    def end(self, node: str, item: int, token: int, failed: bool | None) -> None:
        if token not in self._leases:
            return
        self._own.subtract(dict(self._asked(node)))
        self._leases[token] -= 1
        if not self._leases[token]:
            del self._leases[token]

    def next_s(self, now: float) -> float:
        return LOOK_S if self._refused else math.inf

    def _asked(self, node: str) -> tuple[tuple[str, int], ...]:
        return self._state.nodes[node].node.policy.resources.pools

    def _look(self) -> None:
        """Count what other runs hold; not again before the store changes or one of them may have died."""
        now, version = self._clock(), self._db.data_version()
        if self._seen[0] == version and 0 <= now - self._seen[1] < LOOK_S / 2:
            return
        self._seen = (version, now)
        self._left = sizes(self._db)
        for share in pools.shares(self._db, besides=self._run):
            if share.pool in self._left and is_alive(share.owner):
                self._left[share.pool] -= share.slots


def sizes(db: Database) -> dict[str, int]:
    """The number of slots of each pool."""
    return {pool.name: pool.slots for pool in pools.listing(db)}


def living_holders(db: Database, besides: int = 0) -> list[Holder]:
    """The leases that hold slots now, without those of the run `besides`."""
    found = [holder for holder in pools.holders(db) if holder.run != besides]
    alive = {run: is_alive(owner) for run, owner in {holder.run: holder.owner for holder in found}.items()}
    return [holder for holder in found if alive[holder.run]]


def shortages(db: Database, node: Node) -> Iterator[str]:
    """For each pool without enough slots for a task run of a node, who holds them."""
    there, held = sizes(db), living_holders(db)
    for pool, slots in node.policy.resources.pools:
        of_pool = [holder for holder in held if holder.pool == pool]
        taken, size = sum(holder.slots for holder in of_pool), there.get(pool, 0)
        if size - taken < slots:
            names = ", ".join(dict.fromkeys(f"{holder.run}/{holder.node}" for holder in of_pool[:MOST_NAMED]))
            yield f"{taken} of {size} slots of the pool `{pool}` are held{' by ' if names else ''}{names}"


def set_pool(db: Database, name: str, slots: int, by: str, at: float) -> Pool | None:
    """Make a pool, or give it another size; what it was before.

    Who holds slots keeps them when it becomes smaller; with 0 slots nothing that needs it starts.

    Raises:
        UsageError: the name or the number cannot be.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"`{name[:80]}` cannot be the name of a pool",
            facts=["a name has letters, digits and `_.-`, begins with a letter or digit, and has up to 80 of them"],
            help=["ropewalk pools set warehouse 5"],
        )
    if not 0 <= slots <= MAX_SLOTS:
        raise UsageError(f"the number of slots must be from 0 to {MAX_SLOTS:,}, not {slots}")
    with db.transaction():
        before = next((pool for pool in pools.listing(db) if pool.name == name), None)
        pools.put(db, Pool(name, slots, at, by))
    return before


def remove_pool(db: Database, name: str) -> None:
    """Forget a pool.

    Raises:
        NotFoundError: there is none of that name.
        UsageError: a run that goes on needs it.
    """
    with db.transaction():
        known = sizes(db)
        if name not in known:
            guess = did_you_mean(name, known)
            raise NotFoundError(
                f"there is no pool `{name[:80]}`",
                code="P604",
                help=[*([f"did you mean `{guess}`?"] if guess else []), "ropewalk pools"],
            )
        for run in runs.unfinished(db):
            if is_alive(run.owner) and _needs(runs.get_graph(db, run.graph), name):
                raise UsageError(
                    f"run {run.number} needs the pool `{name}`",
                    code="P317",
                    help=[f"ropewalk show {run.number}", f"ropewalk pools set {name} 0     lets nothing more start"],
                )
        pools.drop(db, name)


def _needs(graph: Graph, pool: str) -> bool:
    return any(name == pool for node in all_nodes(graph) for name, _ in node.policy.resources.pools)
