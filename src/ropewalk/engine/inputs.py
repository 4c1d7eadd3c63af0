"""From bindings to inputs: what a task run gets, how it counts in a key, and how it becomes a value.

The scheduler turns an expression into a `Source`, which says where the value lies, and never loads what is not JSON.
The attempt turns the source into the value.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ropewalk.core import expr as ex
from ropewalk.core.artifact import ArtifactRef, Outputs
from ropewalk.core.compact import compact
from ropewalk.core.errors import ExecutionError
from ropewalk.core.expr import Expr, Unavailable
from ropewalk.core.graph import OutputSpec
from ropewalk.core.pickling import pickled_by_fields
from ropewalk.core.state import RunState
from ropewalk.core.tolerance import may_lack
from ropewalk.core.values import decode, digest, encode, find

Load: TypeAlias = Callable[[ArtifactRef], Any]


@pickled_by_fields
@dataclass(frozen=True, slots=True)
class Value:
    """A plain value in the encoding of `core.values`."""

    data: Any


@pickled_by_fields
@dataclass(frozen=True, slots=True)
class Stored:
    """An artifact, or the part of it at `path`."""

    ref: ArtifactRef
    path: tuple[ex.Step, ...] = ()


@pickled_by_fields
@dataclass(frozen=True, slots=True)
class Whole:
    """All outputs of a task that has several, put together again."""

    outputs: Outputs
    spec: OutputSpec


@pickled_by_fields
@dataclass(frozen=True, slots=True)
class Many:
    """A list of sources: the collected results of a mapped node."""

    items: tuple[Source, ...]


@pickled_by_fields
@dataclass(frozen=True, slots=True)
class Piece:
    """The part at `path` of something that the scheduler does not look into."""

    source: Source
    path: tuple[ex.Step, ...]


@pickled_by_fields
@dataclass(frozen=True, slots=True)
class Computed:
    """An operator or a container over other sources."""

    expr: ex.Op | ex.Build  # its args are not used
    args: tuple[Source, ...]


Source: TypeAlias = Value | Stored | Whole | Many | Piece | Computed
NOTHING = Value(None)


class Resolver:
    """Finds the sources of expressions in the present state of a run."""

    def __init__(self, state: RunState, params: Mapping[str, Any], load: Load) -> None:
        self.state = state
        self.params = params
        self.load = load
        self._known: dict[str, Any] = {}  # decoded JSON artifacts by digest

    def source(self, expr: Expr, *, lenient: bool = False) -> Source:
        """Where the value of an expression lies.

        Args:
            lenient: what is not available is None, for tasks that run whatever happened before.

        Raises:
            Unavailable: a reference has no value.
        """
        if not lenient:
            return self._source(expr)
        if isinstance(expr, ex.Build):
            return Computed(expr, tuple(self.source(item, lenient=True) for item in expr.items))
        try:
            return self._some(expr) if isinstance(expr, ex.Ref) else self._source(expr)
        except Unavailable:
            return NOTHING

    def _source(self, expr: Expr) -> Source:
        if isinstance(expr, ex.Const):
            return Value(expr.data)
        if isinstance(expr, ex.Param):
            return Value(encode(self.params[expr.name]))
        if isinstance(expr, ex.Ref):
            return self._ref(expr)
        if isinstance(expr, ex.FirstOf):
            return self._first(expr)
        if isinstance(expr, ex.Held):
            return Stored(expr.ref)
        if isinstance(expr, ex.Part):
            return Piece(self._source(expr.of), expr.path)
        if isinstance(expr, ex.Slot):
            raise Unavailable  # only in a body that has not come into being
        parts = expr.args if isinstance(expr, ex.Op) else expr.items
        return Computed(expr, tuple(self._source(part) for part in parts))

    def _some(self, ref: ex.Ref) -> Source:
        """Of a mapped node what there is, with None for items that have no result."""
        run = self.state.nodes[ref.node]
        if run.node.map is None or not run.opened or run.whole or (ref.path and ref.path[0][0] == "item"):
            return self._ref(ref)
        spec = self.state.spec(ref.node).outputs
        return Many(tuple(NOTHING if outputs is None else _part(outputs, spec, ref.path) for outputs in run.outputs))

    def _first(self, expr: ex.FirstOf) -> Source:
        for option in expr.options:
            try:
                return self._source(option)
            except Unavailable:
                continue
        raise Unavailable

    def _ref(self, ref: ex.Ref) -> Source:
        run = self.state.nodes[ref.node]
        spec = self.state.spec(ref.node).outputs
        if run.node.map is None:
            return _part(run.outputs[0] if run.opened else None, spec, ref.path)
        if not run.opened:
            raise Unavailable
        if ref.path and ref.path[0][0] == "item":
            index, rest = ref.path[0][1], ref.path[1:]
            return _part(run.outputs[index], spec, rest)
        if may_lack(run):
            return self._some(ref)  # what failed was to be tolerated
        return Many(tuple(_part(outputs, spec, ref.path) for outputs in run.outputs))

    def item_of(self, ref: ex.Ref, item: int) -> Source:
        """One item's result of a mapped node."""
        return _part(self.state.nodes[ref.node].outputs[item], self.state.spec(ref.node).outputs, ref.path)

    def value(self, source: Source) -> Any:
        """The value of a source, loading whatever it takes."""
        return materialise(source, self._cached_load)

    def elements(self, source: Source) -> list[Source]:
        """The sources of the elements of a list.

        Raises:
            ExecutionError: it is not a list, or its length is not known.
        """
        if isinstance(source, Many):
            return list(source.items)
        if isinstance(source, Stored) and source.ref.format != "json" and not source.path:
            if source.ref.length is None:
                raise _no_list(source.ref.type)
            return [Piece(source, (("item", index),)) for index in range(source.ref.length)]
        value = self.value(source)
        if not isinstance(value, (list, tuple, range, set, frozenset)):
            raise _no_list(type(value).__name__)
        ordered = sorted(value, key=lambda v: compact(encode(v))) if isinstance(value, (set, frozenset)) else value
        return [Value(encode(v)) for v in ordered]

    def cut(self, source: Source) -> Source:
        """The same with single items taken out of JSON lists, so that nobody loads a long list for one of its items."""
        if isinstance(source, Computed):
            return Computed(source.expr, tuple(map(self.cut, source.args)))
        if not isinstance(source, Stored) or source.ref.format != "json" or not source.path:
            return source
        kind, key = source.path[0]
        return Value(encode(self.value(source))) if kind == "item" and isinstance(key, int) else source

    def identity(self, source: Source) -> str:
        """What of a source counts in a cache key: its content, not where it lies."""
        if isinstance(source, Value):
            return _value_identity(source.data)
        if isinstance(source, Stored):
            if not source.path:
                return source.ref.identity
            if source.ref.format == "json":
                return _value_identity(encode(self.value(source)))
            return f"{source.ref.identity}{ex.show_path(source.path)}"
        if isinstance(source, Whole):
            parts = [f"{name}={ref.identity}" for name, ref in source.outputs.items()]
            return "whole:" + _hash(parts)
        if isinstance(source, Many):
            return "many:" + _hash([self.identity(item) for item in source.items])
        if _is_plain(source):
            return _value_identity(encode(self.value(source)))
        if isinstance(source, Piece):
            return self.identity(source.source) + ex.show_path(source.path)
        name = source.expr.name if isinstance(source.expr, ex.Op) else source.expr.kind + repr(source.expr.keys)
        return f"{name}:" + _hash([self.identity(arg) for arg in source.args])

    def _cached_load(self, ref: ArtifactRef) -> Any:
        if ref.format != "json":
            return self.load(ref)
        if ref.digest not in self._known:
            if len(self._known) > 1000:
                self._known.clear()
            self._known[ref.digest] = self.load(ref)
        return self._known[ref.digest]


