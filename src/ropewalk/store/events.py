"""The event log, and the rows that are its projection: both are written in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ropewalk.core import events as ev
from ropewalk.core.compact import compact as _text
from ropewalk.core.errors import LeaseLostError, StoreError
from ropewalk.core.noderun import NOT_YET, RETURNED, NodeRun
from ropewalk.core.special import Approval
from ropewalk.core.state import RunState
from ropewalk.core.taskstate import FAILED, READY, RUNNING, WAITING
from ropewalk.store import spans
from ropewalk.store.database import Database, Row
from ropewalk.store.deadletters import Given, park
from ropewalk.store.runs import Run
from ropewalk.store.stretch import Success, pack, split, unpack_all


@dataclass(frozen=True, slots=True)
class Logged:
    """A batch of events as it was committed."""

    seq: int
    at: float
    events: list[ev.Event]


@dataclass(frozen=True, slots=True)
class _Packed:
    """A stretch of successes in a batch that is about to be written."""

    places: range  # in the batch
    at_byte: int
    events: Sequence[Success]


@dataclass(slots=True)
class _Rows:
    """What one batch of events writes besides the log."""

    task_runs: dict[tuple[str, int], Row] = field(default_factory=dict)
    spans: list[_Packed] = field(default_factory=list)
    dropped: list[tuple[int, str, int]] = field(default_factory=list)
    nodes: dict[str, Row] = field(default_factory=dict)
    reset: tuple[str, ...] | None = None  # the run was reopened: nodes whose results do not count any more
    cancelled: dict[str, list[int]] = field(default_factory=dict)  # by node the tokens that are left
    leases: dict[int, Row] = field(default_factory=dict)
    holds: list[Row] = field(default_factory=list)  # slots of pools, by lease
    reported: dict[str, set[int]] = field(default_factory=dict)  # by node the tokens of attempts that have ended
    ended: list[tuple[int, int]] = field(default_factory=list)  # leases that were there before the batch
    blobs: list[Row] = field(default_factory=list)
    attempts: list[Row] = field(default_factory=list)
    asked: dict[tuple[str, int], Row] = field(default_factory=dict)
    answered: list[Row] = field(default_factory=list)
    unasked: list[Row] = field(default_factory=list)  # questions that nobody needs to answer any more


def read(db: Database, run: int, after: int = 0) -> list[Logged]:
    """The events of a run that were committed after batch `after`."""
    rows = db.query("events_read", run=run, after=after)
    return [Logged(seq, at, _whole(ev.load(body), packed)) for seq, at, body, packed in rows]


def damaged(db: Database) -> Iterator[int]:
    """Runs of which something was packed that is not as it was written."""
    for (run,) in db.query("events_packed_runs"):
        try:
            for (packed,) in db.query("events_packed", run=run):
                for _ in unpack_all(packed):
                    pass  # each has a checksum
        except StoreError:
            yield run


def _whole(events: list[ev.Event], packed: bytes | None) -> list[ev.Event]:
    """A batch as it was, with what was packed in its place."""
    for stretch in unpack_all(packed):
        events[stretch.index : stretch.index] = stretch.events()
    return events


def append(
    db: Database,
    run: Run,
    seq: int,
    batch: list[ev.Event],
    state: RunState,
    *,
    at: float,
    keys: dict[int, list[str]],
    given: Mapping[tuple[str, int], Given] | None = None,
) -> None:
    """Write a batch of events as number `seq`, with the rows that follow; the caller holds a transaction.

    Args:
        state: the run after these events.
        keys: for each token of a `Started` event the cache keys that its items compute.
        given: what task runs were given that have failed for good.

    Raises:
        LeaseLostError: another scheduler owns the run, or has written to it.
    """
    rest, packed, stretches = _pack(batch)
    rows = _project(run.number, batch, state, at, keys, stretches)
    _advance(db, run, seq, state, at)
    if state.resting:  # from this moment on whoever answers may go on with it
        db.query("run_disown", number=run.number, epoch=run.epoch)
    db.query("events_append", run=run.number, seq=seq, at=at, body=ev.dump(rest), packed=packed)
    if rows.reset is not None:
        _reopen(db, run.number, state, rows.reset)
    _write(db, run.number, rows)
    for one in rows.spans:
        spans.put(db, run.number, seq, one.at_byte, one.events, at)
    park(db, run, batch, state, at, given or {})


def _advance(db: Database, run: Run, seq: int, state: RunState, at: float) -> None:
    here = {"number": run.number, "epoch": run.epoch, "seq": seq, "graph": state.base.digest}
    final = state.finished or ("paused" if state.resting else "running")
    if final == "running":  # as nearly always: this leaves the indexes alone
        db.query("run_go_on", **here)
        if db.changes():
            return
    db.query("run_advance", state=final, finished_at=at if state.finished else None, **here)
    if db.changes() == 0:
        raise LeaseLostError(f"run {run.number} was taken over by another process", help=["ropewalk runs"])


def _pack(batch: Sequence[ev.Event]) -> tuple[list[ev.Event], bytes | None, list[_Packed]]:
    """What of a batch is kept as JSON, and what is packed."""
    rest, found = split(batch)
    packed, stretches = bytearray(), []
    for places in found:
        events: Sequence[Success] = batch[places.start : places.stop]  # type: ignore[assignment]  # as `split` says
        stretches.append(_Packed(places, len(packed), events))
        packed += pack(events, places.start)
    return rest, bytes(packed) or None, stretches


def _reopen(db: Database, run: int, state: RunState, reset: tuple[str, ...]) -> None:
    """Take away the rows of whatever starts over, and of nodes that the graph has no more."""
    opened = [node_id for node_id, node in state.nodes.items() if node.opened]
    kept = [node_id for node_id in opened if node_id not in reset]
    failed = [(node_id, item) for node_id, node in state.nodes.items() for item in node.items(FAILED)]
    db.query("task_run_reopen", run=run, kept=_text(kept), failed=_text(failed))
    spans.forget(db, run, but=set(kept))
    for span in spans.of_run(db, run):
        if not state.nodes[span.node].succeeded(span.first, span.items):
            spans.explode(db, span)
    anew = [(run, n, item) for n in kept for item in state.nodes[n].items(WAITING, READY, RUNNING)]
    db.many("task_run_drop", anew)
    db.query("node_run_reopen", run=run, opened=_text(opened))
    db.query("lease_drop_run", run=run)
    asked = [node_id for node_id, node in state.nodes.items() if node.asked]
    db.query("approval_reopen", run=run, asked=_text(asked))


def _write(db: Database, run: int, rows: _Rows) -> None:
    for place in rows.dropped:
        spans.explode_at(db, *place)
    statements: tuple[tuple[str, Collection[Row]], ...] = (
        ("task_run_drop", rows.dropped),
        ("node_run_put", rows.nodes.values()),
        ("task_run_put", rows.task_runs.values()),
        ("attempt_put", rows.attempts),
        ("blob_put", rows.blobs),
        ("approval_drop", rows.unasked),
        ("approval_put", rows.asked.values()),
        ("approval_close", rows.answered),
        ("lease_put", rows.leases.values()),
        ("lease_hold", rows.holds),
        ("lease_drop", rows.ended),
    )
    for name, written in statements:
        if written:
            db.many(name, written)
    for node, left in rows.cancelled.items():
        db.query("lease_drop_node", run=run, node=node, left=_text(left))


def _project(
    run: int, batch: Sequence[ev.Event], state: RunState, at: float, keys: dict[int, list[str]], packed: list[_Packed]
) -> _Rows:
    rows = _Rows(spans=_uneventful(batch, state, packed))
    spanned = {index for one in rows.spans for index in one.places}
    for index, event in enumerate(batch):
        if index in spanned:
            continue
        if isinstance(event, ev.Succeeded):
            _succeeded(rows, run, event, state.nodes[event.node], at)
        elif isinstance(event, ev.Reused):
            _reused(rows, run, event, state.nodes[event.node], at)
        elif isinstance(event, ev.Started):
            _started(rows, run, event, state.nodes[event.node], keys[event.token], at)
        elif isinstance(event, ev.AttemptFailed):
            later = _starts(batch[index:], event.node, event.item)
            _failed(rows, run, event, state.nodes[event.node], at, later)
        elif isinstance(event, (ev.Skipped, ev.Cancelled)):
            _ended(rows, run, event, state.nodes[event.node], at)
        else:
            _project_rare(rows, run, event, at)
    for one in rows.spans:
        _spanned(rows, run, one.events)
    _release(rows, run, state)
    return rows


def _uneventful(batch: Sequence[ev.Event], state: RunState, packed: list[_Packed]) -> list[_Packed]:
    """Those stretches in which nothing but the success has happened to any item."""
    if not packed or any(isinstance(event, ev.Reopened) for event in batch):
        return []
    lost = {(event.node, event.item) for event in batch if isinstance(event, ev.ResultLost)}
    return [one for one in packed if not any(_deviates(state, event, lost) for event in one.events)]


def _deviates(state: RunState, event: Success, lost: Collection[tuple[str, int]]) -> bool:
    attempts = state.nodes[event.node].attempts.get(event.item, 0)
    wanted = 1 if isinstance(event, ev.Succeeded) else 0
    return attempts != wanted or (event.node, event.item) in lost


def _project_rare(rows: _Rows, run: int, event: ev.Event, at: float) -> None:
    """What happens to a task run once, if at all."""
    if isinstance(event, ev.Opened):
        rows.nodes[event.node] = (run, event.node, event.length)
    elif isinstance(event, ev.ResultLost):
        rows.task_runs.pop((event.node, event.item), None)
        rows.dropped.append((run, event.node, event.item))
    elif isinstance(event, ev.Reopened):
        rows.reset = event.reset
    elif isinstance(event, ev.Gathered):
        _gathered(rows, run, event, at)
    elif isinstance(event, ev.Asked):
        _asked(rows, run, event)
    elif isinstance(event, ev.Answered):
        rows.answered.append((event.verdict, event.by, event.reason, event.at, run, event.node, event.item))


def _started(rows: _Rows, run: int, e: ev.Started, node: NodeRun, keys: list[str], at: float) -> None:
    rows.leases[e.token] = (run, e.token, e.node, _text(e.items), _text(keys), e.worker, at)
    if pools := node.node.policy.resources.pools:  # such a lease has one item, see engine/ledger
        rows.holds.append((_text(dict(pools)), run, e.token))


def _starts(batch: Iterable[ev.Event], node: str, item: int) -> int:
    """How many attempts of a task run were begun in a batch."""
    return sum(isinstance(e, ev.Started) and e.node == node and item in e.items for e in batch)


def _release(rows: _Rows, run: int, state: RunState) -> None:
    """A lease over several items ends with the last of them."""
    for node, tokens in rows.reported.items():
        left = state.nodes[node].tokens.left
        for token in tokens:
            if token and token not in left and rows.leases.pop(token, None) is None:
                rows.ended.append((run, token))


def _spanned(rows: _Rows, run: int, events: Sequence[Success]) -> None:
    """What is written for items besides their span; a row of an attempt before, in the same batch, is none any more."""
    for event in events:
        _refer(rows, run, event)
        if rows.task_runs:
            rows.task_runs.pop((event.node, event.item), None)
    tokens = {event.token for event in events if isinstance(event, ev.Succeeded)}
    rows.reported.setdefault(events[0].node, set()).update(tokens)


def _succeeded(rows: _Rows, run: int, e: ev.Succeeded, node: NodeRun, at: float) -> None:
    usage = e.usage
    rows.task_runs[e.node, e.item] = (
        run, e.node, e.item, "succeeded", node.attempts.get(e.item, 1), e.key, _text(ev.dump_outputs(e.outputs)), None,
        usage.started_at, at, usage.wall_s, usage.cpu_s, usage.peak_bytes, None, None,
        _text(e.metrics) if e.metrics else None,
    )  # fmt: skip
    _refer(rows, run, e)
    rows.reported.setdefault(e.node, set()).add(e.token)


def _asked(rows: _Rows, run: int, e: ev.Asked) -> None:
    rows.asked[e.node, e.item] = (run, e.node, e.item, e.message, e.role, e.excluded, e.at, e.expires_at)


def _gathered(rows: _Rows, run: int, e: ev.Gathered, at: float) -> None:
    rows.task_runs[e.node, e.item] = (
        run, e.node, e.item, "succeeded", 0, None, _text(ev.dump_outputs(e.outputs)), None,
        None, at, None, None, None, None, None, None,
    )  # fmt: skip
    _refer(rows, run, e)


def _refer(rows: _Rows, run: int, e: ev.Succeeded | ev.Reused | ev.Gathered) -> None:
    """Note which files a result needs, so that they are kept as long as the run is."""
    for name, ref in e.outputs.items():
        if ref.inline is None:
            rows.blobs.append((ref.digest, run, e.node, e.item, name))
        rows.blobs.extend((child, run, e.node, e.item, name) for child in ref.children)


def _reused(rows: _Rows, run: int, e: ev.Reused, node: NodeRun, at: float) -> None:
    outputs = _text(ev.dump_outputs(e.outputs))
    source = None if e.source == run else e.source  # computed by this run before it was continued: others may reuse it
    rows.task_runs[e.node, e.item] = (
        run, e.node, e.item, "succeeded", node.attempts.get(e.item, 0), e.key, outputs, source,
        None, at, e.saved_s, None, None, None, None, _text(e.metrics) if e.metrics else None,
    )  # fmt: skip
    _refer(rows, run, e)


def _failed(rows: _Rows, run: int, e: ev.AttemptFailed, node: NodeRun, at: float, later: int) -> None:
    """Args: later: how many attempts of the task run were begun after this one, in the same batch."""
    rows.reported.setdefault(e.node, set()).add(e.token)
    if e.failure.kind == NOT_YET:  # as if it had not been looked at
        rows.task_runs.pop((e.node, e.item), None)
        rows.dropped.append((run, e.node, e.item))
    if e.failure.kind in (RETURNED, NOT_YET):
        return  # nothing has happened to it
    if node.whole:
        rows.nodes[e.node] = (run, e.node, node.length)
    failure, attempt = _text(e.failure.to_json()), node.attempts.get(e.item, 0) - later
    rows.attempts.append((run, e.node, e.item, attempt, at, failure, e.usage.wall_s))
    rows.task_runs[e.node, e.item] = (
        run, e.node, e.item, "ready" if e.retry_at is not None else "failed", attempt, None, None, None,
        e.usage.started_at or None, at, e.usage.wall_s, e.usage.cpu_s, e.usage.peak_bytes, failure, None, None,
    )  # fmt: skip


def _ended(rows: _Rows, run: int, e: ev.Skipped | ev.Cancelled, node: NodeRun, at: float) -> None:
    label = "skipped" if isinstance(e, ev.Skipped) else "cancelled"
    detail = e.reason if isinstance(e, ev.Skipped) else None
    for item in (0,) if e.items is None else e.items:
        if isinstance(node.node.special, Approval):
            rows.asked.pop((e.node, item), None)
            rows.unasked.append((run, e.node, item))
        rows.task_runs[e.node, item] = (
            run, e.node, item, label, node.attempts.get(item, 0), None, None, None,
            None, at, None, None, None, None, detail, None,
        )  # fmt: skip
    if e.items is None:
        rows.nodes[e.node] = (run, e.node, node.length)
    elif isinstance(e, ev.Cancelled):
        rows.cancelled[e.node] = sorted(set(node.tokens.values()))
