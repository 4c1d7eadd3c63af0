"""Three trainings side by side, and an ensemble of them: which tumours are malignant?

ropewalk run examples/branching_ensemble/pipeline.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ropewalk import context, pipeline, task

if TYPE_CHECKING:
    import pandas as pd

LABEL = "malignant"


class Parts(NamedTuple):
    """Rows to learn from, and rows to judge by."""

    train: pd.DataFrame
    test: pd.DataFrame


@task
def ingest() -> pd.DataFrame:
    """569 tumours with 30 measurements each (Breast Cancer Wisconsin, part of scikit-learn)."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer(as_frame=True)
    rows: pd.DataFrame = data.data.assign(**{LABEL: data.target == 0})
    return rows


@task
def preprocess(rows: pd.DataFrame, *, test_share: float = 0.3) -> Parts:
    """Without repetitions, and divided so that both parts have as many malignant ones."""
    from sklearn.model_selection import train_test_split

    rows = rows.drop_duplicates()
    train, test = train_test_split(rows, test_size=test_share, stratify=rows[LABEL], random_state=0)
    return Parts(train.reset_index(drop=True), test.reset_index(drop=True))


@task
def train_logistic(rows: pd.DataFrame, *, strength: float = 1.0) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000)).fit(*_split(rows))


@task
def train_forest(rows: pd.DataFrame, *, trees: int = 200) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_estimators=trees, random_state=0).fit(*_split(rows))


@task
def train_boosting(rows: pd.DataFrame, *, rounds: int = 150) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=rounds, random_state=0).fit(*_split(rows))


class Ensemble:
    """The mean of what its members say."""

    def __init__(self, members: list[Any]) -> None:
        self.members = members

    def predict_proba(self, rows: pd.DataFrame) -> Any:
        import numpy as np

        return np.mean([member.predict_proba(rows) for member in self.members], axis=0)


@task
def combine(members: list[Any]) -> Ensemble:
    return Ensemble(members)


@task
def evaluate(models: dict[str, Any], rows: pd.DataFrame) -> dict[str, float]:
    """The area under the ROC curve of each model, on rows that none of them has seen."""
    from sklearn.metrics import roc_auc_score

    x, y = _split(rows)
    scores = {name: float(roc_auc_score(y, model.predict_proba(x)[:, 1])) for name, model in models.items()}
    for name, score in scores.items():
        context().log_metric(f"auc_{name}", score)
    return scores


def _split(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    return rows.drop(columns=LABEL), rows[LABEL]


@pipeline
def branching_ensemble(trees: int = 200) -> dict[str, float]:
    parts = preprocess(ingest())
    logistic = train_logistic(parts.train)
    forest = train_forest(parts.train, trees=trees)
    boosting = train_boosting(parts.train)
    ensemble = combine([logistic, forest, boosting])
    return evaluate({"logistic": logistic, "forest": forest, "boosting": boosting, "ensemble": ensemble}, parts.test)
