"""`metrics`: what the tasks of a run measured, as tables that compare."""

from __future__ import annotations

from typing import Any

from ropewalk.cli.console import table
from ropewalk.cli.declare import argument, command, option
from ropewalk.cli.numbers import show_metric
from ropewalk.cli.places import Place, existing_store, find_place
from ropewalk.cli.session import Session
from ropewalk.core import expr as ex
from ropewalk.core.errors import RopewalkError, UsageError, did_you_mean
from ropewalk.core.nesting import spot_of, template_of
from ropewalk.core.values import decode
from ropewalk.store import tasks
from ropewalk.store.tasks import TaskRun


@command(examples=["ropewalk metrics", "ropewalk metrics last/evaluate --by validation_auc"])
@argument("place", default="last", metavar="[RUN[/TASK]]")
@option("--by", metavar="METRIC", help="Put the largest of this metric first.")
@option("--steps", is_flag=True, help="Show metrics of single steps too (name@step).")
def metrics(session: Session, place: str, by: str | None, steps: bool) -> None:
    """Show what the tasks of a run measured: a table for each task, a line for each item."""
    existing_store(session)
    at = find_place(session.client, place)
    found = tasks.listing(session.client.db, at.run.number, None if at.inside else at.node)
    measured = [row for row in found if row.metrics and at.covers(row.node, row.item)]
    if not steps:
        measured = [row for row in measured if _plain(row.metrics)]
    if session.as_json:
        session.emit([{"node": r.node, "item": r.item, "metrics": r.metrics} for r in measured])
        return
    if not measured:
        session.note(f"No task of run {at} logged a metric: a task does so with ropewalk.context().log_metric")
    _check_known(by, measured)
    tables: dict[str, list[TaskRun]] = {}
    for row in measured:
        tables.setdefault(template_of(row.node, at.graph.nodes), []).append(row)
    for title, rows in tables.items():
        _table(session, at, title, sorted(rows, key=_natural), by, steps)


def _plain(metrics: dict[str, float]) -> list[str]:
    return [name for name in metrics if "@" not in name]


def _check_known(by: str | None, measured: list[TaskRun]) -> None:
    known = {name for row in measured for name in row.metrics}
    if by is not None and measured and by not in known:
        guess = did_you_mean(by, known)
        raise UsageError(f"no task logged a metric `{by[:80]}`", help=[f"did you mean `{guess}`?"] if guess else [])


def _natural(row: TaskRun) -> tuple[list[tuple[int, str]], int]:
    """Turn 10 after turn 9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in row.node.split("/")], row.item


def _table(session: Session, at: Place, title: str, rows: list[TaskRun], by: str | None, steps: bool) -> None:
    names = list(dict.fromkeys(n for row in rows for n in (row.metrics if steps else _plain(row.metrics))))
    if by in names:
        rows = sorted(rows, key=lambda row: row.metrics.get(str(by), float("-inf")), reverse=True)
    lines = [(title, *names)]
    for row in rows:
        values = (show_metric(row.metrics[name]) if name in row.metrics else "" for name in names)
        lines.append((_label(at, row), *values))
    shown = table(lines, width=session.out.width, right=range(1, len(names) + 1))
    session.out.write("\n".join([session.out.paint(shown[0], "bold"), *shown[1:]]))


def _label(at: Place, row: TaskRun) -> str:
    """What an item is mapped over, where the graph says it; its index beside it, and the turn or item that it is in."""
    node, item = at.graph.nodes[row.node], row.item
    spot = spot_of(node.id, at.graph.nodes)
    within = node.id.removeprefix(f"{spot.owner.partition('/')[0]}/") if spot is not None else ""
    if node.map is None:
        return within
    shown = [_short(node.bindings[name], item) for name in node.map.names] if node.map.mode == "zip" else []
    return " ".join([f"{within}[{item}]", *filter(None, shown)])


def _short(binding: ex.Expr, item: int) -> str:
    if not isinstance(binding, ex.Const):
        return ""
    try:
        value: Any = list(decode(binding.data))[item]
    except RopewalkError:  # of a class that cannot be imported here
        return ex.show(ex.Const(binding.data[item])) if isinstance(binding.data, list) else ""
    return " ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
