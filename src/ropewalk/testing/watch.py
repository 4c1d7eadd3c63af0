"""Looks at the events of a run as they come, and objects to what must never happen. Knows nothing of the decider."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

from ropewalk.core import events as ev
from ropewalk.core import expr as ex
from ropewalk.core import timing
from ropewalk.core.graph import Graph, Node
from ropewalk.core.noderun import NOT_YET, IllegalMove
from ropewalk.core.special import GROWING, Approval, Loop
from ropewalk.core.state import RunState, regraph
from ropewalk.core.wiring import pick_of, wire
from ropewalk.testing.amounts import Amounts
from ropewalk.testing.report import Broken

FINAL = ("succeeded", "failed", "skipped", "cancelled")


class Watch:
    """The states of all task runs, kept from the events alone.

    Which nodes have come into being, and what a person who continues a run makes start over, it takes from a fold of
    its own.

    Args:
        began: when the run was made, in seconds since the epoch; None: times do not count.
        amounts: what there is for task runs to share; None: as much as they like.
        graphs: gives the graph of a digest, for runs that are continued with another one.
    """

    def __init__(
        self,
        graph: Graph,
        began: float | None = None,
        amounts: Amounts | None = None,
        graphs: Callable[[str], Graph] | None = None,
    ) -> None:
        self.fold = RunState(graph)
        self._graphs = graphs
        self.began = began
        self.amounts = Amounts() if amounts is None else amounts
        self.lengths: dict[str, int] = {}
        self.states: dict[tuple[str, int], str] = {}
        self.tokens: dict[tuple[str, int], int] = {}
        self.started: Counter[tuple[str, int]] = Counter()
        self.excused: Counter[tuple[str, int]] = Counter()  # attempts that do not count against the policy
        self.retries = 0
        self.turns: dict[tuple[str, int], int] = {}  # the last one that began
        self.asked: set[tuple[str, int]] = set()
        self.approved: set[tuple[str, int]] = set()
        self.effects: list[tuple[str, int]] = []  # that can be undone, in the order in which they came about
        self.cancelled = self.paused = self.resting = False
        self.denied = False  # some attempt was not followed by another, though its own policy has one
        self.finished = ""

    def see(self, event: ev.Event) -> None:
        """Take in what happened.

        Raises:
            Broken: it must not have.
        """
        if self.finished and not isinstance(event, ev.Reopened):
            raise Broken(f"{event} after the run had finished")
        if self.resting and not isinstance(event, (ev.Woken, ev.Reopened)):
            raise Broken(f"{event} while the run rests")
        getattr(self, "_" + type(event).__name__.lower())(event)
        try:
            self.fold.apply(event)
        except IllegalMove as error:
            raise Broken(f"{event} does not fit the state that the events before it make: {error}") from error
        if isinstance(event, ev.Reopened):
            self._start_over()

    def state(self, node: str, item: int) -> str:
        return self.states.get((node, item), "waiting")

    def all_are(self, node: str, *wanted: str) -> bool:
        """Whether the items of a node are known, and all in one of these states."""
        return node in self.lengths and all(self.state(node, i) in wanted for i in range(self.lengths[node]))

    def _node(self, node_id: str) -> Node:
        return self.fold.node_of(node_id)

    def _opened(self, e: ev.Opened) -> None:
        if e.node in self.lengths:
            raise Broken(f"{e.node} is opened twice")
        self.lengths[e.node] = e.length

    def _started(self, e: ev.Started) -> None:
        node = self._node(e.node)
        if self.paused and not self.cancelled:
            raise Broken(f"{e.node} starts though the run is to pause")
        if isinstance(node.special, (*GROWING, Approval)):
            raise Broken(f"{e.node} is given to a worker, though it is a {node.kind}")
        if self.began is not None and timing.start_at(node.policy.timing, e.at, self.began) > e.at + 1e-6:
            raise Broken(f"{e.node} starts at {e.at}, before its time")
        for item in e.items:
            self._take_up(e.node, item)
            self.states[e.node, item] = "running"
            self.tokens[e.node, item] = e.token
            self.started[e.node, item] += 1
            allowed = 1 + node.policy.retry.count + self.excused[e.node, item]
            if self.started[e.node, item] > allowed:
                raise Broken(f"{e.node}[{item}] starts for the {self.started[e.node, item]}th time")
        self.amounts.take(node, e.items, e.worker)

    def _reused(self, e: ev.Reused) -> None:
        self._take_up(e.node, e.item)
        self.states[e.node, e.item] = "succeeded"

    def _take_up(self, node: str, item: int) -> None:
        if self.state(node, item) != "waiting" or (node, item) in self.asked:
            raise Broken(f"{node}[{item}] is taken up though it is {self.state(node, item)}")
        if self.cancelled and self._node(node).policy.run_if != "always":
            raise Broken(f"{node}[{item}] is taken up after the cancel")
        if missing := self.missing(self._node(node), item):
            raise Broken(f"{node}[{item}] is taken up without {missing}")

    def _expanded(self, e: ev.Expanded) -> None:
        self._take_up(e.node, e.item)
        special, last = self._node(e.node).special, self.turns.get((e.node, e.item), 0)
        if not isinstance(special, GROWING):
            raise Broken(f"{e.node} gets nodes of its own though it is a {self._node(e.node).kind}")
        if isinstance(special, Loop) and e.turn > special.at_most:
            raise Broken(f"{e.node}[{e.item}] takes turn {e.turn} of at most {special.at_most}")
        if e.turn != last + 1:
            raise Broken(f"{e.node}[{e.item}] takes turn {e.turn} after turn {last}")
        self._parts_are_final(e.node, e.item)
        self.turns[e.node, e.item] = e.turn

    def _asked(self, e: ev.Asked) -> None:
        self._take_up(e.node, e.item)
        self.asked.add((e.node, e.item))

    def _undoing(self, e: ev.Undoing) -> None:
        if left := [node for node in self.fold.nodes if not self.all_are(node, *FINAL)]:
            raise Broken(f"effects are undone with {left} left")
        if list(e.effects) != self.effects[::-1]:
            raise Broken(f"{self.effects} came about in this order, and are undone as {e.effects}")
        self.effects = []

    def _succeeded(self, e: ev.Succeeded) -> None:
        self._owned(e.node, e.item, e.token)
        self._ends_running(e.node, e.item, "succeeded")
        if self._node(e.node).policy.undo and (e.node, e.item) not in self.fold.undone.values():
            self.effects = [effect for effect in self.effects if effect != (e.node, e.item)] + [(e.node, e.item)]

    def _gathered(self, e: ev.Gathered) -> None:
        place = (e.node, e.item)
        if self.state(*place) != "waiting" or place in self.asked:
            raise Broken(f"{e.node}[{e.item}] is gathered though it is {self.state(*place)}")
        if place not in self.turns and place not in self.approved:
            raise Broken(f"{e.node}[{e.item}] has neither nodes of its own nor an approval")
        self._parts_are_final(*place)
        self.states[place] = "succeeded"

    def _parts_are_final(self, node: str, item: int) -> None:
        parts = self.fold.nodes[node].parts.get(item)
        for part in () if parts is None else parts.nodes:
            if not self.all_are(part, *FINAL):
                raise Broken(f"{node}[{item}] goes on though {part} has not ended")

    def _answered(self, e: ev.Answered) -> None:
        if (e.node, e.item) not in self.asked:
            raise Broken(f"{e.node}[{e.item}] is answered though nobody was asked")
        self.asked.remove((e.node, e.item))
        if e.verdict == "approved":
            self.approved.add((e.node, e.item))

    def _attemptfailed(self, e: ev.AttemptFailed) -> None:
        if e.token:
            self._owned(e.node, e.item, e.token)
        elif self.state(e.node, e.item) != "waiting":
            raise Broken(f"{e.node}[{e.item}] fails before it starts though it is {self.state(e.node, e.item)}")
        self.lengths.setdefault(e.node, 1)
        self._ends_running(e.node, e.item, "failed" if e.retry_at is None else "waiting")
        if e.failure.kind == NOT_YET:  # the check could be made: it counts anew from there
            self.started[e.node, e.item] = self.excused[e.node, e.item] = 0
            return
        self.excused[e.node, e.item] += not e.counted
        self.retries += e.counted and e.retry_at is not None and e.node not in self.fold.undone
        budget = self.fold.base.policy.retry_budget
        spare = self._node(e.node).policy.retry.count + self.excused[e.node, e.item] >= self.started[e.node, e.item]
        self.denied |= budget is not None and e.token > 0 and e.retry_at is None and spare
        if budget is not None and self.retries > budget:
            raise Broken(f"{e.node}[{e.item}] gets retry {self.retries} of a run that has {budget}")

    def _owned(self, node: str, item: int, token: int) -> None:
        if self.state(node, item) != "running" or self.tokens[node, item] != token:
            raise Broken(f"{node}[{item}] takes a report of attempt {token}, which does not hold it")

    def _ends_running(self, node: str, item: int, to: str) -> None:
        if self.state(node, item) == "running":
            self.amounts.give_back(self._node(node), item)
        self.states[node, item] = to

    def _skipped(self, e: ev.Skipped) -> None:
        self._ended(e.node, e.items, "skipped", ("waiting",))

    def _cancelled(self, e: ev.Cancelled) -> None:
        if not self.cancelled and not self._has_cancelled_part(e):
            raise Broken(f"{e.node} is cancelled though nobody asked for it")
        self._ended(e.node, e.items, "cancelled", ("waiting", "running"))

    def _has_cancelled_part(self, e: ev.Cancelled) -> bool:
        parts = [self.fold.nodes[e.node].parts.get(item) for item in e.items or ()]
        return any(self._count(part, "cancelled") for each in parts if each is not None for part in each.nodes)

    def _ended(self, node: str, items: tuple[int, ...] | None, to: str, before: tuple[str, ...]) -> None:
        if items is None:
            if node in self.lengths:
                raise Broken(f"{node} is {to} as a whole though it is opened")
            self.lengths[node] = 1
        for item in (0,) if items is None else items:
            if self.state(node, item) not in before:
                raise Broken(f"{node}[{item}] becomes {to} though it is {self.state(node, item)}")
            self.asked.discard((node, item))
            self._ends_running(node, item, to)

    def _resultlost(self, e: ev.ResultLost) -> None:
        if self.state(e.node, e.item) != "succeeded":
            raise Broken(f"{e.node}[{e.item}] has no result to lose")
        self.states[e.node, e.item] = "waiting"
        self.excused[e.node, e.item] += 1

    # the run

    def _cancelrequested(self, _: ev.CancelRequested) -> None:
        self.cancelled = True

    def _pauserequested(self, _: ev.PauseRequested) -> None:
        self.paused = True

    def _rested(self, _: ev.Rested) -> None:
        if running := [place for place, state in self.states.items() if state == "running"]:
            raise Broken(f"the run rests while {running} run")
        self.resting = True

    def _woken(self, _: ev.Woken) -> None:
        self.paused = self.resting = False

    def _deadlinemissed(self, e: ev.DeadlineMissed) -> None:
        if e.node and self.all_are(e.node, *FINAL):
            raise Broken(f"{e.node} misses its deadline though it has ended")

    def _runfinished(self, e: ev.RunFinished) -> None:
        if left := [node for node in self.fold.nodes if not self.all_are(node, *FINAL)]:
            raise Broken(f"the run finishes with {left} left")
        if e.state != "succeeded" and self.effects:
            raise Broken(f"the run has {e.state}, and the effects of {self.effects} are not undone")
        self.finished = e.state

    def _reopened(self, e: ev.Reopened) -> None:
        if self._graphs is not None and e.graph != self.fold.base.digest:
            self.fold = regraph(self.fold, self._graphs(e.graph))
        self.cancelled = self.paused = self.resting = False
        self.finished = ""

    def _start_over(self) -> None:
        """Only what succeeded is kept."""
        self.lengths = {node_id: run.length for node_id, run in self.fold.nodes.items() if run.opened}
        found = ((node_id, item) for node_id, length in self.lengths.items() for item in range(length))
        self.states = {place: label for place in found if (label := self.fold.nodes[place[0]].state(place[1]).label)}
        self.turns = {(n, i): parts.turn for n, run in self.fold.nodes.items() for i, parts in run.parts.items()}
        self.effects = list(self.fold.effects)
        self.amounts.clear()
        self.asked = {(node_id, item) for node_id, run in self.fold.nodes.items() for item in run.asked}
        self.started, self.excused, self.retries = Counter(), Counter(), 0

    # which inputs a task run must have

    def missing(self, node: Node, item: int) -> str:
        """What a task run needs and does not have, by what its author wrote; empty: nothing."""
        if node.policy.run_if != "all_succeeded":
            return next((ref.node for ref in node.refs() if not self._is_there(ref, *FINAL)), "")
        mapped = () if node.map is None or node.map.mode != "zip" else node.map.names
        aligned = wire(self._node, node).aligned if mapped else ()  # what it also needs whole, it awaits whole
        for name, binding in node.bindings.items():
            if name in mapped and isinstance(binding, ex.Ref) and binding.node in aligned:
                if self.state(binding.node, item) != "succeeded":
                    return f"{binding.node}[{item}]"
            elif lacking := self._lacking(binding):
                return lacking
        if node.when is not None and (lacking := self._lacking(node.when)):
            return lacking
        return next((up for up in node.after if not self.is_good(up)), "")

    def _is_there(self, ref: ex.Ref, *wanted: str) -> bool:
        pick = pick_of(ref)
        return self.state(*pick) in wanted if pick is not None else self.all_are(ref.node, *wanted)

    def _lacking(self, expr: ex.Expr) -> str:
        for ref in ex.hard_refs(expr):
            if not (self._is_there(ref, "succeeded") or self.is_good(ref.node)):
                return ref.node
        for choice in ex.choices(expr):
            options = [[ref.node for ref in ex.refs(option)] for option in choice.options]
            if any(not self.all_are(node, *FINAL) for option in options for node in option):
                return f"a settled {ex.show(choice)}"
            if not any(all(self.is_good(node) for node in option) for option in options):
                return ex.show(choice)
        return ""

    def is_good(self, node_id: str) -> bool:
        """Whether all of a node has succeeded, or as much as its author asks for."""
        if self.all_are(node_id, "succeeded") or not self.all_are(node_id, *FINAL):
            return self.all_are(node_id, "succeeded")
        node, length = self._node(node_id), self.lengths[node_id]
        ups = wire(self._node, node).aligned
        counts = Counter(self.state(node_id, item) for item in range(length))
        tolerated = math.floor((1 - node.policy.partial_ok) * length + 1e-9)
        excused = sum(self.is_good(up) and self.lengths[up] - self._count(up, "succeeded") for up in ups)
        return not counts["cancelled"] and counts["failed"] <= tolerated and counts["skipped"] <= excused

    def _count(self, node: str, state: str) -> int:
        return sum(self.state(node, item) == state for item in range(self.lengths.get(node, 0)))
