"""Nodes that are more than one call of a task: what they are, as small frozen values that a graph carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Wait:
    """A sensor: the task is a check that is repeated until what it returns is true."""

    every_s: float = 60.0
    backoff: float = 1.0  # each pause is so many times longer than the one before
    cap_s: float = 3600.0  # no pause is longer
    timeout_s: float | None = None  # since the first check
    soft_fail: bool = False  # too late: the wait is skipped and not failed
    hold: bool = False  # the worker is kept between checks


@dataclass(frozen=True, slots=True)
class Approval:
    """A question to a person."""

    message: str
    role: str = ""  # who may answer; empty: everybody
    expires_s: float | None = None  # without an answer until then it is as if rejected
    exclude_author: bool = False  # who started the run must not answer


@dataclass(frozen=True, slots=True)
class Each:
    """A pipeline called for every item of a list: each item has nodes of its own."""


@dataclass(frozen=True, slots=True)
class Loop:
    """A task or pipeline repeated on its own last result, which is the only slot of its body."""

    at_most: int


@dataclass(frozen=True, slots=True)
class Reduce:
    """A list folded as a tree: the task is called on up to `width` results at a time."""

    width: int


@dataclass(frozen=True, slots=True)
class Grow:
    """Nodes that a task decided on while the run was going on."""


Special: TypeAlias = Wait | Approval | Each | Loop | Reduce | Grow

_KINDS: dict[str, type[Any]] = {
    "wait": Wait, "approval": Approval, "each": Each, "loop": Loop, "reduce": Reduce, "grow": Grow,
}  # fmt: skip
KINDS = ("task", *_KINDS)
GROWING = (Each, Loop, Reduce, Grow)  # their task runs have nodes of their own


def kind_of(special: Special | None) -> str:
    """The kind of a node, as JSON and people call it."""
    return "task" if special is None else next(name for name, kind in _KINDS.items() if type(special) is kind)


def mark_of(special: Special | None) -> str:
    """What tells such a node from a call of a task in pictures."""
    if isinstance(special, Loop):
        return f" ⟲ ≤{special.at_most}"
    if isinstance(special, Reduce):
        return f" ⋏{special.width}"
    return " +" if isinstance(special, Grow) else ""


def to_json(special: Special) -> dict[str, Any]:
    """What a node is, as JSON-able data; its kind stands apart."""
    return {name: getattr(special, name) for name in special.__dataclass_fields__}


def from_json(kind: str, data: dict[str, Any]) -> Special:
    """What `to_json` wrote."""
    made: Special = _KINDS[kind](**data)
    return made
