"""Everything that can happen to a run. A run is the list of these; its state is their fold.

Events are written as versioned JSON lists, `[kind, field, field, …]`; fields are only ever added at the end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ropewalk.core import expr as ex
from ropewalk.core.artifact import ArtifactRef, Failure, Outputs, Usage
from ropewalk.core.compact import compact
from ropewalk.core.errors import VersionError
from ropewalk.core.expr import Expr
from ropewalk.core.graph import Body, body_from_json, body_to_json


@dataclass(frozen=True, slots=True)
class Opened:
    """A node's condition holds and its number of items is known."""

    node: str
    length: int
    labels: tuple[str, ...] = ()  # what its items are called, where they have keys


@dataclass(frozen=True, slots=True)
class Started:
    """Items of a node were given to a worker under one lease."""

    node: str
    items: tuple[int, ...]
    token: int  # fencing token; a report that carries another is refused
    worker: str
    at: float = 0.0  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class Succeeded:
    """An attempt returned and its outputs are durable."""

    node: str
    item: int
    token: int
    key: str
    outputs: Outputs
    usage: Usage = Usage()
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reused:
    """The result of an earlier run with the same key was taken."""

    node: str
    item: int
    key: str
    outputs: Outputs
    source: int  # number of the run that computed it
    saved_s: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """An attempt ended without a result."""

    node: str
    item: int
    token: int  # 0: the inputs could not be had, so nothing was started
    failure: Failure
    retry_at: float | None = None  # None: that was the last attempt
    counted: bool = True  # False: not held against the task (its scheduler or executor died)
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Skipped:
    """A node, or some items of it, will not run."""

    node: str
    items: tuple[int, ...] | None  # None: the whole node, before it was opened
    reason: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A node, or some items of it, were cancelled."""

    node: str
    items: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Somebody asked the run to stop."""

    by: str


@dataclass(frozen=True, slots=True)
class PauseRequested:
    """Somebody asked the run to rest."""

    by: str


@dataclass(frozen=True, slots=True)
class Rested:
    """Nothing runs, and nothing can before a person acts: no process keeps the run any more."""

    reason: str


@dataclass(frozen=True, slots=True)
class Woken:
    """A process has taken up a run that rested."""


@dataclass(frozen=True, slots=True)
class Expanded:
    """A task run got nodes of its own: those of an item, of a turn, of a tree, or those that a task decided on."""

    node: str
    item: int
    turn: int  # 1, or the number of a loop's turn
    args: dict[str, Expr]  # what the slots of the body are filled with
    body: Body | None = None  # None: the one that the graph has for the node


@dataclass(frozen=True, slots=True)
class Gathered:
    """The task run's own nodes have ended, or its question was answered, and this is what came of it."""

    node: str
    item: int
    outputs: Outputs


@dataclass(frozen=True, slots=True)
class Asked:
    """A person is asked for approval."""

    node: str
    item: int
    at: float
    expires_at: float | None = None
    message: str = ""
    role: str = ""
    excluded: str = ""  # who must not answer


@dataclass(frozen=True, slots=True)
class Answered:
    """A person has answered, or the time for that is over."""

    node: str
    item: int
    verdict: str  # approved | rejected | expired
    by: str
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class Undoing:
    """The run will not succeed, so the effects of what had finished are taken back, in this order."""

    effects: tuple[tuple[str, int], ...]  # node and item


@dataclass(frozen=True, slots=True)
class DeadlineMissed:
    """Something was not done in time."""

    node: str  # empty: the run
    deadline: float  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class ResultLost:
    """A stored result is missing or corrupt, so its task run is to be executed again."""

    node: str
    item: int
    digest: str


@dataclass(frozen=True, slots=True)
class Reopened:
    """A person continues a run that had stopped; what had not succeeded starts over."""

    graph: str  # digest of the graph from here on
    reset: tuple[str, ...]  # nodes whose results do not count any more
    only: dict[str, list[int]] | None = None  # failed task runs that are tried again; None: all


@dataclass(frozen=True, slots=True)
class RunFinished:
    """Nothing is left to do."""

    state: str  # succeeded | failed | cancelled


Event: TypeAlias = (
    Opened | Started | Succeeded | Reused | AttemptFailed | Skipped | Cancelled | CancelRequested | ResultLost
    | Reopened | RunFinished | PauseRequested | Rested | Woken | Expanded | Gathered | Asked | Answered
    | DeadlineMissed | Undoing
)  # fmt: skip


def dump_outputs(outputs: Outputs) -> dict[str, Any]:
    return {name: ref.to_json() for name, ref in outputs.items()}


def load_outputs(data: dict[str, Any]) -> Outputs:
    return {name: ArtifactRef.from_json(ref) for name, ref in data.items()}


def _usage(u: Usage) -> list[float]:
    return [round(u.wall_s, 6), round(u.cpu_s, 6), u.peak_bytes, round(u.started_at, 6)]


def _items(items: tuple[int, ...] | None) -> list[int | list[int]] | None:
    """Items as numbers and as `[first, last]`, for three neighbours or more."""
    if items is None:
        return None
    found: list[int | list[int]] = []
    at = 0
    while at < len(items):
        end = at + 1
        while end < len(items) and items[end] == items[end - 1] + 1:
            end += 1
        found += [[items[at], items[end - 1]]] if end - at > 2 else items[at:end]
        at = end
    return found


