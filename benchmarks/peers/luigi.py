"""Luigi: a class for each kind of task, a file for each result, the local scheduler with one or two workers."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks import bodies
from benchmarks.peer import Job, Peer, Variant

FRAME_STEPS = 5

_folder = Path()


@contextmanager
def configured(folder: Path) -> Iterator[None]:
    """Without the waits that suit a cluster."""
    global _folder  # noqa: PLW0603
    _folder = folder
    from luigi import configuration

    for option, value in ("wait_interval", "0.01"), ("wait_jitter", "0"):
        configuration.get_config().set("worker", option, value)
    yield


@cache
def tasks() -> SimpleNamespace:  # noqa: C901 - many classes, each of them simple
    """The classes, which cannot be defined before Luigi is imported."""
    import luigi

    class Stored(luigi.Task):
        """Its result is a pickle file that is renamed when it is complete."""

        def output(self) -> Any:
            return luigi.LocalTarget(str(_folder / f"{self.task_id}.pkl"), format=luigi.format.Nop)

        def run(self) -> None:
            self.write(self.value())

        def write(self, value: Any) -> None:
            with self.output().open("w") as file:
                pickle.dump(value, file, protocol=5)

        def read(self) -> Any:
            with self.output().open("r") as file:
                return pickle.load(file)

    class Hello(Stored):
        def value(self) -> str:
            return bodies.hello()

    class Step(Stored):
        i = luigi.IntParameter()

        def requires(self) -> Any:
            return Step(self.i - 1) if self.i > 1 else []

        def value(self) -> int:
            return bodies.step(self.requires().read() if self.i > 1 else 0)

    class Numbers(Stored):
        n = luigi.IntParameter()

        def value(self) -> list[int]:
            return bodies.numbers(self.n)

    class Square(Stored):
        x = luigi.IntParameter()

        def value(self) -> int:
            return bodies.square(self.x)

    class Nap(Stored):
        x = luigi.IntParameter()

        def value(self) -> int:
            return bodies.nap(self.x)

    class Total(Stored):
        """What it maps over is known only once it runs: dynamic dependencies."""

        n = luigi.IntParameter()
        mapped = Square

        def requires(self) -> Any:
            return Numbers(self.n)

        def run(self) -> Iterator[Any]:
            squares = [self.mapped(x) for x in self.requires().read()]
            yield squares
            self.write(bodies.total([square.read() for square in squares]))

    class NapTotal(Total):
        mapped = Nap

    class Node(Stored):
        n = luigi.IntParameter()
        layer = luigi.IntParameter()
        position = luigi.IntParameter()

        def requires(self) -> Any:
            return [Node(self.n, self.layer - 1, parent) for parent in layers(self.n)[self.layer][self.position]]

        def value(self) -> int:
            parents = [parent.read() for parent in self.requires()]
            return bodies.mix(*parents) if parents else bodies.source(self.position)

    class Layered(luigi.WrapperTask):
        n = luigi.IntParameter()

        def requires(self) -> Any:
            return [Node(self.n, layer, i) for layer in range(10) for i in range(self.n // 10)]

        def read(self) -> int:
            return sum(node.read() for node in self.requires()[-(self.n // 10) :])

    class Frame(Stored):
        megabytes = luigi.IntParameter()
        i = luigi.IntParameter()

        def requires(self) -> Any:
            return Frame(self.megabytes, self.i - 1) if self.i else []

        def value(self) -> Any:
            return bodies.touch_frame(self.requires().read()) if self.i else bodies.make_frame(self.megabytes)

    class Digest(Stored):
        megabytes = luigi.IntParameter()

        def requires(self) -> Any:
            return Frame(self.megabytes, FRAME_STEPS)

        def value(self) -> float:
            return bodies.digest_frame(self.requires().read())

    class Spin(Stored):
        seed = luigi.IntParameter()

        def value(self) -> int:
            return bodies.spin(self.seed)

    class Talk(Stored):
        n = luigi.IntParameter()

        def value(self) -> int:
            return bodies.talk(self.n)

    return SimpleNamespace(**locals())


layers = cache(bodies.layers)


def build(wanted: list[Any], workers: int) -> list[Any]:
    """Have tasks done where they are not, and return their results."""
    import luigi

    if not luigi.build(wanted, local_scheduler=True, workers=workers, log_level="ERROR"):
        raise RuntimeError("a task could not be scheduled")
    return [task.read() for task in wanted]


def one(n: int, _: Path, workers: int, *, task: Callable[[Any, int], Any]) -> Any:
    return build([task(tasks(), n)], workers)[0]


def cpu(n: int, _: Path, workers: int) -> int:
    return sum(build([tasks().Spin(seed) for seed in range(n)], workers))


fan_out = partial(one, task=lambda t, n: t.Total(n))
crash = partial(one, task=lambda t, n: t.NapTotal(n))
JOBS: dict[str, Callable[..., Any]] = {
    "hello": partial(one, task=lambda t, _: t.Hello()),
    "chain": partial(one, task=lambda t, n: t.Step(n)),
    "fanout": fan_out,
    "layered": partial(one, task=lambda t, n: t.Layered(n)),
    "rerun": fan_out,
    "frame": partial(one, task=lambda t, n: t.Digest(n)),
    "cpu": cpu,
    "log": partial(one, task=lambda t, n: t.Talk(n)),
    "crash": crash,
    "resume": crash,
}


def jobs(workers: int) -> dict[str, Job]:
    return {name: partial(job, workers=workers) for name, job in JOBS.items()}


SHARED = "luigi.build(local_scheduler=True), dynamic dependencies for the fan-out"
RECORDS = "result in a pickle file, renamed when complete, not fsynced; a task is done when its file exists"

PEER = Peer(
    name="luigi",
    package="luigi",
    variants=(
        Variant(
            name="luigi",
            configuration=f"{SHARED}; workers=1: in this process",
            keeps="process",
            records=RECORDS,
            jobs=jobs(1),
            start=configured,
            limits={"chain": 2000, "fanout": 2000, "layered": 1000, "rerun": 2000, "frame": 1000},
            module="luigi",
        ),
        Variant(
            name="luigi-2",
            configuration=f"{SHARED}; workers=2: a process is forked for each task; wait_interval 0.01 s (tuned)",
            keeps="process",
            records=RECORDS,
            jobs=jobs(2),
            start=configured,
            limits={"chain": 1000, "fanout": 1000, "layered": 500, "rerun": 1000, "frame": 1000},
            module="luigi",
        ),
    ),
)
