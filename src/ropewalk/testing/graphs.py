"""Random pipelines: graphs with maps, branches, fallbacks and rules, and the pure functions that their tasks run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

from ropewalk.core import expr as ex
from ropewalk.core.cache import Cache
from ropewalk.core.code import CodeFingerprint
from ropewalk.core.expr import Expr, Ref
from ropewalk.core.graph import Body, Graph, MapSpec, Node, TaskSpec, make_graph
from ropewalk.core.policy import Policy, RunIf, RunPolicy
from ropewalk.core.retry import Retry
from ropewalk.core.special import Approval
from ropewalk.testing.bounds import random_bounds, random_run_policy
from ropewalk.testing.growth import random_special

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

BIG_BYTES = 5_000  # more than fits in a row, so it becomes a blob
LISTS = ("several", "none")  # tasks that return lists of numbers


def number(**inputs: Any) -> int:
    """A number from 0 to 99 that depends on every input."""
    text = json.dumps(inputs, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).digest()[0] % 100


def several(length: int = 3, **inputs: Any) -> list[int]:
    """A list of numbers that depend on every input."""
    return [number(index=index, **inputs) for index in range(length)]


def none(**inputs: Any) -> list[int]:
    """An empty list, whatever the inputs are."""
    return []


def big(**inputs: Any) -> str:
    """A text too long to be kept in a row."""
    return f"{number(**inputs):02d}" * (BIG_BYTES // 2)


def total(items: list[Any], **inputs: Any) -> int:
    """A number that depends on all of a list."""
    return number(items=items, **inputs)


def found(after_s: float, **inputs: Any) -> bool:
    """A check that finds what it looks for; a simulation looks at its clock instead."""
    return True


def undone(result: Any) -> None:
    """Take an effect back that there never was."""


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "number": number, "several": several, "none": none, "big": big, "total": total, "found": found, "undone": undone,
}  # fmt: skip
ORDINARY = ("number", "several", "none", "big")
INPUTS = {"total": (("items", "list"),), "undone": (("result", ""),)}


@dataclass(frozen=True, slots=True)
class Shape:
    """How likely the parts of a random graph are, from 0 to 1."""

    mapped: float = 0.4
    conditional: float = 0.2
    fallback: float = 0.15  # an input that is a `first_of`
    after: float = 0.15
    lenient: float = 0.2  # a `run_if` other than the default
    retried: float = 0.5
    shared: float = 0.15  # nodes that compute the same key
    uncached: float = 0.15
    special: float = 0.0  # more than a call: a loop, a wait, a question …
    bounded: float = (
        0.0  # limits, pools, cores, guards, times, tolerated failures, effects; and rules for the whole run
    )


def random_graph(rng: Random, size: int, shape: Shape = Shape()) -> Graph:
    """A graph of `size` nodes, `n0` to the last; equal generators give equal graphs."""
    nodes: dict[str, Node] = {}
    bodies: dict[str, Body] = {}
    for index in range(size):
        if shape.special and rng.random() < shape.special:
            node = random_special(rng, f"n{index}", nodes, bodies)
        else:
            node = _random_node(rng, f"n{index}", nodes, shape)
        if shape.bounded:
            node = replace(node, policy=random_bounds(rng, node, shape.bounded))
        nodes[node.id] = node
    output = ex.Build("list", (), tuple(Ref(n) for n in nodes))
    policy = random_run_policy(rng) if shape.bounded else RunPolicy()
    return make_graph("random", _tasks(), nodes, output=output, bodies=bodies, policy=policy)


def _tasks() -> dict[str, TaskSpec]:
    made = {
        name: TaskSpec(
            name, f"{function.__module__}:{name}", INPUTS.get(name, ()),
            code=CodeFingerprint(hashlib.sha256(name.encode()).hexdigest()),
        )
        for name, function in FUNCTIONS.items()
    }  # fmt: skip
    return made | {name: TaskSpec(name, "") for name in ("owner", "approve")}


def graphs(most: int = 8, shape: Shape = Shape()) -> SearchStrategy[Graph]:
    """Hypothesis: random graphs of 1 to `most` nodes."""
    from hypothesis import strategies as st

    return st.builds(random_graph, st.randoms(use_true_random=False), st.integers(1, most), st.just(shape))


def _random_node(rng: Random, node_id: str, nodes: dict[str, Node], shape: Shape) -> Node:
    task = rng.choices(ORDINARY, (6, 3, 0.5, 1))[0]
    given = sorted(up for up, node in nodes.items() if not isinstance(node.special, Approval))
    ups = rng.sample(given, min(len(given), rng.choice((0, 1, 1, 2, 2, 3))))
    bindings: dict[str, Expr] = {f"i{k}": _random_input(rng, up, nodes, shape) for k, up in enumerate(ups)}
    if rng.random() >= shape.shared:
        bindings["own"] = ex.constant(node_id)
    mapping = _random_map(rng, bindings, nodes) if rng.random() < shape.mapped else None
    when = _random_condition(rng, nodes) if nodes and rng.random() < shape.conditional else None
    after = (rng.choice(sorted(nodes)),) if nodes and rng.random() < shape.after else ()
    return Node(node_id, task, bindings, _random_policy(rng, shape), mapping, when, after)


def _random_input(rng: Random, up: str, nodes: dict[str, Node], shape: Shape) -> Expr:
    if rng.random() < shape.fallback:
        others = sorted(other for other, node in nodes.items() if not isinstance(node.special, Approval))
        return ex.FirstOf((Ref(up), Ref(rng.choice(others))))
    if rng.random() < 0.1:
        return ex.Build("list", (), (Ref(up), ex.constant(1)))
    return Ref(up)


def _random_map(rng: Random, bindings: dict[str, Expr], nodes: dict[str, Node]) -> MapSpec:
    """Take apart some inputs that are lists; a list of constants where there is none."""
    listed = [name for name, binding in bindings.items() if _is_list(binding, nodes)]
    if not listed:
        bindings["items"] = ex.constant(list(range(rng.choice((1, 3, 3, 3)))))
        listed = ["items"]
    names = tuple(sorted(rng.sample(listed, rng.randint(1, len(listed)))))
    if rng.random() < 0.25 and not any(_is_mapped(bindings[name], nodes) for name in names):  # else they multiply
        return MapSpec("cross", names)
    return MapSpec("zip", names)


def _is_list(binding: Expr, nodes: dict[str, Node]) -> bool:
    return _is_mapped(binding, nodes) or (isinstance(binding, Ref) and nodes[binding.node].task in LISTS)


def _is_mapped(binding: Expr, nodes: dict[str, Node]) -> bool:
    return isinstance(binding, Ref) and nodes[binding.node].map is not None


def _random_condition(rng: Random, nodes: dict[str, Node]) -> Expr:
    """A comparison with a number: an error for the results that are lists or texts."""
    numbers = [n.id for n in nodes.values() if n.task in ("number", "total") and n.map is None]
    up = rng.choice(numbers if numbers and rng.random() < 0.9 else sorted(nodes))
    condition: Expr = ex.Op("ge", (Ref(up), ex.constant(rng.choice((20, 50, 80)))))
    return ex.Op("not", (condition,)) if rng.random() < 0.5 else condition


def _random_policy(rng: Random, shape: Shape) -> Policy:
    retry = Retry()
    if rng.random() < shape.retried:
        retry = Retry(rng.choice((1, 2, 3)), delay=rng.choice((0, 1, 10)), backoff=rng.choice((1, 2)))
    if rng.random() < 0.1:
        retry = Retry(retry.count, not_on=["lost"])
    lenient: tuple[RunIf, ...] = ("all_done", "any_failed", "none_failed", "always")
    rule: RunIf = rng.choice(lenient) if rng.random() < shape.lenient else "all_succeeded"
    return Policy(retry, Cache(rng.random() >= shape.uncached), run_if=rule)
