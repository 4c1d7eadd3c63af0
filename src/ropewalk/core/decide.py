"""The scheduler as a pure state machine: events in, commands out.

No clock, database, process or randomness inside. An event costs what its node's neighbours cost, never the size of
the graph. Whoever drives it performs the commands and reports what came of them as further events.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ropewalk.core import events as ev
from ropewalk.core.events import Event
from ropewalk.core.needs import Needs
from ropewalk.core.noderun import NodeRun
from ropewalk.core.obstacle import obstacle
from ropewalk.core.state import RunState
from ropewalk.core.taskstate import READY, RUNNING, SUCCEEDED, WAITING
from ropewalk.core.tolerance import ended_badly, failed_too_much
from ropewalk.core.wiring import Wiring


@dataclass(frozen=True, slots=True)
class Open:
    """Evaluate the node's condition and count its items; answer with `Opened`, `Skipped` or `AttemptFailed`.

    It is asked for again should a result that the node needs be lost before there is an answer.
    """

    node: str


@dataclass(frozen=True, slots=True)
class Run:
    """These items have their inputs: reuse a result or start an attempt, not before `at` (None: now)."""

    node: str
    items: Sequence[int]
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Kill:
    """End the attempt of this item; answer with `Cancelled`, or with what it managed to report before."""

    node: str
    item: int
    token: int


Command: TypeAlias = Open | Run | Kill


class Decider:
    """Turns what happened into what to do next.

    `events` collects all events in order, those it was fed and those it derived, until `take` empties it.
    """

    _obstacle = staticmethod(obstacle)

    def __init__(self, state: RunState) -> None:
        self.state = state
        self.events: list[Event] = []
        self.commands: list[Command] = []
        self._needs = Needs(state)
        self.wiring, self.pending = self._needs.wiring, self._needs.pending
        self._unsettled = 0
        self._open_parts: Counter[tuple[str, int]] = Counter()  # of task runs: own nodes that are not settled
        self._asked: set[str] = set()  # nodes that are about to be opened, skipped or cancelled
        self._derived: deque[Event] = deque()  # follow from what was fed; taken in one after another, not nested
        for node_id in state.nodes:
            self._join(node_id)

    def _join(self, node_id: str) -> None:
        """Take a node in, after those that it needs."""
        run = self.state.nodes[node_id]
        self._needs.join(node_id)
        if not run.settled:
            self._unsettled += 1
            if owner := self.state.owners.get(node_id):
                self._open_parts[owner] += 1

    def users(self, node_id: str) -> Sequence[str]:
        """The nodes that need a node."""
        return self._needs.users(node_id)

    def take(self) -> tuple[list[Event], list[Command]]:
        """What came of the events fed since the last call."""
        events, commands = self.events, self.commands
        self.events, self.commands = [], []
        return events, commands

    def recover(self) -> None:
        """Ask for everything that can be done in the present state: at the start of a run and after a crash.

        Items that are `running` must have been reported lost before.
        """
        self._asked.clear()
        for node_id in self.state.nodes:
            self._consider(node_id)
        self._drain()

    def feed(self, event: Event) -> None:
        """Take one event in and derive what follows from it.

        Raises:
            IllegalMove: the event does not fit the state, for example because its lease was lost.
        """
        self._take_in(event)
        self._drain()

    def _take_in(self, event: Event) -> None:
        if isinstance(event, ev.CancelRequested):
            self._cancel(event)
            return
        node_id = getattr(event, "node", None)
        if node_id is None or isinstance(event, ev.DeadlineMissed):
            self._record(event)
            if isinstance(event, ev.Undoing):
                self._welcome()
            return
        run = self.state.nodes[node_id]
        was_settled = run.settled
        self._record(event)
        self._follow(event, run)
        self._settle(event, run, was_settled)

    def _drain(self) -> None:
        """Take in what was derived: a queue, since a chain of skipped nodes may be longer than the stack is deep."""
        while self._derived:
            event = self._derived.popleft()
            if self._still_due(event):
                self._take_in(event)
        self._finish()

    def _still_due(self, event: Event) -> bool:
        if isinstance(event, ev.Opened) and self.state.cancel_requested:
            return self.state.nodes[event.node].node.policy.run_if == "always"
        if not isinstance(event, (ev.Skipped, ev.Cancelled)):
            return True
        run = self.state.nodes[event.node]
        if event.items is None:
            return not run.opened
        return all(run.state(item) in (WAITING, READY) for item in event.items)

    def runnable(self, node_id: str, item: int) -> bool:
        """Whether everything that a ready item needs is still there; what was lost comes back with another `Run`."""
        if self.pending[node_id] or self._is_held(self.state.nodes[node_id], item):
            return False
        aligned = self.wiring[node_id].aligned
        return not aligned or all(self.state.nodes[up].state(item) is SUCCEEDED for up in aligned)

    def _record(self, event: Event) -> None:
        self.state.apply(event)
        self.events.append(event)

    def _follow(self, event: Event, run: NodeRun) -> None:
        """Consequences for the items of the node itself and for the items aligned with them."""
        node_id = run.node.id
        if isinstance(event, (ev.Succeeded, ev.Reused, ev.Gathered)):
            self._tell_aligned(node_id, (event.item,))
        elif isinstance(event, ev.Expanded):
            self._welcome()
        elif isinstance(event, ev.Opened):
            self._asked.discard(node_id)
            self._consider(node_id)
        elif isinstance(event, ev.AttemptFailed):
            self._asked.discard(node_id)
            self._follow_failure(event)
        elif isinstance(event, (ev.Skipped, ev.Cancelled)):
            self._asked.discard(node_id)
            self._tell_aligned(node_id, event.items or ())
        elif isinstance(event, ev.ResultLost):
            for user in self._needs.of_item(node_id, event.item):
                self._need(user, 1)
            self._ask_again(run, event.item)

    def _welcome(self) -> None:
        """Take in nodes that have just come into being."""
        new = list(itertools.takewhile(lambda node_id: node_id not in self.wiring, reversed(self.state.nodes)))[::-1]
        for node_id in new:
            self._join(node_id)
        for node_id in new:
            self._consider(node_id)

    def _follow_failure(self, event: ev.AttemptFailed) -> None:
        run = self.state.nodes[event.node]
        if event.retry_at is not None:
            self._ask_again(run, event.item)
            return
        self._tell_aligned(event.node, (event.item,))
        if self.state.base.policy.on_failure == "fail_fast" and failed_too_much(run):
            self._derived.append(ev.CancelRequested(f"fail_fast, since {event.node} failed"))

    def _ask_again(self, run: NodeRun, item: int) -> None:
        """An item that had been started is ready again. What it needs may have been lost since."""
        node_id, wiring = run.node.id, self.wiring[run.node.id]
        if self.state.cancel_requested and node_id not in self.state.undone:
            self._derived.append(ev.Cancelled(node_id, (item,)))
        elif self.pending[node_id]:
            pass  # it is considered when what was lost is settled
        elif reason := self._obstacle(self.state, run.node, wiring):
            self._derived.append(ev.Skipped(node_id, (item,), reason))
        elif wiring.aligned:
            self._consider_item(node_id, item)
        else:
            self.commands.append(Run(node_id, (item,), run.ready_at.get(item)))

    def _tell_aligned(self, node_id: str, items: Sequence[int]) -> None:
        """Items have ended: tell those that follow them."""
        for user in self._needs.aligned_users.get(node_id, ()):
            for item in items:
                self._consider_item(user, item)
        if node_id in self._needs.picked_users:
            for user in [user for item in items for user in self._needs.of_item(node_id, item)]:
                self._need(user, -1)

    def _settle(self, event: Event, run: NodeRun, was_settled: bool) -> None:
        """Tell those that await the whole node whether it is settled now."""
        settled = run.settled
        if isinstance(event, ev.Opened) or (settled and not was_settled):
            self._wake_aligned(run.node.id)
        if settled == was_settled:
            return
        change = -1 if settled else 1
        self._unsettled += change
        if owner := self.state.owners.get(run.node.id):
            self._count_part(owner, change)
        for user in self._needs.barrier_users.get(run.node.id, ()):
            self._need(user, change)

    def _need(self, user: str, change: int) -> None:
        """Something that a node awaits is settled, or is not any more."""
        self.pending[user] += change
        if self.pending[user] == 0:
            self._consider(user)
        elif change > 0:
            self._asked.discard(user)

    def _count_part(self, owner: tuple[str, int], change: int) -> None:
        """One of a task run's own nodes is settled, or is not any more; after the last one it is the owner's turn."""
        self._open_parts[owner] += change
        if not self._open_parts[owner]:
            del self._open_parts[owner]
            node_id, item = owner
            run = self.state.nodes[node_id]
            if run.state(item) is WAITING:
                run.move(item, READY)
            if run.state(item) is READY:
                self.commands.append(Run(node_id, (item,)))

    def _is_held(self, run: NodeRun, item: int) -> bool:
        """Whether a task run waits for nodes of its own, or for a person."""
        return item in run.asked or (item in run.parts and (run.node.id, item) in self._open_parts)

    def _wake_aligned(self, node_id: str) -> None:
        for user in self._needs.aligned_users.get(node_id, ()):
            if not self.state.nodes[user].opened:
                self._consider(user)

    def _consider(self, node_id: str) -> None:
        """Look whether a node can be opened, or which of its items can run."""
        run, wiring = self.state.nodes[node_id], self.wiring[node_id]
        if self.pending[node_id] or run.settled:
            return
        if run.states is not None:
            self._go_on(run, wiring)
        elif node_id not in self._asked and all(self.state.nodes[up].opened for up in wiring.aligned):
            self._open(run, wiring)

    def _open(self, run: NodeRun, wiring: Wiring) -> None:
        node = run.node
        reason = self._obstacle(self.state, node, wiring)
        self._asked.add(node.id)
        if self.state.cancel_requested and node.policy.run_if != "always":
            self._derived.append(ev.Cancelled(node.id, None))
        elif reason:
            self._derived.append(ev.Skipped(node.id, None, reason))
        elif node.map is None and node.when is None:
            self._derived.append(ev.Opened(node.id, 1))
        else:
            self.commands.append(Open(node.id))

    def _go_on(self, run: NodeRun, wiring: Wiring) -> None:
        """Run what is left of an opened node, unless a result that it needs was lost since and not made again."""
        if reason := self._obstacle(self.state, run.node, wiring):
            if left := tuple(run.items(WAITING, READY)):
                self._derived.append(ev.Skipped(run.node.id, left, reason))
            return
        if wiring.aligned:
            for item in list(run.items(WAITING, READY)):
                self._consider_item(run.node.id, item)
            return
        waiting = run.counts[WAITING]
        if waiting == run.length and not run.parts and not run.asked:
            items: Sequence[int] = range(run.length)
        else:
            items = [item for item in run.items(WAITING, READY) if not self._is_held(run, item)]
        for item in items if waiting else ():
            if run.state(item) is WAITING:
                run.move(item, READY)
        self.commands += _runs(run, items)

    def _consider_item(self, node_id: str, item: int) -> None:
        """Look whether one item of a node that follows others item by item can run."""
        run = self.state.nodes[node_id]
        if not run.opened or run.whole or self.pending[node_id] or run.state(item) not in (WAITING, READY):
            return
        if self._is_held(run, item):
            return
        ups = self.wiring[node_id].aligned
        states = [self.state.nodes[up].state(item) for up in ups]
        if all(s is SUCCEEDED for s in states):
            if run.state(item) is WAITING:
                run.move(item, READY)
            self.commands.append(Run(node_id, (item,), run.ready_at.get(item)))
        elif WAITING not in states and READY not in states and RUNNING not in states:
            lacking = next(u for u, s in zip(ups, states, strict=True) if s is not SUCCEEDED)
            self._derived.append(ev.Skipped(node_id, (item,), f"needs {lacking}"))

    def _cancel(self, event: ev.CancelRequested) -> None:
        if self.state.cancel_requested or self.state.finished:
            return
        self._record(event)
        for node_id, run in self.state.nodes.items():
            if node_id in self.state.undone:
                continue  # what is being taken back is not left half done
            for item, token in run.tokens.items():
                self.commands.append(Kill(node_id, item, token))
            if run.settled or run.node.policy.run_if == "always":
                continue
            if not run.opened:
                self._asked.add(node_id)
                self._derived.append(ev.Cancelled(node_id, None))
            elif items := tuple(run.items(WAITING, READY)):
                self._derived.append(ev.Cancelled(node_id, items))

    def _finish(self) -> None:
        if self._unsettled or self.state.finished:
            return
        bad = [run for run in self.state.nodes.values() if ended_badly(run)]
        if any(failed_too_much(run) for run in bad):
            outcome = "failed"
        else:
            outcome = "cancelled" if bad else "succeeded"
        if bad and self.state.effects:
            self._take_in(ev.Undoing(tuple(reversed(self.state.effects))))
            self._drain()
        else:
            self._record(ev.RunFinished(outcome))


def _runs(run: NodeRun, items: Sequence[int]) -> list[Run]:
    """The commands to run these items, each at its time."""
    if not run.ready_at:
        return [Run(run.node.id, items)] if items else []
    now = [item for item in items if item not in run.ready_at]
    later = [Run(run.node.id, (item,), run.ready_at[item]) for item in items if item in run.ready_at]
    return [Run(run.node.id, now), *later] if now else later
