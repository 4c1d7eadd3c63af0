"""Two runs side by side: what they were given, what they were made of, what they did and what came out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ropewalk.author.source import describe_change
from ropewalk.core import expr as ex
from ropewalk.core.errors import RopewalkError
from ropewalk.core.graph import Graph, Node
from ropewalk.core.nesting import as_written, grows, inside_of, kind_in_words, nested, spot_of
from ropewalk.core.values import encode
from ropewalk.engine.client import Client
from ropewalk.engine.explain.keys import short, show
from ropewalk.engine.explain.parts import changes
from ropewalk.engine.explain.recorded import Recorded
from ropewalk.store import history
from ropewalk.store.runs import Run
from ropewalk.store.tasks import TaskRun

NAMED_ITEMS = 20  # more outputs than this that differ are counted, not named


@dataclass(frozen=True, slots=True)
class Change:
    """A value that differs; None: there is none on that side."""

    name: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.name} = {self.after} (new)"
        return f"{self.name} {self.before} → {self.after}" if self.after is not None else f"{self.name} (gone)"


@dataclass(frozen=True, slots=True)
class MetricChange:
    """A metric in both runs; None: not logged in that one."""

    name: str
    before: float | None
    after: float | None

    @property
    def change(self) -> float | None:
        """How much it grew."""
        return None if self.before is None or self.after is None else self.after - self.before

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"change": self.change}


@dataclass(frozen=True, slots=True)
class NodeDifference:
    """One node in both runs.

    Attributes:
        before, after: what happened to it: "executed", "reused", "skipped", "failed", "absent" …, of a mapped node with
            numbers.
        outputs: "same", "different", or empty where one of the runs has none.
        differing: names of outputs that differ, such as "model" or "result[3]"; at most NAMED_ITEMS.
        differing_count: how many outputs differ.
        reasons: what differs in what its key covers.
        diverged: whether it is the first in topological order whose outputs differ.
        owner: the node inside of which it came into being; empty: none.
        before_s, after_s: seconds of work that its task runs took in that run; reused ones took none.
    """

    node: str
    before: str
    after: str
    outputs: str
    differing: tuple[str, ...]
    differing_count: int
    reasons: tuple[str, ...]
    before_s: float
    after_s: float
    diverged: bool = False
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs between two runs.

    Attributes:
        before, after: their numbers.
        params: parameters, of the pipeline ("month") and of tasks ("train.c").
        about: commit, uncommitted changes, seed, Python, platform and the like.
        code: for each task whose code differs, what changed.
        packages: installed distributions, such as "scikit-learn 1.8.0 → 1.9.1".
        graph: what differs in the shape of the graph.
        nodes: every node of either run, those inside of others before these.
        first: the first node in topological order whose outputs differ; empty: none.
        before_s, after_s: how long the runs took; None: not ended.
    """

    before: int
    after: int
    params: tuple[Change, ...]
    about: tuple[Change, ...]
    code: Mapping[str, tuple[str, ...]]
    packages: tuple[str, ...]
    graph: tuple[str, ...]
    nodes: tuple[NodeDifference, ...]
    metrics: tuple[MetricChange, ...]
    first: str
    before_s: float | None
    after_s: float | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"metrics": [metric.to_json() for metric in self.metrics]}


def diff(client: Client, a: Run, b: Run) -> Difference:
    """What differs between run `a` and run `b`, where `a` counts as the one before."""
    old, new = Recorded(client, a), Recorded(client, b)
    old_graph, new_graph = client.graph(a.graph), client.graph(b.graph)
    nodes = list(_node_differences(old, new))
    return Difference(
        a.number,
        b.number,
        changed_params(a.params, old_graph, b.params, new_graph),
        tuple(_about(a, b)),
        dict(_code(old_graph, new_graph)),
        _packages(client, a, b),
        tuple(_shape(old_graph, new_graph)),
        tuple(nodes),
        _metrics(old, new),
        next((node.node for node in nodes if node.diverged), ""),
        _took(a),
        _took(b),
    )


def changed_params(
    old: Mapping[str, Any], old_graph: Graph, new: Mapping[str, Any], new_graph: Graph
) -> tuple[Change, ...]:
    """Parameters of the pipeline, and constants that tasks are given, with other values than before."""
    before, after = _params(old, old_graph), _params(new, new_graph)
    both = [name for name in after if name in before or "." not in name]
    return tuple(
        Change(name, before[name][1] if name in before else None, after[name][1])
        for name in both
        if name not in before or before[name][0] != after[name][0]
    )


