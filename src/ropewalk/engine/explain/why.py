"""Why a task run is as it is: failed, skipped, cancelled, reused, executed, or not begun yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from ropewalk.core import events as ev
from ropewalk.core import expr as ex
from ropewalk.core.artifact import Failure
from ropewalk.core.graph import Node
from ropewalk.core.quantity import show_duration
from ropewalk.engine.client import Client
from ropewalk.engine.explain.awaiting import answered, awaited
from ropewalk.engine.explain.growth import Growth, growth, has_begun
from ropewalk.engine.explain.keyparts import Part, key_parts
from ropewalk.engine.explain.keys import short, show
from ropewalk.engine.explain.parts import changes
from ropewalk.engine.explain.recorded import Recorded
from ropewalk.engine.owner import is_alive
from ropewalk.engine.pools import shortages
from ropewalk.store import events as log
from ropewalk.store import history, runs, tasks
from ropewalk.store.runs import Run
from ropewalk.store.tasks import Lease, TaskRun

_STANDS = {"approval": "a person is asked", "wait": "not there yet"}  # of nodes that are begun and not done
UNSUCCESSFUL = ("failed", "skipped", "cancelled")


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one task run is as it is.

    Attributes:
        state: executed | reused | failed | skipped | cancelled | waiting | ready | running.
        title: the answer in one sentence.
        parts: what its key covers, each compared with the run that it is compared with.
        reasons: what changed since that run; of a reused result nothing did.
        compared_with: number of that run; None: there is none.
        facts: further short statements, most telling first.
        outside: what is known not to count in its key.
        failure: the story, of a task run that failed or was skipped because of one that failed.
        help: what to type next.
    """

    run: int
    node: str
    item: int
    state: str
    title: str
    parts: tuple[Part, ...] = ()
    reasons: tuple[str, ...] = ()
    compared_with: int | None = None
    facts: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    failure: Failure | None = None
    help: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def why(client: Client, run: Run, node: str, item: int = 0) -> Explanation:
    """Why a task run is as it is.

    Raises:
        NotFoundError: the run has no such node, or the node no such item.
    """
    recorded = Recorded(client, run)
    recorded.node(node)
    row = recorded.row(node, item)
    if row is None and recorded.lengths.get(node) == 0:
        title = f"`{node}` had nothing to map over in run {run.number}"
        return Explanation(run.number, node, item, "executed", title)
    if (found := growth(recorded, node, item)) is not None:
        return _grown(recorded, node, item, found)
    if row is None or row.state == "ready":
        return _unfinished(recorded, node, item, row)
    if row.state == "failed":
        return _failed(recorded, node, row)
    if row.state == "skipped":
        return _skipped(recorded, node, row)
    if row.state == "cancelled":
        return _cancelled(recorded, node, row)
    return _executed(recorded, node, row) if row.source is None else _reused(recorded, node, row)


def _grown(recorded: Recorded, node_id: str, item: int, found: Growth) -> Explanation:
    run = recorded.run.number
    place = f"{run}/{node_id}" + (f"[{item}]" if recorded.graph.nodes[node_id].map is not None else "")
    help_ = [*([f"ropewalk why {run}/{found.behind}"] if found.behind else []), f"ropewalk show {place}"]
    title = f"{_name(recorded, node_id, item)} {found.text}"
    return Explanation(
        run, node_id, item, found.state, title, facts=found.facts, failure=found.failure, help=tuple(help_)
    )


def _reused(recorded: Recorded, node_id: str, row: TaskRun) -> Explanation:
    source = row.source or 0
    parts = recorded.parts(node_id, row.item, row.key or "")
    title = f"{_name(recorded, node_id, row.item)} was taken from run {source}, because nothing in its key changed"
    return Explanation(
        recorded.run.number,
        node_id,
        row.item,
        "reused",
        title,
        key_parts(recorded, node_id, row.item, parts, parts),
        compared_with=source,
        facts=(f"saved {show_duration(row.wall_s)}", *_other_name(recorded, node_id, row)),
        outside=_outside(recorded.graph.nodes[node_id], recorded),
    )


