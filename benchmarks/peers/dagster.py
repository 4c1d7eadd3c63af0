"""Dagster: jobs of ops, run from Python on an instance whose records are in SQLite."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import bodies
from benchmarks.peer import Job, Peer, Variant

FRAME_STEPS = 5
FORKSERVER = {"preload_modules": ["dagster", "benchmarks.peers.dagster"]}
EXECUTORS = {
    "in_process": {"in_process": {}},
    "multiprocess": {"multiprocess": {"max_concurrent": 2, "start_method": {"forkserver": FORKSERVER}}},
}


@contextmanager
def start(folder: Path) -> Iterator[None]:
    """No service; the folder of its instance, with telemetry off."""
    home = folder / "dagster"
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    os.environ["DAGSTER_HOME"] = str(home)
    yield


def op(body: Callable[..., Any], *given: Any, name: str = "", inputs: int = 0, listed: bool = False) -> Any:
    """An op of that many inputs, or of one that is a list; what is given comes before them."""
    import dagster

    names = ["xs"] if listed else [f"x{i}" for i in range(inputs)]

    def compute(**values: Any) -> Any:
        return body(*given, *(values[each] for each in names))

    return dagster.op(name=name or body.__name__, ins={each: dagster.In() for each in names})(compute)


def hello(n: int) -> None:
    op(bodies.hello, name="value")()


def chain(n: int) -> None:
    x = op(bodies.step, 0, name="first")()
    step = op(bodies.step, inputs=1)
    for i in range(1, n):
        x = step.alias("value" if i == n - 1 else f"step{i}")(x)


def fanout(n: int) -> None:
    import dagster

    @dagster.op(out=dagster.DynamicOut())
    def numbers() -> Any:
        for x in bodies.numbers(n):
            yield dagster.DynamicOutput(x, mapping_key=str(x))

    op(bodies.total, name="value", listed=True)(numbers().map(op(bodies.square, inputs=1)).collect())


def layered(n: int) -> None:
    first, *later = bodies.layers(n)
    before = [op(bodies.source, i, name=f"source{i}")() for i in range(len(first))]
    mix = op(bodies.mix, inputs=3)
    for depth, layer in enumerate(later, 1):
        before = [
            mix.alias(f"mix{depth}_{i}")(**{f"x{k}": before[p] for k, p in enumerate(parents)})
            for i, parents in enumerate(layer)
        ]
    op(sum, name="value", listed=True)(before)


def frame(megabytes: int) -> None:
    x = op(bodies.make_frame, megabytes)()
    touch = op(bodies.touch_frame, inputs=1)
    for i in range(FRAME_STEPS):
        x = touch.alias(f"touch{i}")(x)
    op(bodies.digest_frame, name="value", inputs=1)(x)


def cpu(n: int) -> None:
    op(sum, name="value", listed=True)([op(bodies.spin, i, name=f"spin{i}")() for i in range(n)])


def log(lines: int) -> None:
    op(bodies.talk, lines, name="value")()


def crash(n: int) -> None:
    """A graph of known width: re-executing a dynamic one that was killed sums up what is there, and succeeds."""
    numbers = op(bodies.numbers, n)()
    naps = [op(lambda xs, i=i: bodies.nap(xs[i]), name=f"nap{i}", inputs=1)(numbers) for i in range(n)]
    op(bodies.total, name="value", listed=True)(naps)


GRAPHS: dict[str, Callable[[int], None]] = {
    "hello": hello, "chain": chain, "fanout": fanout, "layered": layered, "frame": frame, "cpu": cpu, "log": log,
    "crash": crash,
}  # fmt: skip


def job(workload: str, n: int) -> Any:
    """What `build_reconstructable_job` names: each process makes the job anew."""
    import dagster

    return dagster.job(name=workload)(lambda: GRAPHS[workload](n))


def execute(workload: str, n: int, folder: Path, *, executor: str, **options: Any) -> Any:
    from dagster import DagsterInstance, build_reconstructable_job, execute_job

    described = build_reconstructable_job(__name__, "job", (workload, n))
    config = {"execution": {"config": EXECUTORS[executor]}, "loggers": {"console": {"config": {"log_level": "ERROR"}}}}
    with (
        DagsterInstance.get() as instance,
        execute_job(described, instance, run_config=config, raise_on_error=True, **options) as result,
    ):
        return result.output_for_node("value")


def resume(n: int, folder: Path, *, executor: str) -> Any:
    """As one does it by hand: the run that nobody executes any more has failed; execute it again from there."""
    from dagster import DagsterInstance, ReexecutionOptions

    with DagsterInstance.get() as instance:
        (run,) = instance.get_runs()
        instance.report_run_failed(run)
        again = ReexecutionOptions.from_failure(run.run_id, instance)
    return execute("crash", n, folder, executor=executor, reexecution_options=again)


def plan(n: int, folder: Path) -> int:
    from dagster._core.execution.api import create_execution_plan

    return len(create_execution_plan(job("crash", n - 2)).step_keys_to_execute)


def jobs(executor: str) -> dict[str, Job]:
    executed = {name: partial(execute, name, executor=executor) for name in GRAPHS}
    return {**executed, "resume": partial(resume, executor=executor)}


PLACE = "execute_job; SQLite in a folder (WAL, synchronous=FULL), values in pickle files, console log level ERROR"
RECORDS = "events of each op in SQLite, each fsynced; value in a pickle file, not fsynced"

PEER = Peer(
    name="dagster",
    package="dagster",
    variants=(
        Variant(
            name="dagster-in-process",
            module="dagster",
            configuration=f"{PLACE}; in_process executor; fan-out: DynamicOut, map, collect; crash: a static graph",
            keeps="process",
            records=RECORDS,
            jobs=jobs("in_process") | {"plan": plan},
            start=start,
            limits={"chain": 200, "fanout": 100, "layered": 500},
        ),
        Variant(
            name="dagster-multiprocess",
            module="dagster",
            configuration=f"{PLACE}; multiprocess executor with 2 processes at a time, started by a forkserver in which"
            " Dagster is loaded (tuned); fan-out: DynamicOut, map and collect; crash: a static graph",
            keeps="process",
            records=RECORDS,
            jobs=jobs("multiprocess"),
            start=start,
            limits={"chain": 50, "fanout": 100},
        ),
    ),
)
