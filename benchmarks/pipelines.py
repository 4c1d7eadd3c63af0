"""The workloads as pipelines of Ropewalk, written as users write them."""

from __future__ import annotations

from typing import Any

from benchmarks import bodies
from ropewalk import each, pipeline, task

say_hello = task(bodies.hello)
step = task(bodies.step)
numbers = task(bodies.numbers)
square = task(bodies.square)
total = task(bodies.total)
source = task(bodies.source)
mix = task(bodies.mix)
spin = task(bodies.spin)
nap = task(bodies.nap)
talk = task(bodies.talk)
make_frame = task(bodies.make_frame)
touch_frame = task(bodies.touch_frame)
digest_frame = task(bodies.digest_frame)


@pipeline
def hello() -> str:
    return say_hello()


@pipeline
def chain(n: int) -> int:
    x = step(0)
    for _ in range(n - 1):
        x = step(x)
    return x


@pipeline
def fanout(n: int) -> int:
    return total(square(each(numbers(n))))


@pipeline
def crash(n: int) -> int:
    return total(nap(each(numbers(n))))


@pipeline
def layered(n: int) -> list[int]:
    first, *later = bodies.layers(n)
    values = [source(position) for position in range(len(first))]
    for layer in later:
        values = [mix(*(values[parent] for parent in parents)) for parents in layer]
    return values


@pipeline
def frame(n: int) -> float:
    made = make_frame(n)
    for _ in range(5):
        made = touch_frame(made)
    return digest_frame(made)


@pipeline
def cpu(n: int) -> Any:
    return spin(each(list(range(n))))


@pipeline
def log(n: int) -> int:
    return talk(n)
