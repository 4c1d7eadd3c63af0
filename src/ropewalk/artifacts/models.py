"""Models: LightGBM as its own text, scikit-learn estimators as a pickle that names its versions."""

from __future__ import annotations

import re
from typing import Any

from ropewalk.artifacts.format import Format, Inexact, Sink, Source, count, is_a, is_exactly, shorten
from ropewalk.artifacts.pickles import peek_pickle, read_pickle, write_pickle
from ropewalk.core import values
from ropewalk.core.errors import UnstorableError

_PACKAGES = ("sklearn", "numpy", "scipy", "pandas", "lightgbm", "xgboost", "catboost")
_TREE = re.compile(rb"^Tree=", re.MULTILINE)


def _matches_booster(value: Any) -> bool:
    return is_exactly(value, "lightgbm.Booster")


def _write_booster(value: Any, sink: Sink) -> None:
    if not value.num_trees():
        raise Inexact  # nothing trained yet: its text has no model in it
    scores = {data: {metric: float(score) for metric, score in by.items()} for data, by in value.best_score.items()}
    # The text forgets them, and by default predictions stop at the best iteration.
    beside = {"best_iteration": value.best_iteration, "best_score": scores, "params": value.params}
    try:
        head = values.canonical(beside)
    except UnstorableError:
        raise Inexact from None  # such as an objective that is a function
    sink.write(head + b"\n" + value.model_to_string(num_iteration=-1).encode())


def _read_booster(source: Source, type_name: str) -> Any:
    import lightgbm

    head, _, text = bytes(source.data).partition(b"\n")
    model = lightgbm.Booster(model_str=text.decode())
    for name, content in values.parse(head).items():
        setattr(model, name, content)
    return model


def _preview_booster(value: Any) -> str:
    return f"model LightGBM, {count(value.num_trees(), 'tree')}"


def _peek_booster(source: Source, rows: int) -> dict[str, Any]:
    text = bytes(source.data).partition(b"\n")[2]
    head = text[: text.index(b"\n\n") if b"\n\n" in text else 0].decode()
    fields = dict(line.split("=", 1) for line in head.splitlines() if "=" in line)
    return {
        "kind": "model",
        "library": "lightgbm",
        "trees": len(_TREE.findall(text)),
        "features": fields.get("feature_names", "").split()[: rows * 10],
        "objective": fields.get("objective", ""),
    }


LIGHTGBM = Format("lightgbm", _matches_booster, _write_booster, _read_booster, _preview_booster, _peek_booster)


def _matches_estimator(value: Any) -> bool:
    return is_a(value, "sklearn.BaseEstimator")


def _write_estimator(value: Any, sink: Sink) -> None:
    write_pickle(value, sink, _PACKAGES)


def _read_estimator(source: Source, type_name: str) -> Any:
    return read_pickle(source, type_name)


def _preview_estimator(value: Any) -> str:
    facts = [f"model {type(value).__name__}"]
    steps = getattr(value, "steps", None)
    if isinstance(steps, list):
        facts.append(" → ".join(str(name) for name, _ in steps))
    trees = getattr(value, "n_estimators_", None) or getattr(value, "n_estimators", None)
    if isinstance(trees, int):
        facts.append(count(trees, "tree"))
    features = getattr(value, "n_features_in_", None)
    facts.append(count(features, "feature") if isinstance(features, int) else "not fitted")
    return f"{shorten(', '.join(facts))} (pickle)"


SKLEARN = Format(
    "sklearn", _matches_estimator, _write_estimator, _read_estimator, _preview_estimator, peek_pickle, unsafe=True
)
