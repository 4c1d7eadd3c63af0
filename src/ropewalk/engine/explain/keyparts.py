"""The parts of a key for people: one line each, compared with those of another run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ropewalk.core import expr as ex
from ropewalk.core.code import CodeFingerprint, CodePart
from ropewalk.engine.explain.parts import Input, KeyParts
from ropewalk.engine.explain.recorded import Recorded
from ropewalk.store import history

NAMED = 6  # more functions, inputs and packages than this are counted, not named


@dataclass(frozen=True, slots=True)
class Part:
    """One part of what a key covers.

    Attributes:
        kind: code | inputs | params | packages | environment | version | seed.
        text: what it is, in one line.
        verdict: "same", "changed", or empty where there is nothing to compare with.
    """

    kind: str
    text: str
    verdict: str


def key_parts(recorded: Recorded, node_id: str, item: int, new: KeyParts, old: KeyParts | None) -> tuple[Part, ...]:
    """What the key of a task run covers, compared with the key of another."""
    return tuple(
        Part(kind, text, "" if old is None else verdict)
        for kind, text, verdict in _lines(recorded, node_id, item, new, old or new)
    )


def _lines(recorded: Recorded, node_id: str, item: int, new: KeyParts, old: KeyParts) -> Iterator[tuple[str, str, str]]:
    code_same = [p.digest for p in new.code.parts] == [p.digest for p in old.code.parts]
    if not new.code.parts:
        code_same = new.code.digest == old.code.digest
    yield "code", _code(new.code), _verdict(code_same)
    counted = [i for i in new.inputs.values() if i.counted]
    inputs = [i for i in counted if i.references]
    params = [i for i in counted if not i.references]
    if inputs:
        shown = [f"{i.name} = {_origin(recorded, node_id, item, i)}" for i in inputs]
        yield "inputs", _listed(shown), _verdict(_all_same(inputs, old))
    if params:
        yield "params", " ".join(f"{i.name}={i.text}" for i in params), _verdict(_all_same(params, old))
    if new.code.packages:
        shown = [f"{name} {version}" for name, version in new.code.packages]
        yield "packages", _listed(shown), _verdict(new.code.packages == old.code.packages)
    if new.cache.env:
        unseen = old.key != new.key and bool(old.key)
        yield "environment", ", ".join(new.cache.env), "" if unseen else _verdict(new.cache.env == old.cache.env)
    if new.cache.version or old.cache.version:
        yield "version", repr(new.cache.version), _verdict(new.cache.version == old.cache.version)
    yield "seed", str(new.seed), _verdict(new.seed == old.seed)


def _verdict(same: bool) -> str:
    return "same" if same else "changed"


def _all_same(inputs: list[Input], old: KeyParts) -> bool:
    known = {name: i.identity for name, i in old.inputs.items() if i.counted}
    return all(i.name in known and known[i.name] == i.identity for i in inputs)


def _code(code: CodeFingerprint) -> str:
    names = [part.name.partition(":")[2] or part.name for part in code.parts]
    if not names:
        return code.digest[:12]
    kinds = Counter(map(_kind, code.parts))
    counts = [_plural(number, kind) for kind, number in kinds.items()]
    counts.append(_plural(len({part.file for part in code.parts}), "file"))
    return f"{_listed(names)} ({', '.join(counts)})"


def _kind(part: CodePart) -> str:
    kind = part.digest.partition(":")[0]
    return "function" if kind == "bytecode" else kind


def _plural(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun}es" if noun.endswith("s") else f"{number} {noun}s"


def _listed(texts: list[str]) -> str:
    more = len(texts) - NAMED
    return ", ".join(texts[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _origin(recorded: Recorded, node_id: str, item: int, given: Input) -> str:
    """An input as "node@run", with what is known of it."""
    node = recorded.graph.nodes[node_id]
    refs = list(dict.fromkeys(ex.refs(node.bindings[given.name])))
    if len(refs) != 1:
        return given.text
    ref = refs[0]
    sources = history.sources(recorded.client.db, recorded.run.number, ref.node)
    made = f"@{','.join(str(s.run) for s in sources[:3])}" if sources else ""
    taken_apart = node.map is not None and given.name in node.map.names
    return f"{given.text}{made}{'' if taken_apart else _preview(recorded, ref)}"


def _preview(recorded: Recorded, ref: ex.Ref) -> str:
    if recorded.graph.nodes[ref.node].map is not None:
        return ""
    row = recorded.row(ref.node, 0)
    names = recorded.graph.spec(ref.node).outputs.names
    wanted = str(ref.path[0][1]) if ref.path and len(names) > 1 else names[0] if len(names) == 1 else ""
    made = row.outputs.get(wanted) if row is not None else None
    return f" ({made.preview})" if made is not None and made.preview and not ref.path[1:] else ""
