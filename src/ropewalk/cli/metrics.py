"""`metrics`: what the tasks of a run measured, as tables that compare."""

from __future__ import annotations

from typing import Any

from ropewalk.cli.console import table
from ropewalk.cli.declare import argument, command, option
from ropewalk.cli.numbers import show_metric
from ropewalk.cli.places import Place, existing_store, find_place
from ropewalk.cli.session import Session
from ropewalk.core import expr as ex
from ropewalk.core.errors import UsageError, did_you_mean
from ropewalk.core.graph import Node
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
    measured = [row for row in tasks.listing(session.client.db, at.run.number, at.node) if row.metrics]
    if not steps:
        measured = [row for row in measured if _plain(row.metrics)]
    if session.as_json:
        session.emit([{"node": r.node, "item": r.item, "metrics": r.metrics} for r in measured])
        return
    if not measured:
        session.note(f"No task of run {at} logged a metric: a task does so with ropewalk.context().log_metric")
    _check_known(by, measured)
    for node in dict.fromkeys(row.node for row in measured):
        _table(session, at, [row for row in measured if row.node == node], by, steps)


def _plain(metrics: dict[str, float]) -> list[str]:
    return [name for name in metrics if "@" not in name]


def _check_known(by: str | None, measured: list[TaskRun]) -> None:
    known = {name for row in measured for name in row.metrics}
    if by is not None and measured and by not in known:
        guess = did_you_mean(by, known)
        raise UsageError(f"no task logged a metric `{by[:80]}`", help=[f"did you mean `{guess}`?"] if guess else [])


def _table(session: Session, at: Place, rows: list[TaskRun], by: str | None, steps: bool) -> None:
    names = list(dict.fromkeys(n for row in rows for n in (row.metrics if steps else _plain(row.metrics))))
    if by in names:
        rows = sorted(rows, key=lambda row: row.metrics.get(str(by), float("-inf")), reverse=True)
    node = at.graph.nodes[rows[0].node]
    lines = [(node.id, *names)]
    for row in rows:
        values = (show_metric(row.metrics[name]) if name in row.metrics else "" for name in names)
        lines.append((_label(node, row.item), *values))
    shown = table(lines, width=session.out.width, right=range(1, len(names) + 1))
    session.out.write("\n".join([session.out.paint(shown[0], "bold"), *shown[1:]]))


def _label(node: Node, item: int) -> str:
    """What an item is mapped over, where the graph says it; its index beside it."""
    if node.map is None:
        return ""
    shown = [_short(node.bindings[name], item) for name in node.map.names] if node.map.mode == "zip" else []
    return " ".join([f"[{item}]", *filter(None, shown)])


def _short(binding: ex.Expr, item: int) -> str:
    if not isinstance(binding, ex.Const):
        return ""
    values: Any = decode(binding.data)
    value = list(values)[item]
    return " ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
