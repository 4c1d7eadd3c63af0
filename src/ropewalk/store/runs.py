"""Runs: one row each, with the scheduler that owns it and the epoch that fences off the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ropewalk.core.errors import LeaseLostError, NotFoundError, UsageError
from ropewalk.core.graph import Graph
from ropewalk.core.values import decode, encode
from ropewalk.store import spans
from ropewalk.store.database import Database, Row

OPEN_STATES = ("queued", "running", "paused")


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a graph with given parameters."""

    number: int
    name: str
    pipeline: str
    target: str  # what was asked to run, "file.py:name"; empty for one started from Python
    graph: str  # digest
    first_graph: str  # digest of the graph that it began with
    encoded: dict[str, Any]  # parameters in the encoding of core.values
    overrides: dict[str, str]  # "task.parameter" to text
    seed: int
    state: str
    created_at: float  # seconds since the epoch, UTC
    finished_at: float | None
    seq: int
    epoch: int
    owner: dict[str, Any]
    cancel_requested: str
    provenance: dict[str, Any]
    author: str = ""  # who started it

    @property
    def params(self) -> dict[str, Any]:
        """The parameters; where they are of classes of the user's, these are imported."""
        return {name: decode(data) for name, data in self.encoded.items()}

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    def to_json(self) -> dict[str, Any]:
        """What a listing shows."""
        return {
            "run": self.number, "name": self.name, "pipeline": self.pipeline, "state": self.state,
            "created_at": self.created_at, "finished_at": self.finished_at, "params": self.encoded,
            "overrides": self.overrides, "seed": self.seed, "graph": self.graph, "target": self.target,
            "provenance": self.provenance,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class NewRun:
    """What a run starts with."""

    graph: Graph
    params: dict[str, Any]
    overrides: dict[str, str]
    target: str
    seed: int
    owner: dict[str, Any]
    provenance: dict[str, Any]
    author: str = ""


def create(db: Database, new: NewRun, at: float) -> Run:
    """Write a run and its graph in one transaction; it is owned by the caller, with epoch 1."""
    with db.transaction():
        put_graph(db, new.graph)
        taken = {row[0] for row in db.query("run_names")}
        row = db.one(
            "run_create",
            name=_free_name(new.graph.digest, at, taken),
            pipeline=new.graph.name,
            target=new.target,
            graph=new.graph.digest,
            params=json.dumps({k: encode(v) for k, v in new.params.items()}),
            overrides=json.dumps(new.overrides),
            seed=new.seed,
            at=at,
            owner=json.dumps(new.owner),
            provenance=json.dumps(new.provenance),
            author=new.author,
        )
    return get(db, row[0] if row else 0)


def get(db: Database, number: int) -> Run:
    """The run with this number.

    Raises:
        NotFoundError: there is none.
    """
    row = db.one("run_get", number=number)
    if row is None:
        raise NotFoundError(f"there is no run {number}", code="P601", help=["ropewalk runs"])
    return _run(row)


def find(db: Database, text: str) -> Run:
    """The run that a person means: a number, a name, or "last" (also spelt "latest" or "-1")."""
    if text in ("last", "latest", "-1", ""):
        runs = listing(db, most=1)
        if not runs:
            raise NotFoundError("there are no runs yet", code="P601", help=["ropewalk run"])
        return runs[0]
    if text.isdigit():
        return get(db, min(int(text), 2**63 - 1))
    row = db.one("run_by_name", name=text)
    if row is None:
        raise NotFoundError(f"there is no run `{text[:80]}`", code="P601", help=["ropewalk runs"])
    return _run(row)


def listing(db: Database, *, most: int = 20, before: int | None = None, pipeline: str | None = None) -> list[Run]:
    """Runs, newest first; `before` pages on."""
    if most < 1:
        raise UsageError(f"the number of runs to list must be positive, not {most}")
    return [_run(row) for row in db.query("run_list", most=most, before=before, pipeline=pipeline)]


def all_runs(db: Database, pipeline: str | None = None) -> Iterator[Run]:
    """Every run, newest first, page by page."""
    before: int | None = None
    while page := listing(db, most=500, before=before, pipeline=pipeline):
        yield from page
        before = page[-1].number


def unfinished(db: Database) -> list[Run]:
    """Runs that have not come to an end, oldest first."""
    return [_run(row) for row in db.query("run_open")]


def put_graph(db: Database, graph: Graph) -> None:
    db.query("graph_put", digest=graph.digest, body=json.dumps(graph.to_json(), separators=(",", ":")))


def get_graph(db: Database, digest: str) -> Graph:
    """The graph with this digest."""
    row = db.one("graph_get", digest=digest)
    if row is None:
        raise NotFoundError(f"there is no graph `{digest[:12]}` in the store", code="P602")
    return Graph.from_json(json.loads(row[0]))


def take_over(db: Database, run: Run, owner: dict[str, Any]) -> Run:
    """Become the scheduler of a run; whoever was it before can write to it no more.

    Raises:
        LeaseLostError: somebody else took it over in the meantime.
    """
    with db.transaction():
        db.query("run_take_over", number=run.number, epoch=run.epoch, owner=json.dumps(owner))
        if db.changes() == 0:
            raise LeaseLostError(f"run {run.number} was taken over by another process", help=["ropewalk runs"])
    return get(db, run.number)


def disown(db: Database, run: Run) -> None:
    """Give a run up without having finished it; anybody may take it over now."""
    with db.transaction():
        db.query("run_disown", number=run.number, epoch=run.epoch)


def ask_cancel(db: Database, number: int, by: str) -> bool:
    """Ask the scheduler of a run to stop it; False when the run had ended."""
    with db.transaction():
        db.query("run_ask_cancel", number=number, by=by)
        return db.changes() > 0


def ask_pause(db: Database, number: int, by: str) -> bool:
    """Ask the scheduler of a run to let it rest; False when the run had ended."""
    with db.transaction():
        db.query("run_ask_pause", number=number, by=by)
        return db.changes() > 0


def wishes(db: Database, number: int) -> tuple[str, str]:
    """Who asked for the run to be cancelled, and who for a pause; empty: nobody."""
    row = db.one("run_wishes", number=number)
    return (row[0], row[1]) if row else ("", "")


def delete(db: Database, number: int) -> None:
    """Forget a run with everything that only it knew; results that later runs took from it become theirs."""
    with db.transaction():
        db.query("reuse_promote", number=number)
        spans.promote(db, number)
        spans.forget(db, number)
        db.query("run_delete", number=number)


def _run(row: Row) -> Run:
    number, name, pipeline, target, graph, first, params, overrides, seed, state, created_at, finished_at = row[:12]
    seq, epoch, owner, cancel_requested, provenance, author = row[12:]
    return Run(
        number, name, pipeline, target, graph, first, json.loads(params), json.loads(overrides), seed, state,
        created_at, finished_at, seq, epoch, json.loads(owner or "{}"), cancel_requested, json.loads(provenance),
        author,
    )  # fmt: skip


_FIRST = (
    "amber bold brave brisk calm clear crisp deft eager early fair fleet fond glad grand keen kind light lively lucid "
    "merry mild neat noble patient plain proud quick quiet ready rosy sharp sleek smart snug solid spry steady stout "
    "sunny sure swift tidy true vivid warm wise witty"
).split()
_SECOND = (
    "badger bear beaver bison bream cod crane crow deer dove eagle eel elk falcon finch fox gull hare hawk heron horse "
    "ibis jay kite koala lark lynx marten mole moose newt orca osprey otter owl panda perch pike plover puffin quail "
    "raven robin salmon seal shrew skylark sparrow squid stork swan swift tern toad trout turtle vole walrus weasel "
    "whale wolf wren"
).split()


def _free_name(graph: str, at: float, taken: set[str]) -> str:
    """Two words, by hash, that no recent run has."""
    name = ""
    for attempt in range(1000):
        number = int.from_bytes(hashlib.sha256(f"{graph}{at}{attempt}".encode()).digest()[:8], "big")
        name = f"{_FIRST[number % len(_FIRST)]}-{_SECOND[number // 1000 % len(_SECOND)]}"
        if name not in taken:
            return name
    return f"{name}-{int(at)}"
