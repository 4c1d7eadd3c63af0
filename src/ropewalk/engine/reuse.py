"""Which results may be taken from earlier runs, and which are being computed right now."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.materialize import digests_of
from ropewalk.core.artifact import ArtifactRef, Outputs
from ropewalk.core.cache import Cache
from ropewalk.core.state import RunState
from ropewalk.engine.owner import is_alive
from ropewalk.store import tasks
from ropewalk.store.database import Database


class Reuse:
    """What is known of cache keys, for one run.

    Args:
        enabled: False: nothing is taken from before, as `--no-cache` and `replay` want it.
        own: what the run had computed before it was continued, and what of it starts over may be given again.
    """

    def __init__(
        self, db: Database, blobs: Blobs, *, enabled: bool = True, own: Mapping[str, tasks.Hit] = MappingProxyType({})
    ) -> None:
        self._db = db
        self.blobs = blobs
        self._enabled = enabled
        self._own = own
        self._computing: set[str] = set()
        self._version = -1  # of the database, when others were last looked at
        self._asked = -1
        self._others: set[str] = set()

    def find(self, wanted: Mapping[str, Cache], now: float) -> dict[str, tasks.Hit]:
        """For each key a result that is young enough and whose blobs are there."""
        if not self._enabled or not wanted:
            return {}
        found = {key: self._own[key] for key in wanted if key in self._own} | tasks.lookup(self._db, wanted)
        return {key: hit for key, hit in found.items() if not self.obstacle(hit, wanted[key], now)}

    def obstacle(self, hit: tasks.Hit, cache: Cache, now: float) -> str:
        """Why a result must not be reused, "expired" or "missing"; empty: it may."""
        if cache.ttl_s is not None and now - hit.finished_at > cache.ttl_s:
            return "expired"
        return "" if all(self.is_there(ref) for ref in hit.outputs.values()) else "missing"

    def is_there(self, ref: ArtifactRef) -> bool:
        """Whether every file of an artifact exists and has the right size; if so they are safe from collection."""
        if ref.inline is None and not self.blobs.exists(ref.digest, ref.size_bytes):
            return False
        own = (ref.digest,) if ref.inline is None else ()
        return all(self.blobs.touch(digest) for digest in (*own, *ref.children))

    def begin(self, key: str) -> None:
        """This run computes the key."""
        self._computing.add(key)

    def end(self, key: str) -> None:
        """This run does not compute the key any more."""
        self._computing.discard(key)

    def is_computing(self, key: str) -> bool:
        """Whether a task run of this run computes the key already."""
        return key in self._computing

    def taken_by_others(self, run: int) -> set[str]:
        """Keys that other living runs are computing."""
        if not self._enabled:
            return set()
        version = self._db.data_version()
        if version != self._version or self._others:
            self._version = version
            self._others = set()
            alive: dict[int, bool] = {}  # by run: asking for each of its leases would cost more than all else
            for keys, number, owner in tasks.computing(self._db, run):
                if number not in alive:
                    alive[number] = is_alive(owner)
                if alive[number]:
                    self._others.update(keys)
        return self._others

    def news(self, run: int, wanted: Callable[[], Mapping[str, Cache]], now: float) -> set[str]:
        """Of the wanted keys those that others compute, or have computed since this was last asked."""
        version = self._db.data_version()
        if not self._enabled or (version == self._asked and not self._others):
            return set()
        if not (keys := wanted()):
            return set()
        self._asked = version
        return (self.taken_by_others(run) & keys.keys()) | self.find(keys, now).keys()

    def missing(self, refs: Iterable[ArtifactRef]) -> set[str]:
        """Digests of those blobs of artifacts that do not exist or have the wrong size."""
        needed: dict[str, int | None] = {}
        for ref in refs:
            needed.update(dict.fromkeys(ref.children))
            if ref.inline is None:
                needed[ref.digest] = ref.size_bytes
        return {digest for digest, size_bytes in needed.items() if not self.blobs.exists(digest, size_bytes)}

    def makers(self, state: RunState, digests: Collection[str]) -> list[tuple[str, int, str]]:
        """Task runs of this run whose result needs one of these blobs, found missing or corrupt; and which it needs."""
        for digest in digests:
            self.blobs.quarantine(digest)
        return [
            (node_id, item, held)
            for node_id, run in state.nodes.items()
            for item, outputs in enumerate(run.outputs)
            if outputs is not None and (held := _held(outputs, digests))
        ]


def _held(outputs: Outputs, digests: Collection[str]) -> str:
    """The first of these blobs that a result needs; empty: it needs none."""
    return next((digest for ref in outputs.values() for digest in digests_of(ref) if digest in digests), "")
