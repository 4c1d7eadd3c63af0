"""What is said when a run is over: all rows, one line of summary, the errors, and what to type next."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ropewalk.cli.awaiting import rest_json, what_to_type
from ropewalk.cli.board import Board
from ropewalk.cli.console import Terminal
from ropewalk.cli.errors import error_block
from ropewalk.cli.history import run_before
from ropewalk.cli.lateness import how_to_go_on, late_json, late_notes
from ropewalk.cli.numbers import show_took
from ropewalk.cli.owners import MOST_FAILED, arranged
from ropewalk.cli.progress import Progress
from ropewalk.cli.rows import Line, lay_out, line_of
from ropewalk.cli.session import Session
from ropewalk.cli.tolerated import parked_note
from ropewalk.core import expr as ex
from ropewalk.core.errors import RopewalkError
from ropewalk.core.graph import Graph
from ropewalk.core.special import Loop
from ropewalk.core.state import RunState
from ropewalk.core.taskstate import CANCELLED, FAILED, SKIPPED, SUCCEEDED
from ropewalk.core.values import decode
from ropewalk.store.runs import Run

MOST_ROWS = 200  # of a larger graph only what failed or was skipped is listed
_VERDICTS = {"succeeded": ("✓", "Succeeded", "green"), "failed": ("✗", "Failed", "red"),
             "cancelled": ("–", "Cancelled", "yellow"), "paused": ("●", "Paused", "yellow")}  # fmt: skip


def report(session: Session, progress: Progress, run: Run, state: RunState, took_s: float) -> None:
    """Tell how a run ended, in the way that suits the stream."""
    board = progress.board or Board(state)
    if session.as_json:
        session.emit(summary(session, board, run, state, took_s))
    elif session.out.width is not None and session.verbosity >= 0:
        _look_up(board, session, run, state)
        for text in (*_rows(board, progress, session.out), _verdict(board, run, session.out, took_s)):
            session.out.write(text)
        for text in _next(session, run, state):
            session.out.write(text)
    if run.state == "failed":
        session.out.flush()
        listed = not session.as_json and session.out.width is not None and session.verbosity >= 0
        for index, error in enumerate(errors_of(session, run, state)):
            session.err.write(("\n" if index or listed else "") + error_block(error, session.err))
    elif session.as_json or session.out.width is None:
        for text in _notes(session, run, state):
            session.note(text)


def _notes(session: Session, run: Run, state: RunState) -> Iterator[str]:
    """What a person should know of a run whose rows are not listed."""
    if session.verbosity < 0:
        yield from late_notes(state)  # else a line has told of each
    if run.state == "succeeded" and (note := parked_note(session.client, run)):
        yield note
    elif run.state == "cancelled":
        yield f"run {run.number} was cancelled; go on: {how_to_go_on(run, state)}"
    elif run.state == "paused":
        yield from what_to_type(session.client, run)


def errors_of(session: Session, run: Run, state: RunState) -> list[RopewalkError]:
    """Why a run failed; what explains it is only loaded when it is needed."""
    if run.state != "failed":
        return []
    from ropewalk.cli.failures import blocks

    return blocks(session.client, run, state)


def _rows(board: Board, progress: Progress, terminal: Terminal) -> list[str]:
    lines = [line_of(board.rows[node], progress.before, depth, label) for node, depth, label in _listed(board)]
    if len(lines) > MOST_ROWS:
        telling = [line for line in lines if line.state not in ("succeeded", "cached", "kept")][:MOST_ROWS]
        rest = f"{len(lines) - len(telling):,} more tasks"
        lines = [*telling, Line("succeeded", "…", rest, "")]
    return lay_out(lines, terminal)


def _listed(board: Board) -> list[tuple[str, int, str]]:
    """The nodes to list: of those inside of others the first that failed."""
    failed = [n for n, row in board.rows.items() if row.owner and row.run.counts[FAILED] and not row.grows]
    return arranged([*board.tops, *failed[:MOST_FAILED]], board.owner_of)


def _look_up(board: Board, session: Session, run: Run, state: RunState) -> None:
    """Find out of loops that took all their turns whether their conditions held in the end."""
    loops = [row for row in board.rows.values() if isinstance(row.run.node.special, Loop) and not row.owner]
    if not loops:
        return
    from ropewalk.engine.explain.loops import until_held

    for row in loops:
        row.held = {i: until_held(state, run, session.client.load, row.id, i) for i in row.run.parts}


def _verdict(board: Board, run: Run, terminal: Terminal, took_s: float) -> str:
    mark, word, style = _VERDICTS[run.state]
    kept = board.count(SUCCEEDED) - board.ran - board.cached
    parts = [f"{board.ran:,} run", f"{board.cached:,} cached"]
    failed = "tolerated" if run.state == "succeeded" else "failed"
    counted = ((kept, "kept"), (board.count(FAILED), failed), (board.count(SKIPPED), "skipped"))
    parts += [f"{number:,} {word}" for number, word in (*counted, (board.count(CANCELLED), "cancelled")) if number > 0]
    saved = f" (saved {show_took(board.saved_s)})" if board.saved_s >= 0.005 else ""
    when = "after" if run.state == "paused" else "in"
    return f"{terminal.paint(mark, style)} {word} {when} {show_took(took_s)} · {', '.join(parts)}{saved}"


def _next(session: Session, run: Run, state: RunState) -> Iterator[str]:
    """What was too late, and what a person may want to type next; after a failure the errors say it."""
    yield from (f"  {text}" for text in late_notes(state))
    if run.state == "cancelled":
        yield f"  go on:    {how_to_go_on(run, state)}"
    elif run.state == "paused":
        yield from (f"  {text}" for text in what_to_type(session.client, run))
    elif run.state == "succeeded" and (note := parked_note(session.client, run)):
        yield f"  {note}"
    elif run.state == "succeeded":
        before = run_before(session.client, run)
        if before is not None:
            yield f"  compare:  ropewalk diff {before.number} {run.number}"
        elif variation := _variation(state.base, run):
            yield f"  compare:  ropewalk run {variation}"


def _variation(graph: Graph, run: Run) -> str:
    """A parameter to play with after the first run: the first number that the pipeline or a task takes."""
    target = "" if run.target.split(":")[0] == "pipeline.py" else f"{run.target} "
    for spec in graph.params:
        value = run.params.get(spec.name)
        if spec.type in ("int", "float") and (other := _other(value)) is not None:
            above = spec.maximum is not None and other > spec.maximum
            below = spec.minimum is not None and other < spec.minimum
            if not above and not below:
                return f"{target}-p {spec.name}={other:g}"
    for node in graph.nodes.values():
        for name, binding in node.bindings.items():
            if name != "seed" and isinstance(binding, ex.Const) and (other := _other(decode(binding.data))) is not None:
                return f"{target}-p {node.id}.{name}={other:g}"
    return ""


def _other(value: Any) -> float | None:
    if type(value) is int:
        return value + 1
    return value / 10 if type(value) is float and math.isfinite(value) and value else None


def summary(session: Session, board: Board, run: Run, state: RunState, took_s: float) -> dict[str, Any]:
    """A run that is over, as one JSON object."""
    return {
        **run.to_json(),
        "took_s": round(took_s, 6),
        "ran": board.ran,
        "cached": board.cached,
        "kept": board.count(SUCCEEDED) - board.ran - board.cached,
        "failed": board.count(FAILED),
        "skipped": board.count(SKIPPED),
        "cancelled": board.count(CANCELLED),
        "saved_s": round(board.saved_s, 6),
        **rest_json(session.client, run),
        **late_json(state),
        "tasks": [_task(row) for row in board.rows.values()],
        "errors": [error.to_json() for error in errors_of(session, run, state)],
    }


def _task(row: Any) -> dict[str, Any]:
    data: dict[str, Any] = {
        "task": row.id, "state": row.state, "items": row.run.length if row.is_mapped else None, "ran": row.ran,
        "cached": row.cached, "failed": row.run.counts[FAILED], "duration_s": row.duration_s, "metrics": row.metrics,
        "reused_from": row.source,
    }  # fmt: skip
    if row.owner:
        data["inside"] = row.owner
    if row.outputs:
        data["outputs"] = {
            name: {"digest": ref.digest, "type": ref.type, "size_bytes": ref.size_bytes, "preview": ref.preview}
            for name, ref in row.outputs.items()
        }
    return data
