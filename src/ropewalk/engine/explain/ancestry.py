"""The task runs behind a task run, down to those that take nothing from others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ropewalk.core import expr as ex
from ropewalk.core.cachekey import seed_of
from ropewalk.core.graph import Graph, Node
from ropewalk.core.nesting import grows
from ropewalk.engine.client import Client
from ropewalk.engine.explain.keys import short, show
from ropewalk.store import history, runs, tasks
from ropewalk.store.runs import Run
from ropewalk.store.tasks import TaskRun

_Place: TypeAlias = tuple[int, str, int | None]  # run, node and item; None: all items


@dataclass(frozen=True, slots=True)
class StepInput:
    """An input of a step that is the result of others."""

    name: str
    text: str  # as the pipeline writes it, e.g. "split.train"
    digest: str  # of the artifact; empty for a list of results and for what is computed from several
    steps: tuple[str, ...]  # ids of the steps that it comes from


@dataclass(frozen=True, slots=True)
class Step:
    """A task run that something comes from; or all task runs of a mapped node, where they are taken together.

    Attributes:
        id: "RUN/NODE", with "[item]" or "[*]" where the node is mapped.
        items: how many task runs it stands for.
        code: digest of the task's code; `packages` are those that this code uses.
        environment: digest of everything that was installed.
        params: inputs that are no results of others.
        seed: of the run; `task_seed` is what random numbers were drawn from, None for several items.
        commit: of the run; `dirty` says whether there were uncommitted changes.
        outputs: digest by output; empty for several items.
    """

    id: str
    run: int
    node: str
    item: int | None
    items: int
    task: str
    function: str
    code: str
    packages: tuple[tuple[str, str], ...]
    environment: str
    params: Mapping[str, str]
    seed: int
    task_seed: int | None
    commit: str
    dirty: bool
    finished_at: float | None
    outputs: Mapping[str, str]
    inputs: tuple[StepInput, ...]


class Ancestry:
    """Collects steps. Reused results are followed to the run that computed them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._runs: dict[int, Run] = {}
        self._graphs: dict[int, Graph] = {}
        self._steps: dict[str, Step] = {}  # finished ones: each after those that it needs
        self._begun: dict[_Place, str] = {}

    def steps(self) -> tuple[Step, ...]:
        """Everything that was found, each step after those that it needs."""
        return tuple(self._steps.values())

    def trace(self, run: int, node: str, item: int | None) -> str:
        """Find what is behind a task run; the id of its step."""
        return self._trace_all([(run, node, item)])[0]

    def _trace_all(self, places: list[_Place]) -> list[str]:
        """Depth first with a stack of its own: a chain of tasks may be longer than Python's stack is deep."""
        stack: list[tuple[_Place, bool]] = [(place, False) for place in reversed(places)]
        while stack:
            place, is_ready = stack.pop()
            if is_ready:
                self._finish(place)
            elif place not in self._begun:
                self._begun[place] = ""
                stack.append((place, True))
                stack += [(need, False) for need in self._needs(place)]
        return [self._begun[place] for place in places]

    def _needs(self, place: _Place) -> list[_Place]:
        found = []
        for origin in self._origins(place):
            if origin != place:
                found.append(origin)
                continue
            run, node_id, item = place
            graph = self._graph(run)
            found += [_place(run, graph, ref, name, node_id, item) for name, ref in _inputs(graph.nodes[node_id])]
        return found

    def _finish(self, place: _Place) -> None:
        """All that it needs has been finished."""
        found = []
        for origin in self._origins(place):
            if origin == place:
                step = self._step(*place)
                self._steps[step.id] = step
                found.append(step.id)
            else:
                found.append(self._begun[origin])
        self._begun[place] = " ".join(found)  # several: items of one mapped node that were computed in several runs

    def _origins(self, place: _Place) -> list[_Place]:
        """The same results in the runs that computed them: mostly one place, this one or another."""
        run, node_id, item = place
        if inside := self._inside(place):
            return inside
        if item is not None:
            row = tasks.get(self._client.db, run, node_id, item)
            if row is None or row.source is None or row.source == run:
                return [place]
            return [self._maker(row.source, row.key or "", place)]
        found: list[_Place] = []
        for source in history.sources(self._client.db, run, node_id):
            if source.run == run:
                found.append(place)
                continue
            made = self._maker(source.run, source.key, place)
            found.append((made[0], made[1], None) if source.items > 1 and self._is_mapped(made) else made)
        return found or [place]

    def _inside(self, place: _Place) -> list[_Place]:
        """Of a node with nodes of its own those whose results are its own; none of any other."""
        run, node_id, item = place
        graph = self._graph(run)
        if not grows(graph.nodes[node_id]):
            return []
        parts = self._client.past.state(self._run(run)).nodes[node_id].parts
        outputs = [part.output for i, part in parts.items() if item in (None, i)]
        return [_place(run, graph, ref, "", node_id, None) for output in outputs for ref in ex.refs(output)]

    def _is_mapped(self, place: _Place) -> bool:
        return self._graph(place[0]).nodes[place[1]].map is not None

    def _maker(self, source: int, key: str, place: _Place) -> _Place:
        made = [m for m in history.makers(self._client.db, key) if m[0] == source]
        return made[0] if made else place

    def _step(self, run: int, node_id: str, item: int | None) -> Step:
        about, graph = self._run(run), self._graph(run)
        node, spec = graph.nodes[node_id], graph.spec(node_id)
        row = None if item is None else tasks.get(self._client.db, run, node_id, item)
        mark = "" if node.map is None else "[*]" if item is None else f"[{item}]"
        items = 1 if item is not None else tasks.lengths(self._client.db, run).get(node_id, 0)
        return Step(
            f"{run}/{node_id}{mark}", run, node_id, item if node.map is not None else None, items, spec.name,
            spec.function, spec.code.digest, spec.code.packages, str(about.provenance.get("packages", "")),
            _params(node, about), about.seed, seed_of(row.key) if row is not None and row.key else None,
            str(about.provenance.get("commit", "")), bool(about.provenance.get("dirty")),
            row.finished_at if row is not None else None, _digests(row), self._step_inputs(run, node, item),
        )  # fmt: skip

    def _step_inputs(self, run: int, node: Node, item: int | None) -> tuple[StepInput, ...]:
        graph = self._graph(run)
        found: dict[str, list[tuple[ex.Ref, _Place]]] = {}
        for name, ref in _inputs(node):
            found.setdefault(name, []).append((ref, _place(run, graph, ref, name, node.id, item)))
        made = []
        for name, pairs in found.items():
            steps = [step for _, place in pairs for step in self._begun[place].split()]
            digest = self._digest(*pairs[0]) if len(pairs) == 1 else ""
            made.append(StepInput(name, show(node.bindings[name]), digest, tuple(dict.fromkeys(steps))))
        return tuple(made)

    def _digest(self, ref: ex.Ref, place: _Place) -> str:
        run, node_id, item = place
        row = None if item is None else tasks.get(self._client.db, run, node_id, item)
        output = output_of(ref, self._graph(run), node_id)
        return row.outputs[output].digest if row is not None and output in row.outputs else ""

    def _run(self, number: int) -> Run:
        if number not in self._runs:
            self._runs[number] = runs.get(self._client.db, number)
        return self._runs[number]

    def _graph(self, run: int) -> Graph:
        if run not in self._graphs:
            self._graphs[run] = self._client.run_graph(self._run(run))
        return self._graphs[run]


