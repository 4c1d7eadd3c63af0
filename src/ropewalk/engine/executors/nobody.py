"""An executor that runs nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from ropewalk.core.artifact import Failure
from ropewalk.engine.attempt import Job, Order
from ropewalk.engine.executors.base import NOBODY, Ended, Offer, Report


class NoExecutor:
    """Runs nothing: for ending a run whose scheduler is gone. What would have to run after that is cancelled, too."""

    slots = 0

    def __init__(self) -> None:
        self._refused: list[Report] = []

    def offer(self, node: str, remaining: int, taken: Mapping[str, float] = NOBODY, task: str = "") -> Offer | None:
        return None if taken else Offer("nobody", remaining)

    def submit(self, worker: str, job: Job, orders: Sequence[Order]) -> None:
        failure = Failure("cancelled", "the scheduler of its run is gone", retryable=False)
        self._refused += [Ended(job.node, order.item, order.token, failure) for order in orders]

    def poll(self, timeout_s: float) -> list[Report]:
        if not self._refused:
            self.wait(timeout_s)
        refused, self._refused = self._refused, []
        return refused

    def wait(self, timeout_s: float) -> None:
        """Nothing can happen before a gate opens, for what always runs."""
        time.sleep(min(timeout_s, 0.05))

    def kill(self, *_: object) -> None:
        pass

    def wake(self) -> None:
        pass

    def close(self) -> None:
        pass
