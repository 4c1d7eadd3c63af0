"""Plays a run through the pure core: any order of outcomes, losses, late reports, crashes, cancels and reopenings."""

from __future__ import annotations

import hashlib
from random import Random

from ropewalk.core import events as ev
from ropewalk.core.artifact import ArtifactRef, Failure
from ropewalk.core.decide import Decider, Kill, Open, Run
from ropewalk.core.graph import Graph
from ropewalk.core.noderun import IllegalMove, NodeRun
from ropewalk.core.reopen import stale
from ropewalk.core.settle import MAX_LOST, lost_events, running_items, settle
from ropewalk.core.state import RunState
from ropewalk.core.taskstate import READY, SUCCEEDED
from ropewalk.testing.graphs import random_graph
from ropewalk.testing.report import Broken
from ropewalk.testing.watch import Watch
from tests.core.meaning import Fate, followed, length_of, states_of

LOST = Failure("lost", "its worker died")
DIED = Failure("lost", "the scheduler ended")
WRONG = Failure("exception", "ValueError: no", "builtins.ValueError")
BAD_LIST = Failure("input", "lists of different lengths", retryable=False)
MAX_STEPS = 3_000
OUTPUTS = {"result": ArtifactRef("0" * 64, 1, "json", "int", inline=b"1")}
FAULTS = ("lose", "return", "late", "lost result", "crash", "recover", "repeat")


def key_of(node: str, item: int) -> str:
    return hashlib.sha256(f"{node} {item}".encode()).hexdigest()


