"""Pools: named, counted resources that all runs of a store share. Who holds slots is in the leases."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ropewalk.store.database import Database


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool, and who gave it its size."""

    name: str
    slots: int
    at: float  # seconds since the epoch, UTC
    by: str


@dataclass(frozen=True, slots=True)
class Holder:
    """A lease that holds slots of a pool, whether its run is alive or not."""

    pool: str
    slots: int
    run: int
    node: str
    item: int
    worker: str
    since: float  # seconds since the epoch, UTC
    owner: dict[str, Any]  # of the run


@dataclass(frozen=True, slots=True)
class Share:
    """What all leases of a run hold of a pool together, whether it is alive or not."""

    pool: str
    slots: int
    owner: dict[str, Any]  # of the run


def listing(db: Database) -> list[Pool]:
    """All pools by name."""
    return [Pool(*row) for row in db.query("pool_list")]


def put(db: Database, pool: Pool) -> None:
    """Make a pool, or give it another size; the caller holds a transaction."""
    db.query("pool_put", name=pool.name, slots=pool.slots, at=pool.at, by=pool.by)


def drop(db: Database, name: str) -> None:
    """Forget a pool; the caller holds a transaction."""
    db.query("pool_drop", name=name)


def holders(db: Database) -> list[Holder]:
    """Every lease that holds slots, oldest first."""
    return [
        Holder(pool, slots, run, node, json.loads(items)[0], worker, at, json.loads(owner or "{}"))
        for pool, slots, run, node, items, worker, at, owner in db.query("pool_holders")
    ]


def shares(db: Database, besides: int) -> list[Share]:
    """What each run holds of each pool, without the run `besides`."""
    rows = db.query("pool_shares", besides=besides)
    return [Share(pool, slots, json.loads(owner or "{}")) for pool, slots, owner in rows]
