"""Task runs with nodes of their own: what became of them, which is what became of these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ropewalk.core import expr as ex
from ropewalk.core.artifact import Failure
from ropewalk.core.nesting import grows
from ropewalk.core.noderun import PART, NodeRun
from ropewalk.core.special import Loop
from ropewalk.core.state import RunState
from ropewalk.core.taskstate import FAILED, SUCCEEDED
from ropewalk.core.tolerance import failed_too_much
from ropewalk.engine.explain.loops import until_held
from ropewalk.engine.explain.recorded import Recorded
from ropewalk.store import tasks


@dataclass(frozen=True, slots=True)
class Growth:
    """What became of a task run with nodes of its own.

    Attributes:
        state: executed | reused | failed | running.
        text: as the rest of a sentence that begins with its name.
        behind: the node inside of it whose result is its own, or the task run that failed; empty: not known.
        failure: the story of that one, where it failed.
    """

    state: str
    text: str
    facts: tuple[str, ...]
    behind: str
    failure: Failure | None = None


def growth(recorded: Recorded, node_id: str, item: int) -> Growth | None:
    """What became of a task run with nodes of its own; None: of one that has none, or was skipped or cancelled."""
    if not grows(recorded.node(node_id)):
        return None
    state = recorded.client.past.state(recorded.run)
    run = state.nodes[node_id]
    if item not in run.parts:
        return None
    tally = _tally(recorded, run, item)
    facts = tuple(_facts(tally))
    number = recorded.run.number
    if run.state(item) is SUCCEEDED:
        behind = next((ref.node for ref in ex.refs(run.parts[item].output)), "")
        how = "executed" if tally["executed"] or not tally["reused"] else "reused"
        held = until_held(state, recorded.run, recorded.client.load, node_id, item)
        text = f"{_how(run, item, held)} in run {number}"
        return Growth(how, text, (*facts, f"its result is that of `{behind}`") if behind else facts, behind)
    if run.state(item) is FAILED and run.failures[item].kind == PART:
        failed = [part for part in run.parts[item].nodes if failed_too_much(state.nodes[part])]
        return _failed(state, failed[0], number, facts) if failed else None
    if run.state(item).label in ("waiting", "ready"):
        turn = f"is in turn {run.parts[item].turn}" if isinstance(run.node.special, Loop) else "waits for its own tasks"
        return Growth("running" if recorded.run.is_open else "waiting", f"{turn} in run {number}", facts, "")
    return None


def has_begun(recorded: Recorded, node_id: str, item: int) -> bool:
    """Whether a task run has nodes of its own already."""
    return grows(recorded.node(node_id)) and item in recorded.client.past.state(recorded.run).nodes[node_id].parts


def _failed(state: RunState, node_id: str, number: int, facts: tuple[str, ...]) -> Growth:
    """It failed since a node inside of it did, or one inside of that."""
    run = state.nodes[node_id]
    item = next(run.items(FAILED))
    failure = run.failures[item]
    inner = run.parts[item].nodes if item in run.parts else []
    if failure.kind == PART and (failed := [part for part in inner if failed_too_much(state.nodes[part])]):
        return _failed(state, failed[0], number, facts)
    place = node_id if run.node.map is None else f"{node_id}[{item}]"
    return Growth("failed", f"failed in run {number}, since `{place}` failed: {failure.message}", facts, place, failure)


def _how(run: NodeRun, item: int, held: bool | None) -> str:
    special, parts = run.node.special, run.parts[item]
    if not isinstance(special, Loop):
        return f"was put together from {_plural(len(parts.nodes), 'task')} of its own"
    turns = _plural(parts.turn, "turn")
    if held:
        return f"ended after {turns}, since its condition held,"
    return f"took {turns}, as many as at_most={special.at_most} allows,"


def _tally(recorded: Recorded, run: NodeRun, item: int) -> dict[str, int]:
    """Task runs inside of it, those that only have others inside left out."""
    own = tuple(run.parts[item].nodes)
    inside = {n for n in recorded.graph.nodes if n in own or n.startswith(tuple(f"{part}/" for part in own))}
    found = {"executed": 0, "reused": 0, "failed": 0, "skipped": 0}
    for count in tasks.counts(recorded.client.db, recorded.run.number):
        if count.node not in inside or grows(recorded.graph.nodes[count.node]):
            continue
        if count.state == "succeeded":
            found["executed"] += count.executed
            found["reused"] += count.keyed - count.executed
        elif count.state in found:
            found[count.state] += count.number
    return found


def _facts(tally: dict[str, int]) -> Iterator[str]:
    counts = [f"{number:,} {word}" for word, number in tally.items() if number]
    if counts:
        yield f"inside of it: {', '.join(counts)}"


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
