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

_NUMBER = re.compile(r"[^/\[\]]+")
_NUMBERS = re.compile(r"(?:/[^/\[\]]+|\[[^/\[\]]+\])+")  # after the name of a node


@dataclass(frozen=True, slots=True)
class Place:
    """A run, a node of it, or one item of the node; of a loop one turn."""

    run: Run
    graph: Graph
    node: str | None = None
    item: int | None = None
    turn: int | None = None
    label: str = ""  # what the item is called, where it has a key

    def __str__(self) -> str:
        numbers = (str(number) for number in (self.label or self.item, self.turn) if number is not None)
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
        recent = runs.recent_names(client.db)
        names = list(dict.fromkeys(name for name in recent if name.startswith(text)))
        names = names or runs.names_like(client.db, text)
        if len(names) == 1:
            return runs.find(client.db, names[0])
        if names:
            raise UsageError(
                f"the names of {len(names)} runs begin with `{text[:80]}`", facts=[", ".join(names[:8])]
            ) from None
        guess = did_you_mean(text, recent)
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
    for end in range(len(rest), 0, -1):
        if rest[:end] in graph.nodes and (place := _within(client, Place(run, graph, rest[:end]), rest[end:])):
            return place
    guess = did_you_mean(rest, graph.nodes)
    raise NotFoundError(
        f"run {run.number} has no task `{rest[:80]}`",
        facts=[f"it has: {', '.join(list(graph.nodes)[:20])}" + (" …" if len(graph.nodes) > 20 else "")],
        help=[f"did you mean {run.number}/{guess}?"] if guess else [f"ropewalk show {run.number}"],
    )


def _within(client: Client, place: Place, rest: str) -> Place | None:
    """What follows the name of a node: an item by its number or key, and of a loop the turn; None: nothing such."""
    if not rest:
        return place
    if not _NUMBERS.fullmatch(rest):
        return None
    node, numbers = place.graph.nodes[place.node or ""], _NUMBER.findall(rest)
    if node.map is not None or not grows(node):
        text = numbers.pop(0)
        labels = labels_of(client, place) if node.map is not None else ()
        if text not in labels and not text.isdecimal():
            return None
        item = labels.index(text) if text in labels else int(text)
        place = replace(place, item=item, label=labels[item] if item < len(labels) else "")
    if not numbers:
        return place
    has_turns = isinstance(node.special, Loop) or (grows(node) and node.map is None)
    return replace(place, turn=int(numbers[0])) if has_turns and len(numbers) == 1 and numbers[0].isdecimal() else None


def labels_of(client: Client, place: Place) -> tuple[str, ...]:
    """What the items of a node are called in its run, where any items have keys."""
    if not any(node.map is not None and node.map.key for node in place.graph.nodes.values()):
        return ()
    return client.past.state(place.run).nodes[place.node or ""].labels
