"""Why each node of a plan would be executed, or may be, or will not."""

from __future__ import annotations

from ropewalk.core import expr as ex
from ropewalk.core.graph import Node
from ropewalk.core.noderun import NodeRun
from ropewalk.core.quantity import show_duration
from ropewalk.core.taskstate import WAITING
from ropewalk.engine.explain.keys import KeyReader, show
from ropewalk.engine.explain.memory import Memory
from ropewalk.engine.explain.parts import changes
from ropewalk.engine.explain.recorded import Recorded
from ropewalk.engine.explain.walk import Walk

_LAPSED = ("failed", "cancelled", "skipped", "ready")  # states of a task run that left no result


class Reasons:
    """Reasons for one plan."""

    def __init__(self, walk: Walk, reader: KeyReader, memory: Memory) -> None:
        self._walk = walk
        self._reader = reader
        self._memory = memory

    def of(self, node: Node, action: str) -> tuple[str, ...]:
        """The reasons for what would be done with a node, most telling first."""
        run = self._walk.state.nodes[node.id]
        if node.id in self._walk.problems:
            return (self._walk.problems[node.id],)
        if action == "skip":
            return (self._skipped(node, run),)
        if action == "reuse":
            return ()
        found = self._conditions(node)
        found += self._causes(node, run)
        if not run.opened or run.counts[WAITING]:
            found += self._unknown(node)
        return tuple(dict.fromkeys(found))

    def _skipped(self, node: Node, run: NodeRun) -> str:
        if run.opened and run.length == 0:
            return "there is nothing to map over"
        if run.reason == "its condition is false" and node.when is not None:
            return f"{run.reason}: {show(node.when)}"
        return run.reason or f"needs {self._walk.doomed[node.id]}"

    def _conditions(self, node: Node) -> list[str]:
        """On what it depends whether the node is executed at all."""
        if node.id not in self._walk.open_ended:
            return []
        if node.policy.run_if == "any_failed":
            return ["only if something before it fails"]
        if node.when is not None:
            return [f"only if {show(node.when)}"]
        ups = [up for up in self._walk.state.graph.upstream[node.id] if up in self._walk.open_ended]
        return [f"only if {' and '.join(ups)} {'are' if len(ups) > 1 else 'is'} not skipped"] if ups else []

    def _causes(self, node: Node, run: NodeRun) -> list[str]:
        """Why there is no result to reuse for task runs whose inputs are known."""
        items: dict[str, list[int]] = {}
        for item, verdict in self._walk.verdicts[node.id].items():
            if verdict.action != "reuse":
                items.setdefault(verdict.cause, []).append(item)
        found = []
        for cause, wanted in items.items():
            texts = [self._shown(node, cause)] if cause else self._news(node, wanted)
            partly = node.map is not None and len(wanted) < run.length and len(items) > 1
            found += [f"{text} ({len(wanted)} items)" if partly else text for text in texts]
        return found

    def _shown(self, node: Node, cause: str) -> str:
        if cause == "expired":
            return f"result expired (ttl {show_duration(node.policy.cache.ttl_s or 0)})"
        return "result is missing from the store" if cause == "missing" else cause

    def _news(self, node: Node, items: list[int]) -> list[str]:
        """What has not been computed before, by comparison with the newest run that did compute the node."""
        before = self._memory.before(node.id)
        if before is None or node.id not in before.graph.nodes:
            failed = self._memory.last_failure(node.id)
            return ["never run" if failed is None else f"failed in run {failed}"]
        if node.map is not None:
            return self._news_of_items(node, items, before)
        row = before.row(node.id, 0)
        key = self._walk.verdicts[node.id][items[0]].key
        old = before.parts(node.id, None, (row.key if row else "") or "")
        found = changes(node.id, old, self._reader.parts(node.id, None, key))
        return list(found) or [f"the result of run {before.run.number} is not kept any more"]

    def _news_of_items(self, node: Node, items: list[int], before: Recorded) -> list[str]:
        if found := changes(node.id, before.parts(node.id, None), self._reader.parts(node.id)):
            return list(found)
        lapsed = {row.item for row in before.rows(node.id) if row.state in _LAPSED}
        if lapsed.issuperset(items):
            return [f"failed in run {before.run.number}"]
        known = {row.item: row.key or "" for row in before.rows(node.id)}
        first = next((item for item in items if item in known and item not in lapsed), None)
        if first is not None and before.graph.nodes[node.id].map is not None:
            key = self._walk.verdicts[node.id][first].key
            old, new = before.parts(node.id, first, known[first]), self._reader.parts(node.id, first, key)
            found = changes(node.id, old, new)
            if found and not any(text.startswith(("input", "parameter")) for text in found):
                return list(found)
        names = node.map.names if node.map is not None else ()
        bindings = {name: node.bindings[name] for name in names}
        lists = ", ".join(dict.fromkeys(show(b) if any(ex.refs(b)) else name for name, b in bindings.items()))
        length = self._walk.state.nodes[node.id].length
        return [f"input changed: {len(items)} of {length} items of {lists}"]

    def _unknown(self, node: Node) -> list[str]:
        """What is known of a node whose inputs are not: its own changes, and where the rest will come from."""
        before = self._memory.before(node.id)
        if before is None or node.id not in before.graph.nodes:
            failed = self._memory.last_failure(node.id)
            return ["never run" if failed is None else f"failed in run {failed}"]
        found = list(changes(node.id, before.parts(node.id, None), self._reader.parts(node.id)))
        if not any(text.startswith("input may change") for text in found):
            open_ = self._open_references(node)
            found += [f"input may change: {', '.join(open_)}"] if open_ else []
        return found

    def _open_references(self, node: Node) -> list[str]:
        """Results that the node takes and that are not known yet."""
        nodes = self._walk.state.nodes
        refs = [ref for binding in node.bindings.values() for ref in ex.refs(binding)]
        return list(dict.fromkeys(show(ref) for ref in refs if not nodes[ref.node].all_succeeded))
