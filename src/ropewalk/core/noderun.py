"""One node within a run: the states of its task runs, and what came of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ropewalk.core.artifact import Failure, Outputs
from ropewalk.core.expr import Expr
from ropewalk.core.graph import Node
from ropewalk.core.taskstate import (
    READY,
    SUCCEEDED,
    TRANSITIONS,
    WAITING,
    TaskState,
)

NOT_YET = "not_yet"  # kind of the failure of a wait whose check has found nothing so far
PART = "part"  # kind of the failure of a task run one of whose own nodes failed
RETURNED = "returned"  # kind of the failure of an order that its worker gave back before it was begun
_LEGAL = frozenset((int(a), int(b)) for a, b in TRANSITIONS)
_BY_CODE = tuple(TaskState)


class IllegalMove(Exception):
    """An event does not fit the state of its task run: a bug, or a report of an attempt that lost its lease."""


@dataclass(slots=True)
class Parts:
    """Nodes of its own that a task run has got."""

    turn: int
    output: Expr
    until: Expr | None
    nodes: list[str]  # of all turns


class Tokens(dict[int, int]):
    """Tokens of running items. How many items of a lease still run is known without looking at every item."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        super().__init__()
        self.left: dict[int, int] = {}  # by token; whoever begins a lease puts its number of items here

    def __delitem__(self, item: int) -> None:
        token = self[item]
        super().__delitem__(item)
        left = self.left.pop(token, 1) - 1
        if left:
            self.left[token] = left

    def pop(self, item: int, default: int | None = None) -> int | None:  # type: ignore[override]  # one form is enough
        """Forget an item, if it is there; its token."""
        token = self.get(item, default)
        if item in self:
            del self[item]
        return token


class NodeRun:
    """One node within a run: its items, or the one item of a node that is not mapped."""

    __slots__ = (
        "asked", "attempts", "counts", "failures", "follows", "keys", "labels", "losses", "metrics", "node", "ooms",
        "outputs", "parts", "ready_at", "reason", "retries", "since", "sources", "states", "tokens", "whole",
    )  # fmt: skip

    def __init__(self, node: Node) -> None:
        self.node = node
        self.follows: tuple[NodeRun, ...] = ()  # what it follows item by item, where something of that may be lacking
        self.attempts: dict[int, int] = {}  # that were begun, ever: each has its own log and story
        self.reset()

    def reset(self) -> None:
        """Forget everything but the number of attempts: the node is as before it was opened."""
        self.states: bytearray | None = None  # one TaskState an item; None: not opened
        self.whole = False  # it ended before its items were known, and has one in their place
        self.counts = [0] * len(TaskState)
        self.outputs: list[Outputs | None] = []
        self.keys: list[str] = []
        self.reason = ""  # why it was skipped
        self.labels: tuple[str, ...] = ()  # what items are called, where they have keys
        # only for the items that deviate:
        self.retries: dict[int, int] = {}  # attempts that count against the retry policy
        self.losses: dict[int, int] = {}  # attempts that ended through no fault of their own
        self.tokens = Tokens()  # of running items
        self.ready_at: dict[int, float] = {}
        self.since: dict[int, float] = {}  # of a wait: when it was first looked at
        self.ooms: dict[int, int] = {}  # attempts that ran out of memory
        self.parts: dict[int, Parts] = {}  # of those that have nodes of their own
        self.asked: dict[int, float] = {}  # when a person was asked who has not answered
        self.failures: dict[int, Failure] = {}
        self.sources: dict[int, int] = {}  # number of the run that a result was taken from
        self.metrics: dict[int, dict[str, float]] = {}

    def open(self, length: int, state: TaskState) -> None:
        """The number of items is known; all of them are in `state`."""
        self.states = bytearray([state]) * length
        self.counts = [0] * len(TaskState)
        self.counts[state] = length
        self.outputs = [None] * length
        self.keys = [""] * length

    def label(self, item: int) -> str:
        """What an item is called: by its key if it has one, else by its place."""
        return self.labels[item] if item < len(self.labels) else str(item)

    @property
    def opened(self) -> bool:
        return self.states is not None

    @property
    def length(self) -> int:
        return 0 if self.states is None else len(self.states)

    @property
    def settled(self) -> bool:
        """Every item has reached a final state."""
        if self.states is None:
            return False
        counts = self.counts
        return counts[0] == counts[1] == counts[2] == 0

    @property
    def all_succeeded(self) -> bool:
        return self.settled and self.counts[SUCCEEDED] == self.length

    @property
    def has_results(self) -> bool:
        """Something of it has succeeded, be it that it has no items."""
        return self.counts[SUCCEEDED] > 0 or self.all_succeeded

    def state(self, item: int) -> TaskState:
        return WAITING if self.states is None else _BY_CODE[self.states[item]]

    def items(self, *wanted: TaskState) -> Iterator[int]:
        """Items that are in one of the wanted states."""
        return (i for i, code in enumerate(self.states or b"") if code in wanted)

    def succeeded(self, first: int, items: int) -> bool:
        """Whether so many neighbouring items have all succeeded."""
        return (self.states or b"")[first : first + items] == bytes([SUCCEEDED]) * items

    def move(self, item: int, to: TaskState) -> None:
        """Move one item.

        Raises:
            IllegalMove: the move is not in TRANSITIONS.
        """
        states = self.states
        if states is None or not self.may_move(item, to):
            raise IllegalMove(f"{self.node.id}[{item}]: {self.show(item)} → {to.label}")
        self.counts[states[item]] -= 1
        self.counts[to] += 1
        states[item] = to

    def may_move(self, item: int, to: TaskState) -> bool:
        """Whether there is such an item, and the move is in TRANSITIONS."""
        states = self.states
        return states is not None and 0 <= item < len(states) and (states[item], to) in _LEGAL

    def take_up(self, items: Iterable[int]) -> None:
        """Make items ready that are to be started or reused: that their inputs are there is no event of its own.

        Raises:
            IllegalMove: one of them is neither waiting nor ready.
        """
        for item in items:
            if not self.may_move(item, READY) or self.state(item) not in (WAITING, READY):
                raise IllegalMove(f"{self.node.id}[{item}]: {self.show(item)}, so it cannot be taken up")
        for item in items:
            self.move(item, READY)

    def show(self, item: int) -> str:
        """The state of an item for a message about a bug."""
        return self.state(item).label if self.states is not None and 0 <= item < self.length else "not there"
