"""What must hold of a store at every moment, as functions that list what does not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ropewalk.core.noderun import NodeRun
from ropewalk.core.state import RunState, fold
from ropewalk.core.taskstate import CANCELLED, FAILED, FINAL, RUNNING, SKIPPED, SUCCEEDED
from ropewalk.core.tolerance import failed_too_much
from ropewalk.store import deadletters, runs, spans, tasks
from ropewalk.store import events as log
from ropewalk.store.database import Database


def problems(db: Database, run: int) -> list[str]:
    """How the rows of a run differ from the fold of its events; empty: not at all."""
    state = stored_state(db, run)
    listed = tasks.listing(db, run)
    return [
        *_run_problems(db, run, state),
        *_task_run_problems(db, run, state, listed),
        *_count_problems(db, run, listed),
        *_span_problems(db, run),
        *_lease_problems(db, run, state),
    ]


def stored_state(db: Database, run: int) -> RunState:
    """The state of a run, folded from its events."""
    row = runs.get(db, run)
    events = (event for batch in log.read(db, run) for event in batch.events)
    return fold(runs.get_graph(db, row.first_graph), events, lambda digest: runs.get_graph(db, digest))


def _run_problems(db: Database, run: int, state: RunState) -> Iterator[str]:
    row = runs.get(db, run)
    numbers = [batch.seq for batch in log.read(db, run)]
    if numbers != list(range(1, row.seq + 1)):
        yield f"run {run} is at batch {row.seq}, but its log has {numbers}"
    if row.state != (state.finished or ("paused" if state.resting else "running")):
        yield f"run {run} is {row.state}, its events say {state.finished or 'running'}"
    if row.graph != state.base.digest:
        yield f"run {run} is on another graph than its events say"
    lengths = {node_id: node.length for node_id, node in state.nodes.items() if node.opened}
    if (found := tasks.lengths(db, run)) != lengths:
        yield f"run {run} has nodes of lengths {found}, its events say {lengths}"


def _task_run_problems(db: Database, run: int, state: RunState, listed: list[tasks.TaskRun]) -> Iterator[str]:
    rows = {(row.node, row.item): row for row in listed}
    if len(rows) < len(listed):
        yield f"run {run} has task runs that are both in a row and in a span, or in two spans"
    for node_id, node in state.nodes.items():
        for item in range(node.length):
            row, wanted = rows.pop((node_id, item), None), _expected(node, item)
            if row is not None and row.source is None and _is_its_own(db, run, wanted):
                wanted = {**(wanted or {}), "source": None}
            if (found := None if row is None else _shown(row, wanted)) != wanted:
                yield f"{node_id}[{item}] of run {run} is stored as {found}, its events say {wanted}"
    if rows:
        yield f"run {run} has rows of task runs that its events do not know: {sorted(rows)}"


def _expected(node: NodeRun, item: int) -> dict[str, Any] | None:
    """What the row of a task run holds; None: there is none."""
    state = node.state(item)
    if state not in FINAL:
        return {"state": "ready", "failure": node.failures[item]} if item in node.failures else None
    wanted: dict[str, Any] = {"state": state.label, "attempts": node.attempts.get(item, 0)}
    if state is SUCCEEDED:
        wanted |= {
            "outputs": node.outputs[item], "key": node.keys[item] or None, "source": node.sources.get(item),
            "metrics": node.metrics.get(item, {}),
        }  # fmt: skip
    return wanted | ({"failure": node.failures[item]} if state is FAILED else {})


def _is_its_own(db: Database, run: int, wanted: dict[str, Any] | None) -> bool:
    """Whether a result was taken from the run itself, before it was continued, or from one that is forgotten since."""
    source = (wanted or {}).get("source")
    return source is not None and (source == run or db.one("run_get", number=source) is None)


def _shown(row: tasks.TaskRun, wanted: dict[str, Any] | None) -> dict[str, Any]:
    return {name: getattr(row, name) for name in wanted or ("state", "attempts")}


def _count_problems(db: Database, run: int, listed: list[tasks.TaskRun]) -> Iterator[str]:
    """What is said of task runs together has to be what they come to."""
    groups: dict[tuple[str, str], list[tasks.TaskRun]] = {}
    for row in listed:
        groups.setdefault((row.node, row.state), []).append(row)
    counts = {(count.node, count.state): count for count in tasks.counts(db, run)}
    for group in groups.keys() | counts.keys():
        found, wanted = counts.get(group), _count(groups.get(group, []))
        shown = {name: 0.0 if found is None else getattr(found, name) or 0.0 for name in wanted}
        if not all(
            math.isclose(shown[name], wanted[name], rel_tol=0, abs_tol=1e-3) for name in wanted
        ):  # times are rounded
            yield f"{group} of run {run} come to {shown}, one by one they are {wanted}"


def _count(rows: list[tasks.TaskRun]) -> dict[str, float]:
    started = [row.started_at for row in rows if row.started_at is not None]
    return {
        "number": len(rows),
        "reused": sum(row.source is not None for row in rows),
        "wall_s": sum(row.wall_s for row in rows),
        "cpu_s": sum(row.cpu_s for row in rows),
        "peak_bytes": max((row.peak_bytes for row in rows), default=0),
        "started_at": min(started, default=0),
        "finished_at": max((row.finished_at for row in rows), default=0),
        "keyed": sum(row.key is not None for row in rows),
        "executed": len(started),
    }


def _span_problems(db: Database, run: int) -> Iterator[str]:
    for span in spans.of_run(db, run):
        stretch = spans.stretch(db, span)
        if (stretch.first, stretch.count) != (span.first, span.items):
            yield f"{span} is not what its batch has there, {stretch.count} items from {stretch.first}"
        if span.source is None and span.id not in {found.id for found, _, _ in spans.computed(db, stretch.keys)}:
            yield f"{span} is not found by the keys of its items"


def _lease_problems(db: Database, run: int, state: RunState) -> Iterator[str]:
    leases = {lease.token: lease for lease in tasks.leases(db, run)}
    running: dict[int, set[tuple[str, int]]] = {}
    for node_id, node in state.nodes.items():
        for item, token in node.tokens.items():
            running.setdefault(token, set()).add((node_id, item))
        if set(node.tokens) != set(node.items(RUNNING)):
            yield f"{node_id} of run {run} runs {list(node.items(RUNNING))}, but has tokens for {sorted(node.tokens)}"
    for token, lease in leases.items():
        if not running.get(token, set()) <= {(lease.node, item) for item in lease.items}:
            yield f"lease {token} of run {run} is for other task runs than those that hold it"
    if set(leases) != set(running):
        yield f"run {run} has leases {sorted(leases)}, its events say {sorted(running)}"


def parked_problems(db: Database, run: int) -> list[str]:
    """How the dead letters of a run differ from what has failed for good in it, where nobody has dropped any."""
    state = stored_state(db, run)
    parked = {(letter.node, letter.item) for letter in deadletters.listing(db, run=run)}
    failed = {
        (node_id, item)
        for node_id, node in state.nodes.items()
        for item in node.items(FAILED)
        if node_id not in state.undone and node.failures[item].kind not in deadletters.ELSEWHERE
    }
    over = {
        (node_id, item) for node_id, item in parked
        if node_id not in state.nodes or _is_over(state.nodes[node_id], item)
    }  # fmt: skip
    found = [f"{node}[{item}] of run {run} has failed and is not parked" for node, item in sorted(failed - parked)]
    return found + [f"{node}[{item}] of run {run} is parked and has not failed" for node, item in sorted(over)]


def _is_over(node: NodeRun, item: int) -> bool:
    """Whether nobody needs to look after a parked task run any more; of a node that was cancelled as a whole not."""
    if item >= node.length:
        return node.opened and not (node.whole and node.counts[CANCELLED])
    return node.state(item) in (SUCCEEDED, SKIPPED)


def end_problems(state: RunState) -> list[str]:
    """What is wrong with a run that has ended: something is left to do, or its state does not follow from its tasks."""
    left = [node_id for node_id, node in state.nodes.items() if not node.settled]
    nodes = state.nodes.values()
    wanted = "failed" if any(map(failed_too_much, nodes)) else "succeeded"
    if wanted == "succeeded" and any(n.counts[CANCELLED] for n in nodes):
        wanted = "cancelled"
    found = [f"it has ended, but {left} are left"] if left else []
    return found + ([f"it has {state.finished}, its tasks say {wanted}"] if state.finished != wanted else [])
