"""The loop that moves a run: what happened → what to do → one commit → do it."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from ropewalk.core import events as ev
from ropewalk.core.artifact import Failed, Failure, Usage
from ropewalk.core.decide import Decider, Kill, Open, Run, lost_events
from ropewalk.core.errors import RopewalkError
from ropewalk.core.expr import Unavailable
from ropewalk.core.failpoint import failpoint
from ropewalk.core.policy import Cache
from ropewalk.core.settle import settle
from ropewalk.core.state import READY, RETURNED, RunState
from ropewalk.engine.attempt import Order
from ropewalk.engine.executors.base import Done, Ended, Executor, Progress, Report, Returned
from ropewalk.engine.prepare import Prepared, Preparer
from ropewalk.engine.queue import Queue, Ready
from ropewalk.engine.reuse import Reuse
from ropewalk.engine.startable import Startable
from ropewalk.engine.story import describe
from ropewalk.store import events as log
from ropewalk.store import runs
from ropewalk.store.database import Database
from ropewalk.store.tasks import Hit

CHUNK = 512  # task runs whose keys are looked up together
MAX_LOSSES = 5  # attempts of a task run that may find an input lost, before it is given up
LOOK_S = 0.2  # how often the store is asked for wishes of other processes


@dataclass(frozen=True, slots=True)
class Step:
    """What a listener is told after each commit."""

    events: list[ev.Event]
    progress: list[Progress]
    state: RunState


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
        preparer: Preparer,
        reuse: Reuse,
        listener: Listener | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._db = db
        self._run = run
        self._state = state
        self._executor = executor
        self._preparer = preparer
        self._reuse = reuse
        self._listener = listener
        self._clock = clock
        self._decider = Decider(state)
        self._seq = run.seq
        self._batch: list[ev.Event] = []
        self._progress: list[Progress] = []
        self._queue = Queue()
        self._startable = Startable()
        self._keys: dict[int, list[str]] = {}  # of the leases that this batch grants
        self._token = run.epoch << 32
        self._granted: dict[Ready, Order] = {}  # attempts under way
        self._losses: Counter[Ready] = Counter()  # how often a task run found an input lost
        self._interrupts = 0
        self._looked_at = -math.inf

    def drive(self, first: Iterable[ev.Event] = ()) -> str:
        """Run until nothing is left to do; the final state of the run.

        Args:
            first: events that are part of the state already, but not of the log.
        """
        self._batch += first
        for event in lost_events(self._state, Failure("lost", "the scheduler ended"), self._clock()):
            self._decider.feed(event)
        self._decider.recover()
        while True:
            self._look()
            self._obey()
            claims = self._commit()
            for claim in claims:
                self._executor.submit(claim.worker, claim.prepared.job, claim.orders)
            if self._state.finished:
                return self._state.finished
            for report in self._executor.poll(self._patience_s()):
                self._take_in(report)

    def interrupt(self) -> int:
        """Ask the run to stop, from a signal handler; how often it was asked."""
        self._interrupts += 1
        self._executor.wake()
        return self._interrupts

    # what the decider asks for

    def _obey(self) -> None:
        """Do what the decider asks, and what follows from that, until only waiting is left."""
        while True:
            events, commands = self._decider.take()
            self._batch += events
            for command in commands:
                if isinstance(command, Run):
                    self._queue.add(command.node, command.items, command.at, self._clock())
                elif isinstance(command, Open):
                    self._open(command.node)
                elif isinstance(command, Kill):
                    self._executor.kill(command.node, command.item, command.token)
            if not commands and not self._look_up():
                return

    def _open(self, node_id: str) -> None:
        run = self._state.nodes[node_id]
        if run.opened or self._decider.pending[node_id]:
            return  # it was cancelled since it was asked for, or will be asked for again
        try:
            if self._preparer.condition(run.node):
                self._decider.feed(ev.Opened(node_id, self._preparer.length(run.node)))
            else:
                self._decider.feed(ev.Skipped(node_id, None, "its condition is false"))
        except Exception as error:  # noqa: BLE001  # whatever is wrong with the condition or the list, the task fails
            self._input_failed(node_id, 0, error)

    # keys and reuse

    def _look_up(self) -> bool:
        """Work out the keys of some ready task runs and reuse what is known; whether anything came of it."""
        now = self._clock()
        if len(self._startable) >= CHUNK:
            return False
        orders: dict[str, list[tuple[str, Order]]] = {}

        def is_due(node_id: str, item: int) -> bool:  # and not in the queue for a second time
            return (node_id, item) not in self._startable and self._is_due(node_id, item)

        taken = self._queue.take(CHUNK, now, is_due)
        for node_id, item in taken:
            if not self._is_due(node_id, item):
                continue  # one before it has found that an input of both is lost
            try:
                prepared = self._preparer.prepare(node_id)
                sources = self._preparer.sources(prepared, item)
                key = self._preparer.key(prepared, sources)
            except Exception as error:  # noqa: BLE001  # an input that cannot be worked out fails its task
                self._input_failed(node_id, item, error)
                continue
            orders.setdefault(key, []).append((node_id, Order(prepared.job.id, item, 0, 0, key, sources)))
        self._reuse_or_start(orders, now)
        return bool(taken)

    def _is_due(self, node_id: str, item: int) -> bool:
        """Whether a task run can start: it may have been cancelled, or lost an input, since it was queued."""
        run = self._state.nodes[node_id]
        if run.state(item) is not READY or run.ready_at.get(item, 0) > self._clock():
            return False
        return self._decider.runnable(node_id, item)

    def _reuse_or_start(self, orders: dict[str, list[tuple[str, Order]]], now: float) -> None:
        nodes = self._state.nodes
        wanted = {k: nodes[pairs[0][0]].node.policy.cache for k, pairs in orders.items()}
        hits = self._reuse.find({k: cache for k, cache in wanted.items() if cache.enabled}, now)
        for key, pairs in orders.items():
            for node_id, order in pairs:
                hit = hits.get(key)
                if hit is not None and nodes[node_id].node.policy.cache.enabled:
                    self._decider.feed(_reused(node_id, order, hit))
                elif nodes[node_id].node.policy.cache.enabled and self._reuse.is_computing(key):
                    self._queue.park(key, node_id, order.item)
                else:
                    self._reuse.begin(key)
                    self._startable.add(node_id, order)

    def _commit(self) -> list[_Claim]:
        """Write what happened and grant leases for what comes next, in one transaction."""
        if not self._batch and not self._startable.has_room(self._executor):
            self._tell()
            return []
        with self._db.transaction():
            self._leave_to_others()
            claims = self._claim()
            events, commands = self._decider.take()
            self._batch += events
            for command in commands:
                if isinstance(command, Run):
                    self._queue.add(command.node, command.items, command.at, self._clock())
            if not self._batch:
                self._queue.flush()
                return claims
            self._seq += 1
            failpoint("commit.append")
            log.append(self._db, self._run, self._seq, self._batch, self._state, at=self._clock(), keys=self._keys)
        self._keys = {}
        failpoint("commit.done")
        self._queue.flush()
        self._tell()
        return claims

    def _tell(self) -> None:
        batch, self._batch = self._batch, []
        progress, self._progress = self._progress, []
        if self._listener is not None and (batch or progress):
            self._listener(Step(batch, progress, self._state))

    def _leave_to_others(self) -> None:
        """Hold back what another run computes, or has computed, since it was looked up."""

        def wanted() -> dict[str, Cache]:
            caches = {key: self._state.nodes[node].node.policy.cache for node, key in self._startable.waiting()}
            return {key: cache for key, cache in caches.items() if cache.enabled}

        news = self._reuse.news(self._run.number, wanted, self._clock())
        for node_id, order in self._startable.withdraw_keys(news):
            self._reuse.end(order.key)
            self._queue.park(order.key, node_id, order.item)

    def _claim(self) -> list[_Claim]:
        def is_due(node_id: str, order: Order) -> bool:
            due = self._is_due(node_id, order.item)
            if not due:
                self._release(order.key)
            return due

        return [self._grant(*assigned) for assigned in self._startable.assign(self._executor, is_due)]

    def _grant(self, worker: str, node_id: str, orders: list[Order]) -> _Claim:
        self._token += 1
        run, prepared = self._state.nodes[node_id], self._preparer.prepare(node_id)
        token = self._token
        self._keys[token] = [order.key for order in orders]
        self._decider.feed(ev.Started(node_id, tuple(order.item for order in orders), token, worker))
        granted = [
            Order(prepared.job.id, order.item, run.attempts[order.item], token, order.key, order.sources)
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
        if not self._state.holds(node_id, item, token):
            return  # a late report of an attempt that has lost its lease
        order = self._granted.pop((node_id, item))
        self._release(order.key)
        if isinstance(report, Returned):
            failure = Failure(RETURNED, "it was not begun")
            self._decider.feed(ev.AttemptFailed(node_id, item, token, failure, self._clock(), counted=False))
        elif isinstance(report, Ended):
            self._fail(node_id, item, token, report.failure, Usage())
        elif isinstance(report, Done):
            outcome = report.outcome
            if isinstance(outcome, Failed):
                self._fail(node_id, item, token, outcome.failure, outcome.usage)
            else:
                self._decider.feed(
                    ev.Succeeded(node_id, item, token, order.key, outcome.outputs, outcome.usage, outcome.metrics)
                )

    def _fail(self, node_id: str, item: int, token: int, failure: Failure, usage: Usage) -> None:
        if failure.kind == "cancelled" or (self._state.cancel_requested and failure.kind == "lost"):
            if not self._state.cancel_requested:
                self._decider.feed(ev.CancelRequested("Ctrl-C"))
            self._decider.feed(ev.Cancelled(node_id, (item,)))
            return
        if failure.lost_digest and self._makes_again(failure.lost_digest, node_id, item):
            event: ev.Event = ev.AttemptFailed(node_id, item, token, failure, self._clock(), counted=False, usage=usage)
        else:
            event = settle(self._state, node_id, item, token, failure, self._clock(), usage)
        self._decider.feed(event)

    def _input_failed(self, node_id: str, item: int, error: Exception) -> None:
        """A condition, list or input cannot be worked out: for good, or until something is computed again."""
        failure = _input_failure(error)
        if not (failure.lost_digest and self._makes_again(failure.lost_digest, node_id, item)):
            self._decider.feed(settle(self._state, node_id, item, 0, failure, self._clock()))

    def _makes_again(self, digest: str, node_id: str, item: int) -> bool:
        """Have a result that turned out to be missing or corrupt computed again, for a task run that needs it.

        False: nothing that this run computed holds it, or the task run has lost an input too often.
        """
        self._losses[node_id, item] += 1
        if self._losses[node_id, item] > MAX_LOSSES:
            return False
        for maker, lost in self._reuse.makers(self._state, digest):
            self._decider.feed(ev.ResultLost(maker, lost, digest))
            for user in self._state.graph.downstream[maker]:
                self._preparer.forget(user)
                self._look_up_again(user)
        opened = self._state.nodes[node_id].opened
        return self._decider.pending[node_id] > 0 or (opened and not self._decider.runnable(node_id, item))

    def _look_up_again(self, node_id: str) -> None:
        """What was looked up before an input was lost may have another key once it is made again."""
        for order in self._startable.withdraw(node_id):
            self._release(order.key)
            self._queue.add(node_id, (order.item,), None, self._clock())

    def _release(self, key: str) -> None:
        """The key is not being computed any more: whoever waits for it may look again, once that is committed."""
        self._reuse.end(key)
        self._queue.release(key)

    # what other processes and people want

    def _look(self) -> None:
        now = self._clock()
        if self._interrupts and not self._state.cancel_requested:
            self._decider.feed(ev.CancelRequested("Ctrl-C"))
        if 0 <= now - self._looked_at < LOOK_S:  # a clock may be set back
            return
        self._looked_at = now
        if not self._state.cancel_requested and (by := runs.cancel_asked(self._db, self._run.number)):
            self._decider.feed(ev.CancelRequested(by))
        if parked := self._queue.parked():
            taken = self._reuse.taken_by_others(self._run.number)
            for key in parked:
                if key not in taken and not self._reuse.is_computing(key):
                    self._release(key)
            self._queue.flush()

    def _patience_s(self) -> float:
        """How long nothing but reports can happen."""
        if self._decider.events or self._decider.commands or self._batch:
            return 0.0
        return min(self._queue.next_s(self._clock()), LOOK_S)


def _reused(node_id: str, order: Order, hit: Hit) -> ev.Reused:
    return ev.Reused(node_id, order.item, order.key, hit.outputs, hit.run, hit.wall_s, hit.metrics)


def _input_failure(error: BaseException) -> Failure:
    """Why the inputs of a task run could not be had."""
    if isinstance(error, RopewalkError):
        digest = getattr(error, "digest", "")
        return Failure("input", error.title, facts=error.facts, help=error.help, retryable=False, lost_digest=digest)
    if isinstance(error, Unavailable):
        return Failure("input", "a result that it needs is not available", retryable=False)
    story = describe(error)
    return Failure("input", f"its inputs cannot be had: {story.message}", story.error_type, retryable=False)
