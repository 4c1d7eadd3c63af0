"""The state of a run: the fold of its events. `apply` is the only thing that changes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from typing import Any

from ropewalk.core import events as ev
from ropewalk.core.artifact import Failure, Outputs
from ropewalk.core.graph import Graph, Node


class TaskState(IntEnum):
    """Where a task run stands."""

    WAITING = 0
    READY = 1
    RUNNING = 2
    SUCCEEDED = 3
    FAILED = 4
    SKIPPED = 5
    CANCELLED = 6

    @property
    def label(self) -> str:
        return self.name.lower()


WAITING, READY, RUNNING, SUCCEEDED, FAILED, SKIPPED, CANCELLED = TaskState
FINAL = frozenset({SUCCEEDED, FAILED, SKIPPED, CANCELLED})

TRANSITIONS: frozenset[tuple[TaskState, TaskState]] = frozenset({
    (WAITING, READY),  # its inputs are there
    (WAITING, FAILED),  # its condition or its list cannot be worked out
    (WAITING, SKIPPED),  # a needed task did not succeed
    (WAITING, CANCELLED),
    (READY, RUNNING),  # claimed under a lease
    (READY, SUCCEEDED),  # reused
    (READY, FAILED),  # its inputs cannot be had
    (READY, READY),  # its inputs could not be had yet
    (READY, SKIPPED),
    (READY, CANCELLED),
    (RUNNING, SUCCEEDED),
    (RUNNING, FAILED),
    (RUNNING, READY),  # another attempt follows
    (RUNNING, CANCELLED),
    (SUCCEEDED, READY),  # the result was lost and is computed again
    (SUCCEEDED, WAITING),  # reopened by a person
    (FAILED, WAITING),
    (SKIPPED, WAITING),
    (CANCELLED, WAITING),
})  # fmt: skip


RETURNED = "returned"  # kind of the failure of an order that its worker gave back before it was begun
_LEGAL = frozenset((int(a), int(b)) for a, b in TRANSITIONS)
_BY_CODE = tuple(TaskState)


class IllegalMove(Exception):
    """An event does not fit the state of its task run: a bug, or a report of an attempt that lost its lease."""


class NodeRun:
    """One node within a run: its items, or the one item of a node that is not mapped."""

    __slots__ = (
        "attempts", "counts", "failures", "keys", "losses", "metrics", "node", "outputs", "ready_at", "reason",
        "retries", "sources", "states", "tokens", "whole",
    )  # fmt: skip

    def __init__(self, node: Node) -> None:
        self.node = node
        self.attempts: dict[int, int] = {}  # that were begun, ever: each has its own log and story
        self.reset()

    def reset(self) -> None:
        """Forget everything but the number of attempts: the node is as before it was opened."""
        self.states: bytearray | None = None  # one TaskState an item; None: not opened
        self.whole = False  # it ended before its items were known, and has one in their place
        self.counts = [0] * len(TaskState)
        self.outputs: list[Outputs | None] = []
        self.keys: list[str] = []
        self.reason = ""  # why it was skipped
        # only for the items that deviate:
        self.retries: dict[int, int] = {}  # attempts that count against the retry policy
        self.losses: dict[int, int] = {}  # attempts that ended through no fault of their own
        self.tokens: dict[int, int] = {}  # running items
        self.ready_at: dict[int, float] = {}
        self.failures: dict[int, Failure] = {}
        self.sources: dict[int, int] = {}  # number of the run that a result was taken from
        self.metrics: dict[int, dict[str, float]] = {}

    def open(self, length: int, state: TaskState) -> None:
        """The number of items is known; all of them are in `state`."""
        self.states = bytearray([state]) * length
        self.counts = [0] * len(TaskState)
        self.counts[state] = length
        self.outputs = [None] * length
        self.keys = [""] * length

    @property
    def opened(self) -> bool:
        return self.states is not None

    @property
    def length(self) -> int:
        return 0 if self.states is None else len(self.states)

    @property
    def settled(self) -> bool:
        """Every item has reached a final state."""
        if self.states is None:
            return False
        counts = self.counts
        return counts[0] == counts[1] == counts[2] == 0

    @property
    def all_succeeded(self) -> bool:
        return self.settled and self.counts[SUCCEEDED] == self.length

    @property
    def has_results(self) -> bool:
        """Something of it has succeeded, be it that it has no items."""
        return self.counts[SUCCEEDED] > 0 or self.all_succeeded

    @property
    def all_skipped(self) -> bool:
        return self.length > 0 and self.counts[SKIPPED] == self.length

    def state(self, item: int) -> TaskState:
        return WAITING if self.states is None else _BY_CODE[self.states[item]]

    def items(self, *wanted: TaskState) -> Iterator[int]:
        """Items that are in one of the wanted states."""
        return (i for i, code in enumerate(self.states or b"") if code in wanted)

    def move(self, item: int, to: TaskState) -> None:
        """Move one item.

        Raises:
            IllegalMove: the move is not in TRANSITIONS.
        """
        states = self.states
        if states is None or not self.may_move(item, to):
            raise IllegalMove(f"{self.node.id}[{item}]: {self.show(item)} → {to.label}")
        self.counts[states[item]] -= 1
        self.counts[to] += 1
        states[item] = to

    def may_move(self, item: int, to: TaskState) -> bool:
        """Whether there is such an item, and the move is in TRANSITIONS."""
        states = self.states
        return states is not None and 0 <= item < len(states) and (states[item], to) in _LEGAL

    def take_up(self, items: Iterable[int]) -> None:
        """Make items ready that are to be started or reused: that their inputs are there is no event of its own.

        Raises:
            IllegalMove: one of them is neither waiting nor ready.
        """
        for item in items:
            if not self.may_move(item, READY) or self.state(item) not in (WAITING, READY):
                raise IllegalMove(f"{self.node.id}[{item}]: {self.show(item)}, so it cannot be taken up")
        for item in items:
            self.move(item, READY)

    def show(self, item: int) -> str:
        """The state of an item for a message about a bug."""
        return self.state(item).label if self.states is not None and 0 <= item < self.length else "not there"


class RunState:
    """A run as the fold of its events.

    Only `apply` changes it, in time that does not depend on the size of the graph, but for `Opened`, `Reopened`
    and events about whole nodes, which cost what their items cost.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes = {node_id: NodeRun(node) for node_id, node in graph.nodes.items()}
        self.cancel_requested = False
        self.finished = ""  # succeeded | failed | cancelled
        self._handlers: dict[type, Callable[[Any], None]] = {
            ev.Opened: self._opened,
            ev.Started: self._started,
            ev.Succeeded: self._succeeded,
            ev.Reused: self._reused,
            ev.AttemptFailed: self._attempt_failed,
            ev.Skipped: self._skipped,
            ev.Cancelled: self._cancelled,
            ev.CancelRequested: self._cancel_requested,
            ev.ResultLost: self._result_lost,
            ev.Reopened: self._reopened,
            ev.RunFinished: self._run_finished,
        }

    def apply(self, event: ev.Event) -> None:
        """Take one event into the state.

        Raises:
            IllegalMove: the event does not fit; the state is as before.
        """
        self._handlers[type(event)](event)

    def holds(self, node: str, item: int, token: int) -> bool:
        """Whether the attempt with this token is the current one of its task run."""
        return self.nodes[node].tokens.get(item) == token

    def _opened(self, e: ev.Opened) -> None:
        run = self.nodes[e.node]
        if run.opened:
            raise IllegalMove(f"{e.node} is opened twice")
        run.open(e.length, WAITING)

    def _started(self, e: ev.Started) -> None:
        run = self.nodes[e.node]
        run.take_up(e.items)
        for item in e.items:
            run.move(item, RUNNING)
            run.tokens[item] = e.token
            run.attempts[item] = run.attempts.get(item, 0) + 1
            run.ready_at.pop(item, None)

    def _succeeded(self, e: ev.Succeeded) -> None:
        run = self.nodes[e.node]
        self._check(e.node, e.item, e.token)
        run.move(e.item, SUCCEEDED)
        del run.tokens[e.item]
        run.failures.pop(e.item, None)
        run.sources.pop(e.item, None)
        run.outputs[e.item] = e.outputs
        run.keys[e.item] = e.key
        if e.metrics:
            run.metrics[e.item] = e.metrics

    def _reused(self, e: ev.Reused) -> None:
        run = self.nodes[e.node]
        run.take_up((e.item,))
        run.move(e.item, SUCCEEDED)
        run.ready_at.pop(e.item, None)
        run.failures.pop(e.item, None)
        run.outputs[e.item] = e.outputs
        run.keys[e.item] = e.key
        run.sources[e.item] = e.source
        if e.metrics:
            run.metrics[e.item] = e.metrics

    def _attempt_failed(self, e: ev.AttemptFailed) -> None:
        run = self.nodes[e.node]
        if not (run.opened or e.token) and e.retry_at is None:
            self._end(run, None, FAILED)
        else:
            if e.token:
                self._check(e.node, e.item, e.token)
            else:
                run.take_up((e.item,))
            run.move(e.item, FAILED if e.retry_at is None else READY)
            run.tokens.pop(e.item, None)
        if e.retry_at is not None:
            run.ready_at[e.item] = e.retry_at
        if e.failure.kind == RETURNED:
            run.attempts[e.item] -= 1
            return
        run.failures[e.item] = e.failure
        tally = run.retries if e.counted else run.losses
        tally[e.item] = tally.get(e.item, 0) + 1

    def _skipped(self, e: ev.Skipped) -> None:
        run = self.nodes[e.node]
        self._end(run, e.items, SKIPPED)
        run.reason = e.reason

    def _cancelled(self, e: ev.Cancelled) -> None:
        self._end(self.nodes[e.node], e.items, CANCELLED)

    def _end(self, run: NodeRun, items: tuple[int, ...] | None, state: TaskState) -> None:
        if items is None:
            if run.opened:
                raise IllegalMove(f"{run.node.id} is opened already, so its items are {state.label} one by one")
            run.open(1, state)
            run.whole = True
            return
        if not all(run.may_move(item, state) for item in items):
            raise IllegalMove(f"{run.node.id}{list(items)} cannot become {state.label}")
        for item in items:
            run.move(item, state)
            run.tokens.pop(item, None)
            run.ready_at.pop(item, None)

    def _cancel_requested(self, _: ev.CancelRequested) -> None:
        self.cancel_requested = True

    def _result_lost(self, e: ev.ResultLost) -> None:
        run = self.nodes[e.node]
        if not run.may_move(e.item, READY) or run.state(e.item) is not SUCCEEDED:
            raise IllegalMove(f"{e.node}[{e.item}]: {run.show(e.item)}, so it has no result to lose")
        run.move(e.item, READY)
        run.outputs[e.item] = None
        run.sources.pop(e.item, None)
        run.metrics.pop(e.item, None)

    def _reopened(self, e: ev.Reopened) -> None:
        self.cancel_requested = False
        self.finished = ""
        reset = set(e.reset)
        for node_id, run in self.nodes.items():
            if node_id in reset or not run.has_results:
                run.reset()
            elif not run.all_succeeded:
                _restart(run)

    def _run_finished(self, e: ev.RunFinished) -> None:
        self.finished = e.state

    def _check(self, node: str, item: int, token: int) -> None:
        if not self.holds(node, item, token):
            raise IllegalMove(f"{node}[{item}]: the attempt with token {token} has lost its lease")


