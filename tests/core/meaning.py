"""What the final states of a graph's task runs are, said plainly: the graph is walked once, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from ropewalk.core import expr as ex
from ropewalk.core.graph import Graph, Node
from ropewalk.core.taskstate import FAILED, SKIPPED, SUCCEEDED, TaskState
from ropewalk.core.wiring import follows

States = dict[str, list[TaskState]]


@dataclass(frozen=True)
class Fate:
    """What conditions, lists and task bodies do: the same however often and in whatever order they run."""

    seed: int
    failing: float = 0.2  # of all task runs
    overrides: dict[tuple[str, int], bool] = field(default_factory=dict)  # True: it fails

    def _rng(self, *parts: object) -> Random:
        return Random(f"{self.seed}{parts}")

    def condition(self, node: str) -> bool:
        return self._rng("condition", node).random() < 0.6

    def list_length(self, node: str) -> int:
        rng = self._rng("length", node)
        return 3 if rng.random() < 0.8 else rng.randint(0, 4)

    def failures(self, node: str, item: int) -> int:
        """How many attempts of a task run fail before one succeeds."""
        rng = self._rng("failures", node, item)
        return rng.choice((1, 1, 2, 3, 99)) if rng.random() < self.failing else 0

    def fails(self, graph: Graph, node: str, item: int) -> bool:
        """Whether a task run fails for good."""
        given = self.overrides.get((node, item))
        return self.failures(node, item) > graph.nodes[node].policy.retry.count if given is None else given


def states_of(graph: Graph, fate: Fate) -> States:
    """The final states of all task runs of a run that nobody cancels."""
    states: States = {}
    whole: set[str] = set()  # ended before their items were known
    for node_id, node in graph.nodes.items():
        length = _length(graph, fate, node, states, whole)
        if isinstance(length, TaskState):
            whole.add(node_id)
            states[node_id] = [length]
        else:
            states[node_id] = [_item(graph, fate, node, item, states) for item in range(length)]
    return states


def _length(graph: Graph, fate: Fate, node: Node, states: States, whole: set[str]) -> int | TaskState:
    strict = node.policy.run_if == "all_succeeded"
    by_item = _by_item(graph, node) if strict else set()
    if _is_skipped(graph, node, states, by_item) or not by_item.isdisjoint(whole):
        return SKIPPED
    if node.when is not None and not fate.condition(node.id):
        return SKIPPED
    length = length_of(graph, fate, node.id, {up: len(states[up]) for up in followed(graph, node.id)})
    return FAILED if length is None else length


def _by_item(graph: Graph, node: Node) -> set[str]:
    """Mapped nodes that are only ever looked at item by item."""
    if node.map is None or node.map.mode != "zip":
        return set()
    names = [name for name in node.map.names if follows(graph.nodes.__getitem__, node.bindings[name])]
    rest = [binding for name, binding in node.bindings.items() if name not in names]
    rest += [node.when] if node.when is not None else []
    others = {ref.node for binding in rest for ref in ex.refs(binding)} | set(node.after)
    return {ref.node for name in names for ref in ex.refs(node.bindings[name])} - others


def _is_skipped(graph: Graph, node: Node, states: States, by_item: set[str]) -> bool:
    ups = [up for up in graph.upstream[node.id] if up not in by_item]
    rule = node.policy.run_if
    if rule == "all_succeeded":
        return _lacks(node, states, by_item)
    failed = any(FAILED in states[up] for up in ups)
    return (rule == "any_failed" and not failed) or (rule == "none_failed" and failed)


def _lacks(node: Node, states: States, by_item: set[str]) -> bool:
    exprs = [*node.bindings.values()] + ([node.when] if node.when is not None else [])
    hard = {ref.node for e in exprs for ref in ex.hard_refs(e)} | set(node.after)
    if any(set(states[up]) - {SUCCEEDED} for up in hard - by_item):
        return True
    return not all(_is_met(choice, states) for e in exprs for choice in ex.choices(e))


def _is_met(choice: ex.FirstOf, states: States) -> bool:
    """The first option that was not skipped has succeeded."""
    for option in choice.options:
        found = {state for ref in ex.refs(option) for state in states[ref.node]}
        if SKIPPED not in found:
            return found <= {SUCCEEDED}
    return False


def _item(graph: Graph, fate: Fate, node: Node, item: int, states: States) -> TaskState:
    if node.policy.run_if == "all_succeeded" and any(states[up][item] is not SUCCEEDED for up in _by_item(graph, node)):
        return SKIPPED
    return FAILED if fate.fails(graph, node.id, item) else SUCCEEDED


def followed(graph: Graph, node_id: str) -> list[str]:
    """Mapped nodes that give a node its length."""
    node = graph.nodes[node_id]
    names = node.map.names if node.map is not None else ()
    return [node.bindings[name].node for name in names if follows(graph.nodes.__getitem__, node.bindings[name])]


def length_of(graph: Graph, fate: Fate, node_id: str, lengths: dict[str, int]) -> int | None:
    """How many items a node has; None: its lists do not fit together."""
    node = graph.nodes[node_id]
    if node.map is None:
        return 1
    found = {lengths[up] for up in followed(graph, node_id)}
    if len(followed(graph, node_id)) < len(node.map.names):
        found.add(fate.list_length(node_id))
    return found.pop() if len(found) == 1 else None
