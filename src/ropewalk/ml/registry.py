"""A small model registry on the project's store: versions, aliases with their history, metrics and lineage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from ropewalk.artifacts.materialize import digests_of, save
from ropewalk.author.names import check_name
from ropewalk.core.artifact import ArtifactRef
from ropewalk.core.errors import NotFoundError, UsageError, did_you_mean
from ropewalk.engine.client import Client
from ropewalk.engine.context import context
from ropewalk.store import records

KIND = "model"


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a registered model.

    Attributes:
        alias: the alias that it was registered under, if any; `aliases` tells where aliases point now.
        digest: SHA-256 of the stored model.
        run, node: the task run that registered it; None and "" outside a run.
        key: cache key of that task run: everything that the model depends on.
    """

    name: str
    version: int
    alias: str | None
    digest: str
    metrics: dict[str, float]
    description: str = ""
    run: int | None = None
    node: str = ""
    key: str = ""
    created_at: float = 0.0

    def __str__(self) -> str:
        return f"{self.name} version {self.version}" + (f" @{self.alias}" if self.alias else "")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def register_model(
    name: str,
    model: object,
    *,
    metrics: dict[str, float],
    alias: str | None = None,
    description: str = "",
) -> ModelVersion:
    """Store a model as the next version of `name` and, with `alias`, point that alias at it.

    Within a task the same work registers the same version, however often it is executed.

    Args:
        model: whatever a task may return; stored by the same formats.
        metrics: numbers that describe how good it is.

    Raises:
        UsageError: the name or the alias is not one, or a metric is not a number.
        UnstorableError: the model cannot be stored.
    """
    check_name(name, "model", None, 'register_model("late-arrivals", …)')
    if alias is not None:
        check_name(alias, "alias", None, 'alias="champion"')
    for metric, value in metrics.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise UsageError(f"metric `{metric}` must be a number, not a `{type(value).__name__}`")
    here = context()
    with _client() as client:
        ref = save(model, client.blobs)
        body = {
            "artifact": ref.to_json(),
            "digests": list(digests_of(ref)),
            "metrics": {k: float(v) for k, v in metrics.items()},
            "description": description,
            "alias": alias,
            "key": here.key,
        }
        record = records.add(
            client.db, KIND, name, body, token=f"{here.key}:{ref.digest}", at=time.time(), run=here.run or None,
            node=here.node,
        )  # fmt: skip
        if alias is not None:
            _point(client, name, alias, record.version)
        return _version(record)


def _point(client: Client, name: str, alias: str, version: int) -> None:
    now = {move.alias: move.version for move in records.aliases(client.db, KIND, name)}
    if now.get(alias) != version:
        here = context()
        by = f"run {here.run} {here.node}" if here.run else "python"
        records.set_alias(client.db, KIND, name, alias, version, at=time.time(), by=by)


def find_model(name: str, which: str | int) -> ModelVersion | None:
    """The version with this number, or that this alias points at; None when there is none."""
    with _client() as client:
        version = _resolve(client, name, which)
        if version is None:
            return None
        return next((_version(r) for r in records.listing(client.db, KIND, name) if r.version == version), None)


def load_model(name: str, which: str | int = "champion") -> Any:
    """The model itself.

    Raises:
        NotFoundError: there is no such model, version or alias.
    """
    with _client() as client:
        version = _resolve(client, name, which)
        if version is None:
            raise _unknown(client, name, which)
        record = records.get(client.db, KIND, name, version)
        return client.load(ArtifactRef.from_json(record.body["artifact"]))


def set_alias(name: str, alias: str, version: int) -> None:
    """Point an alias at a version; where it pointed before stays in the history.

    Raises:
        NotFoundError: there is no such version.
    """
    check_name(alias, "alias", None, 'set_alias(name, "champion", 3)')
    with _client() as client:
        if _resolve(client, name, version) is None:
            raise _unknown(client, name, version)
        _point(client, name, alias, version)


def models(name: str | None = None) -> list[ModelVersion]:
    """All versions of all models, or of one, newest first."""
    with _client() as client:
        return [_version(record) for record in records.listing(client.db, KIND, name)]


def aliases(name: str | None = None) -> list[records.AliasMove]:
    """Where each alias points now."""
    with _client() as client:
        return records.aliases(client.db, KIND, name)


def alias_history(name: str) -> list[records.AliasMove]:
    """Every move of every alias of a model, oldest first."""
    with _client() as client:
        return records.history(client.db, KIND, name)


def _resolve(client: Client, name: str, which: str | int) -> int | None:
    if isinstance(which, int) or which.isdigit():
        known = {record.version for record in records.listing(client.db, KIND, name)}
        return int(which) if int(which) in known else None
    return next((m.version for m in records.aliases(client.db, KIND, name) if m.alias == which), None)


def _unknown(client: Client, name: str, which: str | int) -> NotFoundError:
    names = {record.name for record in records.listing(client.db, KIND)}
    guess = did_you_mean(name, names)
    if name not in names:
        return NotFoundError(
            f"there is no model `{name}`", code="P603", help=[f"did you mean `{guess}`?"] if guess else []
        )
    return NotFoundError(f"model `{name}` has no version or alias `{which}`", code="P603", help=["ropewalk models"])


def _version(record: records.Record) -> ModelVersion:
    body = record.body
    return ModelVersion(
        record.name, record.version, body["alias"], body["artifact"]["d"], body["metrics"], body["description"],
        record.run, record.node, body["key"], record.created_at,
    )  # fmt: skip


@contextmanager
def _client() -> Iterator[Client]:
    """The store of the run that is under way, else of the project of the current folder."""
    with Client(context().home or None) as client:
        yield client
