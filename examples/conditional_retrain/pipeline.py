"""Retrain only when the model in use has become too bad for the newest data: handwritten digits, batch by batch.

ropewalk run examples/conditional_retrain/pipeline.py --batch 1
ropewalk run examples/conditional_retrain/pipeline.py --batch 2 ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from ropewalk import Range, context, first_of, otherwise, pipeline, task, when

if TYPE_CHECKING:
    import pandas as pd

MODEL, ALIAS = "digits", "champion"
FIRST, BATCH = 200, 200  # rows of the first batch, and of each that follows; other people wrote the later ones
LABEL = "digit"


@task
def batches(count: int) -> list[pd.DataFrame]:
    """The first batches of 1,797 handwritten digits (part of scikit-learn), in the order of their collection."""
    from sklearn.datasets import load_digits

    data = load_digits(as_frame=True)
    rows = data.data.assign(**{LABEL: data.target})
    ends = [FIRST + BATCH * n for n in range(count + 1)]
    return [rows.iloc[start:end].reset_index(drop=True) for start, end in zip([0, *ends], ends, strict=False)]


@task(cache=False)  # the answer lies in the registry, not in the inputs
def accuracy_of_champion(batches: list[pd.DataFrame]) -> float:
    """How often the model in use is right about the newest batch; 0 when there is none."""
    from ropewalk.ml.registry import find_model, load_model

    if find_model(MODEL, ALIAS) is None:
        return 0.0
    accuracy = _accuracy(load_model(MODEL, ALIAS), batches[-1])
    context().log_metric("accuracy_of_champion", accuracy)
    return accuracy


@task
def retrain(batches: list[pd.DataFrame]) -> Any:
    """A model of everything but the second half of the newest batch, which judges it."""
    import pandas as pd
    from sklearn.svm import SVC

    *known, newest = batches
    rows = pd.concat([*known, newest.iloc[: len(newest) // 2]])
    return SVC(gamma=0.001).fit(rows.drop(columns=LABEL), rows[LABEL])


@task(cache=False)  # an effect
def deploy(model: Any, batches: list[pd.DataFrame]) -> str:
    from ropewalk.ml.registry import register_model

    newest = batches[-1]
    accuracy = _accuracy(model, newest.iloc[len(newest) // 2 :])
    made = register_model(MODEL, model, metrics={"accuracy": accuracy}, alias=ALIAS)
    return f"retrained: version {made.version} is right in {accuracy:.1%}"


@task
def keep(accuracy: float) -> str:
    return f"kept: the model in use is right in {accuracy:.1%}"


def _accuracy(model: Any, rows: pd.DataFrame) -> float:
    return float((model.predict(rows.drop(columns=LABEL)) == rows[LABEL]).mean())


@pipeline
def conditional_retrain(batch: Annotated[int, Range(1, 7)] = 1, least: float = 0.95) -> str:
    seen = batches(batch)
    accuracy = accuracy_of_champion(seen)
    with when(accuracy < least):
        deployed = deploy(retrain(seen), seen)
    with otherwise():
        kept = keep(accuracy)
    return first_of(deployed, kept)
