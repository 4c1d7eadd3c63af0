"""Workloads as bare graphs, for profiling the engine without the tracing; and one run of them, timed."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks import bodies
from ropewalk.core.code import CodeFingerprint
from ropewalk.core.expr import Ref, constant
from ropewalk.core.graph import Graph, MapSpec, Node, TaskSpec, make_graph
from ropewalk.engine.client import Client, Options, Work

WORKERS = 2
FUNCTIONS = {
    f.__name__: f
    for f in (
        bodies.numbers, bodies.square, bodies.total, bodies.step, bodies.make_frame, bodies.touch_frame,
        bodies.digest_frame,
    )
}  # fmt: skip


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
    nodes += [Node(f"f{i}", "touch_frame", {"frame": Ref(f"f{i - 1}")}) for i in range(1, 6)]
    return _work("frames", *nodes, Node("digest", "digest_frame", {"frame": Ref("f5")}))


def _work(name: str, *nodes: Node) -> Work:
    tasks = {
        node.task: TaskSpec(node.task, f"benchmarks.bodies:{node.task}", code=CodeFingerprint("1")) for node in nodes
    }
    graph: Graph = make_graph(name, tasks, {node.id: node for node in nodes})
    return Work(graph, FUNCTIONS, {}, {})


def timed_run(work: Work, executor: str, *, home: Path, seed: int = 0) -> float:
    """Seconds of one run, from its creation to its end."""
    with Client(home) as client:
        started = time.perf_counter()
        result = client.run(work, Options(executor=executor, workers=WORKERS, seed=seed))
        took = time.perf_counter() - started
    if result.state != "succeeded":
        raise AssertionError(result)
    return took
