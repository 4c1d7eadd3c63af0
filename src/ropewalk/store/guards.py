"""What all runs of a store share of their rate limits and circuit breakers: one row each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeAlias

from ropewalk.core.errors import NotFoundError, did_you_mean
from ropewalk.core.guard import Breaker, Circuit, Guard, Probe, RateLimit, Starts, from_json, kind_of, to_json
from ropewalk.store.database import Database

Memory: TypeAlias = Starts | Circuit


@dataclass(frozen=True, slots=True)
class Kept:
    """A guard as it was last used, and what is remembered of it."""

    guard: Guard
    memory: Memory


def starts(db: Database, limit: RateLimit) -> Starts:
    """What a rate limit remembers; nothing before it is first used."""
    row = db.one("guard_get", kind="limit", name=limit.name)
    return Starts() if row is None else _starts(json.loads(row[0])["memory"])


def circuit(db: Database, breaker: Breaker) -> Circuit:
    """What a breaker remembers; nothing before an attempt under it has failed."""
    row = db.one("guard_get", kind="breaker", name=breaker.name)
    return Circuit() if row is None else _circuit(json.loads(row[0])["memory"])


def put(db: Database, guard: Guard, memory: Memory) -> None:
    """Remember; the caller holds the transaction in which it has read."""
    body = {"guard": to_json(guard), "memory": _memory_to_json(memory)}
    db.query("guard_put", kind=kind_of(guard), name=guard.name, body=json.dumps(body, separators=(",", ":")))


def listing(db: Database) -> list[Kept]:
    """All guards that were ever used, by name."""
    return [_kept(row[0]) for row in db.query("guard_list")]


def reset(db: Database, name: str) -> Breaker:
    """Close a breaker.

    Raises:
        NotFoundError: there is none of this name.
    """
    with db.transaction():
        row = db.one("guard_get", kind="breaker", name=name)
        if row is None:
            known = [kept.guard.name for kept in listing(db) if isinstance(kept.guard, Breaker)]
            guess = did_you_mean(name, known)
            raise NotFoundError(
                f"there is no circuit breaker `{name[:80]}`",
                facts=["a breaker is known here from its first failure on"],
                help=[*([f"did you mean `{guess}`?"] if guess else []), "ropewalk guards"],
            )
        guard = _kept(row[0]).guard
        assert isinstance(guard, Breaker)
        put(db, guard, Circuit())
    return guard


def lease_owner(db: Database, probe: Probe) -> dict[str, Any] | None:
    """The scheduler under whose lease a probe is under way; None: there is no such lease any more."""
    row = db.one("lease_owner", run=probe.run, token=probe.token)
    return None if row is None else json.loads(row[0] or "{}")


def _kept(body: str) -> Kept:
    data = json.loads(body)
    guard = from_json(data["guard"])
    return Kept(guard, _starts(data["memory"]) if isinstance(guard, RateLimit) else _circuit(data["memory"]))


def _memory_to_json(memory: Memory) -> list[Any]:
    if isinstance(memory, Starts):
        return [[list(entry) for entry in memory.log], memory.keep_s]
    probe = memory.probe
    return [memory.failures, memory.opened_at, None if probe is None else [probe.run, probe.token]]


def _starts(data: list[Any]) -> Starts:
    return Starts(tuple((at, number) for at, number in data[0]), data[1])


def _circuit(data: list[Any]) -> Circuit:
    return Circuit(data[0], data[1], None if data[2] is None else Probe(*data[2]))
