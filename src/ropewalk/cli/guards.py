"""`guards`: rate limits and circuit breakers that all runs share."""

from __future__ import annotations

import time
from typing import Any

from ropewalk.cli.console import table
from ropewalk.cli.declare import argument, command, group
from ropewalk.cli.numbers import show_count, show_moment
from ropewalk.cli.session import Session
from ropewalk.core.errors import NotFoundError
from ropewalk.core.guard import kind_of, show


@command(name="list", examples=["ropewalk guards", "ropewalk guards list --json"])
def list_(session: Session) -> None:
    """List the rate limits and circuit breakers that were ever used, and how each stands now."""
    standing = _standing(session)
    if session.as_json:
        session.emit([_to_json(one) for one in standing])
    elif standing:
        rows = [(one.guard.name, show(one.guard), one.state, _detail(one)) for one in standing]
        lines = table([("NAME", "GUARD", "STATE", ""), *rows], width=session.out.width)
        session.out.write("\n".join([session.out.paint(lines[0], "dim"), *lines[1:]]))
    else:
        session.note("No guards were used here yet: a task has them with @task(guards=[limit(...), breaker(...)])")


@command(examples=["ropewalk guards reset warehouse", "ropewalk guards reset warehouse --json"])
@argument("name")
def reset(session: Session, name: str) -> None:
    """Close a circuit breaker: what waits for it may start again."""
    if not session.has_store:
        raise NotFoundError(f"there is no circuit breaker `{name[:80]}`", help=["ropewalk guards"])
    from ropewalk.store import guards as kept

    guard = kept.reset(session.client.db, name)
    if session.as_json:
        session.emit({"kind": "breaker", "name": guard.name, "state": "closed"})
    else:
        session.out.write(f"Closed the circuit breaker {guard.name}.")


def _standing(session: Session) -> list[Any]:
    if not session.has_store:
        return []
    from ropewalk.engine.guards import standing

    return standing(session.client.db, time.time())


def _to_json(one: Any) -> dict[str, Any]:
    kind = kind_of(one.guard)
    return {
        "kind": kind, "name": one.guard.name, "rule": show(one.guard), "state": one.state,
        "starts" if kind == "limit" else "failures": one.number, "opens_at": one.opens_at,
    }  # fmt: skip


def _detail(one: Any) -> str:
    parts = [show_count(one.number, "start" if kind_of(one.guard) == "limit" else "failure")]
    if one.opens_at is not None:
        parts.append(f"until {show_moment(one.opens_at)}")
    return ", ".join(parts) if one.number or one.opens_at is not None else ""


@group(list_, reset, examples=["ropewalk guards", "ropewalk guards reset warehouse"])
def guards() -> None:
    """List rate limits and circuit breakers, and close a breaker; `ropewalk guards` alone lists."""
