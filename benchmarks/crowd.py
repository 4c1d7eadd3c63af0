"""A store with very many runs: a few are real, and the others are copies of them, row by row."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from ropewalk.cli.main import main
from ropewalk.engine.client import Client

PIPELINE = """
from ropewalk import approval, context, each, pipeline, task

@task
def numbers(n: int) -> list[int]:
    return list(range(n))

@task
def square(x: int, broken: int = 0) -> int:
    if broken and x % broken == broken - 1:
        raise ValueError(f"{x} is broken")
    return x * x

@task
def total(xs: list[int]) -> int:
    context().log_metric("items", len(xs))
    return sum(xs)

@task
def text() -> str:
    return "hello"

@pipeline
def hello():
    return text()

@pipeline
def fanout(n: int = 10_000, broken: int = 0):
    return total(square(each(numbers(n)), broken))

@pipeline
def gated(n: int = 3):
    return total([1]).after(approval("Go on?") >> numbers(n))
"""
TEMPLATES = (  # arguments of `run`, and how many of a hundred runs are like it
    (("fanout", "-p", "n=3"), 40),
    (("fanout", "-p", "n=3"), 40),  # reused
    (("fanout", "-p", "n=4", "-p", "broken=3"), 14),
    (("gated",), 3),
)
LARGE = ("fanout", "-p", "n=10000", "--executor", "inline")
INTERRUPTED = 3  # of a hundred runs
PIPELINES = tuple(f"train-{letter}" for letter in "abcdefgh")
AUTHORS = ("ann", "bob", "cleo", "dan", "eve")
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Said:
    """What a command wrote, and its exit code."""

    code: int
    text: str


def command(folder: Path, *arguments: str) -> Said:
    """A command in this process, in a project."""
    path, before = folder / "said.txt", Path.cwd()
    os.chdir(folder)
    try:
        with path.open("w", encoding="utf-8") as out, contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            code = main(arguments)
    finally:
        os.chdir(before)
    return Said(code, path.read_text(encoding="utf-8"))


def fill(folder: Path, runs: int, large: int) -> None:
    """Make a project with so many runs, of which `large` have 10,000 task runs.

    Five more come before them, of which they are copies, and two real ones of 10,000 task runs after them: the first of
    these has failed.
    """
    (folder / ".ropewalk").mkdir(parents=True)
    (folder / "pipeline.py").write_text(PIPELINE, encoding="utf-8")
    for arguments, _ in TEMPLATES:
        command(folder, "run", *arguments, "--executor", "inline")
    command(folder, "run", *LARGE, "--no-cache")
    with Client(folder / ".ropewalk") as client:
        database = client.db.path
    _copy(database, list(_copies(runs, large)))
    command(folder, "run", *LARGE, "-p", "broken=4000", "--no-cache")
    command(folder, "run", *LARGE, "--no-cache")


def _copies(runs: int, large: int) -> Iterator[tuple[int, str, str, str, str, float]]:
    """Template, name, pipeline, author, state that replaces the template's, and seconds before now, oldest first."""
    random, first = Random(0), len(TEMPLATES) + 1
    weights = [*(weight for _, weight in TEMPLATES), INTERRUPTED]
    fat = set(random.sample(range(runs), large))
    for position in range(runs):
        chosen = random.choices(range(1, first + 1), weights)[0]
        name = f"keen-lark-{position}"
        age_s = 365 * _DAY_S * (1 - position / runs)
        pipeline, author = random.choice(PIPELINES), random.choice(AUTHORS)
        if position in fat:
            yield first, name, "fanout", author, "", age_s
        elif chosen == first:
            yield 1, name, pipeline, author, "running", age_s
        else:
            yield chosen, name, pipeline, author, "", age_s


def _copy(database: Path, copies: Sequence[tuple[Any, ...]]) -> None:
    """Copy every row of the templates, in one transaction, whatever tables there are."""
    import apsw

    connection = apsw.Connection(os.fspath(database))
    connection.execute("PRAGMA cache_size = -200000; BEGIN IMMEDIATE")
    connection.execute(
        "CREATE TEMP TABLE copies (number INTEGER PRIMARY KEY, template INTEGER, name, pipeline, author, state, age_s)"
    )
    last = next(iter(connection.execute("SELECT max(number) FROM runs")))[0]
    numbered = ((last + place, *copy) for place, copy in enumerate(copies, start=1))
    connection.executemany("INSERT INTO copies VALUES (?, ?, ?, ?, ?, ?, ?)", numbered)
    changed = {
        "number": "c.number", "name": "c.name", "pipeline": "c.pipeline", "author": "c.author",
        "created_at": "t.created_at - c.age_s", "finished_at": "iif(c.state = '', t.finished_at - c.age_s, NULL)",
        "state": "iif(c.state = '', t.state, c.state)", "owner": "''",
    }  # fmt: skip
    _copy_table(connection, "runs", "number", changed)
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    for table in tables:
        if table not in ("runs", "leases", "records") and "run" in _columns(connection, table):
            own = {"key": "iif(t.source IS NULL, c.number || t.key, t.key)"} if table == "task_runs" else {}
            _copy_table(connection, table, "run", {"run": "c.number", **own})
    connection.execute("COMMIT")
    connection.close()


def _copy_table(connection: Any, table: str, key: str, changed: dict[str, str]) -> None:
    names = [name for name in _columns(connection, table) if name != "id"]  # which SQLite gives
    values = ", ".join(changed.get(name, f't."{name}"') for name in names)
    connection.execute(
        f'INSERT INTO "{table}" ({", ".join(names)}) '  # names that the schema has
        f'SELECT {values} FROM copies c CROSS JOIN "{table}" t ON t."{key}" = c.template ORDER BY c.number'
    )


def _columns(connection: Any, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]


if __name__ == "__main__":  # a process of its own, since the memory of those that come after counts from its start
    fill(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
