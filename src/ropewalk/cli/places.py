"""What people mean by RUN, RUN/TASK and RUN/TASK/ITEM."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ropewalk.cli.session import Session
from ropewalk.core.errors import NotFoundError, UsageError, did_you_mean
from ropewalk.core.graph import Graph
from ropewalk.core.nesting import grows
from ropewalk.core.special import Loop
from ropewalk.engine.client import Client
from ropewalk.store import runs
from ropewalk.store.runs import Run

_RECENT = 500  # runs among which a prefix of a name is looked for
_ITEM = re.compile(r"(.+?)(?:/(\d+)|\[(\d+)\])")
_TURN = re.compile(r"(.+?)(?:/|\[)(\d+)\]?/(\d+)")  # of a loop that is mapped


@dataclass(frozen=True, slots=True)
class Place:
    """A run, a node of it, or one item of the node; of a loop one turn."""

    run: Run
    graph: Graph
    node: str | None = None
    item: int | None = None
    turn: int | None = None

    def __str__(self) -> str:
        numbers = (str(number) for number in (self.item, self.turn) if number is not None)
        return "/".join([str(self.run.number), *([self.node] if self.node else []), *numbers])

    @property
    def inside(self) -> str:
        """What the names of the nodes begin with that came into being there; empty: it is no place for such."""
        if self.node is None or not grows(self.graph.nodes[self.node]):
            return ""
        return str(self).partition("/")[2] + "/"

    def covers(self, node: str, item: int | None) -> bool:
        """Whether a task run is meant.

        Args:
            item: None: it is not known.
        """
        if self.node is None:
            return True
        if node == self.node:
            return self.turn is None and (item is None or self.item in (None, item))
        return bool(self.inside) and node.startswith(self.inside)


def existing_store(session: Session) -> None:
    """Refuse where nothing was ever run: looking must not make a store.

    Raises:
        NotFoundError: there is no store.
    """
    if not session.has_store:
        raise NotFoundError("there are no runs here yet", code="P601", help=["ropewalk run"])


def find_run(client: Client, text: str) -> Run:
    """The run with this number or name, the one whose name begins so, or the last one.

    Raises:
        NotFoundError: there is none.
        UsageError: several names begin so.
    """
    try:
        return runs.find(client.db, text)
    except NotFoundError:
        if text.isdigit():
            raise
        recent = runs.listing(client.db, most=_RECENT)
        found = [run for run in recent if run.name.startswith(text)]
        names = dict.fromkeys(run.name for run in found)
        if len(names) == 1:
            return found[0]
        if names:
            raise UsageError(
                f"the names of {len(names)} runs begin with `{text[:80]}`", facts=[", ".join(list(names)[:8])]
            ) from None
        guess = did_you_mean(text, (run.name for run in recent))
        raise NotFoundError(
            f"there is no run `{text[:80]}`",
            code="P601",
            help=[*([f"did you mean `{guess}`?"] if guess else []), "ropewalk runs"],
        ) from None


def find_place(client: Client, text: str) -> Place:
    """The run, task or task run that a text such as "3", "last/train" or "3/train/17" means.

    Raises:
        NotFoundError: there is none.
    """
    run_text, _, rest = text.partition("/")
    run = find_run(client, run_text)
    graph = client.run_graph(run)
    if not rest:
        return Place(run, graph)
    if rest in graph.nodes:
        return Place(run, graph, rest)
    match = _ITEM.fullmatch(rest)
    if match and match[1] in graph.nodes:
        return _item_or_turn(Place(run, graph, match[1]), int(match[2] or match[3]))
    turn = _TURN.fullmatch(rest)
    if turn and turn[1] in graph.nodes and isinstance(graph.nodes[turn[1]].special, Loop):
        return Place(run, graph, turn[1], int(turn[2]), int(turn[3]))
    guess = did_you_mean(rest, graph.nodes)
    raise NotFoundError(
        f"run {run.number} has no task `{rest[:80]}`",
        facts=[f"it has: {', '.join(list(graph.nodes)[:20])}" + (" …" if len(graph.nodes) > 20 else "")],
        help=[f"did you mean {run.number}/{guess}?"] if guess else [f"ropewalk show {run.number}"],
    )


def _item_or_turn(place: Place, number: int) -> Place:
    """The item, or of a node that is not mapped and has turns, a turn."""
    node = place.graph.nodes[place.node or ""]
    if grows(node) and node.map is None:
        return replace(place, turn=number)
    return replace(place, item=number)
