"""Why a run failed: a block for each distinct error, with the inputs, what changed since, and what to type."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ropewalk.cli.console import fit
from ropewalk.cli.numbers import show_count
from ropewalk.cli.rows import headline
from ropewalk.core import expr as ex
from ropewalk.core.artifact import Failure
from ropewalk.core.errors import ExecutionError, RopewalkError, Where
from ropewalk.core.graph import Node
from ropewalk.core.nesting import Spot, grows, spot_of, template_of
from ropewalk.core.noderun import PART
from ropewalk.core.special import Approval
from ropewalk.core.state import RunState
from ropewalk.core.taskstate import FAILED
from ropewalk.engine.client import Client
from ropewalk.engine.explain.recorded import Recorded
from ropewalk.engine.explain.why import why
from ropewalk.engine.inputs import Source, Stored, Value, Whole
from ropewalk.store.runs import Run

MOST_BLOCKS = 5
_CODES = {"unstorable": "P310", "timeout": "P302", "oom": "P340"}


@dataclass(slots=True)
class Case:
    """One distinct error and the task runs that it befell."""

    failure: Failure
    places: list[tuple[str, int]] = field(default_factory=list)


def cases(state: RunState) -> list[Case]:
    """The distinct errors of a run, in the order of the graph; the same exception at the same line is the same.

    That a node failed since one of its own did is told of the latter only.
    """
    found: dict[tuple[object, ...], Case] = {}
    for node_id, run in state.nodes.items():
        if not run.counts[FAILED]:
            continue
        for item, failure in sorted(run.failures.items()):
            if run.state(item) is FAILED and failure.kind != PART:
                fingerprint = _fingerprint(template_of(node_id, state.graph.nodes), failure)
                found.setdefault(fingerprint, Case(failure)).places.append((node_id, item))
    return list(found.values())


def _fingerprint(node: str, failure: Failure) -> tuple[object, ...]:
    if failure.file:
        return (failure.kind, failure.error_type, failure.file, failure.line)
    return (failure.kind, failure.error_type, node, "" if failure.error_type else failure.message)


def blocks(client: Client, run: Run, state: RunState) -> list[RopewalkError]:
    """The errors to show: at most MOST_BLOCKS, the last of which says how many more there are."""
    found = cases(state)
    recorded = Recorded(client, run, state.graph)
    shown: list[RopewalkError] = [_block(client, recorded, state, case) for case in found[:MOST_BLOCKS]]
    if len(found) > MOST_BLOCKS:
        more = show_count(len(found) - MOST_BLOCKS, "more distinct error")
        shown[-1].facts = (*shown[-1].facts, f"and {more}: ropewalk show {run.number}")
    return shown


def _block(client: Client, recorded: Recorded, state: RunState, case: Case) -> RopewalkError:
    node_id, item = case.places[0]
    run, failure = recorded.run, case.failure
    node = state.graph.nodes[node_id]
    if failure.kind == "rejected":
        return _rejection(run, state, node, failure)
    name = f"{node_id}[{state.nodes[node_id].label(item)}]" if node.map is not None else node_id
    return ExecutionError(
        f"task `{name}` {'timed out' if failure.kind == 'timeout' else 'failed'}: {headline(failure)}",
        code=_CODES.get(failure.kind, "P301"),
        where=_where(failure),
        facts=[*_extent(state, case), *_own_facts(failure), *_past(client, recorded, node, item)],
        help=[*failure.help, *_commands(client, run, state, node, item)],
    )


def _rejection(run: Run, state: RunState, node: Node, failure: Failure) -> RopewalkError:
    asked = [f"asked: {node.special.message}"] if isinstance(node.special, Approval) else []
    again = f"ropewalk retry {run.number}      ask again, and {_keeping(state, node.id)}"
    story = headline(failure)
    was = "" if story.startswith("expired") else "was "
    return ExecutionError(f"approval `{node.id}` {was}{story}", code="P337", facts=asked, help=[again])


def _where(failure: Failure) -> Where | None:
    if not failure.file:
        return None
    callers = [fact for fact in failure.facts if fact.startswith("called from ")]
    detail = f"in {failure.function}()" if failure.function else ""
    if callers:
        place = callers[0].removeprefix("called from ").split(" ", 1)[0]
        detail += f", called from {place}"
    return Where(failure.file, failure.line, failure.text, detail)


def _own_facts(failure: Failure) -> list[str]:
    return [fact for fact in failure.facts if not fact.startswith("called from ")]


def _extent(state: RunState, case: Case) -> Iterator[str]:
    """How many items and tasks it befell, and in which turn or item of another the first of them is."""
    nodes = state.graph.nodes
    if (spot := spot_of(case.places[0][0], nodes)) is not None:
        yield f"in {_spots(state, case, spot)}"
    by_node: dict[str, list[int]] = {}
    for node_id, item in case.places:
        by_node.setdefault(node_id, []).append(item)
    templates: dict[str, list[str]] = {}
    for node_id in by_node:
        templates.setdefault(template_of(node_id, nodes), []).append(node_id)
    for template, places in templates.items():
        node_id, items = places[0], by_node[places[0]]
        prefix = "" if len(templates) == 1 else f"{template}: "
        if len(places) > 1:
            yield f"{prefix}{sum(len(by_node[p]) for p in places):,} times in `{template}`"
        elif nodes[node_id].map is not None:
            first = state.nodes[node_id].label(items[0])
            yield f"{prefix}{len(items):,} of {show_count(state.nodes[node_id].length, 'item')}; first: [{first}]"
    others = [f"`{template}`" for template in list(templates)[1:]]
    if others:
        yield f"the same befell {', '.join(others[:5])}" + (f" and {len(others) - 5} more" if len(others) > 5 else "")


def _spots(state: RunState, case: Case, first: Spot) -> str:
    """Where it happened, and in how many items of the same owner, if in several."""
    spots = [spot_of(node_id, state.graph.nodes) for node_id, _ in case.places]
    items = {spot.item for spot in spots if spot is not None and spot.owner == first.owner}
    if len(items) < 2:
        return str(first)
    length = state.nodes[first.owner].length
    return f"{len(items):,} of {length:,} items of `{first.owner}`, first in item {first.item}"


def _past(client: Client, recorded: Recorded, node: Node, item: int) -> Iterator[str]:
    """The inputs of the task run, its attempts, and what changed since it last succeeded."""
    with contextlib.suppress(RopewalkError, LookupError):
        if inputs := inputs_of(recorded, node, item):
            yield f"inputs: {', '.join(inputs)}"
        found = why(client, recorded.run, node.id, item)
        own = found.failure.facts if found.failure is not None else ()
        yield from (fact for fact in found.facts if fact not in own)


def inputs_of(recorded: Recorded, node: Node, item: int, *, most: int = 6) -> list[str]:
    """The inputs of a task run, one short text each: "df 150 rows × 5 (load@1)", "c=1.0"."""
    parts = recorded.parts(node.id, item)
    shown = []
    for name, given in list(parts.inputs.items())[:most]:
        binding = node.bindings[name]
        ref = next(iter(ex.refs(binding)), None)
        if ref is None:
            shown.append(f"{name}={given.text}")
        else:
            shown.append(_element(recorded, node, name, item) or f"{name} {_preview(recorded, binding, given.text)}")
    left = len(parts.inputs) - len(shown)
    return [*shown, f"{left} more"] if left > 0 else shown


def _element(recorded: Recorded, node: Node, name: str, item: int) -> str:
    """What an item is of the list that is mapped over, where that is a plain value."""
    if node.map is None or node.map.mode != "zip" or name not in node.map.names:
        return ""
    resolver = recorded.reader.resolver
    try:
        element = resolver.elements(resolver.source(node.bindings[name]))[item]
    except (RopewalkError, LookupError):  # it failed for that: it is no list, or is gone
        return ""
    return f"{name}={fit(ex.show(ex.Const(element.data)), 60)}" if isinstance(element, Value) else ""


def _preview(recorded: Recorded, binding: ex.Expr, text: str) -> str:
    """What a result looks like, and which run computed it."""
    if not isinstance(binding, ex.Ref) or recorded.graph.nodes[binding.node].map is not None:
        return f"({text})"
    source: Source = recorded.reader.resolver.source(binding)
    row = recorded.row(binding.node, 0)
    maker = recorded.run.number if row is None or row.source is None else row.source
    look = ""
    if isinstance(source, Stored) and not source.path:
        look = source.ref.preview
    elif isinstance(source, Whole):
        look = f"{len(source.outputs)} parts"
    return f"{look} ({text}@{maker})".strip()


def _commands(client: Client, run: Run, state: RunState, node: Node, item: int) -> list[str]:
    place = f"{run.number}/{node.id}" + (f"/{state.nodes[node.id].label(item)}" if node.map is not None else "")
    lines = [
        (f"ropewalk debug {place}", "stop at the error with the same inputs"),
        (f"ropewalk retry {run.number}", _keeping(state, node.id)),
    ]
    if node.kind == "wait" and state.nodes[node.id].failures[item].kind == "timeout":
        del lines[0]  # there is no error to stop at
    if length := _log_lines(client, run, state, node.id, item):
        lines.append((f"ropewalk logs {place}", show_count(length, "line")))
    width = max(len(command) for command, _ in lines)
    return [f"{command:<{width}}      {note}".rstrip() for command, note in lines]


def _keeping(state: RunState, node: str) -> str:
    anew = {*state.undone, *(undone for undone, _ in state.undone.values())}
    done = [n for n, run in state.nodes.items() if run.all_succeeded and run.length and not grows(run.node)]
    kept = [n for n in done if n not in anew]
    spot = spot_of(node, state.graph.nodes)
    start = f"run from `{node}` on" if spot is None else f"go on in {spot}"
    if not kept:
        return start
    names = " and ".join(kept) if len(kept) <= 2 else f"{len(kept)} tasks that succeeded"
    return f"{start}, keeping {names}"


def _log_lines(client: Client, run: Run, state: RunState, node: str, item: int) -> int:
    attempt = state.nodes[node].attempts.get(item, 1)
    path: Path = client.home.log(run.number, node, item, attempt)
    try:
        with path.open("rb") as file:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
    except OSError:
        return 0
