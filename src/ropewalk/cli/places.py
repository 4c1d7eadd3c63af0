"""What people mean by RUN, RUN/TASK and RUN/TASK/ITEM."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ropewalk.cli.session import Session
from ropewalk.core.errors import NotFoundError, UsageError, did_you_mean
from ropewalk.core.graph import Graph
from ropewalk.engine.client import Client
from ropewalk.store import runs
from ropewalk.store.runs import Run

_RECENT = 500  # runs among which a prefix of a name is looked for
_ITEM = re.compile(r"(.+?)(?:/(\d+)|\[(\d+)\])")


@dataclass(frozen=True, slots=True)
class Place:
    """A run, a node of it, or one item of the node."""

    run: Run
    graph: Graph
    node: str | None = None
    item: int | None = None

    def __str__(self) -> str:
        parts = [str(self.run.number), *([self.node] if self.node else [])]
        return "/".join([*parts, *([str(self.item)] if self.item is not None else [])])


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
    graph = client.graph(run.graph)
    if not rest:
        return Place(run, graph)
    if rest in graph.nodes:
        return Place(run, graph, rest)
    match = _ITEM.fullmatch(rest)
    if match and match[1] in graph.nodes:
        return Place(run, graph, match[1], int(match[2] or match[3]))
    guess = did_you_mean(rest, graph.nodes)
    raise NotFoundError(
        f"run {run.number} has no task `{rest[:80]}`",
        facts=[f"it has: {', '.join(list(graph.nodes)[:20])}" + (" …" if len(graph.nodes) > 20 else "")],
        help=[f"did you mean {run.number}/{guess}?"] if guess else [f"ropewalk show {run.number}"],
    )
