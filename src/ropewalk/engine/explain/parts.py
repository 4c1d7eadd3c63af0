"""What the key of a task run covers, part by part, and what differs between two of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ropewalk.author.source import describe_change
from ropewalk.core.cache import Cache
from ropewalk.core.code import CodeFingerprint
from ropewalk.core.graph import OutputSpec


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a task run, as its key sees it."""

    name: str
    text: str  # for people: "0.1", "split.train"
    identity: str | None  # None: not known
    references: tuple[tuple[str, str | None], ...] = ()  # results inside it, as text, with the identity of each
    counted: bool = True  # False: the author ignores it

    @property
    def is_file(self) -> bool:
        """Whether the content of files at some path counts."""
        return self.identity is not None and "+" in self.identity


@dataclass(frozen=True, slots=True)
class KeyParts:
    """What decides the key of a task run."""

    code: CodeFingerprint
    outputs: OutputSpec
    cache: Cache
    seed: int
    inputs: Mapping[str, Input]
    key: str = ""  # empty: not known

    @property
    def is_known(self) -> bool:
        """Whether every input that counts is known."""
        return all(i.identity is not None for i in self.inputs.values() if i.counted)


def changes(node: str, old: KeyParts, new: KeyParts) -> tuple[str, ...]:
    """What makes the key of `new` another than that of `old`, one short text each; empty: the keys are equal."""
    found = (*own_changes(old, new), *_input_changes(node, old, new))
    if not found and old.key and new.key and old.key != new.key:
        return (unseen_change(old, new),)
    return found


def own_changes(old: KeyParts, new: KeyParts) -> tuple[str, ...]:
    """What changed apart from inputs."""
    found = describe_change(old.code, new.code)
    if old.outputs != new.outputs and not found:
        found.append("what it is declared to return changed")
    if old.cache.version != new.cache.version:
        found.append(f"version changed: {old.cache.version!r} → {new.cache.version!r}")
    if old.seed != new.seed:
        found.append(f"seed changed: {old.seed} → {new.seed}")
    found += [f"environment variable {name} counts now" for name in sorted({*new.cache.env} - {*old.cache.env})]
    found += [f"environment variable {name} no longer counts" for name in sorted({*old.cache.env} - {*new.cache.env})]
    return tuple(found)


def _input_changes(node: str, old: KeyParts, new: KeyParts) -> Iterator[str]:
    for name in dict.fromkeys((*new.inputs, *old.inputs)):
        before, after = old.inputs.get(name), new.inputs.get(name)
        text = _coming_or_going(f"{node}.{name}", before, after)
        if text or before is None or after is None:
            yield text
        elif after.counted and before.identity != after.identity:
            yield _input_change(node, before, after)


def _coming_or_going(label: str, before: Input | None, after: Input | None) -> str:
    if before is None:
        return f"parameter added: {label} = {after.text}" if after else ""
    if after is None:
        return f"parameter removed: {label}"
    if before.counted != after.counted:
        return f"parameter {'counts now' if after.counted else 'no longer counts'}: {label}"
    return ""


def _input_change(node: str, before: Input, after: Input) -> str:
    if not after.references and not before.references:
        if before.text == after.text and after.is_file:
            return f"file changed: {after.text}"
        return f"parameter changed: {node}.{after.name} {before.text} → {after.text}"
    if bool(before.references) != bool(after.references):
        return f"input changed: {node}.{after.name} is {after.text} now, and was {before.text}"
    open_ = [text for text, identity in after.references if identity is None]
    if open_:
        return f"input may change: {', '.join(open_)}"
    known = dict(before.references)
    changed = [text for text, identity in after.references if known.get(text) != identity]
    return f"input changed: {', '.join(changed) or after.text}"


def unseen_change(old: KeyParts, new: KeyParts) -> str:
    """What must have changed between two different keys whose recorded parts are all equal."""
    names = [f"environment variable {name}" for name in new.cache.env]
    names += [f"file {i.text}" for i in new.inputs.values() if i.is_file and i.counted]
    if not names:
        return "it was computed by another version of Ropewalk"
    return f"{' or '.join(names)} changed"
