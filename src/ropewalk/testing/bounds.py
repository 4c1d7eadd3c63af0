"""Random bounds on what may run when: limits, pools, cores, guards, times; tolerated failures, and effects to undo."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from ropewalk.core.cache import Cache
from ropewalk.core.graph import Node
from ropewalk.core.guard import Breaker, RateLimit
from ropewalk.core.policy import Policy, RunPolicy
from ropewalk.core.resources import Resources
from ropewalk.core.special import GROWING, Approval, Wait
from ropewalk.core.timing import Timing

POOLS = {"warehouse": 1, "licences": 3}
CORES = 4.0  # of the machine of each scheduler
API = RateLimit("api", 3, 10.0)
DATABASE = Breaker("database", 3, 15.0)


def random_bounds(rng: Random, node: Node, likely: float) -> Policy:
    """The policy of a node, with some more rules; those that a worker is needed for only where one is."""
    changes: dict[str, Any] = {}
    if not isinstance(node.special, (*GROWING, Approval)):
        if node.map is not None and rng.random() < likely:
            changes["limit"] = rng.choice((1, 2))
        if rng.random() < likely:
            pools = rng.choice(({}, {"warehouse": 1}, {"licences": 2}))
            changes["resources"] = Resources(cpu=rng.choice((0.5, 1, 2, 3)), pools=pools)
        if rng.random() < likely / 2:
            changes["guards"] = rng.choice(((API,), (DATABASE,), (API, DATABASE)))
        if rng.random() < likely / 2 and not isinstance(node.special, Wait):
            changes |= {"undo": "undone", "cache": Cache(False)}
    if node.map is not None and rng.random() < likely:
        changes["partial_ok"] = rng.choice((0.0, 0.5, 0.67))
    if rng.random() < likely / 2:
        changes["timing"] = Timing(not_before=rng.choice(("5s", "40s")))
    return replace(node.policy, priority=rng.choice((0, 0, 5)), **changes)


def random_run_policy(rng: Random) -> RunPolicy:
    """Rules for a whole run."""
    return RunPolicy(
        on_failure=rng.choice(("finish_independent",) * 6 + ("fail_fast",)),
        retry_budget=rng.choice((None,) * 6 + (0, 2)),
        deadline=rng.choice(("", "", "20s")),
        order=rng.choice(("critical-path", "deadline", "priority", "fifo")),
    )
