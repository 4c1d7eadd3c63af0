"""Dead letters: task runs that have failed for good, parked for a person until they succeed or are dropped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ropewalk.core import events as ev
from ropewalk.core.artifact import Failure
from ropewalk.core.fingerprint import fingerprint
from ropewalk.core.noderun import NOT_YET, RETURNED
from ropewalk.core.state import RunState
from ropewalk.store.database import Database
from ropewalk.store.runs import Run

ELSEWHERE = frozenset({"part", "rejected", "cancelled", NOT_YET, RETURNED})  # kinds of failures that are not its own


@dataclass(frozen=True, slots=True)
class Given:
    """What a task run was given when it failed."""

    key: str = ""
    inputs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One task run that has failed for good."""

    run: int
    node: str
    item: int
    group: str  # fingerprint of the error
    key: str  # cache key; empty: its inputs could not be had
    inputs: dict[str, str]  # parameter to identity, as it counts in the key
    attempts: int
    failure: Failure  # without its traceback, which the task run has
    at: float

    def to_json(self) -> dict[str, Any]:
        return {
            "run": self.run, "task": self.node, "item": self.item, "group": self.group, "key": self.key,
            "inputs": self.inputs, "attempts": self.attempts, "failure": self.failure.to_json(), "at": self.at,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Group:
    """Dead letters with the same error."""

    id: str
    number: int
    nodes: tuple[str, ...]
    runs: tuple[int, ...]
    first_at: float
    last_at: float
    failure: Failure  # one of them

    def to_json(self) -> dict[str, Any]:
        return {
            "group": self.id, "number": self.number, "tasks": self.nodes, "runs": self.runs,
            "first_at": self.first_at, "last_at": self.last_at, "error": self.failure.message,
            "failure": self.failure.to_json(),
        }  # fmt: skip


def park(
    db: Database,
    run: Run,
    batch: Sequence[ev.Event],
    state: RunState,
    at: float,
    given: Mapping[tuple[str, int], Given],
) -> None:
    """Park what has failed for good in a batch of events, and take away what has succeeded or is there no more.

    The caller holds the transaction that writes the batch.

    Args:
        state: the run after the batch.
    """
    if state.reopened:  # before that nothing that has failed for good is tried again
        _take_away(db, run.number, batch, state)
    rows = [
        _row(run.number, event, state, at, given.get((event.node, event.item), Given()))
        for event in batch
        if isinstance(event, ev.AttemptFailed) and event.retry_at is None and event.failure.kind not in ELSEWHERE
    ]
    if rows:
        db.many("dead_letter_put", [row for row in rows if row[1] not in state.undone])


def _row(run: int, event: ev.AttemptFailed, state: RunState, at: float, given: Given) -> tuple[Any, ...]:
    node = state.nodes[event.node]
    group = fingerprint(event.failure, node.node.task)
    failure = json.dumps(replace(event.failure, traceback="").to_json())
    attempts = node.attempts.get(event.item, 0)
    return (run, event.node, event.item, group, given.key, json.dumps(given.inputs), attempts, failure, at)


def _take_away(db: Database, run: int, batch: Sequence[ev.Event], state: RunState) -> None:
    done: list[tuple[int, str, int]] = []
    rest: list[tuple[int, str, int]] = []
    for event in batch:
        if isinstance(event, (ev.Succeeded, ev.Reused, ev.Gathered)):
            done.append((run, event.node, event.item))
        elif isinstance(event, ev.Skipped):
            done += [(run, event.node, item) for item in event.items or ()]
            rest += [(run, event.node, 0)] if event.items is None else []
        elif isinstance(event, ev.Opened):
            rest.append((run, event.node, event.length))
        elif isinstance(event, ev.AttemptFailed) and event.retry_at is None and state.nodes[event.node].whole:
            rest.append((run, event.node, 1))
        elif isinstance(event, ev.Reopened):
            db.query("dead_letter_reopen", run=run, nodes=json.dumps(list(state.nodes)))
    if done:
        db.many("dead_letter_drop", done)
    if rest:
        db.many("dead_letter_drop_rest", rest)


def groups(db: Database, run: int | None = None) -> list[Group]:
    """The distinct errors, of all runs or of one, the last one first."""
    return [
        Group(
            group, number, tuple(sorted(json.loads(nodes))), tuple(sorted(json.loads(numbers))), first, last,
            Failure.from_json(json.loads(failure)),
        )
        for group, number, nodes, numbers, first, last, failure in db.query("dead_letter_groups", run=run)
    ]  # fmt: skip


def listing(db: Database, *, run: int | None = None, group: str | None = None) -> list[DeadLetter]:
    """Dead letters, of all runs or of one, and of all groups or of those whose id begins so."""
    rows = db.query("dead_letter_list", run=run, low=group, high=None if group is None else group + "g")
    return [
        DeadLetter(
            number, node, item, fingerprint, key, json.loads(inputs), attempts, Failure.from_json(json.loads(failure)),
            at,
        )
        for number, node, item, fingerprint, key, inputs, attempts, failure, at in rows
    ]  # fmt: skip


def count(db: Database, run: int) -> int:
    """How many task runs of a run are parked."""
    row = db.one("dead_letter_count", run=run)
    return row[0] if row else 0


def drop(db: Database, letters: Iterable[DeadLetter]) -> None:
    """Forget dead letters; what failed stays failed."""
    with db.transaction():
        db.many("dead_letter_drop", [(letter.run, letter.node, letter.item) for letter in letters])
