"""What the scheduler knows of one of its worker processes."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ropewalk.core.artifact import Failure
from ropewalk.engine.attempt import Job, Order
from ropewalk.engine.executors.begun import Begun
from ropewalk.engine.executors.channel import Channel
from ropewalk.engine.executors.child import place_of
from ropewalk.engine.executors.pace import Pace


@dataclass(slots=True, eq=False)
class Worker:
    """A process, the orders that it has, and what is being done about it."""

    name: str
    channel: Channel
    begun: Begun
    queue: deque[tuple[Job, Order]] = field(default_factory=deque)
    ended: int = 0  # orders that it has begun and answered
    recalled: bool = False
    ending: Failure | None = None  # why its present attempt is being ended
    target: tuple[int, int] | None = None  # item and token of that attempt; it may end by itself before
    doomed: set[tuple[int, int]] = field(default_factory=set)  # orders that are to end, should they begin after all
    kill_at: float = math.inf
    _outbox: list[tuple[Job | None, list[Order]]] = field(default_factory=list)  # orders that go out together
    _jobs: set[int] = field(default_factory=set)  # that it knows

    @property
    def place(self) -> int:
        return place_of(self.name)

    def take(self, job: Job, orders: Sequence[Order]) -> None:
        """Queue orders; they go out with `send_orders`."""
        self.queue.extend((job, order) for order in orders)
        self.recalled = False
        self._outbox.append((None if job.id in self._jobs else job, list(orders)))
        if job.mapped:
            self._jobs.add(job.id)

    def send_orders(self) -> bool:
        """Send what has been queued since the last time, in one message; whether nothing is left to be sent."""
        if not self._outbox:
            return self._sent(self.channel.push)
        orders, self._outbox = self._outbox, []
        return self._sent(lambda: self.channel.offer(("orders", orders)))

    def recall(self) -> bool:
        """Ask for the orders back that it has not begun; whether nothing is left to be sent."""
        return self._sent(lambda: self.channel.offer(("return",)))

    def _sent(self, write: Callable[[], bool]) -> bool:
        """The scheduler never waits for a worker to read; that it is dead is noticed where it is read."""
        if self.channel.closed:
            return True
        try:
            return write()
        except OSError:
            return True

    def answered(self, item: int, token: int, *, begun: bool) -> tuple[Job, Order] | None:
        """Take the order that it has answered from its queue."""
        for index, (job, order) in enumerate(self.queue):
            if order.token == token and order.item == item:
                del self.queue[index]
                self.ended += begun
                self.doomed.discard((item, token))
                return job, order
        return None

    def backlog_s(self, pace: Pace) -> float:
        """How long it has to do; infinite when that is not known."""
        if not self.queue:
            return 0.0
        ends = (self.queue[0][0], self.queue[-1][0])
        return max(max(pace.mean_s(job.node, job.task) for job in ends) * len(self.queue), 1e-9)

    @property
    def current(self) -> int:
        """Which order of its queue it is at; those before it have ended, but were not reported. -1: at none."""
        return self.begun.read(self.place)[0] - self.ended - 1

    @property
    def present_order(self) -> Order | None:
        """The order that it is at."""
        current = self.current
        return self.queue[current][1] if 0 <= current < len(self.queue) else None

    def end(self, failure: Failure) -> None:
        """Note why its present attempt is being ended."""
        order = self.present_order
        self.ending, self.target = failure, None if order is None else (order.item, order.token)

    def failure_of(self, order: Order) -> Failure | None:
        """Why an order has ended with the worker; None: nobody wanted that."""
        if self.ending is None or self.target in (None, (order.item, order.token)):
            return self.ending
        return Failure("lost", "its worker was ended because of the order before it")

    @property
    def present(self) -> tuple[Job | None, float]:
        """The job that it is at, or will be in a moment, and since when."""
        if not self.queue:
            return None, 0.0
        current = self.current
        if current < 0:
            return self.queue[0][0], time.monotonic()
        return self.queue[min(current, len(self.queue) - 1)][0], self.begun.read(self.place)[1]