class Play:
    """One run; `play` moves it on by one random step and checks everything that must hold."""

    decider_type: type[Decider] = Decider
    state_type: type[RunState] = RunState
    faults: tuple[str, ...] = FAULTS
    reuse = 0.1  # how likely a result is taken from before

    def __init__(self, graph: Graph, fate: Fate, rng: Random) -> None:
        self.graph = graph
        self.fate = fate
        self.rng = rng
        self.watch = Watch(graph)
        self.log: list[ev.Event] = []
        self.state = self.state_type(graph)
        self.now = 100.0
        self.token = 0
        self.dead: list[tuple[str, int, int]] = []  # attempts that lost their lease, and may report all the same
        self.done: list[str] = []
        self.exact = True  # the outcome follows from the fates
        self.fated = True  # and so do the results that are kept
        self._begin()

    def _begin(self) -> None:
        self.opens: list[str] = []
        self.queue: list[tuple[str, int, float]] = []
        self.decider = self.decider_type(self.state)
        for event in lost_events(self.state, DIED, self.now):
            self._note_loss(event)
            self.decider.feed(event)
        self.decider.recover()
        self.commit()

    def commit(self) -> None:
        events, commands = self.decider.take()
        self.write(events)
        for command in commands:
            if isinstance(command, Open):
                self.opens.append(command.node)
            elif isinstance(command, Run):
                self.queue += [(command.node, item, command.at or 0.0) for item in command.items]
            elif isinstance(command, Kill) and not self.state.holds(command.node, command.item, command.token):
                raise Broken(f"asks to kill {command}, which does not run")
        if self.state.finished and self.state.nodes and any(not run.settled for run in self.state.nodes.values()):
            raise Broken("finished with something left")

    def write(self, events: list[ev.Event]) -> None:
        for event in events:
            self.watch.see(event)
        self.log += events

    # what may happen

    def play(self, *, faults: bool) -> bool:
        """One step; False: nothing is left to do."""
        steps = list(self._steps())
        if faults:
            steps += [fault for fault in self.faults if self.rng.random() < 0.15]
        if not steps:
            return False
        step = self.rng.choice(steps)
        self.done.append(step)
        getattr(self, "_" + step.replace(" ", "_"))()
        self.commit()
        return True

    def _steps(self) -> list[str]:
        running = ["end"] * (2 if self._running() else 0)
        return ["open"] * bool(self.opens) + ["start"] * 2 * bool(self._startable()) + running + self._waits()

    def _waits(self) -> list[str]:
        later = any(self._is_due(*entry[:2]) and self._ready_at(entry) > self.now for entry in self.queue)
        return ["tick"] if later and not self._startable() else []

    def _running(self) -> list[tuple[str, int, int]]:
        return running_items(self.state)

    def _is_due(self, node: str, item: int) -> bool:
        return self.state.nodes[node].state(item) is READY and self.decider.runnable(node, item)

    def _startable(self) -> list[tuple[str, int, float]]:
        return [entry for entry in self.queue if self._is_due(entry[0], entry[1]) and self._ready_at(entry) <= self.now]

    def _ready_at(self, entry: tuple[str, int, float]) -> float:
        return max(entry[2], self.state.nodes[entry[0]].ready_at.get(entry[1], 0))

    def _tick(self) -> None:
        self.now = min(
            at for entry in self.queue if self._is_due(*entry[:2]) and (at := self._ready_at(entry)) > self.now
        )

    def _open(self) -> None:
        node_id = self.opens.pop(self.rng.randrange(len(self.opens)))
        if self.state.nodes[node_id].opened or self.decider.pending[node_id]:
            return  # asked twice, or asked again when what was lost is there
        node = self.graph.nodes[node_id]
        if node.when is not None and not self.fate.condition(node_id):
            self.decider.feed(ev.Skipped(node_id, None, "its condition is false"))
        elif (length := self._length(node_id)) is None:
            self.decider.feed(settle(self.state, node_id, 0, 0, BAD_LIST, self.now))
        else:
            self.decider.feed(ev.Opened(node_id, length))

    def _length(self, node_id: str) -> int | None:
        lengths = {up: self.state.nodes[up].length for up in followed(self.graph, node_id)}
        return length_of(self.graph, self.fate, node_id, lengths)

    def _start(self) -> None:
        node, item, _ = self.rng.choice(self._startable())
        others = [i for n, i, _ in self._startable() if n == node and i != item]
        items = tuple(dict.fromkeys([item, *self.rng.sample(others, self.rng.randint(0, len(others)))]))
        if len(items) == 1 and self.rng.random() < self.reuse:
            if self.fate.fails(self.graph, node, item):
                self.exact = self.fated = False
            self.decider.feed(ev.Reused(node, item, key_of(node, item), OUTPUTS, 1))
            return
        self.token += 1
        self.decider.feed(ev.Started(node, items, self.token, "w1"))

    def _end(self) -> None:
        node, item, token = self.rng.choice(self._running())
        self.dead.append((node, item, token))
        run = self.state.nodes[node]
        if self.state.cancel_requested and self.rng.random() < 0.7:
            self.decider.feed(ev.Cancelled(node, (item,)))
        elif run.retries.get(item, 0) < self.fate.failures(node, item):
            self.decider.feed(settle(self.state, node, item, token, WRONG, self.now))
        else:
            self.decider.feed(ev.Succeeded(node, item, token, key_of(node, item), OUTPUTS))

    # faults

    def _lose(self) -> None:
        for node, item, token in self.rng.sample(running := self._running(), min(1, len(running))):
            if self.state.nodes[node].losses.get(item, 0) < MAX_LOST:
                event = settle(self.state, node, item, token, LOST, self.now)
                self._note_loss(event)
                self.decider.feed(event)

    def _note_loss(self, event: ev.Event) -> None:
        assert isinstance(event, ev.AttemptFailed)
        self.dead.append((event.node, event.item, event.token))
        if event.retry_at is None:
            self.fate.overrides[event.node, event.item] = True  # its author does not want it to run twice

    def _return(self) -> None:
        for node, item, token in self.rng.sample(running := self._running(), min(1, len(running))):
            failure = Failure("returned", "it was not begun")
            self.decider.feed(ev.AttemptFailed(node, item, token, failure, self.now, counted=False))

    def _late(self) -> None:
        """A report of an attempt that has lost its lease is refused, and changes nothing."""
        if not self.dead:
            return
        node, item, token = self.rng.choice(self.dead)
        if self.state.holds(node, item, token):
            return  # it was given back, and nobody else has it
        before = snapshot(self.state)
        late = self.rng.choice([
            ev.Succeeded(node, item, token, key_of(node, item), OUTPUTS),
            ev.AttemptFailed(node, item, token, WRONG, self.now),
            ev.AttemptFailed(node, item, token, WRONG, None),
        ])  # fmt: skip
        try:
            self.decider.feed(late)
        except IllegalMove:
            if snapshot(self.state) != before:
                raise Broken("a refused report changed the state") from None
        else:
            raise Broken(f"takes the late report {late}")

    def _lost_result(self) -> None:
        """A running task run finds that a result which it needs is lost."""
        made = [(n, i) for n, run in self.state.nodes.items() for i in run.items(SUCCEEDED)]
        if not made or self.state.finished:
            return
        node, item = self.rng.choice(made)
        if "lost" in self.graph.nodes[node].policy.retry.not_on:
            self.exact = False  # it may not be made again, when others have used it already
        self.decider.feed(ev.ResultLost(node, item, "d"))

    def _crash(self) -> None:
        """The scheduler ends, perhaps before it has written what it has just taken in; another goes on."""
        if self._running() and not self.state.finished and self.rng.random() < 0.5:
            before = self.watch
            self.watch = Watch(self.graph)  # what follows never happened
            self._end()
            self.watch = before
        self.dead += self._running()
        self.state = self._folded()
        self._begin()

    def _recover(self) -> None:
        """Asking for everything once more does no harm."""
        self.decider.recover()

    def _repeat(self) -> None:
        """A command that comes twice does no harm."""
        self.queue += self.queue[-3:]
        self.opens += self.opens[-1:]

    def cancel(self) -> None:
        self.done.append("cancel")
        self.exact = False  # what had ended by then depends on the order
        self.decider.feed(ev.CancelRequested("somebody"))
        self.commit()

    def reopen(self, fate: Fate) -> None:
        """A person continues a run that ended, with some of the code changed."""
        self.done.append("reopen")
        changed = {n for n in self.graph.nodes if self.rng.random() < 0.1}
        for node_id, ups in self.graph.upstream.items():
            if changed.intersection(ups):
                changed.add(node_id)
        event = ev.Reopened(self.graph.digest, stale(self.state, changed))
        self.state.apply(event)
        self.write([event])
        self.fate = fate
        self.exact = self.fated
        self._begin()

    def run(self, steps: int) -> None:
        """Some steps with faults, then without, until nothing is left to do."""
        for _ in range(steps):
            if self.state.finished or not self.play(faults=True):
                break
        for _ in range(MAX_STEPS):
            if self.state.finished or not self.play(faults=False):
                break
        if not self.state.finished:
            raise Broken(f"hangs: {[(n, r.counts) for n, r in self.state.nodes.items() if not r.settled]}")
        self.check_fold()
        self.check_outcome()

    # what must hold

    def check_fold(self) -> None:
        if (one := snapshot(self.state)) != (other := snapshot(self._folded())):
            different = [(a, b) for a, b in zip(one, other, strict=True) if a != b]
            raise Broken(f"the fold of the events is another state: {different}")

    def _folded(self) -> RunState:
        state = self.state_type(self.graph)
        for event in self.log:
            state.apply(event)
        return state

    def check_outcome(self) -> None:
        """Without a cancel the states are those that the fates imply, whatever the order was."""
        wanted = states_of(self.graph, self.fate) if self.exact else {}
        found = {n: [run.state(i) for i in range(run.length)] for n, run in self.state.nodes.items()}
        if different := {n: (found[n], wanted[n]) for n in wanted if found[n] != wanted[n]}:
            raise Broken(f"states other than expected (found, wanted): {different}")


