"""The pipelines that are measured. Bodies do next to nothing, so what is seen is the orchestration."""

from __future__ import annotations

from typing import Any

from ropewalk.core.code import CodeFingerprint
from ropewalk.core.expr import Ref, constant
from ropewalk.core.graph import Graph, MapSpec, Node, TaskSpec, make_graph
from ropewalk.engine.client import Work


def numbers(n: int) -> list[int]:
    return list(range(n))


def square(x: int) -> int:
    return x * x


def total(xs: list[int]) -> int:
    return sum(xs)


def step(x: int) -> int:
    return x + 1


def make_frame(megabytes: int) -> Any:
    import numpy as np
    import pandas as pd

    rows = megabytes * 1_000_000 // 80
    values = np.random.default_rng(0).random((rows, 10))
    return pd.DataFrame(values, columns=[f"c{i}" for i in range(10)])


def touch_frame(frame: Any) -> Any:
    return frame + 1


def count_rows(frame: Any) -> int:
    return len(frame)


FUNCTIONS = {f.__name__: f for f in (numbers, square, total, step, make_frame, touch_frame, count_rows)}


def fan_out(n: int) -> Work:
    """1 → n → 1."""
    return _work(
        "fan-out",
        Node("numbers", "numbers", {"n": constant(n)}),
        Node("square", "square", {"x": Ref("numbers")}, map=MapSpec("zip", ("x",))),
        Node("total", "total", {"xs": Ref("square")}),
    )


def chain(n: int) -> Work:
    """n tasks, each on the result of the one before."""
    nodes = [Node("s0", "step", {"x": constant(0)})]
    nodes += [Node(f"s{i}", "step", {"x": Ref(f"s{i - 1}")}) for i in range(1, n)]
    return _work("chain", *nodes)


def frames(megabytes: int) -> Work:
    """A data frame through five tasks."""
    nodes = [Node("f0", "make_frame", {"megabytes": constant(megabytes)})]
    nodes += [Node(f"f{i}", "touch_frame", {"frame": Ref(f"f{i - 1}")}) for i in range(1, 5)]
    return _work("frames", *nodes, Node("rows", "count_rows", {"frame": Ref("f4")}))


def _work(name: str, *nodes: Node) -> Work:
    tasks = {
        node.task: TaskSpec(node.task, f"bench.workloads:{node.task}", code=CodeFingerprint("1")) for node in nodes
    }
    graph: Graph = make_graph(name, tasks, {node.id: node for node in nodes})
    return Work(graph, FUNCTIONS, {}, {})
