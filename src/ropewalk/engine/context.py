"""What a task can ask and tell while it runs: `ropewalk.context()`.

Outside a run everything here is a harmless no-op, so a task called as a plain function still works.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ropewalk.core.errors import UsageError
from ropewalk.engine.home import Home

if TYPE_CHECKING:
    from ropewalk.engine.checkpoint import Checkpoint


@dataclass(slots=True)
class Context:
    """The attempt that is under way.

    Attributes:
        run: number of the run; 0 outside one.
        node: id of the node.
        item: index of the mapped item, 0 for a task that is not mapped.
        attempt: number of this attempt, from 1.
        seed: seed of this task run, derived from its cache key.
        key: cache key of this task run.
        continues: whose checkpoints it goes on from: "" (nobody's, they are only kept in memory), "own" (those of
            earlier attempts) or "equal" (those of other runs with the same key, too).
    """

    run: int = 0
    node: str = ""
    item: int = 0
    attempt: int = 1
    seed: int = 0
    key: str = ""
    home: str = ""
    continues: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    report: Callable[[float, float], None] | None = None
    _reported_at: float = 0.0
    _checkpoint: Checkpoint | None = None

    @property
    def logger(self) -> logging.Logger:
        """A logger named after the node; what it logs is kept with the attempt."""
        return logging.getLogger(f"ropewalk.task.{self.node}" if self.node else "ropewalk.task")

    def progress(self, done: float, total: float) -> None:
        """Say how far the task has come; shown at most ten times a second."""
        now = time.monotonic()
        if self.report is not None and (done >= total or now - self._reported_at >= 0.1):
            self._reported_at = now
            self.report(done, total)

    def log_metric(self, name: str, value: float, step: int | None = None) -> None:
        """Keep a number under a name; with `step`, as `name` at that step, and the last one as `name`.

        Raises:
            UsageError: the value is not a number.
        """
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise UsageError(f"metric `{name}` must be a number, not a `{type(value).__name__}`") from None
        self.metrics[name] = number
        if step is not None:
            self.metrics[f"{name}@{step}"] = number

    @property
    def checkpoint(self) -> Checkpoint:
        """What the task saves of its work for its next attempt: `save(value)`, `load()`, `every(…)`."""
        if self._checkpoint is None:
            self._checkpoint = self._open_checkpoint()
        return self._checkpoint

    def _open_checkpoint(self) -> Checkpoint:
        from ropewalk.engine.checkpoint import Checkpoint, folder_of, observed_mtbf_s  # most tasks have none

        if not self.continues:
            return Checkpoint()
        home = Home(Path(self.home))
        folder = folder_of(home, self.key, self.run, self.node, self.item)
        return Checkpoint(folder, takes_over=self.continues == "equal", mtbf_s=lambda: observed_mtbf_s(home))

    def log_figure(self, name: str, figure: object) -> None:
        """Keep a figure with the result of the task."""
        self.figures[name] = figure


_current = Context()


def context() -> Context:
    """The context of the task that is running in this process; a fresh, inert one outside a run."""
    return _current if _current.node else Context()


def enter(new: Context | None) -> None:
    """Make `new` the context of this process; None: there is none."""
    global _current  # noqa: PLW0603  # one attempt at a time runs in a process
    _current = new if new is not None else Context()


def show_metric(value: float) -> str:
    """A metric for people: four significant digits."""
    return str(value) if not math.isfinite(value) or value == int(value) else f"{value:.4g}"
