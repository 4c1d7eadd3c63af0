"""Search hyperparameters round by round until nothing better is found: each round is kept, and stops early.

ropewalk run examples/hyperparameter_loop/pipeline.py
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ropewalk import context, each, loop, pipeline, task

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Search:
    """What is known after a round."""

    C: float
    gamma: float
    score: float = 0.0
    width: float = 1.5  # decades around the best in which the next candidates lie
    stale: int = 0  # rounds without a better one

    @property
    def is_over(self) -> bool:
        return self.stale >= 2


class Digits(NamedTuple):
    pixels: np.ndarray
    digits: np.ndarray


@task
def ingest() -> Digits:
    """1,797 handwritten digits of 8 × 8 pixels (part of scikit-learn)."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return Digits(data.data / 16.0, data.target)


@task
def propose(search: Search, *, count: int = 6) -> list[dict[str, float]]:
    """Candidates around the best so far; which ones is a matter of the task run's own seed."""
    import random

    chance = random.Random(context().seed)  # noqa: S311  # nothing secret
    places = [(chance.uniform(-1, 1), chance.uniform(-1, 1)) for _ in range(count)]
    return [
        {"C": search.C * 10 ** (x * search.width), "gamma": search.gamma * 10 ** (y * search.width)} for x, y in places
    ]


@task
def score(candidate: dict[str, float], data: Digits) -> float:
    """Mean accuracy in three folds."""
    from sklearn.model_selection import cross_val_score
    from sklearn.svm import SVC

    return float(cross_val_score(SVC(**candidate), data.pixels, data.digits, cv=3).mean())


@task
def learn(search: Search, candidates: list[dict[str, float]], scores: list[float]) -> Search:
    """The best so far, and a narrower search when this round has found nothing better."""
    best = max(range(len(scores)), key=scores.__getitem__)
    context().log_metric("accuracy", max(search.score, scores[best]))
    if scores[best] <= search.score + 0.0005:
        return replace(search, width=search.width / 2, stale=search.stale + 1)
    return Search(candidates[best]["C"], candidates[best]["gamma"], scores[best], search.width)


@task
def is_over(search: Search) -> bool:
    return search.is_over


@task
def train(search: Search, data: Digits) -> Any:
    from sklearn.svm import SVC

    return SVC(C=search.C, gamma=search.gamma).fit(data.pixels, data.digits)


@pipeline
def hyperparameter_loop(rounds: int = 12, count: int = 6) -> dict[str, Any]:
    data = ingest()

    def one_round(search: Search) -> Search:
        candidates = propose(search, count=count)
        scores: Any = score(each(candidates), data)
        return learn(search, candidates, scores)

    best = loop(one_round, Search(C=1.0, gamma=1.0), until=is_over, at_most=rounds)
    return {"search": best, "model": train(best, data)}