def _other_name(recorded: Recorded, node_id: str, row: TaskRun) -> Iterator[str]:
    """Where it was computed under another name."""
    made = [(node, item) for run, node, item in history.makers(recorded.client.db, row.key or "") if run == row.source]
    if made and (node_id, row.item) not in made:
        node, item = made[0]
        yield f"there it is {node}[{item}]" if item else f"there it is `{node}`"


def _executed(recorded: Recorded, node_id: str, row: TaskRun) -> Explanation:
    run, cache = recorded.run, recorded.graph.nodes[node_id].policy.cache
    if answer := answered(recorded, node_id, row.item):
        return Explanation(run.number, node_id, row.item, "executed", answer)
    parts = recorded.parts(node_id, row.item, row.key or "")
    before = _before(recorded, node_id)
    reasons = _news(recorded, before, node_id, row)
    if not cache.enabled:
        reasons = ("its results are never reused (cache=False)", *reasons)
    elif before is None:
        reasons = ("it had never succeeded before",)
    elif not reasons:
        reasons = (_not_reusable(recorded, node_id, row),)
    old = None if before is None else before.parts(node_id, row.item)
    return Explanation(
        run.number,
        node_id,
        row.item,
        "executed",
        f"{_name(recorded, node_id, row.item)} was executed in run {run.number}: {'; '.join(reasons)}",
        key_parts(recorded, node_id, row.item, parts, old),
        reasons,
        None if before is None else before.run.number,
        (f"took {show_duration(row.wall_s)}", *_tries(recorded, node_id, row)),
        _outside(recorded.graph.nodes[node_id], recorded),
    )


def _before(recorded: Recorded, node_id: str) -> Recorded | None:
    """The newest run before this one in which the node succeeded."""
    run, db = recorded.run, recorded.client.db
    number = history.last_success(db, run.pipeline, node_id, run.number)
    if number is None:
        return None
    before = Recorded(recorded.client, runs.get(db, number))
    return before if node_id in before.graph.nodes else None


def _news(recorded: Recorded, before: Recorded | None, node_id: str, row: TaskRun) -> tuple[str, ...]:
    if before is None:
        return ()
    item = row.item if row.item < before.lengths.get(node_id, 1) else None
    old_row = None if item is None else before.row(node_id, item)
    old_key, key = (old_row.key or "" if old_row else ""), row.key or ""
    return changes(node_id, before.parts(node_id, item, old_key), recorded.parts(node_id, item, key))


def _not_reusable(recorded: Recorded, node_id: str, row: TaskRun) -> str:
    """Why a key that had been computed before was computed again."""
    cache, client = recorded.graph.nodes[node_id].policy.cache, recorded.client
    earlier = [m for m in history.makers(client.db, row.key or "") if m[0] < recorded.run.number]
    if not earlier:
        return "the result of the run before was not kept"
    made = tasks.get(client.db, *earlier[-1])
    started = row.started_at or row.finished_at
    if cache.ttl_s is not None and made is not None and started - made.finished_at > cache.ttl_s:
        return f"the result of run {earlier[-1][0]} had expired (ttl {show_duration(cache.ttl_s)})"
    return f"the result of run {earlier[-1][0]} was missing, or was not to be reused"


def _failed(recorded: Recorded, node_id: str, row: TaskRun) -> Explanation:
    run, failure = recorded.run, row.failure or Failure("exception", "it failed")
    before = _before(recorded, node_id)
    reasons = _news(recorded, before, node_id, row)
    parts = recorded.parts(node_id, row.item)
    label = f"{run.number}/{node_id}" + (f"[{row.item}]" if recorded.graph.nodes[node_id].map is not None else "")
    return Explanation(
        run.number,
        node_id,
        row.item,
        "failed",
        f"{_name(recorded, node_id, row.item)} failed in run {run.number}: {failure.message}",
        key_parts(recorded, node_id, row.item, parts, None if before is None else before.parts(node_id, row.item)),
        reasons,
        None if before is None else before.run.number,
        (*failure.facts, *_tries(recorded, node_id, row), _last_success(before, reasons)),
        _outside(recorded.graph.nodes[node_id], recorded),
        failure,
        (
            *failure.help,
            *_looks(label, recorded.graph.nodes[node_id], failure),
            f"ropewalk retry {run.number}     continue from here; what succeeded is kept",
        ),
    )


