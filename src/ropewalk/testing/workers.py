"""Workers that exist in virtual time only: slow, unreliable and repetitive, but they compute what tasks compute."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from ropewalk.artifacts.blobs import Blobs
from ropewalk.core.artifact import Failed, Failure
from ropewalk.core.noderun import NodeRun
from ropewalk.core.settle import MAX_LOST
from ropewalk.engine.attempt import Job, Order, execute
from ropewalk.engine.executors.base import Done, Ended, Report, Returned
from ropewalk.testing.clock import Stage

WRONG = Failure("exception", "ValueError: no", "builtins.ValueError", ("builtins.Exception",))
TIMEOUT = Failure("timeout", "timed out after 1 s")
LOST = Failure("lost", "the worker process was killed by SIGKILL")
CANCELLED = Failure("cancelled", "cancelled", retryable=False)


class Director(Protocol):
    """Who decides what happens to attempts."""

    rng: Random
    stage: Stage

    @property
    def faults(self) -> float:
        """How likely each mishap is."""

    late: list[Report]  # reports that arrive when their attempt has no lease any more

    def node_run(self, node: str) -> NodeRun:
        """The state of a node, as it was last committed."""

    def fails(self, node: str, order: Order) -> bool:
        """Whether an attempt fails by its own fault."""

    def before_poll(self) -> None:
        """The scheduler waits for reports: a good moment to end it."""

    def begins(self, order: Order, node: str) -> None:
        """An attempt begins."""

    def ends(self, order: Order) -> None:
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
            self._queues[worker].append(_Attempt(job, order, self._duration_s()))
        self._take_up(worker)

    def _duration_s(self) -> float:
        rng = self._director.rng
        return rng.expovariate(1.0) * (50 if rng.random() < 0.03 else 1)

    def _take_up(self, worker: str) -> None:
        if queue := self._queues[worker]:
            queue[0].ends_at = self._director.stage.now + queue[0].takes_s

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
            self._director.ends(attempt.order)
            self._reports.append(report)
            if self._mishap():
                self._director.late.append(report)
            if isinstance(report, Ended) and report.failure.kind == "lost":
                self._give_back(queue)
            self._take_up(worker)

    def _end(self, attempt: _Attempt) -> Report:
        job, order = attempt.job, attempt.order
        place = (job.node, order.item, order.token)
        if attempt.killed:
            return Ended(*place, CANCELLED)
        if self._mishap() and self._director.node_run(job.node).losses.get(order.item, 0) < MAX_LOST:
            return Ended(*place, LOST)
        if self._director.fails(job.node, order):
            return Done(*place, Failed(WRONG)) if order.item % 2 else Ended(*place, TIMEOUT)
        return Done(*place, execute(job, order, self._functions[job.task], self._blobs))

    def _give_back(self, queue: deque[_Attempt]) -> None:
        while queue:
            attempt = queue.popleft()
            self._director.ends(attempt.order)
            self._reports.append(Returned(attempt.job.node, attempt.order.item, attempt.order.token))

    def _late(self) -> list[Report]:
        """Reports that were sent before, by whomever, and arrive now."""
        late = [report for report in self._director.late if self._director.rng.random() < 0.5]
        self._director.late[:] = [report for report in self._director.late if report not in late]
        return late

    def _mishap(self) -> bool:
        return self._director.rng.random() < self._director.faults

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
        return [Ended(a.job.node, a.order.item, a.order.token, WRONG) for a in running]

    def close(self) -> None:
        for queue in self._queues.values():
            for attempt in queue:
                self._director.ends(attempt.order)
            queue.clear()
