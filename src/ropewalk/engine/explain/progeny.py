"""What was made from an artifact: the task runs that took it, and the models that came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ropewalk.core import expr as ex
from ropewalk.core.graph import Graph
from ropewalk.core.nesting import spot_of
from ropewalk.engine.client import Client
from ropewalk.engine.explain.ancestry import output_of
from ropewalk.store import records, runs, tasks
from ropewalk.store.history import Holder
from ropewalk.store.records import Record

MODEL = "model"
MAX_USES = 1000


@dataclass(frozen=True, slots=True)
class Use:
    """A node that took an artifact as an input, in one run."""

    run: int
    node: str
    item: int | None  # None: all its items, or the one of a node that is not mapped
    input: str
    state: str  # executed | reused | failed | …


@dataclass(frozen=True, slots=True)
class ModelUse:
    """A registered model that is the artifact, or was made from it."""

    name: str
    version: int
    aliases: tuple[str, ...]
    run: int | None
    node: str
    is_same: bool  # it is the artifact itself

    def __str__(self) -> str:
        return f"{self.name}@{self.version}" + (f" ({', '.join(self.aliases)})" if self.aliases else "")


class Progeny:
    """What was made from an artifact.

    Args:
        holders: task runs that have it as an output.
        digests: of the artifact, for models that are it.
    """

    def __init__(self, client: Client, holders: Iterable[Holder], digests: Iterable[str]) -> None:
        self._client = client
        self._holders = list(holders)
        self._digests = set(digests)
        self._graph_of: dict[int, Graph] = {}

    def uses(self) -> tuple[Use, ...]:
        """Task runs that took it, oldest run first; at most MAX_USES."""
        found: dict[Use, None] = {}
        for holder in self._holders:
            for use in self._uses(holder):
                found[use] = None
                if len(found) == MAX_USES:
                    return tuple(found)
        return tuple(found)

    def _uses(self, holder: Holder) -> Iterator[Use]:
        graph = self._graph(holder.run)
        for user in graph.downstream.get(holder.node, ()):
            node = graph.nodes[user]
            for name, binding in node.bindings.items():
                if not any(_takes(ref, graph, holder) for ref in ex.refs(binding)):
                    continue
                follows = node.map is not None and node.map.mode == "zip" and name in node.map.names
                aligned = follows and isinstance(binding, ex.Ref) and graph.nodes[holder.node].map is not None
                item = holder.item if aligned else None
                row = tasks.get(self._client.db, holder.run, user, item or 0)
                if row is not None:
                    reused = row.state == "succeeded" and row.source is not None
                    state = "reused" if reused else "executed" if row.state == "succeeded" else row.state
                    yield Use(holder.run, user, item, name, state)

    def models(self) -> tuple[ModelUse, ...]:
        """Registered models that are it or were made from it, by name and version."""
        behind: dict[int, set[str]] = {}
        for holder in self._holders:
            behind.setdefault(holder.run, set()).update(self._after(holder))
        aliases: dict[tuple[str, int], list[str]] = {}
        found = []
        for record in records.listing(self._client.db, MODEL):
            same = bool(_digests(record) & self._digests)
            if same or (record.run in behind and record.node in behind[record.run]):
                found.append((record, same))
        if found:
            for move in records.aliases(self._client.db, MODEL):
                aliases.setdefault((move.name, move.version), []).append(move.alias)
        made = [
            ModelUse(r.name, r.version, tuple(aliases.get((r.name, r.version), ())), r.run, r.node, same)
            for r, same in found
        ]
        return tuple(sorted(made, key=lambda use: (use.name, use.version)))

    def _after(self, holder: Holder) -> set[str]:
        """The node itself, and every node that has a result of it somewhere behind it."""
        graph = self._graph(holder.run)
        found, queue = {holder.node}, [holder.node]
        while queue:
            node_id = queue.pop()
            spot = spot_of(node_id, graph.nodes)
            if spot is not None and spot.owner not in found:  # whose result may be made of it
                found.add(spot.owner)
                queue.append(spot.owner)
            for user in graph.downstream.get(node_id, ()):
                takes = {ref.node for binding in graph.nodes[user].bindings.values() for ref in ex.refs(binding)}
                if user not in found and takes & found:
                    found.add(user)
                    queue.append(user)
        return found

    def _graph(self, run: int) -> Graph:
        if run not in self._graph_of:
            self._graph_of[run] = self._client.run_graph(runs.get(self._client.db, run))
        return self._graph_of[run]


def _takes(ref: ex.Ref, graph: Graph, holder: Holder) -> bool:
    if ref.node != holder.node:
        return False
    picks_one = graph.nodes[holder.node].map is not None and ref.path[:1] and ref.path[0][0] == "item"
    if picks_one and ref.path[0] != ("item", holder.item):
        return False
    return output_of(ref, graph, holder.node) in ("", holder.output)


def _digests(record: Record) -> set[str]:
    body = record.body
    return {str(body.get("digest", "")), str(body.get("artifact", {}).get("d", ""))} - {""}
