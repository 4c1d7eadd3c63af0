"""How an attempt that failed goes on: another attempt, and when, or the end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

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
    budget = None if node in state.undone else state.base.policy.retry_budget
    if policy.allows(failure, retries):
        if budget is None or state.retries < budget:
            retry_at = now + policy.pause_s(retries, f"{node}[{item}]")
            return AttemptFailed(node, item, token, failure, retry_at, usage=usage)
        spent = f"not tried again: retry_budget={budget} of the run is used up"
        failure = replace(failure, facts=(*failure.facts, spent))
    return AttemptFailed(node, item, token, failure, None, usage=usage)


def running_items(state: RunState) -> list[tuple[str, int, int]]:
    """Node, item and token of every attempt that is under way."""
    return [(node_id, item, token) for node_id, run in state.nodes.items() for item, token in run.tokens.items()]


def lost_events(state: RunState, failure: Failure, at: float) -> Iterable[AttemptFailed]:
    """For each attempt under way: it was lost through no fault of its own and may start again at once.

    Unless the author says `Retry(not_on=["lost"])`: then its body runs at most once.
    """
    for node_id, item, token in running_items(state):
        again = "lost" not in state.nodes[node_id].node.policy.retry.not_on
        yield AttemptFailed(node_id, item, token, failure, at if again else None, counted=False)
