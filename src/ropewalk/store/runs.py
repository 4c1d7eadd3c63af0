"""Runs: one row each, with the scheduler that owns it and the epoch that fences off the one before."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ropewalk.core.errors import LeaseLostError, NotFoundError, UsageError
from ropewalk.core.graph import Graph
from ropewalk.core.values import decode, encode
from ropewalk.store import spans
from ropewalk.store.database import Database, Row

OPEN_STATES = ("queued", "running", "paused")
_NEVER = 2**63 - 1  # above every number of a run
_FIRST_PAGE, _LATER_PAGES = 50, 500
_FORGOTTEN_AT_ONCE = 50
_COMPARED = {  # by what leads: what its statement takes
    "state": ("state", "pipeline", "author"),
    "pipeline": ("pipeline", "author"),
    "author": ("author",),
    "": (),
}


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
            "provenance": self.provenance, "author": self.author,
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
        taken = set(recent_names(db))
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
        return get(db, min(int(text), _NEVER))
    row = db.one("run_by_name", name=text)
    if row is None:
        raise NotFoundError(f"there is no run `{text[:80]}`", code="P601", help=["ropewalk runs"])
    return _run(row)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which runs a list is of; None: whatever it is."""

    pipeline: str | None = None
    state: str | None = None
    author: str | None = None
    since: float | None = None  # started then or later, in seconds since the epoch, UTC

    @property
    def lead(self) -> str:
        """What is looked up in an index; the rest is compared on the way, in that index where it can be."""
        return next((name for name in ("state", "pipeline", "author") if getattr(self, name) is not None), "")


ALL = Choice()


def listing(db: Database, choice: Choice = ALL, *, most: int = 20, before: int | None = None) -> list[Run]:
    """Runs, newest first; the number of the last one is `before` of the next page."""
    if most < 1:
        raise UsageError(f"the number of runs to list must be positive, not {most}")
    lead = choice.lead
    given = {name: getattr(choice, name) for name in _COMPARED[lead]}
    upper = _NEVER if before is None else min(before, _NEVER)
    statement = f"run_list_by_{lead}" if lead else "run_list"
    return [_run(row) for row in db.query(statement, most=most, before=upper, since=choice.since, **given)]


def all_runs(db: Database, choice: Choice = ALL, *, before: int | None = None) -> Iterator[Run]:
    """Every run that is chosen, newest first, page by page; those that are started meanwhile are not among them."""
    most = _FIRST_PAGE
    while page := listing(db, choice, most=most, before=before):
        yield from page
        before, most = page[-1].number, _LATER_PAGES


def in_states(db: Database, states: Iterable[str], choice: Choice = ALL, *, before: int | None = None) -> Iterator[Run]:
    """Every run in one of several states that is chosen otherwise, newest first."""
    several = [all_runs(db, replace(choice, state=state), before=before) for state in states]
    return heapq.merge(*several, key=lambda run: -run.number)


def names_like(db: Database, prefix: str, most: int = 20) -> list[str]:
    """Names of runs, however old, that begin so; each once."""
    return [row[0] for row in db.query("run_names_like", low=prefix, high=f"{prefix}\U0010ffff", most=most)]


def recent_names(db: Database) -> list[str]:
    """The names of the newest 500 runs."""
    return [row[0] for row in db.query("run_names")]


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
        _delete(db, number)


def forget(db: Database, numbers: Sequence[int]) -> Iterator[int]:
    """Delete many runs, some at a time so that others can write meanwhile; the number of each, once it is gone."""
    for start in range(0, len(numbers), _FORGOTTEN_AT_ONCE):
        some = numbers[start : start + _FORGOTTEN_AT_ONCE]
        with db.transaction():
            for number in some:
                _delete(db, number)
        yield from some


def _delete(db: Database, number: int) -> None:
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
