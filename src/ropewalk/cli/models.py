"""`models`: registered models, their versions and aliases."""

from __future__ import annotations

from typing import Any

from ropewalk.cli.console import table
from ropewalk.cli.declare import argument, command, group
from ropewalk.cli.numbers import show_metric, show_moment
from ropewalk.cli.session import Session
from ropewalk.core.errors import NotFoundError, did_you_mean

_MOST_METRICS = 3


@command(name="list", examples=["ropewalk models", "ropewalk models list --json"])
def list_(session: Session) -> None:
    """List all versions of all models, newest first, with the aliases that point at them now."""
    versions, aliases = _versions(session), _aliases(session)
    if session.as_json:
        session.emit([v.to_json() | {"aliases": aliases.get((v.name, v.version), [])} for v in versions])
    elif versions:
        head = ("MODEL", "VERSION", "ALIASES", "METRICS", "RUN", "REGISTERED")
        rows = [_row(version, aliases.get((version.name, version.version), [])) for version in versions]
        lines = table([head, *rows], width=session.out.width, right=(1, 4))
        session.out.write("\n".join([session.out.paint(lines[0], "dim"), *lines[1:]]))
    else:
        session.note("There are no models here yet: a task registers one with ropewalk.ml.registry.register_model")


@command(examples=["ropewalk models show late-arrivals", "ropewalk models show late-arrivals --json"])
@argument("model")
def show(session: Session, model: str) -> None:
    """Show the versions of one model, and where its aliases pointed over time."""
    versions = [version for version in _versions(session) if version.name == model]
    if not versions:
        guess = did_you_mean(model, {version.name for version in _versions(session)})
        raise NotFoundError(
            f"there is no model `{model[:80]}`",
            code="P603",
            help=[*([f"did you mean `{guess}`?"] if guess else []), "ropewalk models"],
        )
    from ropewalk.ml.registry import alias_history

    aliases, moves = _aliases(session), alias_history(model)
    if session.as_json:
        session.emit({
            "model": model,
            "versions": [v.to_json() | {"aliases": aliases.get((v.name, v.version), [])} for v in versions],
            "history": [{"alias": m.alias, "version": m.version, "at": m.at, "by": m.by} for m in moves],
        })  # fmt: skip
        return
    out = session.out
    for version in versions:
        names = " ".join(f"@{alias}" for alias in aliases.get((version.name, version.version), []))
        out.write(f"{out.paint(f'{model} version {version.version}', 'bold')}  {names}".rstrip())
        if version.description:
            out.write(f"  {version.description}")
        out.write(f"  registered {show_moment(version.created_at)}" + _by(version.run, version.node))
        out.write(f"  artifact {version.digest[:12]}")
        for name, value in version.metrics.items():
            out.write(f"    {name}  {show_metric(value)}")
    for move in moves:
        out.write(f"  {show_moment(move.at)}  @{move.alias} → version {move.version}, by {move.by}")


def _by(run: int | None, node: str) -> str:
    return "" if run is None else f" by {run}/{node}"


def _row(version: Any, aliases: list[str]) -> tuple[str, ...]:
    metrics = ", ".join(f"{name} {show_metric(value)}" for name, value in list(version.metrics.items())[:_MOST_METRICS])
    names = " ".join(f"@{alias}" for alias in aliases)
    run = "" if version.run is None else str(version.run)
    return (version.name, str(version.version), names, metrics, run, show_moment(version.created_at))


def _versions(session: Session) -> list[Any]:
    if not session.has_store:
        return []
    from ropewalk.ml.registry import models

    return models()


def _aliases(session: Session) -> dict[tuple[str, int], list[str]]:
    """Which aliases point at which version now."""
    found: dict[tuple[str, int], list[str]] = {}
    if session.has_store:
        from ropewalk.ml.registry import aliases

        for move in aliases():
            found.setdefault((move.name, move.version), []).append(move.alias)
    return found


@group(list_, show, examples=["ropewalk models", "ropewalk models show late-arrivals"])
def models() -> None:
    """List and show registered models; `ropewalk models` alone lists."""
