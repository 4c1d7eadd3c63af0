"""What of a run has to wait for its time, what comes too late, and which deadlines are missed."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable

from ropewalk.core import timing
from ropewalk.core.errors import DefinitionError, Where
from ropewalk.core.graph import Graph
from ropewalk.core.state import RunState
from ropewalk.core.timing import ALWAYS, Timing
from ropewalk.core.window import show_at
from ropewalk.engine.capacity import all_nodes
from ropewalk.store import earlier
from ropewalk.store.database import Database
from ropewalk.store.runs import Run

LOOK_S = 2.0  # how often a run before this one is looked at, while it is still open
UNDECIDED = earlier.Earlier(0, "")


class Punctual:
    """The times of one run. A node without any costs a look at its policy."""

    def __init__(self, db: Database, run: Run, state: RunState) -> None:
        self._db = db
        self._run = run
        self._state = state
        self._timed: dict[str, Timing] = {}
        self._deadlines: list[tuple[float, str]] = []  # a heap
        self._earlier: dict[str, tuple[float, earlier.Earlier | None]] = {}  # by node, with when it was looked up
        policy = state.graph.policy
        own = Timing(deadline=policy.deadline, on_miss=policy.on_miss)
        self._add("", own)
        self.watch(state.nodes)

    def watch(self, nodes: Iterable[str]) -> None:
        """Nodes of the run, be it from its beginning or since it has grown."""
        for node_id in nodes:
            times = self._state.nodes[node_id].node.policy.timing
            if times is not ALWAYS and node_id not in self._timed:
                self._add(node_id, times)

    def _add(self, node_id: str, times: Timing) -> None:
        self._timed[node_id] = times
        at = timing.deadline_at(times, self._run.created_at)
        if at is not None:
            heapq.heappush(self._deadlines, (at, node_id))

    def hold_until(self, node_id: str, item: int, now: float) -> float | None:
        """When to look at a task run again that may not start yet; None: it may start, or is never going to."""
        times = self._state.nodes[node_id].node.policy.timing
        if times is ALWAYS or self.expired(node_id, item, now):
            return None
        began = self._run.created_at
        at = timing.start_at(times, now, began)
        if at <= now and times.depends_on_past:
            before = self._before(node_id, now)
            if before is not None and not before.state:
                at = self._earlier[node_id][0] + LOOK_S
        if at <= now:
            return None
        expires_at = timing.expires_at(times, began)
        return at if expires_at is None else min(at, expires_at)

    def expired(self, node_id: str, item: int, now: float) -> str:
        """Why a task run that is ready is never going to start and is to be skipped; empty: it may start some time."""
        times = self._state.nodes[node_id].node.policy.timing
        if times is ALWAYS:
            return ""
        self.watch((node_id,))
        expires_at = timing.expires_at(times, self._run.created_at)
        if expires_at is not None and now >= expires_at:
            return f"expired: it was not to start after {show_at(expires_at)}"
        if times.depends_on_past:
            before = self._before(node_id, now)
            if before is not None and before.state not in ("", "succeeded"):
                return f"depends_on_past: {before.state} in run {before.run}"
        return ""

    def missed(self, now: float) -> list[tuple[str, float]]:
        """Nodes that were not done by their deadline, and these deadlines; "" is the run. Each is told once.

        After a restart, too: what is in the log is not told again.
        """
        found: list[tuple[str, float]] = []
        while self._deadlines and self._deadlines[0][0] <= now:
            at, node_id = heapq.heappop(self._deadlines)
            if node_id not in self._state.missed and not self._is_done(node_id):
                found.append((node_id, at))
        return found

    def cancels(self, node_id: str) -> bool:
        """Whether a missed deadline of a node, or of the run (""), is to end it."""
        times = self._timed.get(node_id)
        return times is not None and times.on_miss == "cancel"

    def next_s(self, now: float) -> float:
        """Seconds until the next deadline; infinite: there is none."""
        return max(0.0, self._deadlines[0][0] - now) if self._deadlines else math.inf

    def _is_done(self, node_id: str) -> bool:
        if not node_id:
            return bool(self._state.finished)
        run = self._state.nodes.get(node_id)
        return run is None or run.settled

    def _before(self, node_id: str, now: float) -> earlier.Earlier | None:
        asked_at, known = self._earlier.get(node_id, (-math.inf, UNDECIDED))
        is_open = known is not None and not known.state
        if is_open and not 0 <= now - asked_at < LOOK_S:  # a clock may be set back
            policy = self._state.nodes[node_id].node.policy
            known = earlier.before(self._db, self._run.pipeline, self._run.number, node_id, policy.partial_ok)
            self._earlier[node_id] = (now, known)
        return known


def check_times(graph: Graph, now: float) -> None:
    """Refuse a graph whose times a run that begins now could not keep.

    Raises:
        DefinitionError: a deadline is in the past, or a task cannot start in time.
    """
    timing.check_now(Timing(deadline=graph.policy.deadline), now)
    for node in all_nodes(graph):
        times = node.policy.timing
        if times is ALWAYS:
            continue
        try:
            timing.check_now(times, now, node.id)
        except DefinitionError as error:
            error.where = error.where or (Where(node.file, node.line) if node.file else None)
            raise
