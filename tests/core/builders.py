"""Small graphs, states and values with defaults, for tests that say only what matters to them."""

from __future__ import annotations

from typing import Any

from ropewalk.core import events as ev
from ropewalk.core import expr as ex
from ropewalk.core.artifact import ArtifactRef, Failure
from ropewalk.core.code import CodeFingerprint
from ropewalk.core.decide import Command, Decider
from ropewalk.core.expr import Expr, Ref
from ropewalk.core.graph import Graph, MapSpec, Node, TaskSpec, make_graph
from ropewalk.core.policy import Policy
from ropewalk.core.state import RunState

ONE = ArtifactRef("6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b", 1, "json", "int", inline=b"1")
OUTPUTS = {"result": ONE}
WRONG = Failure("exception", "ValueError: no", "builtins.ValueError", ("builtins.Exception",))
LOST = Failure("lost", "its worker died")
IF = ex.constant(True)  # a condition, or a list: the pure core does not look into it


def task(name: str = "do") -> TaskSpec:
    return TaskSpec(name, f"module:{name}", code=CodeFingerprint(name))


def node(node_id: str, *needs: str | Expr, each: tuple[str, ...] = (), policy: Policy = Policy(), **rest: Any) -> Node:
    """A node with inputs `i0`, `i1` …: results of other nodes, or expressions."""
    bindings = {f"i{k}": Ref(need) if isinstance(need, str) else need for k, need in enumerate(needs)}
    return Node(node_id, "do", bindings, policy, MapSpec("zip", each) if each else None, **rest)


def graph(*nodes: Node, **rest: Any) -> Graph:
    return make_graph("test", {"do": task()}, {n.id: n for n in nodes}, **rest)


def begun(*nodes: Node) -> tuple[Decider, list[Command]]:
    """A decider at the start of a run, and what it asks for."""
    decider = Decider(RunState(graph(*nodes)))
    decider.recover()
    return decider, decider.take()[1]


def feed(decider: Decider, *events: ev.Event) -> list[Command]:
    """What a decider asks for when these events are fed."""
    for event in events:
        decider.feed(event)
    return decider.take()[1]


def succeed(decider: Decider, node_id: str, *items: int, token: int = 1) -> list[Command]:
    """Start items and let them succeed."""
    chosen = items or (0,)
    ends = [ev.Succeeded(node_id, item, token, "key", OUTPUTS) for item in chosen]
    return feed(decider, ev.Started(node_id, chosen, token, "w1"), *ends)
