"""What a plan may know of earlier runs: nothing where there is no store yet, which it does not make."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from ropewalk.core.cache import Cache
from ropewalk.core.graph import Node
from ropewalk.core.special import Loop
from ropewalk.engine.client import Client
from ropewalk.engine.explain.recorded import Recorded
from ropewalk.engine.owner import is_alive
from ropewalk.engine.reuse import Reuse
from ropewalk.plan.estimate import Estimate, Sample, estimate
from ropewalk.store import history, runs, tasks
from ropewalk.store.runs import Run
from ropewalk.store.tasks import Hit


@dataclass(frozen=True, slots=True)
class Inside:
    """What was inside of a node with nodes of its own, in one run."""

    run: int
    task_runs: int  # that succeeded, executed or reused
    wall_s: float  # that these take, or took when they were executed
    turns: int  # of a loop, the most of its items
    is_whole: bool = True  # False: it failed in that run


class Memory:
    """The store of a project, as seen by a plan of one pipeline at one moment."""

    def __init__(self, client: Client, pipeline: str, now: float) -> None:
        self.pipeline = pipeline
        self.now = now
        self._client = client
        self._there = client.home.database.exists()
        self._recorded: dict[tuple[int, bool], Recorded] = {}
        self._before: dict[str, Recorded | None] = {}

    @cached_property
    def _reuse(self) -> Reuse:
        return Reuse(self._client.db, self._client.blobs)

    @cached_property
    def computing(self) -> dict[str, int]:
        """Keys that living runs are computing at this moment, with the run."""
        if not self._there:
            return {}
        found = tasks.computing(self._client.db, 0)
        return {key: run for keys, run, owner in found if is_alive(owner) for key in keys}

    @cached_property
    def newest(self) -> Recorded | None:
        """The newest run of the pipeline."""
        found = runs.listing(self._client.db, runs.Choice(self.pipeline), most=1) if self._there else []
        return self._record(found[0].number) if found else None

    def find(self, keys: Iterable[str]) -> dict[str, Hit]:
        """The newest result of each key, whether it may be reused or not."""
        return tasks.lookup(self._client.db, keys) if self._there else {}

    def obstacle(self, hit: Hit, cache: Cache) -> str:
        """Why a result must not be reused: "expired", "missing" or, when it may, empty."""
        return self._reuse.obstacle(hit, cache, self.now)

    @cached_property
    def _has_run(self) -> bool:
        """Whether there is anything to be known of the pipeline's nodes."""
        return self.newest is not None

    def before(self, node: str) -> Recorded | None:
        """The newest run in which a node succeeded: what its present key is compared with."""
        if node not in self._before:
            number = history.last_success(self._client.db, self.pipeline, node) if self._has_run else None
            self._before[node] = None if number is None else self._with(node, number)
        return self._before[node]

    def _with(self, node: str, number: int) -> Recorded:
        found = self._record(number)
        return found if node in found.graph.nodes else self._record(number, grown=True)

    @cached_property
    def _inside(self) -> dict[str, Inside]:
        return {}

    def inside(self, node: Node) -> Inside | None:
        """What was inside of a node with nodes of its own in the newest run in which it succeeded, or else failed."""
        if node.id not in self._inside:
            if not self._has_run:
                return None
            number = history.last_success(self._client.db, self.pipeline, node.id)
            tried = history.last_failure(self._client.db, self.pipeline, node.id) if number is None else number
            if tried is None:
                return None
            found = self._look_inside(node, self._record(tried).run)
            self._inside[node.id] = found if number is not None else replace(found, is_whole=False)
        return self._inside[node.id]

    def _look_inside(self, node: Node, run: Run) -> Inside:
        counts = [c for c in tasks.counts(self._client.db, run.number) if c.node.startswith(f"{node.id}/")]
        worked = [c for c in counts if c.state == "succeeded" and c.keyed]
        turns = 0
        if isinstance(node.special, Loop):
            parts = self._client.past.state(run).nodes[node.id].parts
            turns = max((part.turn for part in parts.values()), default=0)
        return Inside(run.number, sum(c.number for c in worked), sum(c.wall_s for c in worked), turns)

    def last_failure(self, node: str) -> int | None:
        """The newest run in which an attempt of a node failed."""
        return history.last_failure(self._client.db, self.pipeline, node) if self._has_run else None

    def known_codes(self, digests: Iterable[str]) -> set[str]:
        """Those of the code digests that some run may have computed results with."""
        wanted = list(digests)
        return history.known_codes(self._client.db, wanted) if self._there and wanted else set()

    def estimate(self, node: str, *, mapped: bool) -> Estimate | None:
        """How long one task run of a node will take, as far as can be judged."""
        if not self._has_run:
            return None
        found = history.durations(self._client.db, self.pipeline, node)
        return estimate([Sample(d.run, d.wall_s) for d in found], mapped=mapped)

    def _record(self, number: int, *, grown: bool = False) -> Recorded:
        if (number, grown) not in self._recorded:
            run = runs.get(self._client.db, number)
            graph = self._client.run_graph(run) if grown else self._client.graph(run.graph)
            self._recorded[number, grown] = Recorded(self._client, run, graph)
        return self._recorded[number, grown]
