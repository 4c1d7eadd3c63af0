"""`init`, `gc`, `doctor`: the project around the runs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

from ropewalk.cli.console import table
from ropewalk.cli.declare import Choice, Number, argument, command, option
from ropewalk.cli.numbers import show_count
from ropewalk.cli.session import Session
from ropewalk.cli.templates import TEMPLATES
from ropewalk.core.errors import DefinitionError, UsageError
from ropewalk.core.quantity import seconds, show_size

_FILE = "pipeline.py"
_TOLD_EVERY = 5_000  # runs that were forgotten
_LARGE_BYTES = 200_000_000  # of a store, whose check then takes seconds


@command(examples=["ropewalk init", "ropewalk init churn --template ml"])
@argument("folder", default=".", metavar="[DIR]")
@option("--template", type=Choice(sorted(TEMPLATES)), default="basic", help="Without packages, or with scikit-learn.")
def init(session: Session, folder: str, template: str) -> None:
    """Write a small pipeline that runs at once. Nothing that is there is overwritten."""
    path = Path(folder) / _FILE
    text = TEMPLATES[template]
    if os.path.lexists(path):
        raise UsageError(f"`{path}` exists already", help=[f"ropewalk run {path}", "ropewalk init ANOTHER_FOLDER"])
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    lines = text.count("\n")
    run = "ropewalk run" if folder == "." else f"cd {folder} && ropewalk run"
    if session.as_json:
        session.emit({"file": str(path), "lines": lines, "run": run})
        return
    session.out.write(f"Created {path} ({show_count(lines, 'line')}).")
    session.out.write(f"Run it:  {run}")


@command(examples=["ropewalk gc --older-than 30d --dry-run", "ropewalk gc --keep-runs 10"])
@option("--older-than", metavar="AGE", help='Forget runs that ended longer ago than this: "30d", "12h".')
@option(
    "--keep-runs",
    type=Number(min=0),
    metavar="N",
    help="Keep the newest N runs of each pipeline; alone: forget all others.",
)
@option("--dry-run", is_flag=True, help="Only say what would go.")
def gc(session: Session, older_than: str | None, keep_runs: int | None, dry_run: bool) -> None:
    """Forget old runs, and remove the files that no remaining run and no registered model refers to.

    Without options no run is forgotten, and only what nothing refers to any more is removed.
    """
    if not session.has_store:
        session.emit({"runs": [], "blobs": 0, "freed_bytes": 0, "dry_run": dry_run}) if session.as_json else None
        session.note("There is nothing here to remove.")
        return
    from ropewalk.engine.janitor import collect_garbage

    swept = collect_garbage(
        session.client, now=time.time(), older_than_s=_age_s(older_than), keep_runs=keep_runs, dry_run=dry_run,
        told=_counting(session),
    )  # fmt: skip
    if session.as_json:
        session.emit(swept.to_json())
        return
    verb = ("Would forget", "would remove") if dry_run else ("Forgot", "removed")
    kept = f"{show_count(swept.kept_runs, 'run')} and {show_count(swept.kept_blobs, 'file')} stay"
    files = show_count(swept.blobs, "file")
    session.out.write(
        f"{verb[0]} {show_count(len(swept.runs), 'run')}, {verb[1]} {files} ({show_size(swept.freed_bytes)}); {kept}."
    )
    if dry_run and swept.runs:
        session.out.write(f"  runs: {_ranges(swept.runs)}")


def _counting(session: Session) -> Callable[[int], None]:
    """Says how far it is, from time to time: to forget very many runs takes a while."""
    forgotten = count(1)

    def told(_: int) -> None:
        if (number := next(forgotten)) % _TOLD_EVERY == 0:
            session.note(f"{number:,} runs forgotten so far")

    return told


def _age_s(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return seconds(text, "--older-than")
    except DefinitionError as error:
        raise UsageError(error.title, facts=error.facts, help=["--older-than 30d"]) from None


def _ranges(numbers: tuple[int, ...]) -> str:
    """Numbers in ascending order, neighbours joined: "1–4, 7"."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1] = [parts[-1][0], number]
        else:
            parts.append([number])
    return ", ".join("–".join(map(str, part)) for part in parts)


@command(examples=["ropewalk doctor", "ropewalk doctor --deep --json"])
@option("--deep", is_flag=True, help="Also read every stored file and compare it with its digest.")
def doctor(session: Session, deep: bool) -> int:
    """Check the interpreter, the disk, the store and the stored files; each problem comes with what mends it."""
    from ropewalk.engine.doctor import checkup

    store = session.client.home.database
    if store.exists() and store.stat().st_size > _LARGE_BYTES:
        session.note(f"reading the whole store ({show_size(store.stat().st_size)}), which takes a while")
    findings = checkup(session.client, deep=deep)
    if session.as_json:
        session.emit([finding.to_json() for finding in findings])
    else:
        out = session.out
        marks = {True: out.paint("✓", "green"), False: out.paint("✗", "red")}
        for finding, text in zip(
            findings, table([(f"{marks[f.ok]} {f.name}", f.detail) for f in findings]), strict=True
        ):
            out.write(text)
            if finding.fix:
                out.write(f"    {out.paint('fix:', 'green')} {finding.fix}")
    return 0 if all(finding.ok for finding in findings) else 1
