"""Workers that exist in virtual time only: slow, unreliable and repetitive, but they compute what tasks compute."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any, Protocol

from ropewalk.artifacts.blobs import Blobs
from ropewalk.core.artifact import Failure, Outcome
from ropewalk.engine.attempt import Job, Order, execute, function_of
from ropewalk.engine.executors.base import Done, Ended, Report, Returned
from ropewalk.testing.clock import Stage

LOST = Failure("lost", "the worker process was killed by SIGKILL")
CANCELLED = Failure("cancelled", "cancelled", retryable=False)


class Director(Protocol):
    """Who decides what happens to attempts."""

    rng: Random
    stage: Stage
    late: list[Report]  # reports that arrive when their attempt has no lease any more

    def takes_s(self, job: Job, order: Order) -> float:
        """How long an attempt takes."""

    def attempt(self, job: Job, order: Order, work: Callable[[], Outcome]) -> Outcome | Failure:
        """How an attempt ends whose time has come: what `work`, its task, makes of it, or a mishap."""

    def is_told_again(self) -> bool:
        """Whether a report that is about to be sent arrives once more, later."""

    def before_poll(self) -> None:
        """The scheduler waits for reports: a good moment to end it."""

    def begins(self, order: Order, node: str) -> None:
        """An attempt begins."""

    def ends(self, order: Order, node: str) -> None:
        """An attempt has reported, or will never."""


@dataclass(slots=True)
class _Attempt:
    job: Job
    order: Order
    takes_s: float
    ends_at: float = 0.0
    killed: bool = False


class SimulatedExecutor:
    """An executor with `slots` workers that each take up to `batch` orders at a time."""

    def __init__(
        self, director: Director, functions: Mapping[str, Callable[..., Any]], blobs: Blobs, slots: int, batch: int
    ) -> None:
        self.slots = slots
        self._director = director
        self._functions = functions
        self._blobs = blobs
        self._batch = batch
        self._queues: dict[str, deque[_Attempt]] = {f"w{number}": deque() for number in range(slots)}
        self._reports: list[Report] = []

    def offer(self, node: str, remaining: int, taken: Collection[str] = ()) -> tuple[str, int] | None:
        free = [name for name, queue in self._queues.items() if not queue and name not in taken]
        return (free[0], min(self._batch, remaining)) if free else None

    def submit(self, worker: str, job: Job, orders: Sequence[Order]) -> None:
        for order in orders:
            self._director.begins(order, job.node)
            self._queues[worker].append(_Attempt(job, order, self._director.takes_s(job, order)))
        self._take_up(worker)

    def _take_up(self, worker: str) -> None:
        if queue := self._queues[worker]:
            first = queue[0]
            limit_s = math.inf if first.job.timeout_s is None else first.job.timeout_s
            first.ends_at = self._director.stage.now + min(first.takes_s, limit_s)

    def poll(self, timeout_s: float) -> list[Report]:
        self._director.before_poll()
        now, ends = self._director.stage.now, [q[0].ends_at for q in self._queues.values() if q]
        self._director.stage.wait(0 if self._reports else max(0.0, min([now + timeout_s, *ends]) - now))
        for worker in self._queues:
            self._end_what_is_due(worker)
        reports, self._reports = self._reports, []
        return reports + self._late()

    def _end_what_is_due(self, worker: str) -> None:
        queue = self._queues[worker]
        while queue and queue[0].ends_at <= self._director.stage.now:
            attempt = queue.popleft()
            report = self._end(attempt)
            self._director.ends(attempt.order, attempt.job.node)
            self._reports.append(report)
            if self._director.is_told_again():
                self._director.late.append(report)
            if isinstance(report, Ended) and report.failure.kind == "lost":
                self._give_back(queue)
            self._take_up(worker)

    def _end(self, attempt: _Attempt) -> Report:
        job, order = attempt.job, attempt.order
        place = (job.node, order.item, order.token)
        if attempt.killed:
            return Ended(*place, CANCELLED)
        if job.timeout_s is not None and attempt.takes_s > job.timeout_s:
            return Ended(*place, Failure("timeout", f"timed out after {job.timeout_s:g} s"))
        work = partial(execute, job, order, function_of(job, self._functions), self._blobs)
        outcome = self._director.attempt(job, order, work)
        if isinstance(outcome, Failure):
            return Ended(*place, outcome)
        began_at = self._director.stage.now - attempt.takes_s
        usage = replace(outcome.usage, wall_s=attempt.takes_s, started_at=began_at)
        return Done(*place, replace(outcome, usage=usage))

    def _give_back(self, queue: deque[_Attempt]) -> None:
        while queue:
            attempt = queue.popleft()
            self._director.ends(attempt.order, attempt.job.node)
            self._reports.append(Returned(attempt.job.node, attempt.order.item, attempt.order.token))

    def _late(self) -> list[Report]:
        """Reports that were sent before, by whomever, and arrive now."""
        late = [report for report in self._director.late if self._director.rng.random() < 0.5]
        self._director.late[:] = [report for report in self._director.late if report not in late]
        return late

    def kill(self, node: str, item: int, token: int) -> None:
        for queue in self._queues.values():
            for attempt in queue:
                if (attempt.job.node, attempt.order.item, attempt.order.token) == (node, item, token):
                    attempt.killed = self._director.rng.random() < 0.8  # or it ends well in spite of that
                    attempt.takes_s = min(attempt.takes_s, self._director.rng.random() * 5)
                    attempt.ends_at = min(attempt.ends_at, self._director.stage.now + attempt.takes_s)

    def wake(self) -> None:
        pass

    def vanish(self) -> list[Report]:
        """The scheduler is gone: what its attempts would have reported, had they lived on."""
        running = [attempt for queue in self._queues.values() for attempt in queue]
        self.close()
        return [Ended(a.job.node, a.order.item, a.order.token, LOST) for a in running]

    def close(self) -> None:
        for queue in self._queues.values():
            for attempt in queue:
                self._director.ends(attempt.order, attempt.job.node)
            queue.clear()
