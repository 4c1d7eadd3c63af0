"""A run as Python and notebooks see it."""

from __future__ import annotations

import html
import time
from typing import Any

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.materialize import load
from ropewalk.core import expr as ex
from ropewalk.core.artifact import ArtifactRef, Failure
from ropewalk.core.errors import ExecutionError, NotFoundError, did_you_mean
from ropewalk.core.noderun import PART
from ropewalk.core.quantity import show_duration
from ropewalk.core.state import RunState
from ropewalk.core.taskstate import FAILED, SUCCEEDED
from ropewalk.engine.inputs import Resolver
from ropewalk.store.runs import Run


class RunResult:
    """One run: its state, and the values that it made.

    `result["train"]` is the value that the node returned (of a mapped node the list of its items' values), and
    `result.output` what the pipeline returned.
    """

    def __init__(self, run: Run, state: RunState, blobs: Blobs) -> None:
        self.run = run
        self._state = state
        self._blobs = blobs
        self._resolver = Resolver(state, run.params, lambda ref: load(ref, blobs))

    @property
    def number(self) -> int:
        return self.run.number

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def state(self) -> str:
        return self.run.state

    @property
    def nodes(self) -> dict[str, dict[str, int]]:
        """For each node how many of its task runs are in which state."""
        return {
            node_id: {s.label: run.counts[s] for s in type(SUCCEEDED) if run.counts[s]}
            for node_id, run in self._state.nodes.items()
        }

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics that tasks logged, as "node.name" (of mapped nodes "node[item].name")."""
        found = {}
        for node_id, run in self._state.nodes.items():
            for item, metrics in run.metrics.items():
                label = f"{node_id}[{item}]" if run.node.map else node_id
                found.update({f"{label}.{name}": value for name, value in metrics.items()})
        return found

    @property
    def failures(self) -> dict[str, Failure]:
        """Why task runs failed, by node, or "node[item]" where it is mapped."""
        return {
            f"{node_id}[{item}]" if run.node.map else node_id: run.failures[item]
            for node_id, run in self._state.nodes.items()
            for item in run.items(FAILED)
        }

    @property
    def output(self) -> Any:
        """What the pipeline returned; None when it returns nothing, or the result of a task that was skipped.

        Raises:
            ExecutionError: it was not computed, because the run did not succeed.
        """
        expr = self._state.graph.output
        if expr is None:
            return None
        try:
            return self._value(expr, "its output")
        except ExecutionError:
            if self.state == "succeeded":
                return None
            raise

    def __getitem__(self, node: str) -> Any:
        if node not in self._state.nodes:
            guess = did_you_mean(node, self._state.nodes)
            raise NotFoundError(
                f"run {self.number} has no task `{node}`",
                facts=[f"it has: {', '.join(self._state.nodes)}"],
                help=[f"did you mean `{guess}`?"] if guess else [],
            )
        return self._value(ex.Ref(node), f"`{node}`")

    def artifacts(self, node: str) -> list[dict[str, ArtifactRef]]:
        """The artifacts of each task run of a node."""
        return [dict(outputs or {}) for outputs in self._state.nodes[node].outputs]

    def _value(self, expr: ex.Expr, what: str) -> Any:
        try:
            return self._resolver.value(self._resolver.source(expr))
        except (ex.Unavailable, IndexError) as error:
            rests = self.state == "paused"
            raise ExecutionError(
                f"{what} was not computed in run {self.number}, which is {self.state}",
                facts=[f"it waits: {self._state.resting}"] if rests else [],
                help=[f"ropewalk show {self.number}", f"ropewalk {'resume' if rests else 'retry'} {self.number}"],
            ) from error

    def _took(self) -> str:
        end = self.run.finished_at or time.time()
        return show_duration(end - self.run.created_at)

    def __repr__(self) -> str:
        text = f"<run {self.number} {self.name} of {self.run.pipeline}: {self.state} in {self._took()}"
        first = next(((name, failure) for name, failure in self.failures.items() if failure.kind != PART), None)
        return text + (f"; {first[0]}: {first[1].message}>" if first else ">")

    def _repr_html_(self) -> str:
        cell = "<td style='text-align:left'>{}</td>"
        rows = ""
        for node_id, counts in self.nodes.items():
            if node_id in self._state.owners:
                continue  # inside of another one, which has a row
            states = ", ".join(f"{number} {state}" for state, number in counts.items()) or "waiting"
            cells = (cell.format(html.escape(text)) for text in (node_id, states, self._preview(node_id)))
            rows += f"<tr>{''.join(cells)}</tr>"
        title = f"{self.run.pipeline} · run {self.number} · {self.name} · {self.state} in {self._took()}"
        head = "<tr><th style='text-align:left'>task</th><th style='text-align:left'>state</th><th>result</th></tr>"
        return f"<div><b>{html.escape(title)}</b><table>{head}{rows}</table></div>"

    def _preview(self, node_id: str) -> str:
        failed = [f.message for name, f in self.failures.items() if name.split("[")[0] == node_id]
        if failed:
            return failed[0]
        outputs = [o for o in self._state.nodes[node_id].outputs if o]
        if len(outputs) != 1:
            return ""
        return " · ".join(ref.preview for ref in outputs[0].values() if ref.preview)
