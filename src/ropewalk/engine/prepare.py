"""From a ready task run to an order: its inputs, its key, what is known of that key, and its lease."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ropewalk.core import expr as ex
from ropewalk.core.artifact import ArtifactRef
from ropewalk.core.cache import Cache
from ropewalk.core.cachekey import cache_key, prefix
from ropewalk.core.expr import Unavailable
from ropewalk.core.graph import Node
from ropewalk.core.labels import item_labels
from ropewalk.core.noderun import NodeRun
from ropewalk.core.special import Wait
from ropewalk.core.state import RunState
from ropewalk.engine.attempt import Job
from ropewalk.engine.inputs import NOTHING, Load, Resolver, Source, artifacts


@dataclass(slots=True)
class Prepared:
    """What the task runs of a node have in common, worked out once."""

    job: Job
    prefix: bytes
    shared: list[tuple[str, str]]  # name and identity of inputs that are the same for all items
    elements: dict[str, list[Source]]  # of inputs that are taken apart
    sizes: tuple[int, ...]  # lengths of `elements`, for a cross product
    ignored: frozenset[str]
    aligned: dict[str, ex.Ref]  # inputs that follow a mapped node item by item


class Preparer:
    """Prepares nodes of one run.

    Args:
        load: gives the value of an artifact; only used for JSON and for conditions.
        reuse: whether its task runs may go on from what equal work of other runs has saved.
    """

    def __init__(
        self, run: int, state: RunState, params: Mapping[str, Any], seed: int, load: Load, *, reuse: bool = True
    ) -> None:
        self._reuse = reuse
        self._run = run
        self._state = state
        self._seed = seed
        self.resolver = Resolver(state, params, load)
        self._nodes: dict[str, Prepared] = {}
        self._prefixes: dict[tuple[object, ...], bytes] = {}
        self._jobs = 0

    def forget(self, node_id: str) -> None:
        """Work a node out anew the next time, since a result that it uses has changed its place."""
        self._nodes.pop(node_id, None)

    def condition(self, node: Node) -> bool:
        """Whether the node's condition holds; one that looks at a result that is not there does not."""
        if node.when is None:
            return True
        try:
            source = self.resolver.source(node.when)
        except Unavailable:
            return False
        return bool(self.resolver.value(source))

    def length(self, node: Node) -> int:
        """How many task runs a node has.

        Raises:
            ExecutionError: what it maps over is not a list.
            Unavailable: it is not there.
            ValueError: lists that go together have different lengths.
        """
        if node.map is None:
            return 1
        lengths = {name: self._length(node.bindings[name]) for name in node.map.names}
        if node.map.mode == "cross":
            product = 1
            for length in lengths.values():
                product *= length
            return product
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise ValueError(f"lists that are mapped together must have the same length, but {shown}")
        return next(iter(lengths.values()))

    def _length(self, binding: ex.Expr) -> int:
        if isinstance(binding, ex.Ref) and self._is_collection(binding):
            if self._state.nodes[binding.node].whole:
                raise Unavailable
            return self._state.nodes[binding.node].length
        return len(self.resolver.elements(self.resolver.source(binding)))

    def labels(self, node: Node) -> tuple[str, ...]:
        """What the items of a node are called; nothing: they have no keys.

        Raises:
            ValueError: an item has no such key, or two have the same.
        """
        if node.map is None:
            return ()
        if not node.map.key:
            followed = (b for b in map(node.bindings.get, node.map.names) if isinstance(b, ex.Ref))
            runs = [self._state.nodes[ref.node] for ref in followed if self._follows(node, ref)]
            return next((run.labels for run in runs if run.labels), ())
        name = node.map.names[0]
        items = self.resolver.value(self.resolver.source(node.bindings[name]))
        return item_labels(items, node.map.key)

    def prepare(self, node_id: str) -> Prepared:
        """What the task runs of a node have in common."""
        if node_id not in self._nodes:
            self._nodes[node_id] = self._prepare(self._state.nodes[node_id].node)
        return self._nodes[node_id]

    def _prepare(self, node: Node) -> Prepared:
        names = node.map.names if node.map is not None else ()
        lenient = _is_lenient(node) and node.id not in self._state.undone
        sources = {
            name: self.resolver.cut(self.resolver.source(binding, lenient=lenient))
            for name, binding in node.bindings.items()
            if name not in names
        }
        aligned, elements = {}, {}
        for name in names:
            binding = node.bindings[name]
            if isinstance(binding, ex.Ref) and self._follows(node, binding):
                aligned[name] = binding
            else:
                elements[name] = self.resolver.elements(self.resolver.source(binding, lenient=lenient))
        spec, cache = self._state.spec(node.id), node.policy.cache
        self._jobs += 1
        timeout_s = node.policy.timeout_s
        wait = node.special if isinstance(node.special, Wait) else None
        continues = "equal" if self._reuse and cache.enabled else "own"
        job = Job(
            self._jobs, self._run, node.id, node.task, spec.outputs, tuple(sources.items()), names, timeout_s,
            continues=continues, cpu=node.policy.resources.cpu, wait=wait, function=spec.function, dynamic=spec.dynamic,
        )  # fmt: skip
        ignored = frozenset(cache.ignore)
        shared = [(name, self.resolver.identity(s)) for name, s in sources.items() if name not in ignored]
        return Prepared(
            job, self._prefix(node, cache), shared, elements,
            tuple(len(elements[name]) for name in names if name in elements), ignored, aligned,
        )  # fmt: skip

    def _prefix(self, node: Node, cache: Cache) -> bytes:
        """Nodes that call one task alike share it."""
        environment = {name: os.environ.get(name) for name in cache.env}
        spec = self._state.spec(node.id)
        like = (node.task, spec.code.digest, cache, tuple(environment.values()), node.turn)
        if like not in self._prefixes:
            self._prefixes[like] = prefix(spec, cache, environment, self._seed, node.turn)
        return self._prefixes[like]

    def _follows(self, node: Node, ref: ex.Ref) -> bool:
        """Whether items of the input are looked at one by one, since its node need not have settled."""
        return node.map is not None and node.map.mode == "zip" and self._is_collection(ref)

    def _is_collection(self, ref: ex.Ref) -> bool:
        """Whether a reference stands for the results of all items of a mapped node."""
        picks_one = bool(ref.path) and ref.path[0][0] == "item"
        return self._state.nodes[ref.node].node.map is not None and not picks_one

    def sources(self, prepared: Prepared, item: int) -> tuple[Source, ...]:
        """The sources of the inputs that are particular to one item.

        Raises:
            Unavailable: a result that it follows is not there.
        """
        if not prepared.job.mapped:
            return ()
        if prepared.aligned:
            return tuple(
                self._item_of(prepared, prepared.aligned[name], item)
                if name in prepared.aligned
                else prepared.elements[name][item]
                for name in prepared.job.mapped
            )
        columns = list(prepared.elements.values())
        if self._state.nodes[prepared.job.node].node.map.mode == "zip":  # type: ignore[union-attr]  # it is mapped
            return tuple(column[item] for column in columns)
        indices = []
        for size in reversed(prepared.sizes):
            item, index = divmod(item, size)
            indices.append(index)
        return tuple(column[index] for column, index in zip(columns, reversed(indices), strict=True))

    def _item_of(self, prepared: Prepared, ref: ex.Ref, item: int) -> Source:
        try:
            return self.resolver.item_of(ref, item)
        except Unavailable:
            if _is_lenient(self._state.nodes[prepared.job.node].node):
                return NOTHING
            raise

    def artifacts(self, node_id: str, item: int) -> Iterator[ArtifactRef]:
        """Results that a task run takes, none of them loaded: what it takes that is not particular to it comes first.

        Of a node that cannot be prepared, or opened, what that takes.
        """
        if node_id not in self._nodes:
            for expr in self._taken(self._state.nodes[node_id]):
                with suppress(Unavailable, LookupError):  # whoever opens or prepares it tells why
                    yield from artifacts(self.resolver.source(expr, lenient=True))
            return
        prepared = self._nodes[node_id]
        for _, source in prepared.job.shared:
            yield from artifacts(source)
        with suppress(Unavailable):  # it is being made again already
            for source in self.sources(prepared, item):
                yield from artifacts(source)

    def _taken(self, run: NodeRun) -> Iterator[ex.Expr]:
        """What it takes to open a node, or else to prepare it."""
        node = run.node
        mapped = node.map.names if node.map is not None else ()
        if not run.opened:
            yield from (node.bindings[name] for name in mapped)
            yield from () if node.when is None else (node.when,)
            return
        for name, binding in node.bindings.items():
            if not (name in mapped and isinstance(binding, ex.Ref) and self._follows(node, binding)):
                yield binding

    def key(self, prepared: Prepared, sources: tuple[Source, ...]) -> str:
        """The cache key of one task run."""
        return cache_key(prepared.prefix, sorted(prepared.shared + self._own(prepared, sources)))

    def identities(self, prepared: Prepared, sources: tuple[Source, ...]) -> dict[str, str]:
        """The inputs of one task run, as far as they count in its key."""
        return dict(prepared.shared + self._own(prepared, sources))

    def _own(self, prepared: Prepared, sources: tuple[Source, ...]) -> list[tuple[str, str]]:
        return [
            (name, self.resolver.identity(source))
            for name, source in zip(prepared.job.mapped, sources, strict=bool(sources))
            if name not in prepared.ignored
        ]


def _is_lenient(node: Node) -> bool:
    """Whether a node runs without results that are not there."""
    return node.policy.run_if != "all_succeeded"
