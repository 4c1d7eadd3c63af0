"""Workers that exist in virtual time only: slow, unreliable and repetitive, but they compute what tasks compute."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from heapq import heappop, heappush
from random import Random
from typing import Any, Protocol

from ropewalk.artifacts.blobs import Blobs
from ropewalk.core.artifact import Failure, Outcome
from ropewalk.engine.attempt import Job, Order, execute, function_of
from ropewalk.engine.executors.base import FULL, NOBODY, Done, Ended, Offer, Report, Returned
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
        self._free = list(range(slots))  # numbers of workers without an attempt, in order
        self._ends: list[tuple[float, int]] = []  # a heap: when the first attempt of a worker ends, if it still is that
        self._reports: list[Report] = []

    def offer(self, node: str, remaining: int, taken: Mapping[str, float] = NOBODY, task: str = "") -> Offer | None:
        names = (f"w{number}" for number in self._free)
        free = next((name for name in names if taken.get(name, 0.0) < FULL), None)
        if free is None:
            return None
        left = round((1.0 - taken.get(free, 0.0)) * self._batch)
        return Offer(free, min(left, remaining), 1 / self._batch)

    def submit(self, worker: str, job: Job, orders: Sequence[Order]) -> None:
        queue, number = self._queues[worker], int(worker[1:])
        was_free = not queue
        for order in orders:
            self._director.begins(order, job.node)
            queue.append(_Attempt(job, order, self._director.takes_s(job, order)))
        if was_free and orders:
            del self._free[bisect_left(self._free, number)]
            self._take_up(number, queue)

    def _take_up(self, number: int, queue: deque[_Attempt]) -> None:
        if queue:
            first = queue[0]
            limit_s = math.inf if first.job.timeout_s is None else first.job.timeout_s
            first.ends_at = self._director.stage.now + min(first.takes_s, limit_s)
            heappush(self._ends, (first.ends_at, number))

    def poll(self, timeout_s: float) -> list[Report]:
        self._director.before_poll()
        now = self._director.stage.now
        self._director.stage.wait(0 if self._reports else max(0.0, min(now + timeout_s, self._first_end()) - now))
        due = set()
        while self._first_end() <= self._director.stage.now:
            due.add(heappop(self._ends)[1])
        for number in sorted(due):
            self._end_what_is_due(number)
        reports, self._reports = self._reports, []
        return reports + self._late()

    def _first_end(self) -> float:
        """When the next attempt ends."""
        while self._ends:
            ends_at, number = self._ends[0]
            queue = self._queues[f"w{number}"]
            if queue and queue[0].ends_at == ends_at:
                return ends_at
            heappop(self._ends)  # it was killed, or ended earlier
        return math.inf

    def _end_what_is_due(self, number: int) -> None:
        queue = self._queues[f"w{number}"]
        while queue and queue[0].ends_at <= self._director.stage.now:
            attempt = queue.popleft()
            report = self._end(attempt)
            self._director.ends(attempt.order, attempt.job.node)
            self._reports.append(report)
            if self._director.is_told_again():
                self._director.late.append(report)
            if isinstance(report, Ended) and report.failure.kind == "lost":
                self._give_back(queue)
            self._take_up(number, queue)
        if not queue:
            insort(self._free, number)

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
        for name, queue in self._queues.items():
            for attempt in queue:
                if (attempt.job.node, attempt.order.item, attempt.order.token) == (node, item, token):
                    attempt.killed = self._director.rng.random() < 0.8  # or it ends well in spite of that
                    attempt.takes_s = min(attempt.takes_s, self._director.rng.random() * 5)
                    attempt.ends_at = min(attempt.ends_at, self._director.stage.now + attempt.takes_s)
                    heappush(self._ends, (attempt.ends_at, int(name[1:])))

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
        self._free, self._ends = list(range(self.slots)), []
