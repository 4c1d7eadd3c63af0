"""Kedro: pipelines of nodes over a data catalog, run from Python as `kedro run` does, without a project around them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial, update_wrapper
from pathlib import Path
from typing import Any

from benchmarks import bodies
from benchmarks.peer import Job, Peer, Variant

FRAME_STEPS = 5


def dataset(name: str, folder: Path, *, stored: bool) -> Any:
    """In memory, handed on without a copy, or in a pickle file."""
    if not stored:
        from kedro.io import MemoryDataset

        return MemoryDataset(copy_mode="assign")
    from kedro_datasets.pickle import PickleDataset

    return PickleDataset(filepath=str(folder / f"{name}.pkl"), save_args={"protocol": 5})


def run(nodes: list[Any], results: Sequence[str], folder: Path, *, stored: bool, missing: bool = False) -> list[Any]:
    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline
    from kedro.runner import SequentialRunner

    logging.getLogger("kedro").setLevel(logging.WARNING)
    pipeline = Pipeline(nodes)
    datasets = DataCatalog({name: dataset(name, folder, stored=stored) for name in pipeline.datasets()})
    SequentialRunner().run(pipeline, datasets, only_missing_outputs=missing)
    return [datasets.load(name) for name in results]


def given(body: Any, *values: int) -> Any:
    """A body without inputs from other nodes."""
    return update_wrapper(partial(body, *values), body)


def chained(n: int) -> list[Any]:
    from kedro.pipeline import node

    later = [node(bodies.step, f"x{i - 1}", f"x{i}", name=f"step{i}") for i in range(2, n + 1)]
    return [node(given(bodies.step, 0), None, "x1", name="step1"), *later]


def fanned(n: int, body: Any = bodies.square) -> list[Any]:
    from kedro.pipeline import node

    def item(i: int) -> Any:
        return lambda xs: body(xs[i])

    squares = [f"square{i}" for i in range(n)]
    return [
        node(given(bodies.numbers, n), None, "numbers", name="numbers"),
        *(node(item(i), "numbers", name, name=f"{name}_of") for i, name in enumerate(squares)),
        node(lambda *xs: bodies.total(xs), squares, "total", name="sum_up"),
    ]


def hello(n: int, folder: Path, *, stored: bool) -> Any:
    from kedro.pipeline import node

    return run([node(bodies.hello, None, "hello", name="say")], ["hello"], folder, stored=stored)[0]


def chain(n: int, folder: Path, *, stored: bool) -> Any:
    return run(chained(n), [f"x{n}"], folder, stored=stored)[0]


def fanout(n: int, folder: Path, *, stored: bool) -> Any:
    return run(fanned(n), ["total"], folder, stored=stored)[0]


def layered(n: int, folder: Path, *, stored: bool) -> Any:
    from kedro.pipeline import node

    first, *later = bodies.layers(n)
    nodes = [node(given(bodies.source, i), None, f"l0_{i}", name=f"source{i}") for i in range(len(first))]
    for depth, layer in enumerate(later, 1):
        nodes += [
            node(bodies.mix, [f"l{depth - 1}_{p}" for p in parents], f"l{depth}_{i}", name=f"mix{depth}_{i}")
            for i, parents in enumerate(layer)
        ]
    return sum(run(nodes, [f"l{len(later)}_{i}" for i in range(len(first))], folder, stored=stored))


def frame(megabytes: int, folder: Path, *, stored: bool) -> Any:
    from kedro.pipeline import node

    nodes = [
        node(given(bodies.make_frame, megabytes), None, "frame0", name="make"),
        *(node(bodies.touch_frame, f"frame{i}", f"frame{i + 1}", name=f"touch{i}") for i in range(FRAME_STEPS)),
        node(bodies.digest_frame, f"frame{FRAME_STEPS}", "digest", name="digest_of"),
    ]
    return run(nodes, ["digest"], folder, stored=stored)[0]


def cpu(n: int, folder: Path) -> int:
    from kedro.io import SharedMemoryDataCatalog
    from kedro.pipeline import Pipeline, node
    from kedro.runner import ParallelRunner

    names = [f"spun{i}" for i in range(n)]
    pipeline = Pipeline([node(given(bodies.spin, i), None, name, name=f"spin{i}") for i, name in enumerate(names)])
    logging.getLogger("kedro").setLevel(logging.WARNING)
    datasets, runner = SharedMemoryDataCatalog(), ParallelRunner(max_workers=2)  # the values go when the runner goes
    runner.run(pipeline, datasets)
    return sum(datasets.load(name) for name in names)


def log(lines: int, folder: Path, *, stored: bool) -> Any:
    from kedro.pipeline import node

    return run([node(given(bodies.talk, lines), None, "lines", name="talk")], ["lines"], folder, stored=stored)[0]


def plan(n: int, folder: Path) -> int:
    from kedro.pipeline import Pipeline

    return len(Pipeline(fanned(n - 2)).nodes)


def rerun(n: int, folder: Path) -> Any:
    return run(fanned(n), ["total"], folder, stored=True, missing=True)[0]


def crash(n: int, folder: Path) -> Any:
    return run(fanned(n, bodies.nap), ["total"], folder, stored=True, missing=True)[0]


def jobs(*, stored: bool) -> dict[str, Job]:
    both = {"hello": hello, "chain": chain, "fanout": fanout, "layered": layered, "frame": frame, "log": log}
    return {name: partial(job, stored=stored) for name, job in both.items()}


PEER = Peer(
    name="kedro",
    package="kedro",
    variants=(
        Variant(
            name="kedro",
            module="kedro.runner",
            configuration="SequentialRunner; every dataset a MemoryDataset with copy_mode=assign (tuned: the default"
            " copies deeply); log level WARNING (tuned); cpu: ParallelRunner with 2 workers; used as a library",
            keeps="nothing",
            records="nothing",
            jobs=jobs(stored=False) | {"cpu": cpu, "plan": plan},
            limits={"chain": 1000, "fanout": 1000, "layered": 500, "plan": 10_000},
        ),
        Variant(
            name="kedro-pickle",
            module="kedro.runner",
            configuration="SequentialRunner; every dataset a PickleDataset (protocol 5); rerun and crash with"
            " only_missing_outputs, which looks whether files exist; log level WARNING (tuned); used as a library",
            keeps="process",
            records="result in a pickle file, written in place and not fsynced",
            jobs=jobs(stored=True) | {"rerun": rerun, "crash": crash, "resume": crash},
            limits={"chain": 1000, "fanout": 1000, "layered": 500, "rerun": 1000},
        ),
    ),
)
