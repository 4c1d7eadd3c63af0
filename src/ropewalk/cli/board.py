"""A run as a list of rows, one for each node; an event costs its node, never the size of the graph or of a map."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ropewalk.core import events as ev
from ropewalk.core.artifact import Outputs
from ropewalk.core.noderun import NodeRun
from ropewalk.core.state import RunState
from ropewalk.core.taskstate import CANCELLED, FAILED, READY, RUNNING, SKIPPED, SUCCEEDED, TaskState
from ropewalk.engine.scheduler import Step

MAX_KEPT_FAILURES = 5  # of a mapped node: the ones that are told one by one


@dataclass(slots=True)
class Row:
    """What there is to tell of one node; how many items are where its `NodeRun` counts already."""

    run: NodeRun
    ran: int = 0  # in this session
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

    @property
    def id(self) -> str:
        return self.run.node.id

    @property
    def is_mapped(self) -> bool:
        return self.run.node.map is not None

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
        if counts[FAILED]:
            return "failed"
        if not run.settled:
            return "running" if counts[RUNNING] or self.ran or self.cached else "ready" if counts[READY] else "waiting"
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
        if not self.is_mapped and self.wall_s:
            return self.wall_s
        if self.started_at is None:
            return None
        return max(0.0, (self.ended_at or time.time()) - self.started_at)


class Board:
    """The rows of one run, kept up to date by `take`.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, state: RunState, clock: Callable[[], float] = time.time) -> None:
        self.rows = {node_id: Row(run) for node_id, run in state.nodes.items()}
        self.active: dict[str, None] = {}  # nodes that run or have failed, in the order in which they began to
        self.settled: set[str] = set()
        self.saved_s = 0.0
        self.cancelled_by = ""
        self._clock = clock
        self._now = clock()
        self.settled |= {node_id for node_id, row in self.rows.items() if row.run.settled}
        self._handlers: dict[type, Callable[[Any], None]] = {
            ev.Started: self._started,
            ev.Succeeded: self._succeeded,
            ev.Reused: self._reused,
            ev.AttemptFailed: self._attempt_failed,
            ev.CancelRequested: self._cancel_requested,
        }

    def take(self, step: Step) -> list[str]:
        """Take in what has happened; the nodes that it happened to."""
        self._now = self._clock()
        touched: dict[str, None] = {}
        for event in step.events:
            handler = self._handlers.get(type(event))
            if handler is not None:
                handler(event)
            node = getattr(event, "node", None)
            if node is not None:
                touched[node] = None
        for told in step.progress:
            self.rows[told.node].progress = (told.done, told.total)
            touched[told.node] = None
        for node in touched:
            self._classify(node)
        return list(touched)

    def _classify(self, node: str) -> None:
        run = self.rows[node].run
        if run.settled:
            self.settled.add(node)
        else:
            self.settled.discard(node)
        if run.counts[RUNNING] or run.counts[FAILED]:
            self.active[node] = None
        else:
            self.active.pop(node, None)

    @property
    def ran(self) -> int:
        """Task runs that were executed with success."""
        return sum(row.ran for row in self.rows.values())

    @property
    def cached(self) -> int:
        return sum(row.cached for row in self.rows.values())

    def count(self, state: TaskState) -> int:
        """Task runs that are in a state."""
        return sum(row.run.counts[state] for row in self.rows.values())

    def count_active(self, state: TaskState) -> int:
        """Task runs that are running, or that have failed; costs what is active, not the graph."""
        return sum(self.rows[node].run.counts[state] for node in list(self.active))

    def _started(self, event: ev.Started) -> None:
        row = self.rows[event.node]
        if row.started_at is None:
            row.started_at = self._now
        row.progress = None

    def _succeeded(self, event: ev.Succeeded) -> None:
        row = self.rows[event.node]
        row.ran += 1
        row.ended_at = self._now
        if row.run.node.map is None:
            row.outputs, row.metrics, row.wall_s = event.outputs, event.metrics, event.usage.wall_s

    def _reused(self, event: ev.Reused) -> None:
        row = self.rows[event.node]
        row.cached += 1
        row.source = event.source
        self.saved_s += event.saved_s

    def _attempt_failed(self, event: ev.AttemptFailed) -> None:
        row = self.rows[event.node]
        row.ended_at = self._now
        if row.run.node.map is None:
            row.wall_s = event.usage.wall_s
        if event.retry_at is not None:
            row.retries += 1
            row.retry = event
        elif len(row.failed) < MAX_KEPT_FAILURES:
            row.failed.append(event.item)

    def _cancel_requested(self, event: ev.CancelRequested) -> None:
        self.cancelled_by = event.by
