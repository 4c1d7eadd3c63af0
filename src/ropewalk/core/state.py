"""The state of a run: the fold of its events. `apply` is the only thing that changes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from ropewalk.core import events as ev
from ropewalk.core.graph import Body, Graph, Node, TaskSpec
from ropewalk.core.grow import Instance, flatten, instantiate, nest
from ropewalk.core.noderun import NOT_YET, RETURNED, IllegalMove, NodeRun, Parts
from ropewalk.core.special import Wait
from ropewalk.core.taskstate import CANCELLED, FAILED, READY, RUNNING, SKIPPED, SUCCEEDED, WAITING, TaskState
from ropewalk.core.tolerance import may_lack
from ropewalk.core.undo import undo_nodes
from ropewalk.core.wiring import wire


class RunState:
    """A run as the fold of its events.

    Only `apply` changes it, in time that does not depend on the size of the graph, but for `Opened`, `Reopened`
    and events about whole nodes, which cost what their items cost.
    """

    def __init__(self, graph: Graph) -> None:
        self.base = graph  # as the pipeline says it
        self.tasks: dict[str, TaskSpec] = dict(graph.tasks)
        self.bodies: dict[str, Body] = nest(graph.bodies)  # by node
        self.nodes = {node_id: NodeRun(node) for node_id, node in graph.nodes.items()}
        self.owners: dict[str, tuple[str, int]] = {}  # of nodes that came into being in this run: whose they are
        self.cancel_requested = False
        self.pause_requested = ""  # by whom
        self.resting = ""  # why nothing can happen before a person acts
        self.finished = ""  # succeeded | failed | cancelled
        self.reopened = False  # ever
        self.retries = 0  # of all task runs together
        self.effects: dict[tuple[str, int], None] = {}  # task runs that can be undone, as they ended
        self.undone: dict[str, tuple[str, int]] = {}  # nodes that take effects back: whose
        self.missed: dict[str, float] = {}  # deadlines that passed, by node; "" is the run
        self._graph: Graph | None = graph
        self._may_lack = False  # whether any node may
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
            ev.PauseRequested: self._pause_requested,
            ev.Rested: self._rested,
            ev.Woken: self._woken,
            ev.Expanded: self._expanded,
            ev.Gathered: self._gathered,
            ev.Asked: self._asked,
            ev.Answered: self._answered,
            ev.DeadlineMissed: self._deadline_missed,
            ev.Undoing: self._undoing,
        }
        self._align(self.nodes)

    def _align(self, node_ids: Iterable[str]) -> None:
        """Tell nodes what they follow, where something of that may be lacking; in topological order."""
        for node_id in node_ids:
            run = self.nodes[node_id]
            if self._may_lack and run.node.map is not None:
                ups = tuple(self.nodes[up] for up in wire(self.node_of, run.node).aligned)
                run.follows = ups if any(map(may_lack, ups)) else ()
            self._may_lack = self._may_lack or may_lack(run)

    @property
    def graph(self) -> Graph:
        """The graph with the nodes that have come into being."""
        if self._graph is None:
            nodes = {node_id: run.node for node_id, run in self.nodes.items()}
            self._graph = replace(self.base, nodes=nodes, tasks=self.tasks, bodies=flatten(self.bodies))
        return self._graph

    def node_of(self, node_id: str) -> Node:
        return self.nodes[node_id].node

    def spec(self, node_id: str) -> TaskSpec:
        """The task that a node runs."""
        return self.tasks[self.nodes[node_id].node.task]

    def apply(self, event: ev.Event) -> None:
        """Take one event into the state.

        Raises:
            IllegalMove: the event does not fit; the state is as before.
        """
        self._handlers[type(event)](event)

    def holds(self, node: str, item: int, token: int) -> bool:
        """Whether the attempt with this token is the current one of its task run."""
        run = self.nodes.get(node)
        return run is not None and run.tokens.get(item) == token

    def _opened(self, e: ev.Opened) -> None:
        run = self.nodes[e.node]
        if run.opened:
            raise IllegalMove(f"{e.node} is opened twice")
        run.open(e.length, WAITING)
        run.labels = e.labels

    def _started(self, e: ev.Started) -> None:
        run = self.nodes[e.node]
        run.take_up(e.items)
        run.tokens.left[e.token] = len(e.items)
        for item in e.items:
            run.move(item, RUNNING)
            run.tokens[item] = e.token
            run.attempts[item] = run.attempts.get(item, 0) + 1
            run.ready_at.pop(item, None)
            if isinstance(run.node.special, Wait):
                run.since.setdefault(item, e.at)

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
        if run.node.policy.undo and (e.node, e.item) not in self.undone.values():
            self.effects.pop((e.node, e.item), None)
            self.effects[e.node, e.item] = None

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
        if e.failure.kind in (RETURNED, NOT_YET):
            run.attempts[e.item] -= 1
            if e.failure.kind == NOT_YET:  # a check that could be made: what went wrong before it is over
                for deviations in (run.failures, run.retries, run.losses):
                    deviations.pop(e.item, None)
            return
        run.failures[e.item] = e.failure
        if e.failure.kind == "oom":
            run.ooms[e.item] = run.ooms.get(e.item, 0) + 1
        if e.counted and e.retry_at is not None:
            self.retries += 1
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
            run.asked.pop(item, None)

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
        self.reopened = True
        self.retries = 0
        self.missed.clear()
        reset = set(e.reset)
        self._forget_undoing()
        for node_id in [n for n in self.owners if n in self.nodes]:
            if node_id in self.nodes and self.owners[node_id][0] in reset:
                self._forget(node_id)
        self.effects = {effect: None for effect in self.effects if effect[0] in self.nodes}
        for node_id, run in self.nodes.items():
            only = None if e.only is None else set(e.only.get(node_id, ()))
            if node_id not in reset and only is not None and run.counts[FAILED] and not (run.whole and only):
                _restart(run, only)
            elif node_id in reset or not (run.has_results or run.parts or run.asked):
                run.reset()
            elif not run.all_succeeded:
                _restart(run, only)

    def _forget_undoing(self) -> None:
        """What was taken back is to be done again; an effect that could not be taken back is there still."""
        for undo_id, (node_id, item) in reversed(self.undone.items()):
            taken_back = self.nodes.pop(undo_id).all_succeeded
            if node_id in self.nodes and taken_back:
                _take_back(self.nodes[node_id], item)
            elif node_id in self.nodes:
                self.effects[node_id, item] = None
        self.undone = {}
        self._graph = None

    def _forget(self, node_id: str) -> None:
        """A node that came into being is no more, and neither are its own."""
        run = self.nodes.pop(node_id)
        del self.owners[node_id]
        self._graph = None
        for part in (part for parts in run.parts.values() for part in parts.nodes):
            if part in self.nodes:
                self._forget(part)

    def _pause_requested(self, e: ev.PauseRequested) -> None:
        self.pause_requested = e.by

    def _rested(self, e: ev.Rested) -> None:
        self.resting = e.reason

    def _woken(self, _: ev.Woken) -> None:
        self.resting = self.pause_requested = ""

    def _expanded(self, e: ev.Expanded) -> None:
        run = self.nodes[e.node]
        body = e.body or self.bodies.get(e.node)
        if body is None:
            raise IllegalMove(f"{e.node}[{e.item}]: there is no body for nodes of its own")
        run.take_up((e.item,))
        made = instantiate(run.node, run.label(e.item), e.turn, body, e.args)
        run.move(e.item, WAITING)
        nodes = run.parts[e.item].nodes if e.item in run.parts and e.turn > 1 else []
        nodes += [node.id for node in made.nodes]
        run.parts[e.item] = Parts(e.turn, made.output, made.until, nodes)
        self.add(made, (e.node, e.item))

    def add(self, made: Instance, owner: tuple[str, int]) -> None:
        """Take nodes in that have come into being."""
        self.tasks.update(made.tasks)
        self.bodies.update(made.bodies)
        for node in made.nodes:
            self.nodes[node.id] = NodeRun(node)
            self.owners[node.id] = owner
        self._align(node.id for node in made.nodes)
        self._graph = None

    def _gathered(self, e: ev.Gathered) -> None:
        run = self.nodes[e.node]
        run.take_up((e.item,))
        run.move(e.item, SUCCEEDED)
        run.failures.pop(e.item, None)
        run.outputs[e.item] = e.outputs

    def _asked(self, e: ev.Asked) -> None:
        run = self.nodes[e.node]
        run.take_up((e.item,))
        run.move(e.item, WAITING)
        run.asked[e.item] = e.at

    def _answered(self, e: ev.Answered) -> None:
        if self.nodes[e.node].asked.pop(e.item, None) is None:
            raise IllegalMove(f"{e.node}[{e.item}]: nobody was asked")

    def _undoing(self, e: ev.Undoing) -> None:
        self.effects = {}
        for node, effect in zip(undo_nodes(e.effects, self.node_of, self.tasks), e.effects, strict=True):
            self.nodes[node.id] = NodeRun(node)
            self.undone[node.id] = effect
        self._graph = None

    def _deadline_missed(self, e: ev.DeadlineMissed) -> None:
        self.missed[e.node] = e.deadline

    def _run_finished(self, e: ev.RunFinished) -> None:
        self.finished = e.state

    def _check(self, node: str, item: int, token: int) -> None:
        if not self.holds(node, item, token):
            raise IllegalMove(f"{node}[{item}]: the attempt with token {token} has lost its lease")


_DEVIATIONS = ("retries", "losses", "tokens", "ready_at", "failures", "since", "ooms", "asked")


def _take_back(run: NodeRun, item: int) -> None:
    """The effects of an item that had succeeded were undone: it is as before it was started."""
    if run.state(item) is SUCCEEDED and run.states is not None:
        run.counts[SUCCEEDED] -= 1
        run.counts[WAITING] += 1
        run.states[item] = WAITING
        run.outputs[item] = None
        run.keys[item] = ""
        run.metrics.pop(item, None)


def _restart(run: NodeRun, only: set[int] | None) -> None:
    """Of a mapped node keep what succeeded; of what failed take up `only` these, None: all."""
    states = run.states or bytearray()
    for item in list(run.items(READY, RUNNING, FAILED, SKIPPED, CANCELLED)):
        if only is not None and states[item] == FAILED and item not in only:
            continue
        run.counts[states[item]] -= 1
        run.counts[WAITING] += 1
        states[item] = WAITING
        for name in _DEVIATIONS:
            getattr(run, name).pop(item, None)


def fold(graph: Graph, events: Iterable[ev.Event], graphs: Callable[[str], Graph] | None = None) -> RunState:
    """The state of a run after `events`; `graphs` gives the graph of a digest, for runs that were reopened."""
    state = RunState(graph)
    for event in events:
        if isinstance(event, ev.Reopened) and graphs is not None and event.graph != state.base.digest:
            state = regraph(state, graphs(event.graph))
        state.apply(event)
    return state


def regraph(old: RunState, graph: Graph) -> RunState:
    """The same run on another graph: results of nodes that both have are kept, and what has come into being in them."""
    if graph.digest == old.base.digest:
        return old
    new = RunState(graph)
    new.tasks = {**old.tasks, **new.tasks}
    for node_id, before in old.nodes.items():
        owner = old.owners.get(node_id)
        if owner is not None and owner[0] in new.nodes:
            new.nodes[node_id] = NodeRun(before.node)
            new.owners[node_id] = owner
        if node_id in new.nodes:
            run = new.nodes[node_id]
            for name in NodeRun.__slots__:
                if name not in ("node", "follows"):
                    setattr(run, name, getattr(before, name))
    new._align(new.owners)
    new.undone = dict(old.undone)
    new.nodes.update({node_id: old.nodes[node_id] for node_id in old.undone})
    new.bodies = {**{key: body for key, body in old.bodies.items() if key in new.owners}, **new.bodies}
    new.effects = {effect: None for effect in old.effects if effect[0] in new.nodes}
    new.retries, new.missed, new._graph = old.retries, old.missed, None
    return new
