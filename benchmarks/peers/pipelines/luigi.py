"""Luigi's tasks: a class for each kind, whose result is a file."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import luigi

from benchmarks import bodies

FRAME_STEPS = 5

folder = Path()  # where the files of this run lie
layers = cache(bodies.layers)


class Stored(luigi.Task):
    """Its result is a pickle file that is renamed when it is complete."""

    def output(self) -> Any:
        return luigi.LocalTarget(str(folder / f"{self.task_id}.pkl"), format=luigi.format.Nop)

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
