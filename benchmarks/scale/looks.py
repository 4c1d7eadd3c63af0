"""What one look into the store costs a scheduler when many attempts of other runs are under way."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scale.pipelines import mixed
from ropewalk.core.state import RunState
from ropewalk.engine.client import Client
from ropewalk.engine.owner import this_process
from ropewalk.engine.pools import PoolGate, set_pool
from ropewalk.engine.reuse import Reuse
from ropewalk.store import runs

TIMES = 5
POOL = "workers"


@dataclass(frozen=True, slots=True)
class Look:
    """CPU seconds of one look, with so many leases of other runs in the store."""

    leases: int
    runs: int
    reuse_s: float  # which keys others compute: before each commit after which another run has written
    pool_s: float  # how many slots others hold: as often, for tasks that need a pool


def look(folder: Path, leases: int, others: int) -> Look:
    """Measure it."""
    with Client(folder) as client:
        db, graph = client.db, mixed(10, 0, POOL)
        new = runs.NewRun(graph, {}, {}, "", 0, this_process(), {}, "scale")
        set_pool(db, POOL, leases, "scale", 1.0)
        numbers = [runs.create(db, new, 1.0).number for _ in range(others + 1)]
        with db.transaction():
            for token in range(leases):
                number = numbers[1 + token % others]
                key = f"{token:064x}"
                db.many("lease_put", [(number, token, "f0", f"[{token}]", json.dumps([key]), f"w{token}", 1.0)])
                db.many("lease_hold", [(json.dumps({POOL: 1}), number, token)])
        reuse = Reuse(db, client.blobs)
        gate = PoolGate(db, numbers[0], RunState(graph))

        def ask_reuse() -> None:
            reuse._version = -1  # as if somebody had written
            reuse.taken_by_others(numbers[0])

        def ask_pool() -> None:
            gate._seen = (-1, 0.0)
            gate._look()

        return Look(leases, others, _cpu_s(ask_reuse), _cpu_s(ask_pool))


def _cpu_s(ask: Callable[[], None]) -> float:
    spent = []
    for _ in range(TIMES):
        began = time.process_time()
        ask()
        spent.append(time.process_time() - began)
    return sorted(spent)[TIMES // 2]
