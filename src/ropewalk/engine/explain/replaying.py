"""A whole run executed again, and every result compared with the one that it had."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from ropewalk.core.artifact import ArtifactRef
from ropewalk.core.errors import UsageError
from ropewalk.engine.client import Client, Options, Work
from ropewalk.engine.explain.locate import difference
from ropewalk.engine.explain.parts import changes
from ropewalk.engine.explain.playback import Playback
from ropewalk.engine.explain.recorded import Recorded
from ropewalk.engine.scheduler import Listener
from ropewalk.store.runs import Run
from ropewalk.store.tasks import TaskRun

COMPARED_MAX_BYTES = 64 << 20  # values up to this size are loaded to say where they differ


@dataclass(frozen=True, slots=True)
class ReplayRow:
    """One node of a replay.

    Attributes:
        verdict: `identical`; `different`: the same code gave other results for the same inputs, so it is not
            deterministic; `affected`: its inputs were other ones; `changed`: its code, packages or surroundings are
            other ones than in the run; `recorded`: not executed but taken from the record; `incomplete`: it has no
            result in one of the runs.
        differing: outputs that differ, such as "model" or "result[3]".
        where: the first place at which the first of them differs, if it was looked for.
        reasons: what is not as it was in the run.
    """

    node: str
    verdict: str
    differing: tuple[str, ...] = ()
    where: str = ""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Replay:
    """A run and its replay.

    Attributes:
        run, replay: their numbers.
        state: how the replay ended.
        first: the first node in topological order that is not deterministic, else the first that is not identical;
            empty: all are identical.
        notes: what is not as it was in the run: then differences may come from that.
    """

    run: int
    replay: int
    state: str
    rows: tuple[ReplayRow, ...]
    first: str
    notes: tuple[str, ...]

    @property
    def is_identical(self) -> bool:
        """Whether everything came out as before, bit by bit."""
        return self.state == "succeeded" and not self.first

    def __getitem__(self, node: str) -> ReplayRow:
        return next(row for row in self.rows if row.node == node)

    @property
    def title(self) -> str:
        """The answer in one sentence."""
        if self.is_identical:
            return f"run {self.replay} repeated run {self.run} exactly"
        if not self.first:
            return f"run {self.replay}, which repeats run {self.run}, {self.state}"
        row = self[self.first]
        at = f" ({row.where})" if row.where else ""
        if row.verdict == "different":
            return f"`{self.first}` is not deterministic: {', '.join(row.differing[:3])} differs{at}"
        if row.verdict == "incomplete":
            return f"`{self.first}` has a result in one of the runs only"
        return f"`{self.first}` is not what it was in run {self.run}: {'; '.join(row.reasons)}{at}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"title": self.title, "is_identical": self.is_identical}


def replay(
    client: Client,
    run: Run,
    work: Work,
    options: Options = Options(),
    listener: Listener | None = None,
    *,
    effects: bool = False,
) -> Replay:
    """Execute a run again as a new run, with the same parameters and seed and without reuse, and compare the results.

    The code is the present one; where it is not the run's, the answer says so.

    Args:
        effects: execute tasks with `cache=False`, too, which may act on the outside world; otherwise their recorded
            results stand for them.

    Raises:
        UsageError: the run is not finished, or the present pipeline is another one.
    """
    _check(run, work)
    old = Recorded(client, run)
    again = replace(work, params=run.params, overrides=run.overrides)
    played = () if effects else tuple(_with_effects(old, work))
    options = replace(options, reuse=False, seed=run.seed)
    result = client.run(again, options, listener, around=lambda executor: Playback(executor, old, played))
    new = Recorded(client, result.run)
    rows = tuple(_rows(old, new, played))
    worst = [row.node for verdict in _WORST for row in rows if row.verdict == verdict]
    return Replay(run.number, result.number, result.state, rows, worst[0] if worst else "", tuple(_notes(old, new)))


_WORST = ("different", "changed", "affected", "incomplete")


def _check(run: Run, work: Work) -> None:
    if run.is_open:
        raise UsageError(
            f"run {run.number} is not finished", code="P303", help=[f"ropewalk resume {run.number}", "ropewalk runs"]
        )
    if run.pipeline != work.graph.name:
        raise UsageError(f"run {run.number} is of pipeline `{run.pipeline}`, not of `{work.graph.name}`")


def _with_effects(old: Recorded, work: Work) -> Iterator[str]:
    """Nodes whose results are never reused, and which therefore may act on the outside world."""
    for node_id, node in work.graph.nodes.items():
        before = old.graph.nodes.get(node_id, node)
        if not (node.policy.cache.enabled and before.policy.cache.enabled):
            yield node_id


def _rows(old: Recorded, new: Recorded, played: tuple[str, ...]) -> Iterator[ReplayRow]:
    for node_id in new.graph.nodes:
        before = {row.item: row for row in old.rows(node_id)} if node_id in old.graph.nodes else {}
        after = {row.item: row for row in new.rows(node_id)}
        if node_id in played:
            yield ReplayRow(node_id, "recorded")
        elif _states(before) != _states(after):
            yield ReplayRow(node_id, "incomplete")
        else:
            yield _compared(old, new, node_id, before, after)


def _states(rows: dict[int, TaskRun]) -> dict[int, str]:
    return {item: row.state for item, row in rows.items()}


def _compared(
    old: Recorded, new: Recorded, node_id: str, before: dict[int, TaskRun], after: dict[int, TaskRun]
) -> ReplayRow:
    several = new.graph.nodes[node_id].map is not None
    pairs = [
        (item, name, row.outputs.get(name), after[item].outputs[name])
        for item, row in before.items()
        for name in after[item].outputs
    ]
    differing = [(i, name, a, b) for i, name, a, b in pairs if a is None or a.identity != b.identity]
    if not differing:
        return ReplayRow(node_id, "identical")
    item, _, a, b = differing[0]
    names = tuple(f"{name}[{i}]" if several else name for i, name, _, _ in differing)
    own = [d for d in differing if before[d[0]].key == after[d[0]].key]
    if own:  # the same key, so the same code and inputs
        return ReplayRow(node_id, "different", names, _where(new, own[0][2], own[0][3]))
    parts = [r.parts(node_id, item, row.key or "") for r, row in ((old, before[item]), (new, after[item]))]
    reasons = changes(node_id, *parts)
    inputs_only = all(reason.startswith("input") for reason in reasons)
    return ReplayRow(node_id, "affected" if inputs_only else "changed", names, _where(new, a, b), reasons)


def _where(new: Recorded, a: ArtifactRef | None, b: ArtifactRef) -> str:
    if a is None or max(a.size_bytes, b.size_bytes) > COMPARED_MAX_BYTES:
        return ""
    try:
        return difference(new.client.load(a), new.client.load(b))
    except Exception:  # noqa: BLE001  # values whose class is gone, or that cannot be compared
        return ""


def _notes(old: Recorded, new: Recorded) -> Iterator[str]:
    before, after = old.run.provenance, new.run.provenance
    if old.run.graph != new.run.graph:  # as it was written: what grows of it has no order
        yield f"the pipeline is not as it was in run {old.run.number}"
    for name in ("commit", "packages", "python", "platform"):
        if before.get(name) != after.get(name):
            yield f"{name} changed: {before.get(name)} → {after.get(name)}"
