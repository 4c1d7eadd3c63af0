"""A row of the board as a line of text: a mark, the name, what there is to tell, how long it took."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ropewalk.cli.awaiting import answer_of, what_is_awaited
from ropewalk.cli.console import Terminal, cells, fit, pad
from ropewalk.cli.numbers import show_change, show_count, show_metric
from ropewalk.cli.owners import failed_in, outcome_of, progress_of
from ropewalk.cli.tolerated import TOLERATED, extent
from ropewalk.core.artifact import Failure, Outputs
from ropewalk.core.noderun import PART
from ropewalk.core.quantity import show_duration, show_size
from ropewalk.core.taskstate import CANCELLED, FAILED, SKIPPED
from ropewalk.core.tolerance import failed_too_much

if TYPE_CHECKING:
    from ropewalk.cli.board import Row  # for what is under way; what is over needs no scheduler

MARKS = {
    "succeeded": ("✓", "green"), "cached": ("=", "cyan"), "kept": ("=", "cyan"), "failed": ("✗", "red"),
    "skipped": ("-", "dim"), "cancelled": ("–", "yellow"), "running": ("●", "blue"), "ready": ("○", "dim"),
    "waiting": ("·", "dim"), "paused": ("●", "yellow"), "queued": ("○", "dim"),
}  # fmt: skip
DETAIL_CELLS = 35  # the column is never narrower, so that short runs look alike
_MOST_METRICS, _MOST_PREVIEWS = 3, 2
_BAR_CELLS = 20

Before = Callable[[str], Mapping[str, float]]  # metrics of a node in the run before


@dataclass(frozen=True, slots=True)
class Line:
    """One row before it is laid out."""

    state: str
    name: str
    detail: str
    took: str
    depth: int = 0  # inside of how many others


def line_of(row: Row, before: Before, depth: int = 0, label: str = "") -> Line:
    """What there is to tell of a row.

    Args:
        depth: inside of how many others it stands.
        label: what it is called there.
    """
    state = row.state
    duration_s = row.duration_s if state in ("succeeded", "failed", "running", "cancelled") else None
    took = "" if duration_s is None else show_duration(duration_s)
    return Line(state, label or row.id, _detail(row, state, before), took, depth)


def _detail(row: Row, state: str, before: Before) -> str:
    if state == "skipped":
        return f"skipped ({row.run.reason})" if row.run.reason else "skipped"
    if row.is_mapped and state not in ("waiting", "kept"):
        return _mapped(row, state)
    if row.run.parts and state not in ("failed", "kept", "cancelled"):
        return _owner(row, state)
    if state == "cached":
        return f"cached from run {row.source}"
    if text := _of_a_wait(row, state):
        return text
    if state == "failed":
        return failed_in(row.run) or headline(next(iter(row.run.failures.values()), None))
    if state == "running" and row.progress is not None:
        done, total = row.progress
        return f"{bar(done, total)} {done:g} of {total:g}"
    if row.retry is not None and state in ("ready", "running"):
        return f"attempt {row.retries + 1}, after {headline(row.retry.failure)}"
    if state == "succeeded":
        return "" if row.is_dynamic else describe(row.outputs, row.metrics, before(row.id) if row.metrics else {})
    return "" if state in ("waiting", "ready", "running") else state


def _of_a_wait(row: Row, state: str) -> str:
    """What there is to tell of a node that waits for something outside, or for a person, and of no other."""
    if state == "succeeded" and row.run.node.kind == "approval":
        return answer_of(row.outputs)
    return what_is_awaited(row.run) if state in ("waiting", "running") else ""


def _owner(row: Row, state: str) -> str:
    """A node with nodes of its own that is not mapped."""
    if not row.run.settled:
        return progress_of(row.run, row.ran + row.cached)
    parts = (outcome_of(row.run, row.held), describe(row.outputs, {}, {}))
    cached = f"cached from run {row.source}" if state == "cached" else f"{row.cached:,} cached" if row.cached else ""
    return " · ".join(part for part in (*parts, cached) if part)


def _mapped(row: Row, state: str) -> str:
    counts, length = row.run.counts, row.run.length
    failed, tolerated = (counts[FAILED], 0) if failed_too_much(row.run) else (0, counts[FAILED])
    if state == "cached":
        return f"{show_count(length, 'item')} cached from run {row.source}"
    if not row.run.settled:
        parts = [f"{bar(row.done, length)} {row.done:,} of {length:,}"]
    else:
        parts = [extent(length, tolerated)]
    if row.grows and row.run.settled:
        parts.append(outcome_of(row.run, row.held))
    cached = 0 if row.grows else row.cached  # of a node with nodes of its own these are not items
    notes = ((cached, "cached"), (failed, "failed"), (tolerated, TOLERATED), (counts[SKIPPED], "skipped"))
    more = ((counts[CANCELLED], "cancelled"), (row.retries, "retried"))
    parts += [f"{number:,} {word}" for number, word in (*notes, *more) if number]
    if state == "failed":
        failure = row.run.failures.get(row.failed[0]) if row.failed else None
        parts.append("" if failure is not None and failure.kind == PART else headline(failure))
    return " · ".join(part for part in parts if part)


def headline(failure: Failure | None) -> str:
    """What went wrong, on one line."""
    return failure.message.strip().split("\n", 1)[0][:200] if failure is not None else ""


def describe(outputs: Outputs, metrics: Mapping[str, float], before: Mapping[str, float]) -> str:
    """What a task made: its metrics, with their change, and previews of its results."""
    parts = []
    for name, value in metrics.items():
        if "@" not in name:  # the history of a metric
            change = show_change(value, before[name]) if name in before else ""
            parts.append(f"{name} {show_metric(value)} {change}".rstrip())
    shown = parts[:_MOST_METRICS]
    shown += list(_previews(outputs))[: _MOST_PREVIEWS if shown else _MOST_PREVIEWS + 1]
    return " · ".join(shown)


def _previews(outputs: Outputs) -> Iterable[str]:
    for name, ref in outputs.items():
        if name.startswith("figure:"):
            continue
        text = ref.preview or show_size(ref.size_bytes)
        if text != "None":
            yield text if name == "result" else f"{name} {text}"


def bar(done: float, total: float) -> str:
    """How far something has come."""
    full = round(_BAR_CELLS * min(1.0, max(0.0, done / total))) if total > 0 else _BAR_CELLS
    return "█" * full + "░" * (_BAR_CELLS - full)


def lay_out(lines: Sequence[Line], terminal: Terminal, *, name_cells: int = 0) -> list[str]:
    """Lines with their columns aligned, no wider than the terminal.

    Args:
        name_cells: least width of the column of names, so that a part of a list looks like the whole.
    """
    names = max([name_cells, *(cells(line.name) + 2 * line.depth for line in lines)])
    details = max([DETAIL_CELLS, *(cells(line.detail) + 3 for line in lines if line.took)])
    rest = sys.maxsize  # room for what follows the name
    if terminal.width is not None:
        took = max((cells(line.took) for line in lines), default=0)
        names = min(names, max(8, terminal.width // 3))
        rest = max(8, terminal.width - names - len("  ✓     "))
        details = max(8, min(details, rest - took))
    return [_laid_out(line, names, (details, rest), terminal) for line in lines]


def _laid_out(line: Line, names: int, room: tuple[int, int], terminal: Terminal) -> str:
    """One line; the detail has the first of `room` before a duration, and the second where there is none."""
    mark, style = MARKS[line.state]
    detail = fit(line.detail, room[0] - 1 if line.took else room[1])
    painted = terminal.paint(detail, style) if line.state in ("cached", "kept", "failed", "skipped") else detail
    names = max(0, names - 2 * line.depth)
    name = f"{'  ' * line.depth}{terminal.paint(mark, style)} {pad(fit(line.name, names), names)}"
    text = f"  {name}    {pad(painted, room[0])}{line.took}"
    return text.rstrip()
