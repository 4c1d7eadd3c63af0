"""Pipelines written as text, as files that a test can load."""

from __future__ import annotations

import itertools
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ropewalk.author.load import load_file
from ropewalk.author.pipeline import Pipeline

_numbers = itertools.count()

HEAD = """
from typing import NamedTuple
from ropewalk import cross, each, first_of, otherwise, pipeline, task, when

class Pair(NamedTuple):
    low: int
    high: int

@task
def one(a: int, b: int = 0) -> int:
    return a * 3 + b + 1

@task
def two(a: int, b: int = 0) -> int:
    return a * 5 - b + 2

@task
def pair(a: int, b: int = 0) -> Pair:
    return Pair(a - b, a + b)

@task
def total(values: list[int]) -> int:
    return sum(values)
"""


def write(folder: Path, body: str, *, name: str = "") -> Path:
    """A file with `body` in it, under a name that no other has."""
    path = folder / f"{name or f'generated_{next(_numbers)}'}.py"
    path.write_text(textwrap.dedent(body), encoding="utf-8")
    return path


def made(folder: Path, body: str) -> Pipeline[..., object]:
    """The one pipeline of a file with HEAD and `body` in it."""
    (found,) = load_file(write(folder, HEAD + textwrap.dedent(body)))
    return found


@contextmanager
def as_before() -> Iterator[None]:
    """Undo what loading files does to the search path and the loaded modules."""
    path, modules = list(sys.path), set(sys.modules)
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            if name.startswith("generated_"):
                del sys.modules[name]