def _load_items(data: list[int | list[int]] | None) -> tuple[int, ...] | None:
    return None if data is None else _numbers(data)


def _numbers(data: list[int | list[int]]) -> tuple[int, ...]:
    found: list[int] = []
    for one in data:
        found += [one] if isinstance(one, int) else range(one[0], one[1] + 1)
    return tuple(found)


_DUMP: dict[type, Callable[[Any], list[Any]]] = {
    Opened: lambda e: ["opened", e.node, e.length, e.labels],
    Started: lambda e: ["started", e.node, _items(e.items), e.token, e.worker, round(e.at, 6)],
    Succeeded: lambda e: [
        "succeeded", e.node, e.item, e.token, e.key, dump_outputs(e.outputs), _usage(e.usage), e.metrics,
    ],
    Reused: lambda e: ["reused", e.node, e.item, e.key, dump_outputs(e.outputs), e.source, e.saved_s, e.metrics],
    AttemptFailed: lambda e: [
        "failed", e.node, e.item, e.token, e.failure.to_json(), e.retry_at, e.counted, _usage(e.usage),
    ],
    Skipped: lambda e: ["skipped", e.node, _items(e.items), e.reason],
    Cancelled: lambda e: ["cancelled", e.node, _items(e.items)],
    CancelRequested: lambda e: ["cancel_requested", e.by],
    ResultLost: lambda e: ["result_lost", e.node, e.item, e.digest],
    Reopened: lambda e: ["reopened", e.graph, list(e.reset), e.only],
    PauseRequested: lambda e: ["pause_requested", e.by],
    Rested: lambda e: ["rested", e.reason],
    Woken: lambda _: ["woken"],
    Expanded: lambda e: [
        "expanded", e.node, e.item, e.turn, {name: ex.to_json(arg) for name, arg in e.args.items()},
        None if e.body is None else body_to_json(e.body),
    ],
    Gathered: lambda e: ["gathered", e.node, e.item, dump_outputs(e.outputs)],
    Asked: lambda e: ["asked", e.node, e.item, e.at, e.expires_at, e.message, e.role, e.excluded],
    Answered: lambda e: ["answered", e.node, e.item, e.verdict, e.by, e.reason, e.at],
    DeadlineMissed: lambda e: ["deadline_missed", e.node, e.deadline],
    Undoing: lambda e: ["undoing", e.effects],
    RunFinished: lambda e: ["finished", e.state],
}  # fmt: skip

_LOAD: dict[str, Callable[[list[Any]], Event]] = {
    "opened": lambda d: Opened(d[1], d[2], tuple(d[3]) if len(d) > 3 else ()),
    "started": lambda d: Started(d[1], _numbers(d[2]), *d[3:6]),
    "succeeded": lambda d: Succeeded(d[1], d[2], d[3], d[4], load_outputs(d[5]), Usage(*d[6]), d[7]),
    "reused": lambda d: Reused(d[1], d[2], d[3], load_outputs(d[4]), d[5], d[6], d[7]),
    "failed": lambda d: AttemptFailed(d[1], d[2], d[3], Failure.from_json(d[4]), d[5], d[6], Usage(*d[7])),
    "skipped": lambda d: Skipped(d[1], _load_items(d[2]), d[3]),
    "cancelled": lambda d: Cancelled(d[1], _load_items(d[2])),
    "cancel_requested": lambda d: CancelRequested(d[1]),
    "result_lost": lambda d: ResultLost(d[1], d[2], d[3]),
    "reopened": lambda d: Reopened(d[1], tuple(d[2]), *d[3:4]),
    "pause_requested": lambda d: PauseRequested(d[1]),
    "rested": lambda d: Rested(d[1]),
    "woken": lambda _: Woken(),
    "expanded": lambda d: Expanded(
        d[1],
        d[2],
        d[3],
        {name: ex.from_json(arg) for name, arg in d[4].items()},
        None if d[5] is None else body_from_json(d[5]),
    ),
    "gathered": lambda d: Gathered(d[1], d[2], load_outputs(d[3])),
    "asked": lambda d: Asked(*d[1:8]),
    "answered": lambda d: Answered(*d[1:7]),
    "deadline_missed": lambda d: DeadlineMissed(d[1], d[2]),
    "undoing": lambda d: Undoing(tuple((node, item) for node, item in d[1])),
    "finished": lambda d: RunFinished(d[1]),
}


def dump(events: Iterable[Event]) -> str:
    """Events as one JSON text."""
    return compact([_DUMP[type(e)](e) for e in events])


def load(text: str) -> list[Event]:
    """The events that `dump` wrote.

    Raises:
        VersionError: one of them is of a kind that this version does not know.
    """
    events = []
    for data in json.loads(text):
        if data[0] not in _LOAD:
            raise VersionError(
                f"event `{data[0]}` was written by a newer version", help=["pip install --upgrade ropewalk"]
            )
        events.append(_LOAD[data[0]](data))
    return events
