"""Kubeflow Pipelines in its local mode: a subprocess for each component.

Components are the source text of the functions here, so each imports what it needs, and annotations are evaluated.
"""

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.peer import Peer, Variant

FRAME_STEPS = 5


def say() -> str:
    from benchmarks import bodies

    return bodies.hello()


def step(x: int) -> int:
    from benchmarks import bodies

    return bodies.step(x)


def numbers(n: int) -> list[int]:
    from benchmarks import bodies

    return bodies.numbers(n)


def square(x: int) -> int:
    from benchmarks import bodies

    return bodies.square(x)


def nap(x: int) -> int:
    from benchmarks import bodies

    return bodies.nap(x)


def total(xs: list[int]) -> int:
    from benchmarks import bodies

    return bodies.total([int(x) for x in xs])  # in a list that comes from a loop numbers are floats


def source(x: int) -> int:
    from benchmarks import bodies

    return bodies.source(x)


def mix(a: int, b: int, c: int) -> int:
    from benchmarks import bodies

    return bodies.mix(a, b, c)


def spin(seed: int) -> int:
    from benchmarks import bodies

    return bodies.spin(seed)


def talk(lines: int) -> int:
    from benchmarks import bodies

    return bodies.talk(lines)


def component(function: Callable[..., Any]) -> Any:
    from kfp import dsl

    return dsl.component(function, base_image="python:3.11", install_kfp_package=False)


def run(pipeline: Callable[..., Any], folder: Path) -> Any:
    """Execute a pipeline; the task that comes back has its values."""
    from kfp import dsl, local

    warnings.filterwarnings("ignore", category=FutureWarning)
    workspace = folder / "workspace"  # deleted at the end
    workspace.mkdir(exist_ok=True)
    runner = local.SubprocessRunner(use_venv=False)
    local.init(runner, pipeline_root=str(folder / "outputs"), workspace_root=str(workspace), enable_caching=True)
    return dsl.pipeline(pipeline)()


def hello(n: int, folder: Path) -> Any:
    task = component(say)

    def pipeline() -> str:
        return task().output

    return run(pipeline, folder).output


def chained(n: int) -> Callable[[], int]:
    task = component(step)

    def pipeline() -> int:
        x: Any = 0
        for _ in range(n):
            x = task(x=x).output
        return x

    return pipeline


def chain(n: int, folder: Path) -> Any:
    return run(chained(n), folder).output


def fanout(n: int, folder: Path, *, body: Callable[[int], int] = square) -> Any:
    from kfp import dsl

    first, each, last = map(component, (numbers, body, total))

    def pipeline() -> int:
        with dsl.ParallelFor(first(n=n).output, parallelism=2) as x:
            squared = each(x=x)
        return last(xs=dsl.Collected(squared.output)).output

    return run(pipeline, folder).output


def layered(n: int, folder: Path) -> int:
    from benchmarks import bodies

    first, later = component(source), component(mix)
    results = NamedTuple("results", [(f"node{i}", int) for i in range(n // 10)])

    def pipeline() -> results:
        nodes: list[Any] = []
        for layer in bodies.layers(n):
            before = nodes
            nodes = [
                later(**{name: before[p] for name, p in zip("abc", parents, strict=True)}).output
                if parents
                else first(x=i).output
                for i, parents in enumerate(layer)
            ]
        return results(*nodes)

    return sum(run(pipeline, folder).outputs.values())


def frame(megabytes: int, folder: Path) -> Any:
    from kfp import dsl

    def make(megabytes: int, out: dsl.Output[dsl.Dataset]) -> None:
        from benchmarks import bodies

        bodies.make_frame(megabytes).to_pickle(out.path)

    def touch(frame: dsl.Input[dsl.Dataset], out: dsl.Output[dsl.Dataset]) -> None:
        import pandas as pd

        from benchmarks import bodies

        bodies.touch_frame(pd.read_pickle(frame.path)).to_pickle(out.path)

    def digest(frame: dsl.Input[dsl.Dataset]) -> float:
        import pandas as pd

        from benchmarks import bodies

        return bodies.digest_frame(pd.read_pickle(frame.path))

    first, each, last = map(component, (make, touch, digest))

    def pipeline() -> float:
        task = first(megabytes=megabytes)
        for _ in range(FRAME_STEPS):
            task = each(frame=task.outputs["out"])
        return last(frame=task.outputs["out"]).output

    return run(pipeline, folder).output


def cpu(n: int, folder: Path) -> int:
    from kfp import dsl

    each = component(spin)

    def pipeline() -> list[int]:
        with dsl.ParallelFor(list(range(n)), parallelism=2) as seed:
            spun = each(seed=seed)
        return dsl.Collected(spun.output)

    return sum(run(pipeline, folder).output)


def log(lines: int, folder: Path) -> Any:
    task = component(talk)

    def pipeline() -> int:
        return task(lines=lines).output

    return run(pipeline, folder).output


def plan(n: int, folder: Path) -> int:
    from kfp import dsl

    return len(dsl.pipeline(chained(n)).pipeline_spec.root.dag.tasks)


PEER = Peer(
    name="kfp",
    package="kfp",
    variants=(
        Variant(
            name="kfp",
            module="kfp",
            configuration="kfp.local, SubprocessRunner(use_venv=False) and components with install_kfp_package=False"
            " (tuned: the default installs kfp for each task), enable_caching=True, ParallelFor(parallelism=2)",
            keeps="process",
            records="outputs and an entry in the cache, as files, not fsynced",
            jobs={
                "hello": hello,
                "chain": chain,
                "fanout": fanout,
                "layered": layered,
                "rerun": fanout,
                "frame": frame,
                "cpu": cpu,
                "log": log,
                "plan": plan,
                "crash": partial(fanout, body=nap),
                "resume": partial(fanout, body=nap),
            },
            limits={"chain": 200, "fanout": 1000, "layered": 500, "rerun": 1000, "plan": 1000},
        ),
    ),
)
