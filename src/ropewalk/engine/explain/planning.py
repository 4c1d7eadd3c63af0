"""What a run would do, and why, before anything is executed."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from ropewalk.core.errors import CorruptBlobError
from ropewalk.core.graph import Graph, Node
from ropewalk.core.nesting import grows
from ropewalk.core.noderun import NodeRun
from ropewalk.core.special import Loop
from ropewalk.core.taskstate import CANCELLED, FAILED, READY, SKIPPED, SUCCEEDED, WAITING
from ropewalk.engine.client import Client, Options, Work
from ropewalk.engine.explain.compare import changed_params
from ropewalk.engine.explain.forecast import inside_of_all, told_of_owner
from ropewalk.engine.explain.keys import KeyReader
from ropewalk.engine.explain.memory import Memory
from ropewalk.engine.explain.reasons import Reasons
from ropewalk.engine.explain.walk import Walk
from ropewalk.engine.ordering import load_of
from ropewalk.engine.punctual import check_times
from ropewalk.plan.estimate import Estimate
from ropewalk.plan.order import POLICIES, ranking
from ropewalk.plan.plan import ACTIONS, Plan, PlanRow
from ropewalk.plan.workload import Load, critical_path, makespan_s

MAX_WALKS = 10


def make_plan(client: Client, work: Work, options: Options = Options(), now: float | None = None) -> Plan:
    """What a run of this work would do with each task, why, and how long it should take.

    Nothing is executed and nothing is recorded; where there is no store yet, none is made.

    Args:
        now: seconds since the epoch, for results that expire; None: the present.
    """
    client.check_schedulable(work, options)
    now = time.time() if now is None else now
    check_times(work.graph, now)
    memory = Memory(client, work.graph.name, now)
    walk = _walk(client, work, options, memory)
    ahead = dict(_ahead(walk, memory, reuse=options.reuse))
    reasons = Reasons(walk, KeyReader(walk.state, work.params, options.seed, client.load), memory)
    inside = inside_of_all(walk.state)
    rows = [
        _owner_row(node, walk, ahead, memory, reasons, inside.get(node.id, []))
        if grows(node)
        else _row(node, walk, ahead, memory, reasons)
        for node in work.graph.nodes.values()
    ]
    return _forecast(work, options, memory, rows)


def _walk(client: Client, work: Work, options: Options, memory: Memory) -> Walk:
    for last in range(MAX_WALKS):
        walk = Walk(work.graph, work.params, options.seed, client.load, memory, reuse=options.reuse)
        try:
            walk.go()
        except CorruptBlobError:  # the file was put aside, so that it counts as missing the next time
            if last == MAX_WALKS - 1:
                raise
        else:
            return walk
    raise AssertionError  # the last walk has returned or raised


def _ahead(walk: Walk, memory: Memory, *, reuse: bool) -> Iterator[tuple[str, str]]:
    """What will happen to nodes that the walk did not reach: `run`, `maybe` or `skip`."""
    graph = walk.state.graph
    unseen = _unseen_codes(walk, memory)
    codes: set[str] = set()  # of the nodes before
    for node_id, run in walk.state.nodes.items():
        code, cache = graph.spec(node_id).code.digest, run.node.policy.cache
        if not run.opened and grows(run.node):
            certain = (not reuse or memory.before(node_id) is None) and node_id not in walk.open_ended
            yield node_id, "skip" if node_id in walk.doomed else "run" if certain else "maybe"
            continue
        if not run.opened:
            is_new = not reuse or not cache.enabled or (code in unseen and code not in codes)
            certain = is_new and node_id not in walk.open_ended
            yield node_id, "skip" if node_id in walk.doomed else "run" if certain else "maybe"
        codes.add(code)


def _unseen_codes(walk: Walk, memory: Memory) -> set[str]:
    """Code digests that no run has had before, so that nothing can be reused for them."""
    graph = walk.state.graph
    codes: set[str] = set()
    for node_id, run in walk.state.nodes.items():
        if run.opened or grows(run.node):
            continue
        code, before = graph.spec(node_id).code.digest, memory.before(node_id)
        if before is None or node_id not in before.graph.nodes or before.graph.spec(node_id).code.digest != code:
            codes.add(code)
    return codes - memory.known_codes(codes)


def _row(node: Node, walk: Walk, ahead: dict[str, str], memory: Memory, reasons: Reasons) -> PlanRow:
    run = walk.state.nodes[node.id]
    if run.opened:
        counts = _counts(run, walk)
    else:
        counts = {ahead[node.id]: _expected(node, memory)}
    items = run.length if run.opened else None if node.map is not None else 1
    action = next((action for action in ACTIONS if counts.get(action)), "skip")
    hits = [v.hit for v in walk.verdicts[node.id].values() if v.hit is not None]
    sources = tuple(sorted({hit.run for hit in hits}, reverse=True))
    saved_s = sum(hit.wall_s for hit in hits)
    return PlanRow(node.id, action, counts, items, reasons.of(node, action), sources, saved_s=saved_s)


def _owner_row(
    node: Node, walk: Walk, ahead: dict[str, str], memory: Memory, reasons: Reasons, inside: list[str]
) -> PlanRow:
    """A node with nodes of its own: what would be done with these, as far as they are known."""
    run, before = walk.state.nodes[node.id], memory.inside(node)
    before = before if before is not None and before.is_whole else None
    counts: Counter[str] = Counter()
    for node_id in inside:
        inner = walk.state.nodes[node_id]
        known = _counts(inner, walk) if inner.opened else {ahead[node_id]: _expected(inner.node, memory)}
        counts.update(known)
    if not run.opened:
        counts[ahead[node.id]] += before.task_runs if before and ahead[node.id] != "skip" else 1
    elif not run.settled:  # what follows is known to be like the last time at best
        waiting = sum(item not in run.parts for item in run.items(WAITING, READY))
        certain = waiting > 0 and before is None and node.id not in walk.open_ended
        counts["run" if certain else "maybe"] += max(waiting, (before.task_runs if before else 0) - counts.total())
    elif not inside:
        counts.update(_counts(run, walk))
    verdicts = [verdict for node_id in inside for verdict in walk.verdicts[node_id].values()]
    hits = [verdict.hit for verdict in verdicts if verdict.hit is not None]
    action = next((action for action in ACTIONS if counts[action]), "skip")
    known = {name: counts[name] for name in ACTIONS if counts[name]}
    sources = tuple(sorted({hit.run for hit in hits}, reverse=True))
    items = run.length if run.opened else None if node.map is not None else 1
    told = told_of_owner(node, walk, before, reasons, inside, action)
    return PlanRow(node.id, action, known, items, told, sources, saved_s=sum(hit.wall_s for hit in hits))


def _counts(run: NodeRun, walk: Walk) -> dict[str, int]:
    counts = Counter(verdict.action for verdict in walk.verdicts[run.node.id].values())
    counts["reuse"] = run.counts[SUCCEEDED]
    counts["skip"] += run.counts[SKIPPED] + run.counts[CANCELLED]
    counts["fail"] += run.counts[FAILED]
    counts["maybe"] += run.counts[WAITING]
    return {action: counts[action] for action in ACTIONS if counts[action]}


def _expected(node: Node, memory: Memory) -> int:
    """How many task runs a node will have, judging by the last time."""
    if node.map is None:
        return 1
    before = memory.before(node.id)
    return 1 if before is None else max(before.lengths.get(node.id, 1), 1)


def _forecast(work: Work, options: Options, memory: Memory, rows: list[PlanRow]) -> Plan:
    graph, newest = work.graph, memory.newest
    workers = 1 if options.executor == "inline" else options.workers or len(os.sched_getaffinity(0))
    busy = [row.node for row in rows if row.counts.get("run") or row.counts.get("maybe")]
    estimates = {node: _estimate(graph.nodes[node], memory) for node in busy}
    loads = [_load(graph, row, estimates.get(row.node), ("run", "maybe"), memory.now) for row in rows]
    certain = loads
    if any(row.counts.get("maybe") for row in rows):
        certain = [_load(graph, row, estimates.get(row.node), ("run",), memory.now) for row in rows]
    order = graph.policy.order
    compared = POLICIES if any(estimates.values()) else (order,)  # by the number of tasks alone it says nothing
    ranks = {policy: ranking(loads, workers, policy) for policy in compared}
    orders_s = {policy: makespan_s(loads, workers, ranks[policy]) for policy in compared}
    path = critical_path(loads, workers)
    return Plan(
        graph.name,
        tuple(_timed(row, load, estimates.get(row.node), path) for row, load in zip(rows, loads, strict=True)),
        since=newest.run.number if newest else None,
        changed=tuple(map(str, changed_params(newest.run.params, newest.graph, work.params, graph))) if newest else (),
        workers=workers,
        estimate_s=orders_s[order],
        least_s=orders_s[order] if certain is loads else makespan_s(certain, workers, ranks[order]),
        unknown=tuple(node for node, estimate in estimates.items() if estimate is None),
        judged_by=tuple(sorted({run for e in estimates.values() if e is not None for run in e.runs}, reverse=True)),
        saved_s=sum(row.saved_s for row in rows),
        critical_path=path,
        order=order,
        orders_s=orders_s,
    )


def _load(graph: Graph, row: PlanRow, estimate: Estimate | None, actions: tuple[str, ...], began: float) -> Load:
    only_on_failure = graph.nodes[row.node].policy.run_if == "any_failed"
    items = 0 if only_on_failure else sum(row.counts.get(action, 0) for action in actions)
    item_s, node = estimate.item_s if estimate else None, graph.nodes[row.node]
    if isinstance(node.special, Loop) and items:  # one turn after another; loops that are mapped stand side by side
        side_by_side = row.items or 1
        items, item_s = side_by_side, None if item_s is None else item_s * items / side_by_side
    return load_of(graph, node, items, item_s, began)


def _estimate(node: Node, memory: Memory) -> Estimate | None:
    """How long one task run of a node will take, or one inside of it."""
    if not grows(node):
        return memory.estimate(node.id, mapped=node.map is not None)
    before = memory.inside(node)
    return Estimate(before.wall_s / before.task_runs, (before.run,)) if before and before.task_runs else None


def _timed(row: PlanRow, load: Load, estimate: Estimate | None, path: tuple[str, ...]) -> PlanRow:
    work_s = load.work_s if estimate is not None else None
    return replace(row, estimate_s=work_s, critical=row.node in path)