def _looks(label: str, node: Node, failure: Failure) -> Iterator[str]:
    """How to look at a failure more closely; where none of the user's code has failed there is nothing to see."""
    if failure.kind not in ("rejected", "input") and (node.kind, failure.kind) != ("wait", "timeout"):
        yield f"ropewalk debug {label}     stop at the error, with the same inputs"
        yield f"ropewalk logs {label}"


def _last_success(before: Recorded | None, reasons: tuple[str, ...]) -> str:
    if before is None:
        return "it has never succeeded before"
    return f"last success: run {before.run.number}; since then {'; '.join(reasons) or 'nothing in its key changed'}"


def _tries(recorded: Recorded, node_id: str, row: TaskRun) -> Iterator[str]:
    """Attempts before the last, where there were several."""
    failed = tasks.attempts(recorded.client.db, recorded.run.number, node_id, row.item)
    earlier = failed[:-1] if row.state == "failed" else failed
    if earlier:
        yield f"attempt {row.attempts or len(failed)}; before: {'; '.join(a[4].message for a in earlier[-3:])}"


def _skipped(recorded: Recorded, node_id: str, row: TaskRun) -> Explanation:
    chain = list(_chain(recorded, node_id, row))
    root_id, root = chain[-1]
    name = _name(recorded, node_id, row.item)
    place, failure = _behind(recorded, root_id, root)
    facts: tuple[str, ...] = ()
    if root.state == "skipped":
        reason, facts = _unmet(recorded, root_id, root)
        because = reason if root_id == node_id else f"`{root_id}` was skipped: {reason}"
    else:
        detail = f": {failure.message}" if failure else ""
        because = f"`{place}` {'failed' if root.state == 'failed' else 'was cancelled'}{detail}"
    if len(chain) > 2:
        facts = (" needs ".join(link for link, _ in chain), *facts)
    help_ = (f"ropewalk why {recorded.run.number}/{place}",) if root_id != node_id else ()
    return Explanation(
        recorded.run.number, node_id, row.item, "skipped", f"{name} was skipped, because {because}", facts=facts,
        failure=failure, help=help_,
    )  # fmt: skip


def _behind(recorded: Recorded, node_id: str, row: TaskRun) -> tuple[str, Failure | None]:
    """What failed, where it may have been inside of the node that did."""
    inside = growth(recorded, node_id, row.item)
    return (inside.behind, inside.failure) if inside is not None and inside.failure else (node_id, row.failure)


def _chain(recorded: Recorded, node_id: str, row: TaskRun) -> Iterator[tuple[str, TaskRun]]:
    """From a skipped task run to what is behind it."""
    yield node_id, row
    seen = {node_id}
    while row.state == "skipped" and row.detail.startswith("needs "):
        found = _culprit(recorded, node_id, row, seen)
        if found is None:
            return
        node_id, row = found
        seen.add(node_id)
        yield node_id, row


def _culprit(recorded: Recorded, node_id: str, row: TaskRun, seen: set[str]) -> tuple[str, TaskRun] | None:
    named = row.detail.removeprefix("needs ")
    for up in sorted(recorded.graph.upstream[node_id], key=lambda u: u != named):
        bad = [r for r in recorded.rows(up) if r.state in UNSUCCESSFUL]
        same = [r for r in bad if r.item == row.item] or bad
        if same and up not in seen:
            return up, min(same, key=lambda r: UNSUCCESSFUL.index(r.state))
    return None


def _unmet(recorded: Recorded, node_id: str, row: TaskRun) -> tuple[str, tuple[str, ...]]:
    """Why a node that needs nothing from a failed one was skipped."""
    when = recorded.graph.nodes[node_id].when
    if when is None or row.detail != "its condition is false":
        return row.detail or "it was not needed", ()
    recorded.fill(recorded.graph.upstream[node_id])
    reader = recorded.reader
    values = {ref: reader.value(ref) for ref in dict.fromkeys(ex.refs(when))}
    found = [f"{show(ref)} = {short(value)}" for ref, value in values.items()]
    return f"its condition is false: {show(when)}", tuple(found)