class Forgetful(Play):
    """Results are lost more often than anything else, and some cannot be made again."""

    faults = ("lost result",) * 8 + FAULTS
    reuse = 0.5


def snapshot(state: RunState) -> list[object]:
    """Everything about a state; that an item has become ready is no event, so it counts as waiting."""
    names = [name for name in NodeRun.__slots__ if name not in ("node", "states", "counts")]
    found: list[object] = [state.cancel_requested, state.finished]
    for node_id, run in state.nodes.items():
        states = None if run.states is None else [0 if code == READY else code for code in run.states]
        found.append((node_id, states, *(repr(getattr(run, name)) for name in names)))
    return found


def one_run(seed: int, kind: type[Play] = Play) -> Play:
    """A random graph run to its end, with faults on the way."""
    rng = Random(seed)
    play = kind(random_graph(rng, rng.randint(1, 9)), Fate(seed), rng)
    play.run(rng.choice((0, 10, 60)))
    return play


def many_lives(seed: int, kind: type[Play] = Play) -> Play:
    """A random graph run to its end again and again: cancelled at times, and reopened when less of it fails."""
    rng = Random(seed)
    play = kind(random_graph(rng, rng.randint(1, 9)), Fate(seed), rng)
    for failing in (0.1, 0.05, 0.0):
        for _ in range(rng.choice((0, 3, 10, 40))):
            if play.state.finished or not play.play(faults=True):
                break
        if rng.random() < 0.5 and not play.state.finished:
            play.cancel()
        play.run(rng.choice((0, 10, 60)))
        play.reopen(Fate(seed, failing))
    play.run(5)
    return play
