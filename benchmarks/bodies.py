"""The bodies of all tasks, the same for everybody, and what comes of them. Standard library only, for any venv."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from random import Random
from typing import Any

TICKS = "BENCH_TICKS"  # names a file to which each body that has ended adds a line
SPINS = "BENCH_SPINS"  # how many turns the loop of `spin` has


def tick(item: int = 0) -> None:
    """Note that a body has ended; the lines tell how many were executed, and which of them twice."""
    if path := os.environ.get(TICKS):
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, b"%d\n" % item)
        finally:
            os.close(handle)


def hello() -> str:
    tick()
    return "hello"


def step(x: int) -> int:
    """A link of the chain; the first one is given 0, so the value of a chain is its length."""
    tick(x)
    return x + 1


def numbers(n: int) -> list[int]:
    """The first task of a fan-out."""
    tick(-1)
    return list(range(n))


def square(x: int) -> int:
    """The mapped task of a fan-out."""
    tick(x)
    return x * x


def total(xs: Sequence[int]) -> int:
    """The last task of a fan-out."""
    tick(-2)
    return sum(xs)


def source(x: int) -> int:
    """A node in the first layer."""
    tick(x)
    return x


def mix(a: int, b: int, c: int) -> int:
    """A node in a later layer, on three parents."""
    tick()
    return (a + 2 * b + 3 * c) % 1_000_003


def spin(seed: int) -> int:
    """Pure Python for a time that BENCH_SPINS sets; the value does not depend on it being interrupted."""
    x = seed
    for _ in range(int(os.environ[SPINS])):
        x = (x * 1_103_515_245 + 12_345) & 0x7FFFFFFF
    tick(seed)
    return x


def nap(x: int) -> int:
    """The mapped task of `crash`: 50 ms."""
    time.sleep(0.05)
    tick(x)
    return x * x


def talk(lines: int) -> int:
    """A task that logs."""
    for number in range(lines):
        print(f"line {number} of {lines}: nothing to report")
    tick()
    return lines


def make_frame(megabytes: int) -> Any:
    """A DataFrame of so many megabytes: ten columns of float64."""
    import numpy as np
    import pandas as pd

    rows = megabytes * 1_000_000 // 80
    values = np.random.default_rng(0).random((rows, 10))
    tick()
    return pd.DataFrame(values, columns=[f"c{i}" for i in range(10)])


def touch_frame(frame: Any) -> Any:
    """One of the five tasks that a frame goes through."""
    tick()
    return frame + 1


def digest_frame(frame: Any) -> float:
    """The last task: a number that depends on each row."""
    tick()
    return round(float(frame["c3"].sum()), 3)


def layers(n: int) -> list[list[tuple[int, ...]]]:
    """For each of ten layers of n/10 nodes the parents of each, as positions in the layer before; none in the first."""
    random, width = Random(n), n // 10
    later = [[tuple(random.randrange(width) for _ in range(3)) for _ in range(width)] for _ in range(9)]
    return [[() for _ in range(width)], *later]


def layered_value(n: int) -> int:
    """What the last layer of `layers(n)` sums up to: each node is `source(position)` or `mix(*parents)`."""
    values = list(range(n // 10))
    for layer in layers(n)[1:]:
        values = [(values[a] + 2 * values[b] + 3 * values[c]) % 1_000_003 for a, b, c in layer]
    return sum(values)


def expected(workload: str, n: int) -> Any:
    """What a workload has to return; None: it is not known beforehand, but must not be None."""
    squares = n * (n - 1) * (2 * n - 1) // 6
    known = {"hello": "hello", "chain": n, "fanout": squares, "rerun": squares, "crash": squares, "resume": squares}
    if workload == "layered":
        return layered_value(n)
    return n if workload in ("log", "plan", "plan+lookup") else known.get(workload)
