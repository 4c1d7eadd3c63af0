"""How much of a node may fail: `partial_ok`, and what follows from it for those that use the node's results."""

from __future__ import annotations

import math

from ropewalk.core.noderun import NodeRun
from ropewalk.core.taskstate import CANCELLED, FAILED, SKIPPED, SUCCEEDED


def may_fail(partial_ok: float, length: int) -> int:
    """How many of so many items may fail if this share has to succeed."""
    return math.floor((1 - partial_ok) * length + 1e-9)


def enough_succeeded(run: NodeRun) -> bool:
    """All of it has; or what is lacking has failed and is tolerated, here or in what it follows item by item."""
    if run.all_succeeded:
        return True
    if not may_lack(run):
        return False
    looked_at = {id(run): run}
    todo = [run]
    for one in todo:  # grows while we walk
        skippable = sum(up.length - up.counts[SUCCEEDED] for up in one.follows)
        if not one.settled or ended_badly(one) or one.counts[SKIPPED] > skippable:
            return False
        todo += [up for up in one.follows if id(up) not in looked_at]
        looked_at.update((id(up), up) for up in one.follows)
    return True


def may_lack(run: NodeRun) -> bool:
    """Whether it may count as succeeded with results lacking: users of the list get None in their place."""
    return not run.whole and (bool(run.follows) or run.node.policy.partial_ok < 1)


def failed_too_much(run: NodeRun) -> bool:
    """More of it has failed than `partial_ok` allows."""
    failed = run.counts[FAILED]
    if not failed or run.whole:
        return failed > 0
    return failed > may_fail(run.node.policy.partial_ok, run.length)


def ended_badly(run: NodeRun) -> bool:
    """More of it has failed than `partial_ok` allows, or something was cancelled."""
    return run.counts[CANCELLED] > 0 or (run.counts[FAILED] > 0 and failed_too_much(run))
