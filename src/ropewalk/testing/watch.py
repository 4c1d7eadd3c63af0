"""Looks at the events of a run as they come, and objects to what must never happen. Knows nothing of the decider."""

from __future__ import annotations

from collections import Counter

from ropewalk.core import events as ev
from ropewalk.core import expr as ex
from ropewalk.core.graph import Graph, Node
from ropewalk.core.wiring import follows

FINAL = ("succeeded", "failed", "skipped", "cancelled")


class Broken(AssertionError):
    """A property does not hold."""


class Watch:
    """The states of all task runs, kept from the events alone."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.lengths: dict[str, int] = {}
        self.states: dict[tuple[str, int], str] = {}
        self.tokens: dict[tuple[str, int], int] = {}
        self.started: Counter[tuple[str, int]] = Counter()
        self.excused: Counter[tuple[str, int]] = Counter()  # attempts that do not count against the policy
        self.cancelled = False
        self.finished = ""

    def see(self, event: ev.Event) -> None:
        if self.finished and not isinstance(event, ev.Reopened):
            raise Broken(f"{event} after the run had finished")
        getattr(self, "_" + type(event).__name__.lower())(event)

    def state(self, node: str, item: int) -> str:
        return self.states.get((node, item), "waiting")

    def all_are(self, node: str, *wanted: str) -> bool:
        """Whether the items of a node are known, and all in one of these states."""
        return node in self.lengths and all(self.state(node, i) in wanted for i in range(self.lengths[node]))

    def _opened(self, e: ev.Opened) -> None:
        if e.node in self.lengths:
            raise Broken(f"{e.node} is opened twice")
        self.lengths[e.node] = e.length

    def _started(self, e: ev.Started) -> None:
        for item in e.items:
            self._take_up(e.node, item)
            self.states[e.node, item] = "running"
            self.tokens[e.node, item] = e.token
            self.started[e.node, item] += 1
            allowed = 1 + self.graph.nodes[e.node].policy.retry.count + self.excused[e.node, item]
            if self.started[e.node, item] > allowed:
                raise Broken(f"{e.node}[{item}] starts for the {self.started[e.node, item]}th time")

    def _reused(self, e: ev.Reused) -> None:
        self._take_up(e.node, e.item)
        self.states[e.node, e.item] = "succeeded"

    def _take_up(self, node: str, item: int) -> None:
        if self.state(node, item) != "waiting":
            raise Broken(f"{node}[{item}] is taken up though it is {self.state(node, item)}")
        if self.cancelled and self.graph.nodes[node].policy.run_if != "always":
            raise Broken(f"{node}[{item}] is taken up after the cancel")
        if missing := self.missing(self.graph.nodes[node], item):
            raise Broken(f"{node}[{item}] is taken up without {missing}")

    def _succeeded(self, e: ev.Succeeded) -> None:
        self._owned(e.node, e.item, e.token)
        self.states[e.node, e.item] = "succeeded"

    def _attemptfailed(self, e: ev.AttemptFailed) -> None:
        if e.token:
            self._owned(e.node, e.item, e.token)
        elif self.state(e.node, e.item) != "waiting":
            raise Broken(f"{e.node}[{e.item}] fails before it starts though it is {self.state(e.node, e.item)}")
        self.lengths.setdefault(e.node, 1)
        self.states[e.node, e.item] = "failed" if e.retry_at is None else "waiting"
        self.excused[e.node, e.item] += not e.counted

    def _owned(self, node: str, item: int, token: int) -> None:
        if self.state(node, item) != "running" or self.tokens[node, item] != token:
            raise Broken(f"{node}[{item}] takes a report of attempt {token}, which does not hold it")

    def _skipped(self, e: ev.Skipped) -> None:
        self._ended(e.node, e.items, "skipped", ("waiting",))

    def _cancelled(self, e: ev.Cancelled) -> None:
        if not self.cancelled:
            raise Broken(f"{e.node} is cancelled though nobody asked for it")
        self._ended(e.node, e.items, "cancelled", ("waiting", "running"))

    def _ended(self, node: str, items: tuple[int, ...] | None, to: str, before: tuple[str, ...]) -> None:
        if items is None:
            if node in self.lengths:
                raise Broken(f"{node} is {to} as a whole though it is opened")
            self.lengths[node] = 1
        for item in (0,) if items is None else items:
            if self.state(node, item) not in before:
                raise Broken(f"{node}[{item}] becomes {to} though it is {self.state(node, item)}")
            self.states[node, item] = to

    def _cancelrequested(self, _: ev.CancelRequested) -> None:
        self.cancelled = True

    def _resultlost(self, e: ev.ResultLost) -> None:
        if self.state(e.node, e.item) != "succeeded":
            raise Broken(f"{e.node}[{e.item}] has no result to lose")
        self.states[e.node, e.item] = "waiting"
        self.excused[e.node, e.item] += 1

    def _reopened(self, e: ev.Reopened) -> None:
        self.cancelled, self.finished = False, ""
        for node_id in list(self.lengths):
            keeps = [i for i in range(self.lengths[node_id]) if self.state(node_id, i) == "succeeded"]
            mapped = self.graph.nodes[node_id].map is not None
            if node_id in e.reset or not (keeps or (mapped and self.lengths[node_id] == 0)):
                for item in range(self.lengths.pop(node_id)):
                    self.states.pop((node_id, item), None)
            for item in range(self.lengths.get(node_id, 0)):
                if item not in keeps:
                    self.states.pop((node_id, item), None)
        self.started.clear()
        self.excused.clear()

    def _runfinished(self, e: ev.RunFinished) -> None:
        left = [node for node in self.graph.nodes if not self.all_are(node, *FINAL)]
        if left:
            raise Broken(f"the run finishes with {left} left")
        self.finished = e.state

    # which inputs a task run must have

    def missing(self, node: Node, item: int) -> str:
        """What a task run needs and does not have, by what its author wrote; empty: nothing."""
        if node.policy.run_if != "all_succeeded":
            return next((ref.node for ref in node.refs() if not self.all_are(ref.node, *FINAL)), "")
        for name, binding in node.bindings.items():
            mapped = node.map is not None and node.map.mode == "zip" and name in node.map.names
            if mapped and isinstance(binding, ex.Ref) and follows(self.graph.nodes.__getitem__, binding):
                if self.state(binding.node, item) != "succeeded":
                    return f"{binding.node}[{item}]"
            elif lacking := self._lacking(binding):
                return lacking
        if node.when is not None and (lacking := self._lacking(node.when)):
            return lacking
        return next((up for up in node.after if not self.all_are(up, "succeeded")), "")

    def _lacking(self, expr: ex.Expr) -> str:
        for ref in ex.hard_refs(expr):
            if not self.all_are(ref.node, "succeeded"):
                return ref.node
        for choice in ex.choices(expr):
            options = [[ref.node for ref in ex.refs(option)] for option in choice.options]
            if any(not self.all_are(node, *FINAL) for option in options for node in option):
                return f"a settled {ex.show(choice)}"
            if not any(all(self.all_are(node, "succeeded") for node in option) for option in options):
                return ex.show(choice)
        return ""
