"""How an attempt that failed goes on: another attempt, and when, or the end."""

from __future__ import annotations

from ropewalk.core.artifact import Failure, Usage
from ropewalk.core.events import AttemptFailed
from ropewalk.core.state import RunState

MAX_LOST = 3  # attempts whose worker died, beyond the retry policy: after that the task itself is suspected


def settle(
    state: RunState, node: str, item: int, token: int, failure: Failure, now: float, usage: Usage = Usage()
) -> AttemptFailed:
    """The event for a failed attempt.

    An attempt whose worker died is tried again without counting against the policy, unless the author says
    `Retry(not_on=["lost"])`: then its body runs at most once.
    """
    run = state.nodes[node]
    policy = run.node.policy.retry
    retries = run.retries.get(item, 0)
    if failure.kind == "lost" and "lost" not in policy.not_on and run.losses.get(item, 0) < MAX_LOST:
        return AttemptFailed(node, item, token, failure, now, counted=False, usage=usage)
    if policy.allows(failure, retries):
        retry_at = now + policy.pause_s(retries, f"{node}[{item}]")
        return AttemptFailed(node, item, token, failure, retry_at, usage=usage)
    return AttemptFailed(node, item, token, failure, None, usage=usage)