def _restart(run: NodeRun) -> None:
    """Of a mapped node keep what succeeded."""
    states = run.states or bytearray()
    for item in list(run.items(READY, RUNNING, FAILED, SKIPPED, CANCELLED)):
        run.counts[states[item]] -= 1
        run.counts[WAITING] += 1
        states[item] = WAITING
        for deviation in (run.retries, run.losses, run.tokens, run.ready_at, run.failures):
            deviation.pop(item, None)


def fold(graph: Graph, events: Iterable[ev.Event], graphs: Callable[[str], Graph] | None = None) -> RunState:
    """The state of a run after `events`; `graphs` gives the graph of a digest, for runs that were reopened."""
    state = RunState(graph)
    for event in events:
        if isinstance(event, ev.Reopened) and graphs is not None and event.graph != state.graph.digest:
            state = regraph(state, graphs(event.graph))
        state.apply(event)
    return state


def regraph(old: RunState, graph: Graph) -> RunState:
    """The same run on another graph: results of nodes that both have are kept."""
    if graph.digest == old.graph.digest:
        return old
    new = RunState(graph)
    for node_id, run in new.nodes.items():
        if node_id in old.nodes:
            before = old.nodes[node_id]
            for name in NodeRun.__slots__:
                if name != "node":
                    setattr(run, name, getattr(before, name))
    return new