def _cancelled(recorded: Recorded, node_id: str, row: TaskRun) -> Explanation:
    run = recorded.run
    by = run.cancel_requested or _who_asked(recorded)
    title = f"{_name(recorded, node_id, row.item)} was cancelled in run {run.number}" + (f" by {by}" if by else "")
    begun = "it had begun" if row.attempts or has_begun(recorded, node_id, row.item) else "it had not begun"
    return Explanation(
        run.number, node_id, row.item, "cancelled", title, facts=(begun,), help=(f"ropewalk resume {run.number}",)
    )


def _who_asked(recorded: Recorded) -> str:
    asked = ""
    for batch in log.read(recorded.client.db, recorded.run.number):
        asked = next((e.by for e in batch.events if isinstance(e, ev.CancelRequested)), asked)
    return asked


def _unfinished(recorded: Recorded, node_id: str, item: int, row: TaskRun | None) -> Explanation:
    run, name = recorded.run, _name(recorded, node_id, item)
    leases = tasks.leases(recorded.client.db, run.number)
    lease = next((found for found in leases if found.node == node_id and item in found.items), None)
    alive = is_alive(run.owner)
    state, facts = "waiting", tuple(_awaited(recorded, node_id, leases))
    if lease is not None:
        state, facts = "running", (f"attempt on {lease.worker}, claimed at {_clock(lease.at)}",)
        title = f"{name} is running" if alive else f"{name} was running when the process that drove its run ended"
    elif not facts and (told := awaited(recorded, node_id, item)) is not None and run.is_open:
        go_on = () if alive else (f"ropewalk resume {run.number}",)
        facts = (*told[1], *_idle(run))
        return Explanation(run.number, node_id, item, state, told[0], facts=facts, help=told[2] or go_on)
    elif row is not None or not facts:
        state = "ready"
        lacking = tuple(shortages(recorded.client.db, recorded.graph.nodes[node_id]))
        title = f"{name} has its inputs and awaits {'slots of a pool' if lacking else 'a free worker'}"
        before = (f"its attempt {row.attempts} failed: {row.failure.message}",) if row and row.failure else ()
        facts = (*lacking, *before)
    else:
        title = f"{name} waits for {', '.join(facts)}"
    if not run.is_open:
        title, facts = f"{name} was not reached in run {run.number}, which is {run.state}", ()
    elif not alive:
        facts = (*facts, *_idle(run))
    help_ = () if alive and run.is_open else (f"ropewalk resume {run.number}",)
    return Explanation(run.number, node_id, item, state, title, facts=facts, help=help_)


def _idle(run: Run) -> tuple[str, ...]:
    """That nothing goes on at present."""
    if is_alive(run.owner):
        return ()
    return (f"run {run.number} is paused" if run.state == "paused" else f"nobody drives run {run.number} at present",)


def _awaited(recorded: Recorded, node_id: str, leases: list[Lease]) -> Iterator[str]:
    """What a node waits for, with how far that has come."""
    running = {lease.node for lease in leases}
    for up in recorded.graph.upstream[node_id]:
        done = sum(row.state != "ready" for row in recorded.rows(up))
        length = recorded.lengths.get(up)
        if length is None:
            yield f"`{up}` (waiting)"
        elif done < length:
            one = _STANDS.get(recorded.graph.nodes[up].kind, "ready")
            progress = f"{done} of {length} done" if length > 1 else "running" if up in running else one
            yield f"`{up}` ({progress})"


def _outside(node: Node, recorded: Recorded) -> tuple[str, ...]:
    parts = recorded.parts(node.id, None)
    return tuple(f"parameter {i.name}={i.text} (ignored)" for i in parts.inputs.values() if not i.counted)


def _name(recorded: Recorded, node_id: str, item: int) -> str:
    mapped = recorded.graph.nodes[node_id].map is not None
    return f"`{node_id}[{item}]`" if mapped else f"`{node_id}`"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
