"""How a task is run, and how a run as a whole: small frozen values that a graph carries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from ropewalk.core import guard
from ropewalk.core.cache import Cache
from ropewalk.core.guard import Guard
from ropewalk.core.resources import Resources
from ropewalk.core.retry import Retry
from ropewalk.core.timing import ALWAYS, Timing

RunIf = Literal["all_succeeded", "all_done", "any_failed", "none_failed", "always"]
OnFailure = Literal["finish_independent", "fail_fast"]
Order = Literal["critical-path", "deadline", "priority", "fifo"]


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything about a node that is not what it computes.

    Attributes:
        limit: how many of its task runs may run at the same time; None: as many as there is room for.
        partial_ok: the share of its task runs that have to succeed for the node to count as succeeded.
        priority: higher ones start first where the run's order is "priority".
        guards: rate limits and circuit breakers that each attempt has to pass.
        undo: key of the task that takes its effects back; empty: there are none to take back.
    """

    retry: Retry = Retry()
    cache: Cache = Cache()
    resources: Resources = Resources()
    timeout_s: float | None = None
    run_if: RunIf = "all_succeeded"
    limit: int | None = None
    partial_ok: float = 1.0
    priority: int = 0
    guards: tuple[Guard, ...] = ()
    timing: Timing = ALWAYS
    undo: str = ""

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "retry": self.retry.to_json(),
            "cache": self.cache.to_json(),
            "resources": self.resources.to_json(),
            "timeout_s": self.timeout_s,
            "run_if": self.run_if,
        }
        if self.guards:
            data["guards"] = [guard.to_json(g) for g in self.guards]
        if self.timing != ALWAYS:
            data["timing"] = self.timing.to_json()
        for name in _SIMPLE:
            if (value := getattr(self, name)) != getattr(PLAIN, name):
                data[name] = value
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Policy:
        policy = cls(
            Retry.from_json(data["retry"]),
            Cache.from_json(data["cache"]),
            Resources.from_json(data["resources"]),
            data["timeout_s"],
            data["run_if"],
        )
        changes: dict[str, Any] = {name: data[name] for name in _SIMPLE if name in data}
        if "guards" in data:
            changes["guards"] = tuple(guard.from_json(g) for g in data["guards"])
        if "timing" in data:
            changes["timing"] = Timing.from_json(data["timing"])
        return replace(policy, **changes) if changes else policy


_SIMPLE = ("limit", "partial_ok", "priority", "undo")
PLAIN = Policy()


@dataclass(frozen=True, slots=True)
class RunPolicy:
    """How a run as a whole goes.

    Attributes:
        on_failure: "finish_independent": what does not need a failed task goes on; "fail_fast": the run ends at once.
        retry_budget: how many retries all task runs have together; None: as many as their own policies say.
        deadline: a moment or a duration since the run began by which it has to be done; empty: none.
        on_miss: what happens when it is not, "alert" or "cancel".
        order: what of the ready work starts first.
    """

    on_failure: OnFailure = "finish_independent"
    retry_budget: int | None = None
    deadline: str = ""
    on_miss: str = "alert"
    order: Order = "critical-path"

    def to_json(self) -> dict[str, Any]:
        names = RunPolicy.__dataclass_fields__
        return {name: value for name in names if (value := getattr(self, name)) != getattr(_USUAL, name)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RunPolicy:
        return cls(**data)


_USUAL = RunPolicy()