def _no_list(kind: str) -> ExecutionError:
    help_ = ["return a list from the task that gives it"]
    return ExecutionError(f"a `{kind}` cannot be mapped over: it must be a list", code="P312", help=help_)


def materialise(source: Source, load: Load) -> Any:
    """The value of a source."""
    if isinstance(source, Value):
        return decode(source.data)
    if isinstance(source, Stored):
        value = load(source.ref)
        return ex.project(value, source.path) if source.path else value
    if isinstance(source, Many):
        return [materialise(item, load) for item in source.items]
    if isinstance(source, Piece):
        return ex.project(materialise(source.source, load), source.path)
    if isinstance(source, Whole):
        return _assemble(source, load)
    values = [materialise(arg, load) for arg in source.args]
    if isinstance(source.expr, ex.Op):
        return ex.OPERATORS[source.expr.name][1](*values)
    return ex.assemble(source.expr, values)


def artifacts(source: Source) -> Iterator[ArtifactRef]:
    """The artifacts that a source leads to."""
    if isinstance(source, Stored):
        yield source.ref
    elif isinstance(source, Whole):
        yield from source.outputs.values()
    elif isinstance(source, Piece):
        yield from artifacts(source.source)
    elif isinstance(source, (Many, Computed)):
        for part in source.items if isinstance(source, Many) else source.args:
            yield from artifacts(part)


def _assemble(source: Whole, load: Load) -> Any:
    values = {name: load(source.outputs[name]) for name in source.spec.names}
    if source.spec.kind == "tuple":
        return tuple(values.values())
    kind = find(source.spec.type)
    if hasattr(kind, "_fields"):
        return kind(**values)
    made = object.__new__(kind)  # not __init__, which may have side effects
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made


def _part(outputs: Outputs | None, spec: OutputSpec, path: tuple[ex.Step, ...]) -> Source:
    if outputs is None:
        raise Unavailable
    if spec.kind == "single":
        return Stored(outputs["result"], path)
    if not path:
        return Whole({name: outputs[name] for name in spec.names}, spec)
    kind, key = path[0]
    name = spec.names[key] if kind == "item" and isinstance(key, int) else str(key)
    return Stored(outputs[name], path[1:])


def _is_plain(source: Source) -> bool:
    """Whether the scheduler can know the value: constants and JSON all the way down."""
    if isinstance(source, Value):
        return True
    if isinstance(source, Stored):
        return source.ref.format == "json"
    if isinstance(source, Piece):
        return _is_plain(source.source)
    return isinstance(source, Computed) and all(_is_plain(arg) for arg in source.args)


def _value_identity(data: Any) -> str:
    """Equal to the identity of the same value as a stored artifact; a path counts by the content it leads to."""
    text = compact(data).encode()
    identity = f"json:{digest(text)}"
    if b'"$":"path"' in text:
        identity += "".join(f"+{_content(Path(p))}" for p in _paths(data))
    return identity


def _paths(data: Any) -> list[str]:
    if isinstance(data, list):
        return [p for item in data for p in _paths(item)]
    if isinstance(data, dict):
        if data.get("$") == "path":
            return [str(data["v"])]
        return [p for item in data.values() for p in _paths(item)]
    return []


def _content(path: Path) -> str:
    """Digest of a file, or of all files below a folder; empty when there is nothing."""
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file())
        return _hash([f"{p.relative_to(path)}={_content(p)}" for p in files])
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash(parts: list[str]) -> str:
    return digest("\n".join(parts).encode())
