"""The seam between the scheduler and whatever runs attempts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Protocol, TypeAlias

from ropewalk.core.artifact import Failure, Outcome
from ropewalk.engine.attempt import Job, Order


@dataclass(frozen=True, slots=True)
class Done:
    """An attempt ended by itself."""

    node: str
    item: int
    token: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt was ended: killed, timed out, or its worker died."""

    node: str
    item: int
    token: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class Returned:
    """An order was given back before it was begun."""

    node: str
    item: int
    token: int


@dataclass(frozen=True, slots=True)
class Progress:
    """What a task said of its progress."""

    node: str
    item: int
    done: float
    total: float


Report: TypeAlias = Done | Ended | Returned | Progress


class Offer(NamedTuple):
    """Room for orders of one node."""

    worker: str
    most: int  # orders; 0: as soon as it has done what it has, if it is given nothing else
    load: float = (
        1.0  # what each of them adds to the worker's load; it takes orders of other nodes besides until that is 1
    )


NOBODY: Mapping[str, float] = MappingProxyType({})
FULL = 1 - 1e-9  # a load; loads are sums of fractions


class Executor(Protocol):
    """Runs attempts.

    Called by one thread only. Every order that was submitted is answered by exactly one of `Done`, `Ended` and
    `Returned`, in any order.
    """

    slots: int  # how many attempts can run at the same time

    def offer(self, node: str, remaining: int, taken: Mapping[str, float] = NOBODY, task: str = "") -> Offer | None:
        """A worker for some of `remaining` orders of a node of this task; None: none is free.

        `taken` is the load of what workers were given that is not submitted yet.
        """

    def submit(self, worker: str, job: Job, orders: Sequence[Order]) -> None:
        """Give orders to a worker that was offered. They may be kept back until the next `poll`."""

    def poll(self, timeout_s: float) -> list[Report]:
        """What has happened; waits at most so long for the first report."""

    def kill(self, node: str, item: int, token: int) -> None:
        """End an attempt: first politely, after a grace period for certain."""

    def wake(self) -> None:
        """Make a waiting `poll` return; may be called from a signal handler."""

    def close(self) -> None:
        """End everything that runs and give all processes back. Harmless when called twice."""
