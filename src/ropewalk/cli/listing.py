"""The nodes of a run as lines, made from rows: all of them, or those inside of one that has nodes of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

from ropewalk.cli.awaiting import answer_of, what_is_awaited
from ropewalk.cli.numbers import show_count
from ropewalk.cli.owners import MOST_FAILED, arranged, failed_in, outcome_of, progress_of
from ropewalk.cli.places import Place
from ropewalk.cli.rows import Line, describe, headline
from ropewalk.cli.runs import shown_state
from ropewalk.cli.tolerated import TOLERATED, extent, judged
from ropewalk.core.nesting import grows, inside_of, spot_of
from ropewalk.core.quantity import show_duration
from ropewalk.core.special import GROWING, Approval, Loop, Wait
from ropewalk.core.state import RunState
from ropewalk.engine.client import Client
from ropewalk.engine.explain.loops import until_held
from ropewalk.store import tasks
from ropewalk.store.tasks import Count

MOST_RUNNING = 8  # nodes inside of others that run: so many are listed
_TOLD_BY_STATE = (Wait, Approval, *GROWING)
_WORST_FIRST = ("failed", "running", "ready", "cancelled", "succeeded", TOLERATED, "skipped")


class Listing:
    """The nodes of one run, as far as somebody asks for them."""

    def __init__(self, client: Client, place: Place) -> None:
        self._client = client
        self._place = place
        self._lengths = tasks.lengths(client.db, place.run.number)
        self._counts: dict[str, list[Count]] = {}
        for count in tasks.counts(client.db, place.run.number):
            self._counts.setdefault(count.node, []).append(count)
        self._running: dict[str, int] = {}
        if shown_state(place.run) == "running":
            for lease in tasks.leases(client.db, place.run.number):
                self._running[lease.node] = self._running.get(lease.node, 0) + len(lease.items)

    @cached_property
    def state(self) -> RunState | None:
        """The state of the run; None: there is no node of which it tells more than rows do."""
        if any(isinstance(node.special, _TOLD_BY_STATE) for node in self._place.graph.nodes.values()):
            return self._client.past.state(self._place.run)
        return None

    def overview(self) -> Iterator[Line]:
        """All nodes; of those inside of others a few that failed or run."""
        nodes = self._place.graph.nodes
        tops = [node_id for node_id in nodes if not self._owner_of(node_id)]
        failed = [n for n, counts in self._counts.items() if any(c.state == "failed" for c in counts)]
        inner = [n for n in failed if n in nodes and self._owner_of(n) and not grows(nodes[n])][:MOST_FAILED]
        inner += [n for n in self._running if self._owner_of(n) and n not in inner][:MOST_RUNNING]
        return self.lines([*tops, *inner])

    def inside(self, place: Place) -> list[str]:
        """The nodes inside of an item or turn, without those inside of these."""
        found = [n for n in self._place.graph.nodes if n.startswith(place.inside)]
        return [n for n in found if self._owner_of(n) in ("", place.node)]

    def lines(self, chosen: Iterable[str], within: str = "") -> Iterator[Line]:
        """Lines of some nodes.

        Args:
            within: what their names are shortened by.
        """
        for node_id, depth, label in arranged(list(chosen), self._owner_of):
            yield self._line(node_id, depth, label.removeprefix(within))

    def _owner_of(self, node_id: str) -> str:
        spot = spot_of(node_id, self._place.graph.nodes)
        return spot.owner if spot is not None else ""

    def _line(self, node_id: str, depth: int, label: str) -> Line:
        node, length = self._place.graph.nodes[node_id], self._lengths.get(node_id)
        counts = judged(node, self._counts.get(node_id, []), length)
        if grows(node) and node_id in self._lengths and self.state is not None:
            return self._owner(node_id, self.state, depth, label)
        state = _state(counts, length, self._running.get(node_id, 0))
        if node.map is not None and length is not None:
            if _done(counts) < length and state not in ("failed", "running"):
                state = "waiting"
            return Line(state, label, _mapped(counts, length), took(counts), depth)
        return self._single(node_id, state, depth, label)

    def _single(self, node_id: str, state: str, depth: int, label: str) -> Line:
        row = tasks.get(self._client.db, self._place.run.number, node_id, 0)
        if row is None:
            return Line(state, label, self._awaited(node_id) if state == "waiting" else state, "", depth)
        took_s = show_duration(row.wall_s) if row.wall_s and row.source is None else ""
        if row.source is not None:
            return Line("cached", label, f"cached from run {row.source}", "", depth)
        if row.state == "skipped":
            return Line(state, label, f"skipped ({row.detail})" if row.detail else "skipped", "", depth)
        if row.failure is not None:
            again = f"attempt {row.attempts + 1} follows {headline(row.failure)}"
            detail = headline(row.failure) if row.state == "failed" else again
            return Line(state, label, detail, took_s, depth)
        if self._place.graph.spec(node_id).dynamic:
            return Line(state, label, "", took_s, depth)
        if self._place.graph.nodes[node_id].kind == "approval":
            return Line(state, label, answer_of(row.outputs), "", depth)
        detail = describe(row.outputs, row.metrics, {}) if row.outputs else row.state
        return Line(state, label, detail, took_s, depth)

    def _awaited(self, node_id: str) -> str:
        """What there is to tell of a node that waits for something outside, or for a person."""
        if self.state is None or not self._place.run.is_open:
            return ""
        return what_is_awaited(self.state.nodes[node_id])

    def _owner(self, node_id: str, state: RunState, depth: int, label: str) -> Line:
        """A node with nodes of its own: these taken together."""
        run, nodes = state.nodes[node_id], self._place.graph.nodes
        own = judged(run.node, self._counts.get(node_id, []), run.length)
        inner = [c for n in inside_of(node_id, nodes) if not grows(nodes[n]) for c in self._counts.get(n, [])]
        shown = _state(own, self._lengths[node_id], 0)
        done = [c for c in inner if c.state == "succeeded"]
        if not run.settled and shown != "failed":
            shown = "running" if run.parts and shown_state(self._place.run) == "running" else "waiting"
        elif shown == "succeeded" and done and all(c.reused == c.number for c in done):
            shown = "cached"
        parts = [_mapped(own, self._lengths[node_id])] if run.node.map is not None else []
        if shown == "failed" and run.node.map is None:
            parts.append(failed_in(run) or headline(run.failures.get(0)))
        elif not run.settled and run.node.map is None:
            parts.append(progress_of(run, sum(c.number for c in done)))
        elif run.settled:
            parts.append(outcome_of(run, self._held(node_id, state)))
        if shown in ("succeeded", "cached") and run.node.map is None and run.outputs[0]:
            parts.append(describe(run.outputs[0], {}, {}))
        if shown == "cancelled" and run.node.map is None:
            parts = ["cancelled", *parts]
        if shown == "skipped" and run.reason:
            parts = [f"skipped ({run.reason})"]
        return Line(shown, label, " · ".join(part for part in parts if part), took(inner), depth)

    def _held(self, node_id: str, state: RunState) -> dict[int, bool | None]:
        run = state.nodes[node_id]
        if not isinstance(run.node.special, Loop):
            return {}
        return {item: until_held(state, self._place.run, self._client.load, node_id, item) for item in run.parts}

    def label_of(self, node_id: str, item: int) -> str:
        """What an item is called: by its key if it has one, else by its place."""
        return str(item) if self.state is None else self.state.nodes[node_id].label(item)

    def took_of(self, inside: str) -> str:
        """How long it took what is inside of an item."""
        return took([c for node_id, counts in self._counts.items() if node_id.startswith(inside) for c in counts])


def _state(counts: list[Count], length: int | None, running: int) -> str:
    states = {count.state for count in counts}
    if "failed" in states:
        return "failed"
    if running:
        return "running"
    if counts and sum(c.number for c in counts) == length and sum(c.reused for c in counts) == length:
        return "cached"
    found = next((state for state in _WORST_FIRST if state in states), "waiting")
    return "succeeded" if found == TOLERATED else found


def _done(counts: list[Count]) -> int:
    """Items that have come to an end."""
    return sum(count.number for count in counts if count.state != "ready")


def _mapped(counts: list[Count], length: int) -> str:
    parts = [extent(length, sum(c.number for c in counts if c.state == TOLERATED))]
    if 0 < (done := _done(counts)) < length:
        parts = [f"{done:,} of {show_count(length, 'item')} done"]
    cached = sum(c.reused for c in counts)
    parts += [f"{cached:,} cached"] if cached else []
    parts += [f"{c.number:,} {c.state}" for c in counts if c.state != "succeeded"]
    return " · ".join(parts)


def took(counts: list[Count]) -> str:
    """From the first start to the last end; empty: nothing was executed."""
    starts = [c.started_at for c in counts if c.started_at]
    ends = [c.finished_at for c in counts if c.finished_at and c.started_at]
    return show_duration(max(0.0, max(ends) - min(starts))) if starts and ends else ""