def output_of(ref: ex.Ref, graph: Graph, node_id: str) -> str:
    """The output that a reference takes; empty: all of several."""
    spec = graph.spec(node_id).outputs
    path = (
        ref.path[1:] if graph.nodes[node_id].map is not None and ref.path[:1] and ref.path[0][0] == "item" else ref.path
    )
    if spec.kind == "single":
        return spec.names[0]
    if not path:
        return ""
    kind, key = path[0]
    return spec.names[key] if kind == "item" and isinstance(key, int) and key < len(spec.names) else str(key)


def _place(run: int, graph: Graph, ref: ex.Ref, name: str, user: str, item: int | None) -> _Place:
    """Where the result is that a reference in an input of a task run stands for."""
    if graph.nodes[ref.node].map is None:
        return run, ref.node, 0
    if ref.path and ref.path[0][0] == "item":
        return run, ref.node, int(ref.path[0][1])
    node = graph.nodes[user]
    taken_apart = node.map is not None and node.map.mode == "zip" and name in node.map.names
    return run, ref.node, item if taken_apart and node.bindings[name] == ref else None


def _inputs(node: Node) -> list[tuple[str, ex.Ref]]:
    return [(name, ref) for name, binding in node.bindings.items() for ref in dict.fromkeys(ex.refs(binding))]


def _params(node: Node, run: Run) -> dict[str, str]:
    found = {}
    for name, binding in node.bindings.items():
        if any(ex.refs(binding)):
            continue
        try:
            found[name] = short(ex.evaluate(binding, lambda p: run.params[p.name] if isinstance(p, ex.Param) else None))
        except Exception:  # noqa: BLE001  # a constant of a class that cannot be imported here
            found[name] = show(binding)
    return found


def _digests(row: TaskRun | None) -> dict[str, str]:
    return {} if row is None else {name: ref.digest for name, ref in row.outputs.items()}
