"""`artifacts`: what tasks made, listed, looked at and exported."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ropewalk.artifacts.materialize import load, load_preview
from ropewalk.cli.complete import complete_run
from ropewalk.cli.console import table
from ropewalk.cli.declare import argument, command, group, option
from ropewalk.cli.places import Place, existing_store, find_place
from ropewalk.cli.session import Session
from ropewalk.core.artifact import ArtifactRef
from ropewalk.core.errors import NotFoundError, UsageError
from ropewalk.core.nesting import nested
from ropewalk.core.quantity import show_size
from ropewalk.engine.client import Client
from ropewalk.store import history, tasks
from ropewalk.store.tasks import TaskRun

MOST_LISTED = 1000
_DIGEST = re.compile(r"[0-9a-f]{6,64}")
_PATHS = ("file", "folder")  # formats whose value is a path


@dataclass(frozen=True, slots=True)
class Found:
    """An artifact, and a task run that made or reused it."""

    ref: ArtifactRef
    run: int
    node: str
    item: int
    output: str
    mapped: bool = False

    @property
    def place(self) -> str:
        return f"{self.run}/{self.node}" + (f"/{self.item}" if self.mapped else "")

    def to_json(self) -> dict[str, Any]:
        ref = self.ref
        return {
            "run": self.run, "task": self.node, "item": self.item if self.mapped else None, "output": self.output,
            "digest": ref.digest, "type": ref.type, "format": ref.format, "size_bytes": ref.size_bytes,
            "preview": ref.preview,
        }  # fmt: skip


@command(name="list", examples=["ropewalk artifacts last", "ropewalk artifacts 3/train --json"])
@argument("run", default="last", metavar="[RUN[/TASK[/ITEM]]]", shell_complete=complete_run)
def list_(session: Session, run: str) -> None:
    """List the artifacts of a run or a task."""
    existing_store(session)
    found = list(_of_place(session.client, find_place(session.client, run)))
    if session.as_json:
        session.emit([artifact.to_json() for artifact in found])
        return
    rows = [
        (a.place, a.output, a.ref.digest[:12], a.ref.type, show_size(a.ref.size_bytes), a.ref.preview)
        for a in found[:MOST_LISTED]
    ]
    head = ("TASK", "OUTPUT", "DIGEST", "TYPE", "SIZE", "PREVIEW")
    lines = table([head, *rows], width=session.out.width, right=(4,))
    session.out.write("\n".join([session.out.paint(lines[0], "dim"), *lines[1:]]))
    if len(found) > MOST_LISTED:
        session.note(f"… and {len(found) - MOST_LISTED:,} more; --json lists all")


@command(examples=["ropewalk artifacts show 4b227777d4dd", "ropewalk artifacts show 3/train --json"])
@argument("artifact", metavar="DIGEST|RUN/TASK[/ITEM]")
@option("--output", metavar="NAME", help="Which result, of a task that has several.")
def show(session: Session, artifact: str, output: str | None) -> None:
    """Show what an artifact looks like: its first rows, its shape, its beginning. Nothing in it is executed.

    A digest may be shortened to its first six characters.
    """
    existing_store(session)
    found = find_artifact(session.client, artifact, output)
    preview = load_preview(found.ref, session.client.blobs)
    if session.as_json:
        session.emit({**found.to_json(), "look": preview})
        return
    out = session.out
    out.write(f"{out.paint(found.ref.digest[:12], 'bold')}  {found.ref.type}, {show_size(found.ref.size_bytes)}")
    out.write(f"  {found.output} of {found.place}")
    for text in look(preview, out.width):
        out.write("  " + text)


@command(
    examples=["ropewalk artifacts export 4b227777d4dd model.bin", "ropewalk artifacts export 3/report report.html"]
)
@argument("artifact", metavar="DIGEST|RUN/TASK[/ITEM]")
@argument("file", metavar="FILE")
@option("--output", metavar="NAME", help="Which result, of a task that has several.")
@option("--force", is_flag=True, help="Replace what is there.")
def export(session: Session, artifact: str, file: str, output: str | None, force: bool) -> None:
    """Write an artifact to a file, as it is stored. What a task gave as a file or folder becomes one again."""
    existing_store(session)
    found = find_artifact(session.client, artifact, output)
    target = Path(file)
    if os.path.lexists(target) and not force:
        raise UsageError(f"`{file}` exists already", help=["another name", "--force     replaces it"])
    _write(session.client, found.ref, target)
    if session.as_json:
        session.emit({**found.to_json(), "file": file})
    else:
        session.note(f"wrote {file}: {found.ref.preview or show_size(found.ref.size_bytes)}")


def _of_place(client: Client, place: Place) -> Iterator[Found]:
    order = {node_id: index for index, node_id in enumerate(nested(place.graph.nodes))}
    rows = tasks.listing(client.db, place.run.number, None if place.turn is not None else place.node)
    for row in sorted(rows, key=lambda row: (order.get(row.node, len(order)), row.item)):
        if place.covers(row.node, row.item):
            yield from _of_row(place, row)


def _of_row(place: Place, row: TaskRun) -> Iterator[Found]:
    node = place.graph.nodes.get(row.node)
    mapped = node is not None and node.map is not None
    for name, ref in row.outputs.items():
        yield Found(ref, place.run.number, row.node, row.item, name, mapped)


def find_artifact(client: Client, text: str, output: str | None = None) -> Found:
    """The artifact that a digest, or the beginning of one, or a task run means.

    Raises:
        NotFoundError: there is none.
        UsageError: there are several.
    """
    found = _by_digest(client, text) if _DIGEST.fullmatch(text) else _by_place(client, text)
    if output is not None:
        found = [artifact for artifact in found if artifact.output == output]
    digests = dict.fromkeys(artifact.ref.digest for artifact in found)
    if not found:
        raise NotFoundError(
            f"there is no artifact `{text[:80]}`",
            facts=["an artifact is named by its digest, or the first six or more of its 64 characters, or by RUN/TASK"],
            help=["ropewalk artifacts last"],
        )
    if len(digests) > 1:
        raise UsageError(
            f"`{text[:80]}` means {len(digests)} artifacts",
            facts=[f"{a.ref.digest[:12]}  {a.output} of {a.place}" for a in found[:8]],
            help=["name one by its digest, or say which result: --output NAME"],
        )
    return found[-1]


def _by_digest(client: Client, prefix: str) -> list[Found]:
    found = []
    for holder in history.holders(client.db, prefix):
        row = tasks.get(client.db, holder.run, holder.node, holder.item)
        ref = row.outputs.get(holder.output) if row is not None else None
        if ref is not None and ref.digest == holder.digest:
            found.append(Found(ref, holder.run, holder.node, holder.item, holder.output))
    return found


def _by_place(client: Client, text: str) -> list[Found]:
    place = find_place(client, text)
    if place.node is None:
        raise UsageError(f"`{text[:80]}` is a run: name a task of it", help=[f"ropewalk artifacts {place}"])
    return list(_of_place(client, place))


def _write(client: Client, ref: ArtifactRef, target: Path) -> None:
    if ref.format in _PATHS:
        source: Path = load(ref, client.blobs)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
            target.chmod(0o700)  # the stored folder is read-only
        else:
            target.unlink(missing_ok=True)
            shutil.copyfile(source, target)
        return
    content = ref.inline if ref.inline is not None else client.blobs.read(ref.digest)
    target.write_bytes(content)


def look(preview: dict[str, Any], width: int | None) -> Iterator[str]:
    """A rich preview as lines of text."""
    known = {"type", "format", "size_bytes", "preview", "unsafe", "kind"}
    if preview.get("unsafe"):
        yield "stored by pickle, which runs code when it is read; it was not read for this"
    if "columns" in preview and "rows" in preview:
        yield from _frame(preview, width)
        known |= {"columns", "rows"}
    if isinstance(preview.get("text"), str):
        yield from preview["text"].split("\n")[:50]
        known.add("text")
    for name, value in preview.items():
        if name not in known and value is not None:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            yield f"{name}: {text if len(text) <= 2000 else text[:2000] + '…'}"


def _frame(preview: dict[str, Any], width: int | None) -> Iterator[str]:
    names = [c["name"] if isinstance(c, dict) else str(c) for c in preview["columns"]]
    rows = [[str(v) for v in (row.values() if isinstance(row, dict) else row)] for row in preview["rows"]]
    usable = [row for row in rows if len(row) == len(names)]
    yield from table([names, *usable], width=width)


@group(list_, show, export, examples=["ropewalk artifacts last", "ropewalk artifacts show 4b227777d4dd"])
def artifacts() -> None:
    """List, show and export what tasks made; `ropewalk artifacts RUN` lists."""
