"""Waits: a check that is made again and again, until what it returns is true or it is too late."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from ropewalk.core import events as ev
from ropewalk.core.artifact import Failure, Usage
from ropewalk.core.noderun import NOT_YET, NodeRun
from ropewalk.core.quantity import show_duration
from ropewalk.core.special import Wait


def pause_s(wait: Wait, waited_s: float) -> float:
    """How long to wait for the next check; with a back-off it grows with the time that has passed."""
    if wait.backoff <= 1:
        pause = min(wait.every_s, wait.cap_s)
    else:
        checks = math.log1p(waited_s * (wait.backoff - 1) / max(wait.every_s, 1e-3)) / math.log(wait.backoff)
        pause = min(wait.every_s * wait.backoff ** min(math.floor(checks + 1e-6), 100), wait.cap_s)
    return pause if wait.timeout_s is None else min(pause, max(wait.timeout_s - waited_s, 0.0))


def is_late(wait: Wait, waited_s: float) -> bool:
    """Whether no further check is to be made."""
    return wait.timeout_s is not None and waited_s >= wait.timeout_s


def look(
    wait: Wait,
    waited_s: float,
    check: Callable[[], Any],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Any:
    """What the check returns; of a wait that keeps its worker what the last one does, which is true or too late.

    Args:
        waited_s: how long has been waited before.
    """
    began = clock() - waited_s
    while True:
        found = check()
        if found or not wait.hold or is_late(wait, clock() - began):
            return found
        sleep(pause_s(wait, clock() - began))


def after_check(run: NodeRun, attempt: ev.AttemptFailed, now: float, *, ending: bool) -> list[ev.Event]:
    """What follows when a check has found nothing; empty: it is no check, or has failed as any task may.

    Args:
        attempt: what would follow if it had failed.
        ending: the run was cancelled meanwhile, so that there will be no other check.
    """
    wait, failure = run.node.special, attempt.failure
    if not isinstance(wait, Wait) or failure.kind not in (NOT_YET, "timeout"):
        return []
    waited_s = max(0.0, now - run.since.get(attempt.item, now))
    late = is_late(wait, waited_s)
    if failure.kind == "timeout" and not late:
        return []
    if ending or not late:
        return [_again(attempt, Failure(NOT_YET, "not yet"), now if ending else now + pause_s(wait, waited_s))]
    failure = Failure("timeout", f"nothing came within {show_duration(wait.timeout_s or 0.0)}", retryable=False)
    if not wait.soft_fail:
        return [ev.AttemptFailed(attempt.node, attempt.item, attempt.token, failure, None, usage=attempt.usage)]
    return [_again(attempt, failure, now), ev.Skipped(attempt.node, (attempt.item,), failure.message)]


def _again(attempt: ev.AttemptFailed, why: Failure, at: float) -> ev.AttemptFailed:
    failure = Failure(NOT_YET, why.message)
    return ev.AttemptFailed(attempt.node, attempt.item, attempt.token, failure, at, counted=False, usage=Usage())