def _params(params: Mapping[str, Any], graph: Graph) -> dict[str, tuple[str, str]]:
    """By name: what tells the value from others, and the value for people."""
    found = {name: (_exact(value), short(value)) for name, value in params.items()}
    for node in as_written(graph).values():
        for name, binding in node.bindings.items():
            if isinstance(binding, ex.Const):
                found[f"{node.id}.{name}"] = (repr(binding.data), show(binding))
    return found


def _exact(value: Any) -> str:
    try:
        return repr(encode(value))
    except RopewalkError:  # a value that only this process can hold
        return repr(value)


def _about(a: Run, b: Run) -> Iterator[Change]:
    pairs = {
        "pipeline": (a.pipeline, b.pipeline), "seed": (a.seed, b.seed), "target": (a.target, b.target),
        "commit": (a.provenance.get("commit"), b.provenance.get("commit")),
        "uncommitted changes": (_dirty(a), _dirty(b)),
    }  # fmt: skip
    for name in ("python", "platform", "folder", "user"):
        pairs[name] = (a.provenance.get(name), b.provenance.get(name))
    for name, (before, after) in pairs.items():
        if before != after:
            yield Change(name, None if before is None else str(before), None if after is None else str(after))


def _dirty(run: Run) -> str:
    return run.provenance.get("patch", "yes")[:12] if run.provenance.get("dirty") else "none"


def _code(old: Graph, new: Graph) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, spec in new.tasks.items():
        if name in old.tasks and (lines := describe_change(old.tasks[name].code, spec.code)):
            yield name, tuple(lines)


def _packages(client: Client, a: Run, b: Run) -> tuple[str, ...]:
    if a.provenance.get("lock") == b.provenance.get("lock"):
        return ()
    before, after = installed_packages(client, a), installed_packages(client, b)
    if before is None or after is None:
        return ("what was installed differs; the list is not kept any more",)
    lines = []
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            lines.append(f"{name} {after[name]} (new)")
        elif name not in after:
            lines.append(f"{name} {before[name]} (gone)")
        elif before[name] != after[name]:
            lines.append(f"{name} {before[name]} → {after[name]}")
    return tuple(lines)


def installed_packages(client: Client, run: Run) -> dict[str, str] | None:
    """Name and version of what was installed when a run was started; None: that is not known any more."""
    if "lock" not in run.provenance:
        return None
    try:
        text = bytes(client.blobs.read(run.provenance["lock"])).decode()
    except RopewalkError:
        return None
    return dict(line.split("==", 1) for line in text.splitlines() if "==" in line)


def _shape(old: Graph, new: Graph) -> Iterator[str]:
    old_nodes, new_nodes = as_written(old), as_written(new)
    for node_id in new_nodes:
        if node_id not in old_nodes:
            yield f"new: {node_id}"
            continue
        before, after = _wires(old_nodes[node_id], old), _wires(new_nodes[node_id], new)
        for name in dict.fromkeys((*before, *after)):
            if before.get(name) != after.get(name):
                yield f"{node_id}: {name} {before.get(name, 'nothing')} → {after.get(name, 'nothing')}"
    yield from (f"gone: {node_id}" for node_id in old_nodes if node_id not in new_nodes)


def _wires(node: Node, graph: Graph) -> dict[str, str]:
    """How a node hangs together with others."""
    found = {name: show(b) for name, b in node.bindings.items() if any(ex.refs(b)) or isinstance(b, ex.Param)}
    if node.map is not None:
        found["mapped over"] = f"{', '.join(node.map.names)} ({node.map.mode})"
    if node.when is not None:
        found["only if"] = show(node.when)
    if node.after:
        found["after"] = ", ".join(node.after)
    if grows(node):
        found["kind"] = kind_in_words(node)
        until = graph.bodies[node.id].until if node.id in graph.bodies else None
        found |= {"until": show(until)} if until is not None else {}
    return found


def _node_differences(old: Recorded, new: Recorded) -> Iterator[NodeDifference]:
    diverged = False
    both = {**new.graph.nodes, **{n: node for n, node in old.graph.nodes.items() if n not in new.graph.nodes}}
    for node_id in nested(both, inside_first=True):
        found = _node_difference(old, new, node_id)
        first = found.outputs == "different" and not diverged
        diverged = diverged or first
        spot = spot_of(node_id, both)
        yield replace(found, diverged=first, owner=spot.owner if spot is not None else "")


