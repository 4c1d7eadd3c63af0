"""Takes the keys of a run apart: of one that is recorded, or of one that is being planned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from ropewalk.core import expr as ex
from ropewalk.core.expr import Expr
from ropewalk.core.graph import Node
from ropewalk.core.state import RunState
from ropewalk.core.values import decode
from ropewalk.engine.explain.parts import Input, KeyParts
from ropewalk.engine.inputs import Computed, Load, Resolver, Source, Value
from ropewalk.engine.prepare import Preparer

TEXT_CHARS = 60


class KeyReader:
    """The parts of keys in one run.

    Args:
        state: the run, as far as its results are known.
        fill: called with the nodes whose results are about to be looked at.
    """

    def __init__(
        self,
        state: RunState,
        params: Mapping[str, Any],
        seed: int,
        load: Load,
        fill: Callable[[Iterable[str]], None] = lambda _: None,
    ) -> None:
        self.state = state
        self.seed = seed
        self.resolver = Resolver(state, params, load)
        self.preparer = Preparer(0, state, params, seed, load)
        self._fill = fill

    def parts(self, node_id: str, item: int | None = None, key: str = "") -> KeyParts:
        """What the key of a task run covers.

        Args:
            item: of a mapped node; None: only what all its items have in common.
            key: the key itself, if it is known.
        """
        node, spec = self.state.graph.nodes[node_id], self.state.graph.spec(node_id)
        self._fill(self.state.graph.upstream[node_id])
        mapped = node.map.names if node.map is not None else ()
        inputs = {name: self._input(node, name) for name in node.bindings if name not in mapped}
        if mapped and item is not None:
            inputs |= self._own_inputs(node, item)
        return KeyParts(spec.code, spec.outputs, node.policy.cache, self.seed, inputs, key)

    def value(self, ref: ex.Ref) -> Any:
        """The value of a reference; None for what cannot be had."""
        return self._try(lambda: self.resolver.value(self.resolver.source(ref)))

    def _input(self, node: Node, name: str) -> Input:
        binding = node.bindings[name]
        lenient = node.policy.run_if != "all_succeeded" and self._is_settled(node)
        source = self._try(lambda: self.resolver.source(binding, lenient=lenient))
        references = tuple((show(ref), self._identity_of(ref)) for ref in dict.fromkeys(ex.refs(binding)))
        return self._made(node, name, self._text(binding, source), source, references)

    def _own_inputs(self, node: Node, item: int) -> dict[str, Input]:
        """The inputs that are particular to one item."""
        sources = self._try(lambda: self.preparer.sources(self.preparer.prepare(node.id), item))
        mapped = node.map.names if node.map is not None else ()
        found = {}
        for name, source in zip(mapped, sources or [None] * len(mapped), strict=True):
            binding = node.bindings[name]
            text = f"{show(binding)}[{item}]"
            identity = self._identity(source)
            references = ((text, identity),) if any(ex.refs(binding)) else ()
            shown = show(ex.Const(source.data)) if isinstance(source, Value) and not references else text
            found[name] = self._made(node, name, shown, source, references)
        return found

    def _made(
        self, node: Node, name: str, text: str, source: Source | None, references: tuple[tuple[str, str | None], ...]
    ) -> Input:
        return Input(name, text, self._identity(source), references, name not in node.policy.cache.ignore)

    def _is_settled(self, node: Node) -> bool:
        """Whether what is not there now will not be there later either."""
        return all(self.state.nodes[up].settled for up in self.state.graph.upstream[node.id])

    def _identity(self, source: Source | None) -> str | None:
        identity: str | None = None if source is None else self._try(lambda: self.resolver.identity(source))
        if identity is None and isinstance(source, Computed):  # of a class that cannot be imported here
            parts = [self._identity(arg) for arg in source.args]
            return None if None in parts else f"{_kind_of(source.expr)}:{parts}"
        return identity

    def _identity_of(self, ref: ex.Ref) -> str | None:
        return self._identity(self._try(lambda: self.resolver.source(ref)))

    def _text(self, binding: Expr, source: Source | None) -> str:
        if isinstance(source, (Value, Computed)) and not any(ex.refs(binding)):
            return self._try(lambda: short(self.resolver.value(source))) or show(_filled(source))
        return show(binding)

    def _try(self, get: Callable[[], Any]) -> Any:
        """What can be had; None for what is not there (any more), or cannot be worked out."""
        try:
            return get()
        except Exception:  # noqa: BLE001  # an explanation says what it can
            return None


def _filled(source: Source) -> Expr:
    """An expression that takes no results, with the values of parameters in their places."""
    if isinstance(source, Value):
        return ex.Const(source.data)
    assert isinstance(source, Computed)
    inner = tuple(map(_filled, source.args))
    return replace(source.expr, args=inner) if isinstance(source.expr, ex.Op) else replace(source.expr, items=inner)


def _kind_of(expr: ex.Op | ex.Build) -> str:
    return expr.name if isinstance(expr, ex.Op) else f"{expr.kind}{expr.keys}"


def short(value: Any) -> str:
    """A value in one line that fits beside others."""
    text = repr(value)
    if len(text) <= TEXT_CHARS:
        return text
    if isinstance(value, (list, tuple, set, frozenset, dict)):
        return f"{text[: TEXT_CHARS // 2]}… ({len(value):,} items)"
    return f"{text[: TEXT_CHARS - 1]}…"


def show(expr: Expr) -> str:
    """An expression as the pipeline writes it, in one line that fits beside others."""
    try:
        if isinstance(expr, ex.Const):
            return short(decode(expr.data))
    except Exception:  # noqa: BLE001, S110  # of a class that cannot be imported here: shown as it is written
        pass
    try:
        text = ex.show(expr)
    except Exception:  # noqa: BLE001  # a constant of a kind that is not known any more
        return "…"
    return text if len(text) <= TEXT_CHARS else f"{text[: TEXT_CHARS - 1]}…"
