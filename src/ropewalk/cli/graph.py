"""`graph`: a pipeline as a drawing, as Mermaid text or as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ropewalk.cli.arguments import read
from ropewalk.cli.console import cells
from ropewalk.cli.declare import Choice, command, option
from ropewalk.cli.session import Session
from ropewalk.cli.target import make_work
from ropewalk.cli.wishes import LEFTOVERS, takes_pipeline
from ropewalk.core import expr as ex
from ropewalk.core.drawing import direct, told
from ropewalk.core.graph import Graph
from ropewalk.core.grow import TEMPLATE

MOST_LANES = 30
_TEMPLATE = re.compile(rf"[\w:./*-]*{re.escape(TEMPLATE)}")  # before the names of nodes inside of others
_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
_JOINTS = {
    _UP | _DOWN: "│", _LEFT | _RIGHT: "─", _UP | _RIGHT: "╰", _UP | _LEFT: "╯", _DOWN | _LEFT: "╮",
    _DOWN | _RIGHT: "╭", _UP | _DOWN | _RIGHT: "├", _UP | _DOWN | _LEFT: "┤", _UP | _LEFT | _RIGHT: "┴",
    _DOWN | _LEFT | _RIGHT: "┬", _UP | _DOWN | _LEFT | _RIGHT: "┼", 0: " ",
}  # fmt: skip


@command(
    examples=["ropewalk graph", "ropewalk graph pipeline.py:train --format mermaid > train.mmd"],
    context_settings=dict(LEFTOVERS),
)
@takes_pipeline
@option("--format", "form", type=Choice(["ascii", "mermaid", "json"]), default="ascii", help="How to draw it.")
def graph(session: Session, words: tuple[str, ...], params: tuple[str, ...], form: str) -> None:
    """Draw a pipeline: each task below those that it needs. Nothing is run.

    [*] marks a task or pipeline that is mapped over a list, ⟲ a loop with the most turns that it takes, ⋏ a tree with
    its width, + tasks that are decided on in the run, and ? what runs only under a condition.
    """
    found = make_work(session, read(words, params)).graph
    if session.as_json or form == "json":
        session.emit(found.to_json())
    elif form == "mermaid":
        session.out.write(found.mermaid())
    else:
        for line in picture(found, session.out.width):
            session.out.write(line)


def picture(graph: Graph, width: int | None) -> list[str]:
    """The graph as lines: nodes along lanes, or, where those take too much room, a list that says what each needs."""
    labels = {node_id: label + _condition(graph, node_id) for node_id, label in graph.labels.items()}
    lines = list(draw(direct(graph.upstream), labels))
    room = 2 * MOST_LANES if width is None else max(width - 20, 2)
    bodies = list(_bodies(graph, labels, room))
    if any(cells(lanes) > room for lanes, _ in lines):
        return [*(_listed(labels[n], needs) for n, needs in graph.upstream.items()), *bodies]
    return [*(f"{lanes}  {label}" if label else lanes for lanes, label in lines), *bodies]


def _bodies(graph: Graph, labels: Mapping[str, str], room: int) -> Iterator[str]:
    """What is inside of nodes: a chain on one line, anything else as a drawing of its own."""
    for owner, needs in graph.inside.items():
        until = graph.bodies[owner].until
        ends = "" if until is None else f" until {_TEMPLATE.sub('', ex.show(until))}"
        head = f"inside {owner.replace(TEMPLATE, '/')}{ends}:"
        lines = list(draw(direct(needs), labels))
        text = told(needs, labels)
        yield ""
        if " ← " not in text or any(cells(lanes) > room for lanes, _ in lines):
            yield f"{head} {text}"
        else:
            yield head
            yield from (f"  {lanes}  {label}" if label else f"  {lanes}" for lanes, label in lines)


def _condition(graph: Graph, node_id: str) -> str:
    node = graph.nodes.get(node_id) or next(b.nodes[node_id] for b in graph.bodies.values() if node_id in b.nodes)
    return "" if node.when is None else f"  if {_TEMPLATE.sub('', ex.show(node.when))}"


def _listed(label: str, needs: Sequence[str]) -> str:
    return f"{label}  ← {', '.join(needs)}" if needs else label


def draw(needs: Mapping[str, Sequence[str]], labels: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Lines of a drawing: what stands in the lanes, and the label of the node on that line.

    Every result whose users are still to come has a lane of its own.

    Args:
        needs: for each node, in topological order, the nodes that it needs.
        labels: what to write beside each node.
    """
    users = dict.fromkeys(needs, 0)
    for ups in needs.values():
        for up in ups:
            users[up] += 1
    lanes: list[str | None] = []
    for node, ups in needs.items():
        sources = [index for index, held in enumerate(lanes) if held in ups]
        for up in ups:
            users[up] -= 1
        held = {index for index, name in enumerate(lanes) if name is not None}
        lanes = [None if name is not None and name in ups and users[name] == 0 else name for name in lanes]
        own = _own_lane(lanes, sources)
        if own == len(lanes):
            lanes.append(None)
        if sources:
            yield _joints(lanes, held, sources, own), ""
        lanes[own] = node
        yield (
            " ".join("●" if i == own else " " if name is None else "│" for i, name in enumerate(lanes)).rstrip(),
            labels[node],
        )
        if users[node] == 0:
            lanes[own] = None
        while lanes and lanes[-1] is None:
            lanes.pop()


def _own_lane(lanes: Sequence[str | None], sources: Sequence[int]) -> int:
    """The lane of a source that has ended, else a free one, to the right of its sources if there is any."""
    free = [index for index, name in enumerate(lanes) if name is None]
    ended = [index for index in sources if lanes[index] is None]
    right = [index for index in free if not sources or index > max(sources)]
    return min(ended or right or [len(lanes)])


def _joints(lanes: Sequence[str | None], held: set[int], sources: Sequence[int], own: int) -> str:
    """The line between two nodes, on which the sources of the lower one flow together."""
    first, last = min(*sources, own), max(*sources, own)
    row = []
    for index in range(len(lanes)):
        ways = _UP if index in held else 0
        ways |= _DOWN if lanes[index] is not None or index == own else 0
        joins = index in sources or index == own
        if first <= index <= last and (joins or ways == 0):
            ways |= _LEFT if index > first else 0
            ways |= _RIGHT if index < last else 0
        row.append(_JOINTS[ways] if joins or ways != _UP | _DOWN else "│")
        row.append("─" if first <= index < last else " ")
    return "".join(row).rstrip()
