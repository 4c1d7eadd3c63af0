"""Attempts of some nodes answered from the record of an earlier run, so that their effects do not happen again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ropewalk.core.artifact import Failed, Failure, Outcome, Succeeded
from ropewalk.core.errors import NotFoundError
from ropewalk.engine.attempt import Job, Order
from ropewalk.engine.executors.base import NOBODY, Done, Executor, Offer, Report
from ropewalk.engine.explain.recorded import Recorded


class Playback:
    """An executor that gives everything to another one, but for the nodes whose results it knows.

    Args:
        executor: runs all other nodes; it stays its owner's to close.
        recorded: the run that has the results.
        nodes: ids of the nodes that are not to be executed.
    """

    def __init__(self, executor: Executor, recorded: Recorded, nodes: Collection[str]) -> None:
        self.slots = executor.slots
        self._executor = executor
        self._recorded = recorded
        self._nodes = frozenset(nodes)
        self._answers: list[Report] = []

    def offer(self, node: str, remaining: int, taken: Mapping[str, float] = NOBODY, task: str = "") -> Offer | None:
        return self._executor.offer(node, remaining, taken, task)

    def submit(self, worker: str, job: Job, orders: Sequence[Order]) -> None:
        if job.node in self._nodes:
            self._answers += [Done(job.node, o.item, o.token, self._outcome(job.node, o.item)) for o in orders]
        else:
            self._executor.submit(worker, job, orders)

    def _outcome(self, node: str, item: int) -> Outcome:
        number = self._recorded.run.number
        try:
            row = self._recorded.row(node, item)
        except NotFoundError:
            row = None
        if row is not None and row.state == "succeeded":
            return Succeeded(row.outputs, metrics=row.metrics)
        text = f"`{node}` is not executed in a replay, and has no result in run {number} to stand for it"
        return Failed(Failure("exception", text, retryable=False))

    def poll(self, timeout_s: float) -> list[Report]:
        answers, self._answers = self._answers, []
        return answers + self._executor.poll(0 if answers else timeout_s)

    def kill(self, node: str, item: int, token: int) -> None:
        self._executor.kill(node, item, token)

    def kill_all(self) -> None:
        """End everything that runs, at once."""
        kill_all = getattr(self._executor, "kill_all", None)
        if kill_all is not None:
            kill_all()

    def wake(self) -> None:
        self._executor.wake()

    def close(self) -> None:
        self._executor.close()
