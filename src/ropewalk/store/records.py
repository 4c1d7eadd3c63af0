"""Everything that is named and versioned: one append-only table, and aliases that move over it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ropewalk.core.errors import NotFoundError
from ropewalk.store.database import Database, Row


@dataclass(frozen=True, slots=True)
class Record:
    """One version of a named document."""

    kind: str
    name: str
    version: int
    body: dict[str, Any]
    created_at: float
    run: int | None
    node: str


@dataclass(frozen=True, slots=True)
class AliasMove:
    """An alias was pointed at a version."""

    name: str
    alias: str
    version: int
    at: float
    by: str


def add(
    db: Database, kind: str, name: str, body: dict[str, Any], *, token: str, at: float, run: int | None, node: str
) -> Record:
    """Append a version; the same `token` again gives the version that it made the first time."""
    with db.transaction():
        db.query("record_put", kind=kind, name=name, body=json.dumps(body), token=token, at=at, run=run, node=node)
    row = db.one("record_by_token", kind=kind, name=name, token=token)
    if row is None:
        raise NotFoundError(f"{kind} `{name}` could not be written")
    return _record(row)


def get(db: Database, kind: str, name: str, version: int) -> Record:
    """One version.

    Raises:
        NotFoundError: there is none.
    """
    row = db.one("record_get", kind=kind, name=name, version=version)
    if row is None:
        raise NotFoundError(f"there is no {kind} `{name}` version {version}", code="P603")
    return _record(row)


def listing(db: Database, kind: str, name: str | None = None) -> list[Record]:
    """All versions, by name, newest first."""
    return [_record(row) for row in db.query("record_list", kind=kind, name=name)]


def set_alias(db: Database, kind: str, name: str, alias: str, version: int, *, at: float, by: str) -> None:
    """Point an alias at a version; where it pointed before stays in its history."""
    get(db, kind, name, version)
    with db.transaction():
        db.query("alias_set", kind=kind, name=name, alias=alias, version=version, at=at, by=by)


def aliases(db: Database, kind: str, name: str | None = None) -> list[AliasMove]:
    """Where each alias points now."""
    return [AliasMove(*row) for row in db.query("alias_list", kind=kind, name=name)]


def history(db: Database, kind: str, name: str) -> list[AliasMove]:
    """Every move of every alias, oldest first."""
    return [AliasMove(*row) for row in db.query("alias_history", kind=kind, name=name)]


def every(db: Database) -> list[str]:
    """The bodies of all records, as JSON."""
    return [row[0] for row in db.query("record_bodies")]


def runs_with_records(db: Database) -> set[int]:
    """Numbers of the runs that wrote a record."""
    return {row[0] for row in db.query("record_runs")}


def _record(row: Row) -> Record:
    return Record(row[0], row[1], row[2], json.loads(row[3]), row[4], row[5], row[6])
