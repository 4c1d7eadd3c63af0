"""The loop that moves a run: what happened → what to do → one commit → do it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from ropewalk.core import events as ev
from ropewalk.core.artifact import Failed, Failure, Succeeded, Usage
from ropewalk.core.decide import Decider, Kill
from ropewalk.core.expr import Unavailable
from ropewalk.core.failpoint import failpoint
from ropewalk.core.guard import verdict
from ropewalk.core.noderun import RETURNED
from ropewalk.core.settle import lost_events, settle
from ropewalk.core.state import RunState
from ropewalk.engine.asking import Asker
from ropewalk.engine.attempt import Order
from ropewalk.engine.executors.base import Done, Ended, Executor, Progress, Report, Returned
from ropewalk.engine.prepare import Prepared
from ropewalk.engine.punctual import Punctual
from ropewalk.engine.queue import Ready
from ropewalk.engine.supply import Means, Supply
from ropewalk.engine.waiting import after_check
from ropewalk.store import events as log
from ropewalk.store import runs
from ropewalk.store.database import Database
from ropewalk.store.deadletters import Given

MAX_BATCH = 16_384  # events of one commit, where as many are reused
LOOK_S = 0.2  # how often the store is asked for wishes of other processes
PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Step:
    """What a listener is told after each commit."""

    events: list[ev.Event]
    progress: list[Progress]
    state: RunState
    run: int = 0  # its number


Listener: TypeAlias = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class _Claim:
    worker: str
    prepared: Prepared
    orders: list[Order]


class Scheduler:
    """Drives one run to its end; raises LeaseLostError when another process took the run over."""

    def __init__(
        self,
        db: Database,
        run: runs.Run,
        state: RunState,
        executor: Executor,
        means: Means,
        listener: Listener | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._db = db
        self._run = run
        self._state = state
        self._executor = executor
        self._preparer = means.preparer
        self._listener = listener
        self._clock = clock
        self._decider = Decider(state)
        self._asker = Asker(db, means.reuse.blobs, run.number, run.author, state)
        self._punctual = Punctual(db, run, state)
        self._supply = Supply(state, self._decider, means, self._asker, self._punctual, clock)
        self._admission = means.admission
        self._seq = run.seq
        self._batch: list[ev.Event] = []
        self._progress: list[Progress] = []
        self._keys: dict[int, list[str]] = {}  # of the leases that this batch grants
        self._given: dict[Ready, Given] = {}  # of what has failed for good in this batch
        self._token = run.epoch << 32
        self._granted: dict[Ready, Order] = {}  # attempts under way
        self._interrupts = 0
        self._looked_at = -math.inf

    def drive(self, first: Iterable[ev.Event] = ()) -> str:
        """Run until nothing is left to do, or only persons can help; the final state of the run, or "paused".

        Args:
            first: events that are part of the state already, but not of the log.
        """
        self._begin(list(first))
        for event in lost_events(self._state, Failure("lost", "the scheduler ended"), self._clock()):
            self._decider.feed(event)
        self._decider.recover()
        while True:
            self._look()
            self._obey()
            claims = self._commit()
            for claim in claims:
                self._executor.submit(claim.worker, claim.prepared.job, claim.orders)
            if self._state.finished or self._state.resting:
                return self._state.finished or PAUSED
            for report in self._executor.poll(self._patience_s()):
                self._take_in(report)

    def _begin(self, first: list[ev.Event]) -> None:
        """Write down how the run was taken up before anything follows from it, so that its rows are those of then."""
        self._batch += first
        if first:
            with self._db.transaction():
                self._append()
            self._tell()

    def interrupt(self) -> int:
        """Ask the run to stop, from a signal handler; how often it was asked."""
        self._interrupts += 1
        self._executor.wake()
        return self._interrupts

    def _obey(self) -> None:
        """Do what the decider asks, and what follows from that, until only waiting is left."""
        while True:
            events, commands = self._decider.take()
            self._batch += events
            for command in commands:
                if isinstance(command, Kill):
                    self._executor.kill(command.node, command.item, command.token)
            self._supply.obey(commands)
            if not commands and (self._is_pausing or len(self._batch) >= MAX_BATCH or not self._supply.look_up()):
                break
        if reason := self._rests():
            self._decider.feed(ev.Rested(reason))
            self._batch += self._decider.take()[0]

    def _rests(self) -> str:
        """Why nothing can happen before a person acts; empty: something can."""
        if self._granted or self._state.finished or self._state.cancel_requested:
            return ""
        if self._state.pause_requested:
            return f"paused by {self._state.pause_requested}"
        if self._asker and self._supply.is_idle:
            return f"approval of {', '.join(self._asker.awaited)}"
        return ""

    def _commit(self) -> list[_Claim]:
        """Write what happened and grant leases for what comes next, in one transaction."""
        if not self._batch and not self._has_room():
            self._tell()
            return []
        with self._db.transaction():
            self._heed_answers()
            self._supply.leave_to_others(self._run.number)
            claims = self._claim()
            events, commands = self._decider.take()
            self._batch += events
            self._supply.obey(commands)
            if not self._batch:
                self._supply.queue.flush()
                return claims
            self._append()
        self._keys, self._given = {}, {}
        failpoint("commit.done")
        self._supply.queue.flush()
        self._tell()
        return claims

    def _append(self) -> None:
        self._seq += 1
        failpoint("commit.append")
        log.append(
            self._db, self._run, self._seq, self._batch, self._state,
            at=self._clock(), keys=self._keys, given=self._given,
        )  # fmt: skip

    def _heed_answers(self) -> None:
        """Stay awake for an answer that came while the run was found to have nothing to do."""
        if self._state.resting and not self._state.pause_requested and self._asker.has_answers():
            self._decider.feed(ev.Woken())
            self._looked_at = -math.inf

    @property
    def _is_pausing(self) -> bool:
        """Nothing is to start, for the time being; a cancel goes before a pause."""
        return bool(self._state.pause_requested) and not self._state.cancel_requested

    def _has_room(self) -> bool:
        return not self._is_pausing and self._supply.startable.has_room(self._executor)

    def _tell(self) -> None:
        batch, self._batch = self._batch, []
        progress, self._progress = self._progress, []
        if self._listener is not None and (batch or progress):
            self._listener(Step(batch, progress, self._state, self._run.number))

    def _claim(self) -> list[_Claim]:
        def is_due(node_id: str, order: Order) -> bool:
            due = self._supply.is_due(node_id, order.item) and not self._supply.holds_back(node_id, order.item)
            if not due:
                self._supply.release(order.key)
            return due

        if self._is_pausing or self._state.resting:
            return []
        assigned = self._supply.startable.assign(self._executor, is_due, self._admission.room)
        return [self._grant(*one) for one in assigned]

    def _grant(self, worker: str, node_id: str, orders: list[Order]) -> _Claim:
        self._token += 1
        run, prepared = self._state.nodes[node_id], self._preparer.prepare(node_id)
        token = self._token
        items = tuple(order.item for order in orders)
        self._keys[token] = [order.key for order in orders]
        now = self._clock()
        self._decider.feed(ev.Started(node_id, items, token, worker, now))
        self._admission.take(node_id, items, token, worker)
        given = self._admission.given(token)
        granted = [
            Order(
                prepared.job.id,
                order.item,
                run.attempts[order.item],
                token,
                order.key,
                order.sources,
                given.memory_bytes,
                given.gpus,
                waited_s=now - run.since.get(order.item, now),
            )
            for order in orders
        ]
        self._granted.update({(node_id, order.item): order for order in granted})
        return _Claim(worker, prepared, granted)

    # what executors report

    def _take_in(self, report: Report) -> None:
        if isinstance(report, Progress):
            self._progress.append(report)
            return
        node_id, item, token = report.node, report.item, report.token
        order = self._order_of(report)
        if order is None:
            return  # it was answered before, or was granted by a scheduler that is gone
        del self._granted[node_id, item]
        held = self._state.holds(node_id, item, token)
        self._admission.end(node_id, item, token, _has_failed(report) if held else None)
        self._supply.release(order.key)
        if not held:
            return  # the attempt has lost its lease
        if isinstance(report, Returned):
            failure = Failure(RETURNED, "it was not begun")
            self._decider.feed(ev.AttemptFailed(node_id, item, token, failure, self._clock(), counted=False))
        elif isinstance(report, Ended):
            self._fail(node_id, order, report.failure, Usage())
        elif isinstance(report.outcome, Failed):
            self._fail(node_id, order, report.outcome.failure, report.outcome.usage)
        else:
            self._succeed(node_id, order, report.outcome)

    def _order_of(self, report: Done | Ended | Returned) -> Order | None:
        """The order that a report answers."""
        order = self._granted.get((report.node, report.item))
        return order if order is not None and order.token == report.token else None

    def _succeed(self, node_id: str, order: Order, outcome: Succeeded) -> None:
        self._decider.feed(
            ev.Succeeded(node_id, order.item, order.token, order.key, outcome.outputs, outcome.usage, outcome.metrics)
        )

    def _fail(self, node_id: str, order: Order, failure: Failure, usage: Usage) -> None:
        item, token = order.item, order.token
        if node_id in self._state.undone:
            if failure.kind == "cancelled":  # what is being taken back is not left half done
                failure = Failure("lost", failure.message)
        elif failure.kind == "cancelled" or (self._state.cancel_requested and failure.kind == "lost"):
            if not self._state.cancel_requested:
                self._decider.feed(ev.CancelRequested("Ctrl-C"))
            self._decider.feed(ev.Cancelled(node_id, (item,)))
            return
        if failure.lost_digest and self._supply.makes_again(failure.lost_digest, node_id, item):
            event = ev.AttemptFailed(node_id, item, token, failure, self._clock(), counted=False, usage=usage)
        else:
            event = settle(self._state, node_id, item, token, failure, self._clock(), usage)
        if event.retry_at is None:
            with suppress(Unavailable):  # an input was lost while it ran
                inputs = self._preparer.identities(self._preparer.prepare(node_id), order.sources)
                self._given[node_id, item] = Given(order.key, inputs)
        run, ending = self._state.nodes[node_id], self._state.cancel_requested
        for follows in after_check(run, event, self._clock(), ending=ending) or [event]:
            self._decider.feed(follows)

    # what other processes and people want

    def _look(self) -> None:
        now = self._clock()
        if self._interrupts and not self._state.cancel_requested:
            self._decider.feed(ev.CancelRequested("Ctrl-C"))
        if 0 <= now - self._looked_at < LOOK_S:  # a clock may be set back
            return
        self._looked_at = now
        cancel, pause = runs.wishes(self._db, self._run.number)
        if cancel and not self._state.cancel_requested:
            self._decider.feed(ev.CancelRequested(cancel))
        if pause and not (self._state.pause_requested or self._state.finished):
            self._decider.feed(ev.PauseRequested(pause))
        for event in self._asker.answers(now):
            self._decider.feed(event)
        self._watch_deadlines(now)
        self._supply.take_back(self._run.number)

    def _watch_deadlines(self, now: float) -> None:
        for node_id, at in self._punctual.missed(now):
            self._decider.feed(ev.DeadlineMissed(node_id, at))
            if self._punctual.cancels(node_id) and not self._state.cancel_requested:
                self._decider.feed(ev.CancelRequested(f"the deadline of {node_id or 'the run'}, which was missed"))

    def _patience_s(self) -> float:
        """How long nothing but reports can happen."""
        if self._decider.events or self._decider.commands or self._batch:
            return 0.0
        now = self._clock()
        looks_up = not (self._is_pausing or self._supply.is_full)
        ready_s = self._supply.queue.next_s(now) if looks_up else math.inf
        return min(ready_s, self._admission.next_s(now), LOOK_S)


def _has_failed(report: Done | Ended | Returned) -> bool | None:
    """Whether an attempt says something good or bad about what it used; None: neither."""
    if isinstance(report, Returned):
        return None
    failure = report.failure if isinstance(report, Ended) else getattr(report.outcome, "failure", None)
    return verdict("" if failure is None else failure.kind)
