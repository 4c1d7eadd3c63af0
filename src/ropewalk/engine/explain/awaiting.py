"""Why a node that waits for something outside, for a person, or for its time is as it is."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from ropewalk.core.graph import Node
from ropewalk.core.guard import Breaker, kind_of, show
from ropewalk.core.quantity import show_duration
from ropewalk.core.special import Approval, Wait
from ropewalk.core.timing import start_at
from ropewalk.engine.explain.recorded import Recorded
from ropewalk.engine.guards import standing
from ropewalk.store import approvals

Told = tuple[str, tuple[str, ...], tuple[str, ...]]  # a sentence, facts, what to type


def promise(node: Node) -> str:
    """What a run will do at a node that waits; empty: it is none."""
    special = node.special
    if isinstance(special, Approval):
        return f"asks {special.role or 'a person'}: {special.message}"
    return f"looks every {show_duration(special.every_s)}" if isinstance(special, Wait) else ""


def awaited(recorded: Recorded, node_id: str, item: int) -> Told | None:
    """What a node waits for whose inputs are there; None: for room alone."""
    special = recorded.graph.nodes[node_id].special
    if isinstance(special, Approval):
        return _asked(recorded, node_id, item)
    told = _checked(recorded, node_id, item) if isinstance(special, Wait) else None
    return told or _early(recorded, node_id) or _guarded(recorded, node_id)


def answered(recorded: Recorded, node_id: str, item: int) -> str:
    """How an approval was given; empty: the node is none."""
    if not isinstance(recorded.graph.nodes[node_id].special, Approval):
        return ""
    question = _question(recorded, node_id, item)
    if question is None or not question.verdict:
        return ""
    reason = f": {question.reason}" if question.reason else ""
    return f"`{node_id}` was {question.verdict} by {question.by} at {_moment(question.at or 0)}{reason}"


def _asked(recorded: Recorded, node_id: str, item: int) -> Told | None:
    question = _question(recorded, node_id, item)
    if question is None or question.verdict:
        return None
    place = f"{recorded.run.number}/{node_id}" + (f"/{item}" if item else "")
    facts = [f"asked at {_moment(question.asked_at)}"]
    if question.expires_at is not None:
        facts.append(f"there is time until {_moment(question.expires_at)}")
    if question.excluded:
        facts.append(f"{question.excluded} started the run, and so must not answer")
    who = question.role or "a person"
    commands = (f"ropewalk approve {place} --reason …", f"ropewalk reject {place} --reason …")
    return f"`{node_id}` waits for {who} to answer: {question.message}", tuple(facts), commands


def _question(recorded: Recorded, node_id: str, item: int) -> approvals.Approval | None:
    asked = approvals.of_run(recorded.client.db, recorded.run.number)
    return next((q for q in asked if (q.node, q.item) == (node_id, item)), None)


def _checked(recorded: Recorded, node_id: str, item: int) -> Told | None:
    run = recorded.client.state(recorded.run).nodes[node_id]
    if item not in run.since or item not in run.ready_at:
        return None
    facts = (f"first looked for at {_moment(run.since[item])}", f"next check at {_moment(run.ready_at[item])}")
    name = f"`{node_id}[{item}]`" if run.node.map is not None else f"`{node_id}`"
    return f"{name} waits: its check has found nothing yet", facts, ()


def _early(recorded: Recorded, node_id: str) -> Told | None:
    times, now = recorded.graph.nodes[node_id].policy.timing, time.time()
    at = start_at(times, now, recorded.run.created_at)
    if at <= now:
        return None
    given = {"not_before": times.not_before, "window": times.window}
    facts = tuple(f'{name}="{text}"' for name, text in given.items() if text)
    return f"`{node_id}` has its inputs, and must not start before {_moment(at)}", facts, ()


def _guarded(recorded: Recorded, node_id: str) -> Told | None:
    own = {(kind_of(guard), guard.name): guard for guard in recorded.graph.nodes[node_id].policy.guards}
    for one in standing(recorded.client.db, time.time()) if own else ():
        guard = own.get((kind_of(one.guard), one.guard.name))
        if guard is not None and one.opens_at is not None:
            facts = (f"it may let another start at {_moment(one.opens_at)}",)
            fix = (f"ropewalk guards reset {guard.name}",) if isinstance(guard, Breaker) else ()
            return f"`{node_id}` has its inputs, and is held back by {show(guard)}, which is {one.state}", facts, fix
    return None


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
