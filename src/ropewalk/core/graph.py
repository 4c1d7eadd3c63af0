"""The graph: what a pipeline compiles to and what everything else reads. Plain immutable data."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from ropewalk.core import drawing
from ropewalk.core import expr as ex
from ropewalk.core.code import CodeFingerprint
from ropewalk.core.errors import DefinitionError, VersionError
from ropewalk.core.expr import Expr, Ref
from ropewalk.core.guard import check_guards
from ropewalk.core.pickling import pickled_by_fields
from ropewalk.core.policy import Policy, RunPolicy
from ropewalk.core.special import KINDS, Special, kind_of, mark_of
from ropewalk.core.special import from_json as special_from_json
from ropewalk.core.special import to_json as special_to_json
from ropewalk.core.topology import downstream, topological
from ropewalk.core.values import digest

GRAPH_VERSION = 1
MAX_DRAWN = 400  # nodes of a picture


@pickled_by_fields
@dataclass(frozen=True, slots=True)
class OutputSpec:
    """How a task's return value becomes artifacts: one, or one for each field."""

    kind: str = "single"  # single | tuple | fields (NamedTuple or dataclass)
    names: tuple[str, ...] = ("result",)
    type: str = ""  # annotation as text; for `fields` the import path "module:qualname"


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task as a graph knows it."""

    name: str
    function: str  # "module:qualname"
    inputs: tuple[tuple[str, str], ...] = ()  # parameter and its annotation as text
    outputs: OutputSpec = OutputSpec()
    code: CodeFingerprint = CodeFingerprint("")
    doc: str = ""  # first line of the docstring
    dynamic: bool = False  # it returns nodes, which the run gets


@dataclass(frozen=True, slots=True)
class MapSpec:
    """Which inputs of a node are taken apart: item by item (`zip`) or in every combination (`cross`)."""

    mode: str  # zip | cross
    names: tuple[str, ...]
    key: str = ""  # what identifies an item of the first name: its field, or "." for itself; empty: its place


@dataclass(frozen=True, slots=True)
class Node:
    """One place in a graph."""

    id: str
    task: str  # key of Graph.tasks
    bindings: Mapping[str, Expr] = field(default_factory=dict)
    policy: Policy = Policy()
    map: MapSpec | None = None
    when: Expr | None = None
    after: tuple[str, ...] = ()  # control dependencies
    special: Special | None = None  # what it is besides a call of a task
    turn: tuple[int, ...] = ()  # of the loops that it is in; equal work in different turns is not the same
    file: str = ""  # where the pipeline calls it
    line: int = 0

    @property
    def kind(self) -> str:
        """One of `special.KINDS`."""
        return kind_of(self.special)

    @property
    def label(self) -> str:
        """Its id with marks for what it is: "[*]" mapped, "⟲ ≤20" a loop, "?" under a condition."""
        mapped, condition = "[*]" if self.map is not None else "", " ?" if self.when is not None else ""
        return f"{self.id}{mapped}{mark_of(self.special)}{condition}"

    @property
    def upstream(self) -> tuple[str, ...]:
        """The nodes that it needs, without repetition, in order of first mention."""
        return tuple(dict.fromkeys(ref.node for ref in self.refs()))

    def refs(self) -> Iterator[Ref]:
        """Every reference of the node: inputs, condition and control dependencies."""
        for binding in self.bindings.values():
            yield from ex.refs(binding)
        if self.when is not None:
            yield from ex.refs(self.when)
        for node in self.after:
            yield Ref(node)


@dataclass(frozen=True, slots=True)
class Body:
    """Nodes that come into being while a run goes on, once or often: a turn of a loop, an item of a mapped pipeline."""

    nodes: Mapping[str, Node]  # in topological order; with references to each other, to nodes outside, and to slots
    output: Expr  # the result of one of the nodes
    slots: tuple[str, ...] = ()
    until: Expr | None = None  # of a loop: it ends after the turn in which this holds; None: after the last one
    tasks: Mapping[str, TaskSpec] = field(default_factory=dict)  # of a body that a task made: those it calls
    bodies: Mapping[str, Body] = field(default_factory=dict)  # and those of its nodes


@dataclass(frozen=True, slots=True)
class ParamSpec:
    """A parameter of a pipeline."""

    name: str
    type: str  # int | float | bool | str | path | json …, or the annotation as text
    required: bool = False
    default: Any = None  # in the encoding of core.values
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] = ()
    doc: str = ""


@dataclass(frozen=True)
class Graph:
    """A compiled pipeline: nodes in topological order, each after everything it needs."""

    name: str
    tasks: Mapping[str, TaskSpec]
    nodes: Mapping[str, Node]
    params: tuple[ParamSpec, ...] = ()
    output: Expr | None = None
    file: str = ""
    doc: str = ""
    bodies: Mapping[str, Body] = field(default_factory=dict)
    policy: RunPolicy = RunPolicy()

    @cached_property
    def digest(self) -> str:
        """Identity of the graph: over its JSON without places in files."""
        return digest(json.dumps(self.to_json(places=False), separators=(",", ":")).encode())

    @cached_property
    def upstream(self) -> dict[str, tuple[str, ...]]:
        """For each node the nodes that it needs, without repetition, in order of first mention."""
        return {n.id: n.upstream for n in self.nodes.values()}

    @cached_property
    def downstream(self) -> dict[str, tuple[str, ...]]:
        """For each node the nodes that need it."""
        return downstream(self.upstream)

    @property
    def labels(self) -> dict[str, str]:
        """What a picture shows for each node, also inside of others: its id, and marks of map, loop and condition."""
        inner = {n.id: n.label[len(owner) + 3 :] for owner, body in self.bodies.items() for n in body.nodes.values()}
        return {**inner, **{n.id: n.label for n in self.nodes.values()}}

    @property
    def inside(self) -> dict[str, dict[str, list[str]]]:
        """For each node with a body, what each node of the body needs there."""
        return {
            owner: {n.id: [up for up in n.upstream if up in body.nodes] for n in body.nodes.values()}
            for owner, body in self.bodies.items()
        }

    def mermaid(self) -> str:
        """The graph as Mermaid text."""
        return drawing.mermaid(self.upstream, self.labels, self.inside)

    def _repr_html_(self) -> str:
        if len(self.nodes) > MAX_DRAWN:
            return f"<p>{self.name}: a graph of {len(self.nodes):,} nodes, too many to draw</p>"
        labels = self.labels
        notes = (f"inside {owner}: {drawing.told(needs, labels)}" for owner, needs in self.inside.items())
        return drawing.svg(self.upstream, labels) + "".join(f"<p>{html.escape(note)}</p>" for note in notes)

    def spec(self, node_id: str) -> TaskSpec:
        """The task that a node runs."""
        return self.tasks[self.nodes[node_id].task]

    def with_constant(self, node_ids: tuple[str, ...], parameter: str, value: Any) -> Graph:
        """This graph with one task parameter bound to a constant at the given nodes, in bodies too."""

        def bound(nodes: Mapping[str, Node]) -> dict[str, Node]:
            return {n: _bound(node, parameter, value) if n in node_ids else node for n, node in nodes.items()}

        bodies = {owner: replace(body, nodes=bound(body.nodes)) for owner, body in self.bodies.items()}
        return replace(self, nodes=bound(self.nodes), bodies=bodies)

    def to_json(self, *, places: bool = True) -> dict[str, Any]:
        """The graph as versioned JSON-able data; without `places` it holds no file names and lines."""
        data: dict[str, Any] = {
            "version": GRAPH_VERSION,
            "name": self.name,
            "doc": self.doc if places else "",
            "file": self.file if places else "",
            "params": [_param_to_json(p) for p in self.params],
            "tasks": {name: _task_to_json(t, places) for name, t in self.tasks.items()},
            "nodes": _nodes_to_json(self.nodes.values(), places),
            "output": None if self.output is None else ex.to_json(self.output),
        }
        if self.bodies:
            data["bodies"] = {name: body_to_json(body, places) for name, body in self.bodies.items()}
        if policy := self.policy.to_json():
            data["policy"] = policy
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Graph:
        """The graph that `to_json` wrote.

        Raises:
            VersionError: it was written by a newer version, or has nodes of a kind that this one does not know.
        """
        if data["version"] > GRAPH_VERSION:
            raise VersionError(
                f"graph `{data['name']}` has format {data['version']}, newer than this program's {GRAPH_VERSION}",
                help=["pip install --upgrade ropewalk"],
            )
        for node in data["nodes"]:
            if node["kind"] not in KINDS:
                raise VersionError(f"node `{node['id']}` is of kind `{node['kind']}`, which this version cannot run")
        return cls(
            data["name"],
            {name: _task_from_json(name, t) for name, t in data["tasks"].items()},
            {n["id"]: _node_from_json(n) for n in data["nodes"]},
            tuple(_param_from_json(p) for p in data["params"]),
            None if data["output"] is None else ex.from_json(data["output"]),
            data["file"],
            data["doc"],
            {name: body_from_json(body) for name, body in data.get("bodies", {}).items()},
            RunPolicy.from_json(data.get("policy", {})),
        )


def _bound(node: Node, parameter: str, value: Any) -> Node:
    return replace(node, bindings={**node.bindings, parameter: ex.constant(value)})


def make_graph(
    name: str,
    tasks: Mapping[str, TaskSpec],
    nodes: Mapping[str, Node],
    **rest: Any,
) -> Graph:
    """A checked graph with its nodes in topological order (the order given, as far as it goes).

    Raises:
        DefinitionError: it is empty, refers to unknown nodes, has a cycle, or guards of one name that differ.
    """
    if not nodes:
        raise DefinitionError(
            f"pipeline `{name}` has no tasks", code="P211", help=["call at least one @task function inside it"]
        )
    for node in nodes.values():
        for ref in node.refs():
            if ref.node not in nodes:
                raise DefinitionError(f"node `{node.id}` refers to `{ref.node}`, which is not there", code="P212")
    made = Graph(name, tasks, {node_id: nodes[node_id] for node_id in topological(nodes)}, **rest)
    every = [*nodes.values(), *(node for body in made.bodies.values() for node in body.nodes.values())]
    check_guards((node.id, node.policy.guards) for node in every)
    return made


def make_body(nodes: Mapping[str, Node], output: Expr, slots: tuple[str, ...] = (), until: Expr | None = None) -> Body:
    """A checked body, its nodes in topological order.

    Raises:
        DefinitionError: it has a cycle.
    """
    return Body({node_id: nodes[node_id] for node_id in topological(nodes)}, output, slots, until)


def _param_to_json(p: ParamSpec) -> dict[str, Any]:
    return {
        "name": p.name, "type": p.type, "required": p.required, "default": p.default, "minimum": p.minimum,
        "maximum": p.maximum, "choices": list(p.choices), "doc": p.doc,
    }  # fmt: skip


def _param_from_json(data: dict[str, Any]) -> ParamSpec:
    return ParamSpec(**{**data, "choices": tuple(data["choices"])})


def _task_to_json(t: TaskSpec, places: bool) -> dict[str, Any]:
    dynamic = {"dynamic": True} if t.dynamic else {}
    return {
        "name": t.name,
        "function": t.function,
        "inputs": [list(i) for i in t.inputs],
        "outputs": [t.outputs.kind, list(t.outputs.names), t.outputs.type],
        "code": t.code.to_json() if places else t.code.digest,
        "doc": t.doc if places else "",
        **dynamic,
    }


def _task_from_json(name: str, data: dict[str, Any]) -> TaskSpec:
    kind, names, type_ = data["outputs"]
    return TaskSpec(
        data["name"],
        data["function"],
        tuple((i[0], i[1]) for i in data["inputs"]),
        OutputSpec(kind, tuple(names), type_),
        CodeFingerprint.from_json(data["code"]),
        data["doc"],
        data.get("dynamic", False),
    )


def _nodes_to_json(nodes: Iterable[Node], places: bool) -> list[dict[str, Any]]:
    """Nodes that call one task have most often one policy, which is put into words once."""
    policies: dict[int, dict[str, Any]] = {}
    found = []
    for node in nodes:
        if id(node.policy) not in policies:
            policies[id(node.policy)] = node.policy.to_json()
        found.append(_node_to_json(node, policies[id(node.policy)], places))
    return found


def _node_to_json(n: Node, policy: dict[str, Any], places: bool) -> dict[str, Any]:
    data: dict[str, Any] = {
        "id": n.id,
        "kind": n.kind,
        "task": n.task,
        "bindings": {name: ex.to_json(b) for name, b in n.bindings.items()},
        "policy": policy,
        "map": None if n.map is None else [n.map.mode, list(n.map.names), *([n.map.key] if n.map.key else [])],
        "when": None if n.when is None else ex.to_json(n.when),
        "after": list(n.after),
    }
    if n.turn:
        data["turn"] = list(n.turn)
    if n.special is not None:
        data["special"] = special_to_json(n.special)
    if places:
        data |= {"file": n.file, "line": n.line}
    return data


def _node_from_json(data: dict[str, Any]) -> Node:
    return Node(
        data["id"],
        data["task"],
        {name: ex.from_json(b) for name, b in data["bindings"].items()},
        Policy.from_json(data["policy"]),
        None if data["map"] is None else MapSpec(data["map"][0], tuple(data["map"][1]), *data["map"][2:]),
        None if data["when"] is None else ex.from_json(data["when"]),
        tuple(data["after"]),
        special_from_json(data["kind"], data["special"]) if "special" in data else None,
        tuple(data.get("turn", ())),
        data.get("file", ""),
        data.get("line", 0),
    )


def body_to_json(body: Body, places: bool = True) -> dict[str, Any]:
    """A body as JSON-able data."""
    return {
        "nodes": _nodes_to_json(body.nodes.values(), places),
        "output": ex.to_json(body.output),
        "slots": list(body.slots),
        "until": None if body.until is None else ex.to_json(body.until),
        "tasks": {name: _task_to_json(t, places) for name, t in body.tasks.items()},
        "bodies": {name: body_to_json(b, places) for name, b in body.bodies.items()},
    }


def body_from_json(data: dict[str, Any]) -> Body:
    """The body that `body_to_json` wrote."""
    return Body(
        {n["id"]: _node_from_json(n) for n in data["nodes"]},
        ex.from_json(data["output"]),
        tuple(data["slots"]),
        None if data["until"] is None else ex.from_json(data["until"]),
        {name: _task_from_json(name, t) for name, t in data["tasks"].items()},
        {name: body_from_json(b) for name, b in data["bodies"].items()},
    )
