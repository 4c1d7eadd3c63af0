"""The workloads as ZenML pipelines. Steps are functions of this module, since ZenML loads them again by name."""

from typing import Any

import pandas as pd
from zenml import pipeline, step

from benchmarks import bodies

FRAME_STEPS = 5


@step
def hello() -> str:
    return bodies.hello()


@step
def step_on(x: int) -> int:
    return bodies.step(x)


@step
def numbers(n: int) -> list[int]:
    return bodies.numbers(n)


@step
def square(x: int) -> int:
    return bodies.square(x)


@step
def nap(x: int) -> int:
    return bodies.nap(x)


@step
def total(xs: list[int]) -> int:
    return bodies.total(xs)


@step
def source(x: int) -> int:
    return bodies.source(x)


@step
def mix(a: int, b: int, c: int) -> int:
    return bodies.mix(a, b, c)


@step
def summed(xs: list[int]) -> int:
    return sum(xs)


@step
def make_frame(megabytes: int) -> pd.DataFrame:
    return bodies.make_frame(megabytes)


@step
def touch_frame(frame: pd.DataFrame) -> pd.DataFrame:
    return bodies.touch_frame(frame)


@step
def digest_frame(frame: pd.DataFrame) -> float:
    return bodies.digest_frame(frame)


@step
def spin(seed: int) -> int:
    return bodies.spin(seed)


@step(enable_step_logs=True)
def talk(lines: int) -> int:
    return bodies.talk(lines)


@pipeline
def hello_pipeline(n: int) -> None:
    hello(id="value")


@pipeline
def chain_pipeline(n: int) -> None:
    x: Any = 0
    for i in range(1, n + 1):
        x = step_on(x, id="value" if i == n else f"step{i}")


@pipeline(dynamic=True)
def fanout_pipeline(n: int) -> None:
    total(square.map(numbers(n)), id="value")


@pipeline(dynamic=True)
def crash_pipeline(n: int) -> None:
    total(nap.map(numbers(n)), id="value")


@pipeline(dynamic=True)
def layered_pipeline(n: int) -> None:
    first, *later = bodies.layers(n)
    before = [source.submit(i) for i in range(len(first))]
    for layer in later:
        before = [mix.submit(*(before[p] for p in parents)) for parents in layer]
    summed(before, id="value")


@pipeline
def frame_pipeline(n: int) -> None:
    x = make_frame(n)
    for _ in range(FRAME_STEPS):
        x = touch_frame(x)
    digest_frame(x, id="value")


@pipeline(dynamic=True)
def cpu_pipeline(n: int) -> None:
    summed([spin.submit(i) for i in range(n)], id="value")


@pipeline
def log_pipeline(n: int) -> None:
    talk(n, id="value")
