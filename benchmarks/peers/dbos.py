"""DBOS: steps of a workflow, or child workflows on a queue, with SQLite as the system database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks import bodies
from benchmarks.peer import Job, Peer, Variant

FRAME_STEPS = 5
POLLING_S = 0.05  # of the queue and of those who wait for its workflows; the default is 1 s
BODIES = (
    bodies.hello, bodies.step, bodies.numbers, bodies.square, bodies.nap, bodies.total, bodies.source, bodies.mix,
    bodies.spin, bodies.talk, bodies.make_frame, bodies.touch_frame, bodies.digest_frame,
)  # fmt: skip

_workflows = SimpleNamespace()


@contextmanager
def launched(folder: Path, *, queue: bool = False, wal: bool = True, synchronous: str = "FULL") -> Iterator[None]:
    """DBOS with its database; launch() resumes what a killed process has left."""
    global _workflows  # noqa: PLW0603
    from dbos import DBOS

    database = folder / "dbos.sqlite"
    if wal:
        with closing(sqlite3.connect(database)) as db:
            db.execute("PRAGMA journal_mode = WAL")
    if synchronous != "FULL":
        _set_on_connect(f"PRAGMA synchronous = {synchronous}")
    DBOS(
        config={
            "name": "bench",
            "system_database_url": f"sqlite:///{database}",
            "application_version": "1",
            "executor_id": "local",
            "log_level": "ERROR",
        }
    )
    _workflows = workflows(queued() if queue else stepped())
    DBOS.launch()
    if queue:
        DBOS.register_queue("tasks", polling_interval_sec=POLLING_S)
    try:
        yield
    finally:
        DBOS.destroy(destroy_registry=True)


def _set_on_connect(pragma: str) -> None:
    from sqlalchemy import Engine, event

    @event.listens_for(Engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        connection.execute(pragma)


Each = Callable[[Callable[..., Any], Iterable[tuple[Any, ...]]], list[Any]]
"""Calls a body with each tuple of arguments, as recorded tasks."""


def stepped() -> Each:
    """As steps of the workflow, one after another."""
    from dbos import DBOS

    steps = {body: DBOS.step(name=body.__name__)(body) for body in BODIES}
    return lambda body, arguments: [steps[body](*each) for each in arguments]


def queued() -> Each:
    """As workflows of their own, which threads of this process take from the queue."""
    from dbos import DBOS

    children = {body: DBOS.workflow(name=body.__name__)(body) for body in BODIES}

    def each(body: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> list[Any]:
        handles = [DBOS.enqueue_workflow("tasks", children[body], *one) for one in arguments]
        return [handle.get_result(polling_interval_sec=POLLING_S) for handle in handles]

    return each


def workflows(each: Each) -> SimpleNamespace:  # noqa: C901 - many functions, each of them simple
    """One for each workload; they have to be known before launch()."""
    from dbos import DBOS

    def one(body: Callable[..., Any], *arguments: Any) -> Any:
        return each(body, [arguments])[0]

    @DBOS.workflow(name="bench_hello")
    def hello(_: int) -> str:
        return one(bodies.hello)

    @DBOS.workflow(name="bench_chain")
    def chain(n: int) -> int:
        x = 0
        for _step in range(n):
            x = one(bodies.step, x)
        return x

    @DBOS.workflow(name="bench_fan_out")
    def fan_out(n: int) -> int:
        return one(bodies.total, each(bodies.square, [(x,) for x in one(bodies.numbers, n)]))

    @DBOS.workflow(name="bench_crash")
    def crash(n: int) -> int:
        return one(bodies.total, each(bodies.nap, [(x,) for x in one(bodies.numbers, n)]))

    @DBOS.workflow(name="bench_layered")
    def layered(n: int) -> int:
        first, *later = bodies.layers(n)
        values = each(bodies.source, [(position,) for position in range(len(first))])
        for layer in later:
            values = each(bodies.mix, [tuple(values[parent] for parent in parents) for parents in layer])
        return sum(values)

    @DBOS.workflow(name="bench_frame")
    def frame(megabytes: int) -> float:
        value = one(bodies.make_frame, megabytes)
        for _step in range(FRAME_STEPS):
            value = one(bodies.touch_frame, value)
        return one(bodies.digest_frame, value)

    @DBOS.workflow(name="bench_cpu")
    def cpu(n: int) -> int:
        return sum(each(bodies.spin, [(seed,) for seed in range(n)]))

    @DBOS.workflow(name="bench_log")
    def log(n: int) -> int:
        return one(bodies.talk, n)

    return SimpleNamespace(**locals())


def run(n: int, _: Path, *, name: str, id: str = "") -> Any:
    """Run a workflow; with an id it is done only once, and then its result is looked up."""
    workflow = getattr(_workflows, name)
    if not id:
        return workflow(n)
    from dbos import SetWorkflowID

    with SetWorkflowID(id):
        return workflow(n)


def resume(_: int, __: Path) -> Any:
    from dbos import DBOS

    return DBOS.retrieve_workflow("crash").get_result(polling_interval_sec=POLLING_S)


JOBS: dict[str, Job] = {
    "hello": partial(run, name="hello"),
    "chain": partial(run, name="chain"),
    "fanout": partial(run, name="fan_out"),
    "layered": partial(run, name="layered"),
    "rerun": partial(run, name="fan_out", id="rerun"),
    "frame": partial(run, name="frame"),
    "cpu": partial(run, name="cpu"),
    "log": partial(run, name="log"),
    "crash": partial(run, name="crash", id="crash"),
    "resume": resume,
}
STEPS = "steps of one workflow, one after another in this process; rerun: the same workflow id, so one look-up"
LIMITS = {"chain": 2000, "fanout": 10_000, "layered": 5000, "rerun": 10_000, "frame": 200}

PEER = Peer(
    name="dbos",
    package="dbos",
    variants=(
        Variant(
            name="dbos",
            configuration=f"{STEPS}; SQLite as it comes (rollback journal, FULL)",
            keeps="power",
            records="result of each step in SQLite, fsynced",
            jobs=JOBS,
            start=partial(launched, wal=False),
            limits=LIMITS | {"fanout": 2000, "rerun": 2000, "layered": 2000},
            module="dbos",
        ),
        Variant(
            name="dbos-wal",
            configuration=f"{STEPS}; SQLite with journal_mode=WAL (tuned), FULL",
            keeps="power",
            records="result of each step in SQLite, fsynced",
            jobs=JOBS,
            start=launched,
            limits=LIMITS,
            module="dbos",
        ),
        Variant(
            name="dbos-wal-normal",
            configuration=f"{STEPS}; SQLite with journal_mode=WAL and synchronous=NORMAL (tuned)",
            keeps="process",
            records="result of each step in SQLite, not fsynced",
            jobs=JOBS,
            start=partial(launched, synchronous="NORMAL"),
            limits=LIMITS,
            module="dbos",
        ),
        Variant(
            name="dbos-queue",
            configuration=f"child workflows on a queue, polled every {POLLING_S} s (tuned), threads of this process;"
            " SQLite with journal_mode=WAL (tuned), FULL",
            keeps="power",
            records="state, arguments and result of each child workflow in SQLite, fsynced",
            jobs=JOBS,
            start=partial(launched, queue=True),
            limits={"chain": 200, "fanout": 1000, "layered": 500, "rerun": 1000, "frame": 50},
            module="dbos",
        ),
    ),
)
