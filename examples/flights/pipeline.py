"""Will a flight from New York arrive more than 15 minutes late? From 336,776 flights to a registered model.

ropewalk run examples/flights/pipeline.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from flights.data import ingest
from flights.features import features
from flights.models import Setting, evaluate, explain, pick, split, train
from flights.publish import keep_champion, register, report
from flights.validate import validate

from ropewalk import Range, each, first_of, otherwise, pipeline, when

GRID: list[Setting] = [
    {"kind": "baseline"},
    {"kind": "logistic", "C": 0.01},
    {"kind": "logistic", "C": 1.0},
    {"kind": "lightgbm", "num_leaves": 7, "n_estimators": 300},
    {"kind": "lightgbm", "num_leaves": 15, "n_estimators": 200},
    {"kind": "lightgbm", "num_leaves": 31, "n_estimators": 200},
    {"kind": "lightgbm", "num_leaves": 63, "n_estimators": 100},
]


@pipeline
def train_flights(month: Annotated[int, Range(4, 12)] = 6, min_auc: float = 0.70) -> Path:
    """Train on the months before `month` - 1, choose on that one, test on `month`; register if the AUC suffices."""
    raw = ingest()
    checked = validate(raw.flights, raw.weather, raw.planes, raw.airports)
    table = features(checked.flights, checked.weather, checked.planes, checked.airports)
    parts = split(table.rows, month=month)
    models = train(parts.train, each(GRID))
    scores = evaluate(each(models), parts.validation, each(GRID))
    best = pick(models, scores, parts.test)
    with when(best.auc >= min_auc):
        registered = register(best.model, best.validation, best.test)
    with otherwise():
        kept = keep_champion(best.test)
    decision = first_of(registered, kept)
    importance = explain(best.model, parts.validation)
    return report(
        best.test, scores, importance, table.months, checked.quarantine, decision, month=month, min_auc=min_auc
    )
