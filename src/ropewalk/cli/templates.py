"""The pipelines that `init` writes: real machine learning, small enough to be read at a glance."""

from __future__ import annotations

_BASIC = '''\
"""Tell three kinds of iris apart. This is ordinary Python: put your own functions in its place."""
from pathlib import Path
from random import Random
from ropewalk import context, pipeline, task

@task  # what a task returns is kept, and reused until its code or its inputs change
def load(seed: int = 9) -> list[tuple]:
    means, draw = [(5.0, 3.4, 1.5, 0.2), (5.9, 2.8, 4.3, 1.3), (6.6, 3.0, 5.6, 2.0)], Random(seed).gauss
    return [(*(draw(mean, 0.45) for mean in means[kind]), kind) for kind in [0, 1, 2] * 50]

@task  # when a task raises, whatever needs its result is skipped
def check(rows: list[tuple]) -> list[tuple]:
    assert len(rows) == 150 and {row[4] for row in rows} == {0, 1, 2}, "kinds of iris are missing"
    return rows

@task  # the mean of each kind in one half, tested on the other half; c says how much the sepals count
def train(rows: list[tuple], c: float = 1.0) -> dict:
    means = [[sum(row[i] for row in rows[:75] if row[4] == kind) / 25 for i in range(4)] for kind in range(3)]
    far = lambda row, kind: sum(w * (a - b) ** 2 for w, a, b in zip((c, c, 1, 1), row, means[kind]))
    context().log_metric("accuracy", sum(min(range(3), key=lambda k: far(row, k)) == row[4] for row in rows[75:]) / 75)
    return {"weights": (c, c, 1, 1), "means": means}

@task
def report(model: dict) -> Path:
    Path("report.html").write_text(f"<h1>Iris</h1><p>{model}</p>")
    return Path("report.html")

@pipeline(name="train-iris")
def train_iris():
    return report(train(check(load())))
'''

_ML = '''\
"""Tell three kinds of iris apart with pandas and scikit-learn. Put your own functions in place of these."""
from pathlib import Path
import pandas as pd
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from ropewalk import context, pipeline, task

@task  # what a task returns is kept, and reused until its code, its packages or its inputs change
def load() -> pd.DataFrame:
    return load_iris(as_frame=True).frame

@task  # when a task raises, whatever needs its result is skipped
def check(frame: pd.DataFrame) -> pd.DataFrame:
    assert frame.notna().all(axis=None) and frame.target.nunique() == 3, "kinds of iris are missing"
    return frame

@task
def train(frame: pd.DataFrame, c: float = 1.0, test_size: float = 0.4) -> LogisticRegression:
    fit, test = train_test_split(frame, test_size=test_size, stratify=frame.target, random_state=0)
    model = LogisticRegression(C=c, max_iter=500).fit(fit.drop(columns="target"), fit.target)
    context().log_metric("accuracy", model.score(test.drop(columns="target"), test.target))
    return model

@task
def report(model: LogisticRegression) -> Path:
    table = pd.DataFrame(model.coef_, columns=model.feature_names_in_).to_html()
    Path("report.html").write_text(f"<h1>Iris</h1>{table}")
    return Path("report.html")

@pipeline(name="train-iris")
def train_iris():
    return report(train(check(load())))
'''

TEMPLATES = {"basic": _BASIC, "ml": _ML}
