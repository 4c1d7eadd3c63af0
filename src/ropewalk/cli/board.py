"""A run as a list of rows, one for each node; an event costs its node, never the size of the graph or of a map.

Nodes that come into being while the run goes on get their rows when something happens to them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ropewalk.cli.awaiting import awaits
from ropewalk.core import events as ev
from ropewalk.core.artifact import Outputs
from ropewalk.core.nesting import grows
from ropewalk.core.noderun import NOT_YET, PART, RETURNED, NodeRun
from ropewalk.core.state import RunState
from ropewalk.core.taskstate import CANCELLED, FAILED, READY, RUNNING, SKIPPED, SUCCEEDED, TaskState
from ropewalk.core.tolerance import failed_too_much
from ropewalk.engine.scheduler import Step

MAX_KEPT_FAILURES = 5  # of a mapped node: the ones that are told one by one


@dataclass(slots=True)
class Row:
    """What there is to tell of one node; how many items are where its `NodeRun` counts already."""

    run: NodeRun
    owner: str = ""  # the node inside of which it came into being
    is_dynamic: bool = False  # its result are the nodes of another one
    ran: int = 0  # in this session; of a node with nodes of its own how often these did
    cached: int = 0
    source: int | None = None  # the run that results were taken from, the last one
    outputs: Outputs = field(default_factory=dict)  # of a node that is not mapped
    metrics: dict[str, float] = field(default_factory=dict)
    started_at: float | None = None
    ended_at: float | None = None
    wall_s: float = 0.0  # of a node that is not mapped
    retries: int = 0  # attempts that were followed by another
    retry: ev.AttemptFailed | None = None  # the last of them
    failed: list[int] = field(default_factory=list)  # the first items that failed
    progress: tuple[float, float] | None = None  # done and total, as the task said
    held: dict[int, bool | None] = field(default_factory=dict)  # of a loop that ended, where it had to be looked up

    @property
    def id(self) -> str:
        return self.run.node.id

    @property
    def is_mapped(self) -> bool:
        return self.run.node.map is not None

    @property
    def grows(self) -> bool:
        """Whether it has nodes of its own."""
        return grows(self.run.node)

    @property
    def done(self) -> int:
        """Items that have come to an end."""
        counts = self.run.counts
        return counts[SUCCEEDED] + counts[FAILED] + counts[SKIPPED] + counts[CANCELLED]

    @property
    def state(self) -> str:
        """Where the node as a whole stands, the worst first."""
        run, counts = self.run, self.run.counts
        if not run.opened:
            return "waiting"
        if failed_too_much(run):
            return "failed"
        if awaits(run) and not self.ran:
            return "waiting"
        if not run.settled:
            begun = counts[RUNNING] or self.ran or self.cached or run.parts
            return "running" if begun else "ready" if counts[READY] else "waiting"
        if counts[CANCELLED]:
            return "cancelled"
        if counts[SUCCEEDED] == 0 and counts[SKIPPED]:
            return "skipped"
        if self.ran:
            return "succeeded"
        return "cached" if self.cached else "kept" if counts[SUCCEEDED] else "succeeded"

    @property
    def duration_s(self) -> float | None:
        """How long it took, as far as it has come; None: it was not executed."""
        if not self.is_mapped and self.run.node.kind == "wait" and (since := self.run.since.get(0)):
            return max(0.0, (self.ended_at or time.time()) - since)
        if not self.is_mapped and not self.grows and self.wall_s:
            return self.wall_s
        if self.started_at is None:
            return None
        ended_at = self.ended_at if self.run.settled and self.ended_at else time.time()
        return max(0.0, ended_at - self.started_at)


class Board:
    """The rows of one run, kept up to date by `take`.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, state: RunState, clock: Callable[[], float] = time.time) -> None:
        self.rows: dict[str, Row] = {}
        self.active: dict[str, None] = {}  # nodes that run or have failed, in the order in which they began to
        self.tops: list[str] = []  # nodes that are not inside of another one
        self.settled: set[str] = set()  # of these
        self.saved_s = 0.0
        self.cancelled_by = ""
        self._clock = clock
        self._now = clock()
        self.state = state
        for node_id in state.nodes:
            self._add(node_id)
        self.settled |= {node_id for node_id in self.tops if self.rows[node_id].run.settled}
        self._handlers: dict[type, Callable[[Any], None]] = {
            ev.Started: self._started,
            ev.Succeeded: self._succeeded,
            ev.Reused: self._reused,
            ev.AttemptFailed: self._attempt_failed,
            ev.CancelRequested: self._cancel_requested,
            ev.Gathered: self._gathered,
        }

    def _add(self, node_id: str) -> Row:
        undone = self.state.undone.get(node_id)
        owner = self.state.owners.get(node_id if undone is None else undone[0])
        row = self.rows[node_id] = Row(
            self.state.nodes[node_id], owner[0] if owner else "", self.state.spec(node_id).dynamic
        )
        if owner is None:
            self.tops.append(node_id)
        return row

    def row(self, node_id: str) -> Row:
        """The row of a node, which may have come into being just now."""
        return self.rows[node_id] if node_id in self.rows else self._add(node_id)

    def owner_of(self, node_id: str) -> str:
        """The node that a node is inside of; empty: none."""
        return self.rows[node_id].owner

    def _lines(self, node_id: str) -> Iterator[Row]:
        """The row of a node, and those of the nodes inside of which it is."""
        while node_id:
            yield (row := self.row(node_id))
            node_id = row.owner

    def take(self, step: Step) -> list[str]:
        """Take in what has happened; the nodes that it happened to."""
        self._now = self._clock()
        touched: dict[str, None] = {}
        for event in step.events:
            handler = self._handlers.get(type(event))
            if handler is not None:
                handler(event)
            if node := getattr(event, "node", ""):  # a missed deadline may be that of the run
                touched[node] = None
        for told in step.progress:
            self.row(told.node).progress = (told.done, told.total)
            touched[told.node] = None
        for node in touched:
            self._classify(node)
        return list(touched)

    def _classify(self, node: str) -> None:
        row = self.row(node)
        run = row.run
        if run.settled and not row.owner:
            self.settled.add(node)
        else:
            self.settled.discard(node)
        if run.counts[RUNNING] or run.counts[FAILED] or (run.parts and not run.settled):
            self.active[node] = None
        else:
            self.active.pop(node, None)

    @property
    def ran(self) -> int:
        """Task runs that were executed with success."""
        return sum(row.ran for row in self.rows.values() if not row.grows)

    @property
    def cached(self) -> int:
        return sum(row.cached for row in self.rows.values() if not row.grows)

    def count(self, state: TaskState) -> int:
        """Task runs that are in a state; those with nodes of their own do not count beside these."""
        return sum(_count(row.run, state) for row in self.rows.values())

    def count_active(self, state: TaskState) -> int:
        """Task runs that are running, or that have failed; costs what is active, not the graph."""
        return sum(_count(self.rows[node].run, state) for node in list(self.active))

    def _started(self, event: ev.Started) -> None:
        for row in self._lines(event.node):
            if row.started_at is None:
                row.started_at = self._now
        self.rows[event.node].progress = None

    def _succeeded(self, event: ev.Succeeded) -> None:
        for row in self._lines(event.node):
            row.ran += 1
            row.ended_at = self._now
        row = self.rows[event.node]
        if row.run.node.map is None:
            row.outputs, row.metrics, row.wall_s = event.outputs, event.metrics, event.usage.wall_s

    def _reused(self, event: ev.Reused) -> None:
        for row in self._lines(event.node):
            row.cached += 1
            row.source = event.source
        self.saved_s += event.saved_s

    def _gathered(self, event: ev.Gathered) -> None:
        row = self.row(event.node)
        if not row.grows:  # an answer
            for line in self._lines(event.node):
                line.ran += 1
                line.ended_at = self._now
        if row.run.node.map is None:
            row.outputs = event.outputs

    def _attempt_failed(self, event: ev.AttemptFailed) -> None:
        if event.failure.kind in (NOT_YET, RETURNED):
            return
        for row in self._lines(event.node):
            row.ended_at = self._now
        row = self.rows[event.node]
        if row.run.node.map is None:
            row.wall_s = event.usage.wall_s
        if event.retry_at is not None:
            row.retries += 1
            row.retry = event
        elif len(row.failed) < MAX_KEPT_FAILURES:
            row.failed.append(event.item)

    def _cancel_requested(self, event: ev.CancelRequested) -> None:
        self.cancelled_by = event.by


def _count(run: NodeRun, state: TaskState) -> int:
    """Task runs of a node that are in a state, without those whose own nodes say it."""
    if not run.parts or not run.counts[state]:
        return run.counts[state]
    if state is FAILED:
        return sum(run.failures[item].kind != PART for item in run.items(FAILED) if item in run.failures)
    return sum(item not in run.parts for item in run.items(state))
