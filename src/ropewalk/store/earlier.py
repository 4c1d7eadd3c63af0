"""What became of a node in the run of the same pipeline before."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ropewalk.store import runs
from ropewalk.store.database import Database


@dataclass(frozen=True, slots=True)
class Earlier:
    """A node in the run before.

    Attributes:
        run: its number.
        state: succeeded, failed, skipped, cancelled; empty: it is not decided, since the run is still open.
    """

    run: int
    state: str


def before(db: Database, pipeline: str, run: int, node: str, partial_ok: float = 1.0) -> Earlier | None:
    """How the node ended in the pipeline's last run before `run` that was to do it; None: there was none.

    Args:
        partial_ok: the share of its task runs that have to have succeeded.
    """
    row = db.one("run_before", pipeline=pipeline, number=run, node=node)
    if row is None:
        return None
    number, state, graph = row
    rows = db.query("node_outcome", run=number, node=node)
    if not rows and state not in runs.OPEN_STATES and node not in runs.get_graph(db, graph).nodes:
        return None
    counts = {outcome: many for _, outcome, many in rows if outcome is not None}
    enough = bool(rows) and counts.get("succeeded", 0) >= math.ceil(partial_ok * rows[0][0])
    if state == "succeeded" or enough:
        return Earlier(number, "succeeded")
    if state in runs.OPEN_STATES:
        return Earlier(number, "")
    return Earlier(number, next((s for s in ("failed", "cancelled", "skipped") if counts.get(s)), "cancelled"))
