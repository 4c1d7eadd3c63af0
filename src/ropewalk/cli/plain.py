"""Progress where there is no terminal: one `key=value` line for each change of state, and few for mapped items."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable

from ropewalk.cli.awaiting import answer_of, what_is_awaited
from ropewalk.cli.board import MAX_KEPT_FAILURES, Board, Row
from ropewalk.cli.numbers import show_moment
from ropewalk.cli.rows import headline
from ropewalk.core import events as ev
from ropewalk.core.noderun import PART
from ropewalk.core.special import Approval, Loop, Wait
from ropewalk.core.taskstate import FAILED, RUNNING
from ropewalk.engine.scheduler import Step
from ropewalk.store.runs import Run

EVERY_S = 5.0  # a mapped node says at most so often how far it has come
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/+,@%[]")


def line(**fields: object) -> str:
    """Fields as `key=value`, those that are None left out; a value with a space or a quote in it is JSON."""
    return " ".join(f"{name}={_value(value)}" for name, value in fields.items() if value is not None)


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    text = str(value)
    return text if text and _PLAIN.issuperset(text) else json.dumps(text, ensure_ascii=False)


class Plain:
    """Writes what happens to a run.

    Args:
        write: takes one line.
        everything: also tell when a task that is not mapped starts.
        clock: seconds; for the pace of progress lines.
    """

    def __init__(
        self,
        run: Run,
        board: Board,
        write: Callable[[str], None],
        *,
        everything: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run.number
        self._board = board
        self._write = write
        self._everything = everything
        self._clock = clock
        self._ended: set[str] = set()
        self._begun: set[str] = set()
        self._awaiting: set[str] = set()
        self._failures: dict[str, int] = {}
        self._retries: dict[str, int] = {}
        self._told_at: dict[str, float] = {}
        write(line(run=run.number, pipeline=run.pipeline, event="start"))

    def tell(self, step: Step, touched: Iterable[str]) -> None:
        """Say what is new about the nodes that were touched, and which deadlines were missed."""
        for event in step.events:
            if isinstance(event, ev.DeadlineMissed):
                late = show_moment(event.deadline)
                self._write(line(run=self._run, task=event.node or None, event="deadline_missed", deadline=late))
        for node in touched:
            row = self._board.row(node)
            self._begin(row)
            self._wait(row)
            self._fail(row)
            if row.run.settled:
                if node not in self._ended:
                    self._ended.add(node)
                    self._end(row)
            elif row.is_mapped:
                self._go_on(row)

    def finish(self, state: str, duration_s: float) -> None:
        """The last line."""
        board = self._board
        self._write(
            line(run=self._run, event="end", state=state, ran=board.ran, cached=board.cached, duration=duration_s)
        )

    def _begin(self, row: Row) -> None:
        if row.started_at is None or row.id in self._begun or (row.grows and not row.is_mapped):
            return
        self._begun.add(row.id)
        self._told_at[row.id] = self._clock()
        if row.is_mapped:
            self._write(line(run=self._run, task=row.id, state="running", items=row.run.length))
        elif self._everything:
            self._write(line(run=self._run, task=row.id, state="running"))

    def _wait(self, row: Row) -> None:
        """Say once that something outside, or a person, is awaited."""
        special = row.run.node.special
        if row.id in self._awaiting or not what_is_awaited(row.run) or row.run.counts[RUNNING]:
            return
        self._awaiting.add(row.id)
        fields: dict[str, object] = {"every": f"{special.every_s:g}s"} if isinstance(special, Wait) else {}
        if isinstance(special, Approval):
            fields = {"asks": special.message, "role": special.role or None}
        self._write(line(run=self._run, task=row.id, state="waiting", **fields))

    def _fail(self, row: Row) -> None:
        if row.retry is not None and row.retries != self._retries.get(row.id, 0):
            self._retries[row.id] = row.retries
            if row.retries <= MAX_KEPT_FAILURES:
                again = row.run.label(row.retry.item) if row.is_mapped else None
                error = headline(row.retry.failure)
                self._write(line(run=self._run, task=row.id, item=again, state="ready", retry=row.retries, error=error))
        if row.is_mapped:
            known = self._failures.get(row.id, 0)
            for item in row.failed[known:]:
                failure = row.run.failures.get(item)
                if failure is not None and failure.kind == PART:
                    continue  # its own nodes have said it
                error = headline(failure)
                name = row.run.label(item)
                self._write(line(run=self._run, task=row.id, item=name, state="failed", error=error))
            self._failures[row.id] = len(row.failed)

    def _go_on(self, row: Row) -> None:
        now = self._clock()
        if now - self._told_at.get(row.id, now) >= EVERY_S:
            self._told_at[row.id] = now
            self._write(line(run=self._run, task=row.id, state="running", done=row.done, items=row.run.length))

    def _end(self, row: Row) -> None:
        state, items = row.state, row.run.length if row.is_mapped else None
        duration_s = row.duration_s if state in ("succeeded", "failed") else None
        fields: dict[str, object] = {"run": self._run, "task": row.id, "state": state, "items": items}
        if state == "cached":
            fields["from"] = row.source
        elif state == "succeeded" and row.run.node.kind == "approval":
            fields["answer"] = answer_of(row.outputs)
        elif state == "skipped":
            fields["reason"] = row.run.reason or None
        elif state == "failed":
            fields["failed" if row.is_mapped else "error"] = (
                row.run.counts[FAILED] if row.is_mapped else headline(next(iter(row.run.failures.values()), None))
            )
        if turns := sum(parts.turn for parts in row.run.parts.values() if isinstance(row.run.node.special, Loop)):
            fields["turns"] = turns
        if state != "failed" and row.run.counts[FAILED]:
            fields["tolerated"] = row.run.counts[FAILED]
        if row.is_mapped and not row.grows and row.cached and state != "cached":
            fields["cached"] = row.cached
        metrics = {name: value for name, value in row.metrics.items() if "@" not in name}
        self._write(line(**fields, duration=duration_s, **{k: v for k, v in metrics.items() if k not in fields}))
