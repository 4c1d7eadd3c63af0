"""`pools`: counted resources that all runs share, and who holds their slots."""

from __future__ import annotations

import time
from typing import Any

from ropewalk.cli.console import table
from ropewalk.cli.declare import argument, command, group
from ropewalk.cli.numbers import show_moment
from ropewalk.cli.session import Session
from ropewalk.engine import pools as gate
from ropewalk.engine.owner import whoami
from ropewalk.store import pools as stored
from ropewalk.store.pools import Holder, Pool

_MOST_HOLDERS = 5


@command(name="list", examples=["ropewalk pools", "ropewalk pools list --json"])
def list_(session: Session) -> None:
    """List all pools, with the tasks that hold their slots now."""
    found = stored.listing(session.client.db) if session.has_store else []
    held = _by_pool(session) if found else {}
    if session.as_json:
        session.emit([_to_json(pool, held.get(pool.name, [])) for pool in found])
    elif found:
        head = ("POOL", "SLOTS", "HELD", "HELD BY", "SET")
        rows = [_row(pool, held.get(pool.name, [])) for pool in found]
        lines = table([head, *rows], width=session.out.width, right=(1, 2))
        session.out.write("\n".join([session.out.paint(lines[0], "dim"), *lines[1:]]))
    else:
        session.note("There are no pools here yet: ropewalk pools set warehouse 5")


@command(
    name="set", examples=["ropewalk pools set warehouse 5", "ropewalk pools set warehouse 0     # nothing more starts"]
)
@argument("pool")
@argument("slots", type=int)
def set_(session: Session, pool: str, slots: int) -> None:
    """Make a pool, or give it another number of slots.

    Tasks that hold slots keep them when a pool becomes smaller. With 0 slots nothing that needs it starts.
    """
    before = gate.set_pool(session.client.db, pool, slots, whoami(), time.time())
    if session.as_json:
        session.emit({"pool": pool, "slots": slots, "before": None if before is None else before.slots})
    elif before is None:
        session.out.write(f"Pool {pool} has {_slots(slots)}.")
    else:
        session.out.write(f"Pool {pool} has {_slots(slots)}; it had {before.slots}.")


@command(examples=["ropewalk pools remove warehouse", "ropewalk pools remove warehouse --json"])
@argument("pool")
def remove(session: Session, pool: str) -> None:
    """Remove a pool that no run needs."""
    gate.remove_pool(session.client.db, pool)
    if session.as_json:
        session.emit({"pool": pool, "removed": True})
    else:
        session.out.write(f"Removed pool {pool}.")


def _slots(number: int) -> str:
    return f"{number:,} slot" if number == 1 else f"{number:,} slots"


def _by_pool(session: Session) -> dict[str, list[Holder]]:
    found: dict[str, list[Holder]] = {}
    for holder in gate.living_holders(session.client.db):
        found.setdefault(holder.pool, []).append(holder)
    return found


def _row(pool: Pool, held: list[Holder]) -> tuple[str, ...]:
    names = [_name(holder) for holder in held[:_MOST_HOLDERS]]
    names += [f"and {len(held) - _MOST_HOLDERS} more"] if len(held) > _MOST_HOLDERS else []
    total = sum(holder.slots for holder in held)
    return (pool.name, f"{pool.slots:,}", f"{total:,}", ", ".join(names), f"{show_moment(pool.at)} by {pool.by}")


def _name(holder: Holder) -> str:
    return f"{holder.run}/{holder.node}" + (f"[{holder.item}]" if holder.item else "")


def _to_json(pool: Pool, held: list[Holder]) -> dict[str, Any]:
    return {
        "pool": pool.name,
        "slots": pool.slots,
        "held": sum(holder.slots for holder in held),
        "holders": [
            {
                "run": holder.run, "task": holder.node, "item": holder.item, "slots": holder.slots,
                "worker": holder.worker, "since": holder.since,
            }
            for holder in held
        ],
        "set_at": pool.at,
        "set_by": pool.by,
    }  # fmt: skip


@group(list_, set_, remove, examples=["ropewalk pools", "ropewalk pools set warehouse 5"])
def pools() -> None:
    """List, set and remove pools, whose slots tasks of all runs compete for; `ropewalk pools` alone lists."""
