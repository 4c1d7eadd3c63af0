"""What a run would do, node by node, and why: the answer of `ropewalk plan`."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ropewalk.core.policy import Order
from ropewalk.core.quantity import show_duration

ACTIONS = ("run", "fail", "maybe", "reuse", "skip")  # the first that some task run of a node has is the node's
_MARKS = {"run": "▸", "fail": "✗", "maybe": "?", "reuse": "=", "skip": "-"}
_WORDS = {"run": "will run", "fail": "will fail", "maybe": "may run", "reuse": "cached", "skip": "skipped"}


@dataclass(frozen=True, slots=True)
class PlanRow:
    """What a run would do with one node.

    Attributes:
        action: `run`: executed for certain, if what it needs succeeds; `maybe`: its inputs come from a task that is
            executed, and it is reused if these come out the same; `reuse`: not executed; `skip`: its condition is
            known to be false; `fail`: its inputs cannot be worked out.
        counts: task runs by action.
        items: number of its task runs; None: not known before something else has run.
        reasons: why, in short texts, most telling first.
        sources: runs that computed what is reused, newest first.
        estimate_s: seconds of work in task runs that will or may be executed; None: nothing to judge by.
        saved_s: seconds of work that reuse saves.
        critical: whether it is on the critical path.
    """

    node: str
    action: str
    counts: Mapping[str, int]
    items: int | None
    reasons: tuple[str, ...] = ()
    sources: tuple[int, ...] = ()
    estimate_s: float | None = None
    saved_s: float = 0.0
    critical: bool = False

    @property
    def label(self) -> str:
        """The action in words, with numbers where its task runs differ: "3 to run, 97 cached"."""
        if len(self.counts) < 2:
            return _WORDS[self.action]
        words = {"run": "to run", "maybe": "perhaps", "fail": "will fail", "reuse": "cached", "skip": "skipped"}
        return ", ".join(f"{self.counts[a]} {words[a]}" for a in ACTIONS if self.counts.get(a))

    @property
    def note(self) -> str:
        """The reasons in one line, or where the result comes from."""
        if self.reasons or not self.sources:
            return "; ".join(self.reasons)
        return f"from run {', '.join(map(str, self.sources[:3]))}{'…' if len(self.sources) > 3 else ''}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"label": self.label}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do, and why; nothing was executed to find out.

    Attributes:
        since: the newest run of the pipeline before this; None: there is none.
        changed: parameters that have other values than in that run, such as "train.c 1.0 → 0.1".
        estimate_s: seconds until everything is done that will or may be executed, on `workers` workers.
        least_s: the same for what will be executed for certain.
        unknown: nodes without any history; the estimates do not count them.
        judged_by: the runs that the estimates come from, newest first.
        saved_s: seconds of work that reuse saves.
        critical_path: the chain of nodes that takes longest.
        order: what of the ready work goes first.
        orders_s: what `estimate_s` would be in each order, or only in this one if nothing was ever timed; empty: nobody
            has asked.
    """

    pipeline: str
    rows: tuple[PlanRow, ...]
    since: int | None = None
    changed: tuple[str, ...] = ()
    workers: int = 1
    estimate_s: float = 0.0
    least_s: float = 0.0
    unknown: tuple[str, ...] = ()
    judged_by: tuple[int, ...] = ()
    saved_s: float = 0.0
    critical_path: tuple[str, ...] = ()
    order: Order = "critical-path"
    orders_s: Mapping[Order, float] = field(default_factory=dict)

    def count(self, action: str) -> int:
        """How many task runs have this action; a node whose number of items is not known counts as last time."""
        return sum(row.counts.get(action, 0) for row in self.rows)

    @property
    def to_run(self) -> int:
        """Task runs that will be executed."""
        return self.count("run")

    @property
    def maybe(self) -> int:
        """Task runs that will be executed unless their inputs come out as before."""
        return self.count("maybe")

    @property
    def cached(self) -> int:
        """Task runs that will be reused."""
        return self.count("reuse")

    def __getitem__(self, node: str) -> PlanRow:
        for row in self.rows:
            if row.node == node:
                return row
        raise KeyError(node)

    @property
    def title(self) -> str:
        """What changed since the newest run, in one line."""
        if self.since is None:
            return f"{self.pipeline} — has not run before"
        if self.changed:
            return f"{self.pipeline} — changed since run {self.since}: {', '.join(self.changed)}"
        still = self.to_run + self.maybe + self.count("fail") == 0
        return (
            f"{self.pipeline} — {'nothing has changed' if still else 'compared with what ran'} since run {self.since}"
        )

    @property
    def summary(self) -> str:
        """Counts and the estimate in one line: "2 to run, 2 cached · about 0.3s, judging by the last 2 runs"."""
        named = {"run": "to run", "maybe": "perhaps to run", "fail": "to fail", "reuse": "cached", "skip": "skipped"}
        counts = [f"{n} {named[a]}" for a in ACTIONS if (n := self.count(a)) or a in ("run", "reuse")]
        return " · ".join(part for part in (", ".join(counts), self._forecast()) if part)

    @property
    def order_note(self) -> str:
        """The order and when all is done in it: "deadline, about 12.0s on 2 workers (fifo: about 14.0s)"."""
        if not self.orders_s or not self.to_run + self.maybe:
            return ""
        if not self.judged_by:
            return f"{self.order}, by the number of tasks in a chain" if self.order != "fifo" else self.order
        workers = "1 worker" if self.workers == 1 else f"{self.workers} workers"
        own, plain = (show_duration(s) for s in (self.orders_s[self.order], self.orders_s["fifo"]))
        beside = f" (fifo: about {plain})" if plain != own else ""
        return f"{self.order}, about {own} on {workers}{beside}"

    def _forecast(self) -> str:
        if not self.judged_by:
            return "never timed" if self.unknown else ""
        runs = len(self.judged_by)
        judged = "judging by the last run" if runs == 1 else f"judging by the last {runs} runs"
        if self.unknown:
            return f"at least {show_duration(self.estimate_s)} ({', '.join(self.unknown)} never timed), {judged}"
        return f"about {show_duration(self.estimate_s)}, {judged}"

    def to_json(self) -> dict[str, Any]:
        counts = {action: self.count(action) for action in ACTIONS}
        return asdict(self) | {"rows": [row.to_json() for row in self.rows], "counts": counts, "summary": self.summary}

    def __str__(self) -> str:
        names, labels = (max(map(len, column), default=0) for column in zip(*self._cells(), strict=True))
        lines = [
            f"  {_MARKS[row.action]} {row.node:<{names}}  {row.label:<{labels}}  {row.note}".rstrip()
            for row in self.rows
        ]
        order = [f"  order: {self.order_note}"] if self.order_note else []
        return "\n".join([self.title, *lines, self.summary, *order])

    def _cells(self) -> list[tuple[str, str]]:
        return [(row.node, row.label) for row in self.rows] or [("", "")]

    def _repr_html_(self) -> str:
        left = "style='text-align:left'"
        body = "".join(
            f"<tr><td>{_MARKS[row.action]}</td><td {left}>{_node_html(row)}</td>"
            f"<td {left}>{html.escape(row.label)}</td><td {left}>{html.escape(row.note)}</td>"
            f"<td>{_seconds_html(row)}</td></tr>"
            for row in self.rows
        )
        head = f"<tr><th></th><th {left}>task</th><th {left}>plan</th><th {left}>why</th><th>about</th></tr>"
        title, summary = html.escape(self.title), html.escape(self.summary)
        return f"<div><b>{title}</b><table>{head}{body}</table><div>{summary}</div></div>"


def _node_html(row: PlanRow) -> str:
    name = html.escape(row.node)
    return f"<b title='on the critical path'>{name}</b>" if row.critical else name


def _seconds_html(row: PlanRow) -> str:
    return "" if row.estimate_s is None else show_duration(row.estimate_s)