def _node_difference(old: Recorded, new: Recorded, node_id: str) -> NodeDifference:
    before, after = _by_item(old, node_id), _by_item(new, node_id)
    names = list(_differing(before, after))
    outputs = ("different" if names else "same") if _has_outputs(before) and _has_outputs(after) else ""
    return NodeDifference(
        node_id,
        _happened(old, node_id, before),
        _happened(new, node_id, after),
        outputs,
        tuple(names[:NAMED_ITEMS]),
        len(names),
        _reasons(old, new, node_id, before, after),
        _worked_s(before),
        _worked_s(after),
    )


def _worked_s(rows: Mapping[int, TaskRun]) -> float:
    return sum(row.wall_s for row in rows.values() if row.source is None)


def _by_item(recorded: Recorded, node_id: str) -> dict[int, TaskRun]:
    return {row.item: row for row in recorded.rows(node_id)} if node_id in recorded.graph.nodes else {}


def _has_outputs(rows: Mapping[int, TaskRun]) -> bool:
    return any(row.state == "succeeded" for row in rows.values())


def _differing(before: Mapping[int, TaskRun], after: Mapping[int, TaskRun]) -> Iterator[str]:
    several = len(before) > 1 or len(after) > 1
    for item in sorted(before.keys() | after.keys()):
        old = before[item].outputs if item in before else {}
        new = after[item].outputs if item in after else {}
        for name in dict.fromkeys((*old, *new)):
            if name not in old or name not in new or old[name].identity != new[name].identity:
                yield f"{name}[{item}]" if several else name


def _happened(recorded: Recorded, node_id: str, rows: Mapping[int, TaskRun]) -> str:
    if node_id not in recorded.graph.nodes:
        return "absent"
    counts = Counter(_word(row) for row in rows.values())
    if inner := [n for n in inside_of(node_id, recorded.graph.nodes) if not grows(recorded.graph.nodes[n])]:
        counts = Counter(_word(row) for n in inner for row in recorded.rows(n))
        return ", ".join(f"{number} {word}" for word, number in counts.most_common()) or "waiting"
    if waiting := recorded.lengths.get(node_id, 1) - len(rows):
        counts["waiting"] += waiting
    if sum(counts.values()) == 1:
        return next(iter(counts))
    return ", ".join(f"{number} {word}" for word, number in counts.most_common()) or "empty"


def _word(row: TaskRun) -> str:
    if row.state == "succeeded":
        return "executed" if row.source is None else "reused"
    return row.state


def _reasons(
    old: Recorded, new: Recorded, node_id: str, before: Mapping[int, TaskRun], after: Mapping[int, TaskRun]
) -> tuple[str, ...]:
    keys = [{item: row.key for item, row in rows.items() if row.key} for rows in (before, after)]
    if node_id not in old.graph.nodes or node_id not in new.graph.nodes or keys[0] == keys[1]:
        return ()
    key_a, key_b = (k.get(0, "") or "" if new.graph.nodes[node_id].map is None else "" for k in keys)
    return changes(node_id, old.parts(node_id, None, key_a), new.parts(node_id, None, key_b))


def _metrics(old: Recorded, new: Recorded) -> tuple[MetricChange, ...]:
    before, after = logged_metrics(old), logged_metrics(new)
    return tuple(MetricChange(name, before.get(name), after.get(name)) for name in dict.fromkeys((*before, *after)))


def logged_metrics(recorded: Recorded) -> dict[str, float]:
    """Metrics of a run as "node.name" (of mapped nodes "node[item].name"), those of reused results included."""
    found: dict[str, float] = {}
    for node_id, node in recorded.graph.nodes.items():
        rows = recorded.rows(node_id)
        reused = [row.key for row in rows if row.source is not None and row.key]
        earlier = history.metrics(recorded.client.db, reused) if reused else {}
        for row in rows:
            logged = row.metrics or earlier.get((row.key or "", row.source or 0), {})
            label = node_id if node.map is None else f"{node_id}[{row.item}]"
            found.update({f"{label}.{name}": value for name, value in logged.items()})
    return found


def _took(run: Run) -> float | None:
    return None if run.finished_at is None else run.finished_at - run.created_at
