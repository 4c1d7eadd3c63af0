"""What goes wrong in a `lab`, by seed: attempts that fail, get lost or straggle, and schedulers that crash."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from ropewalk.core.artifact import Failed, Failure, Outcome
from ropewalk.core.errors import UsageError, did_you_mean
from ropewalk.core.graph import Graph
from ropewalk.core.policy import Policy
from ropewalk.core.quantity import seconds
from ropewalk.engine.attempt import Job, Order
from ropewalk.engine.capacity import all_nodes
from ropewalk.engine.executors.base import Report
from ropewalk.testing.clock import Stage
from ropewalk.testing.processes import Process
from ropewalk.testing.report import Broken
from ropewalk.testing.workers import LOST

T = TypeVar("T")
STRAGGLES = 20  # times as long as it should take
MOST_CRASHES = 0.5


@dataclass(frozen=True, slots=True)
class Mishaps:
    """How likely what goes wrong, each from 0 to 1; and how long attempts take.

    Attributes:
        failures: of each attempt, or by name of a task or node: an exception is raised that its retry policy is for, if
            that names any, and the task is not called.
        losses: of each attempt: its worker dies, before or after the task has done its work.
        crashes: at each moment between two writes: the scheduler dies, and another one goes on.
        stragglers: of each attempt: it takes twenty times as long.
        durations: how long attempts take, by name of a task or node; others about a second.
    """

    failures: float | Mapping[str, float] = 0.0
    losses: float = 0.0
    crashes: float = 0.0
    stragglers: float = 0.0
    durations: Mapping[str, float | str] | None = None

    def check(self) -> None:
        """Refuse numbers that are no probabilities, and durations that are none."""
        failures = self.failures if isinstance(self.failures, Mapping) else {"": self.failures}
        for name, likely in failures.items():
            _check_probability(f"failures of `{name}`" if name else "`failures`", likely)
        for name in ("losses", "stragglers"):
            _check_probability(f"`{name}`", getattr(self, name))
        _check_probability("`crashes`", self.crashes, MOST_CRASHES)
        for name, duration in (self.durations or {}).items():
            seconds(duration, f"duration of {name}")

    def check_names(self, graph: Graph) -> None:
        """Refuse names that no task or node of a pipeline has."""
        failures = self.failures if isinstance(self.failures, Mapping) else {}
        known = {name for node in all_nodes(graph) for name in (node.id, node.id.rpartition("/")[2], node.task)}
        for name in (*failures, *(self.durations or {})):
            if name not in known:
                guess = did_you_mean(name, known)
                raise UsageError(
                    f"pipeline `{graph.name}` has no task `{name}`",
                    facts=[f"it has {', '.join(sorted(known))}"],
                    help=[f"did you mean `{guess}`?"] if guess else [],
                )


class Luck:
    """Decides by chance; a Director.

    Args:
        policy_of: gives the policy of a node.
        tell: called with what went wrong.

    Attributes:
        process: the scheduler that is alive; None: there is none.
        hangs_at: a run that has not ended by then never will.
    """

    def __init__(
        self,
        rng: Random,
        stage: Stage,
        mishaps: Mishaps,
        policy_of: Callable[[str], Policy],
        tell: Callable[[str], None],
    ) -> None:
        self.rng = rng
        self.stage = stage
        self.late: list[Report] = []
        self.process: Process | None = None
        self.hangs_at = math.inf
        self._mishaps = mishaps
        self._policy_of = policy_of
        self._tell = tell

    def takes_s(self, job: Job, order: Order) -> float:
        given = _of(self._mishaps.durations or {}, job)
        usual_s = self.rng.uniform(0.5, 1.5) if given is None else seconds(given)
        return usual_s * (STRAGGLES if self._chance(self._mishaps.stragglers) else 1)

    def attempt(self, job: Job, order: Order, work: Callable[[], Outcome]) -> Outcome | Failure:
        self.at_failpoint(f"the end of {job.node}")
        if self._chance(self._mishaps.losses):
            if self._chance(0.5):
                work()  # it had done its work, of which nobody hears
            return LOST
        failures = self._mishaps.failures
        likely = _of(failures, job) if isinstance(failures, Mapping) else failures
        if self._chance(likely or 0.0):
            return Failed(self._failure(job.node))
        return work()

    def _failure(self, node: str) -> Failure:
        named = [name for name in self._policy_of(node).retry.on if name[:1].isupper() or "." in name]
        name = named[0] if named else "builtins.RuntimeError"
        return Failure("exception", f"{name.rpartition('.')[2]}: the lab lets this attempt fail", name)

    def is_told_again(self) -> bool:
        return self._chance(self._mishaps.losses)

    def before_poll(self) -> None:
        if self.stage.now > self.hangs_at:
            raise Broken("the run does not end: neither in virtual months nor by itself")

    def begins(self, order: Order, node: str) -> None:
        pass

    def ends(self, order: Order, node: str) -> None:
        pass

    def at_failpoint(self, name: str) -> None:
        """A moment between two writes."""
        if self.process is not None and self._chance(self._mishaps.crashes):
            self._tell(f"the scheduler crashes at {name}")
            self.process.crash()

    def _chance(self, likely: float) -> bool:
        return likely > 0 and self.rng.random() < likely


def _of(given: Mapping[str, T], job: Job) -> T | None:
    """What is given for the node of a job, or for its task."""
    names = (job.node, job.node.rpartition("/")[2], job.task)
    return next((given[name] for name in names if name in given), None)


def _check_probability(what: str, likely: object, most: float = 1) -> None:
    if type(likely) not in (int, float) or not 0 <= likely <= most:  # type: ignore[operator]  # it is a number then
        raise UsageError(f"{what} must be a probability from 0 to {most:g}, not {likely!r}", help=["lab(failures=0.2)"])
