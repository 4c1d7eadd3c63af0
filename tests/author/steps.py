"""Tasks and types that the tests of the authoring layer wire."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ropewalk import pipeline, task


class Split(NamedTuple):
    train: list[int]
    test: list[int]


@dataclass(frozen=True)
class Scored:
    model: int
    auc: float
    after: str = ""

    @property
    def percent(self) -> float:
        return self.auc * 100


@dataclass(frozen=True)
class Settings:
    depth: int = 3
    rates: tuple[float, ...] = (0.1,)


class Kind(enum.Enum):
    FOREST = "rf"
    BOOSTED = "gb"


@task
def numbers(count: int = 4) -> list[int]:
    """Count up.

    From zero.
    """
    return list(range(count))


@task
def split(rows: list[int]) -> Split:
    return Split(rows[: len(rows) // 2], rows[len(rows) // 2 :])


@task
def halves(rows: list[int]) -> tuple[list[int], list[int]]:
    return rows[: len(rows) // 2], rows[len(rows) // 2 :]


@task
def train(rows: list[int], *, depth: int = 6, rate: float = 0.1) -> int:
    return sum(rows) * depth


@task
def evaluate(model: int, rows: list[int]) -> Scored:
    return Scored(model, model / 100)


@task
def best(models: list[int], scores: list[Scored]) -> Scored:
    return max(scores, key=lambda s: s.auc)


@task
def is_good(score: Scored) -> bool:
    return score.auc > 0.5


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task
def register(scored: Scored) -> str:
    return f"v{scored.model}"


@task
def keep(scored: Scored) -> str:
    return "kept"


@task
def anything(value=None):
    return value


@task
def fail(value: Any = None) -> int:
    raise ValueError("no such luck")


@task
def of_settings(settings: Settings) -> int:
    return settings.depth


@task
def of_path(path: Path) -> str:
    return str(path)


@task
async def fetch(address: str) -> str:
    return f"<{address}>"


@task
def gather(**parts: int) -> int:
    return sum(parts.values())


@pipeline
def prepared(rows: list[int], depth: int = 2) -> int:
    parts = split(rows)
    model = train(parts.train, depth=depth)
    return add(model)
