"""Split by time, train, evaluate, pick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from flights.features import CATEGORIES, FEATURES, NUMBERS
from ropewalk import context, task
from ropewalk.core.errors import DataError, UsageError, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Setting = dict[str, object]  # the kind of a model and its hyperparameters; plain data, so that it can be a parameter


class Classifier(Protocol):
    """What every model here can do: it knows its columns and gives two probabilities for each row."""

    feature_names_in_: np.ndarray

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray: ...


class Parts(NamedTuple):
    """Labelled flights in three stretches of time, in this order."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Scores:
    """How one model did on rows that it had not seen."""

    name: str
    row_count: int
    late_rate: float
    auc: float
    auc_error: float  # standard error of `auc` (Hanley and McNeil, 1982)
    log_loss: float
    brier: float
    predicted: list[float]  # calibration: mean probability in each tenth of the rows, by rising probability
    observed: list[float]  # share of late flights in the same tenths
    false_alarms: list[float]  # ROC curve: share of the punctual flights called late ...
    caught: list[float]  # ... and of the late ones, for falling thresholds


class Best(NamedTuple):
    """The model that did best on the validation month, and how it did on the test month."""

    model: Classifier
    auc: float  # on the test month
    validation: Scores
    test: Scores


@task
def split(rows: pd.DataFrame, *, month: int) -> Parts:
    """Test on `month`, validate on the month before, train on all earlier ones.

    Flights that never arrived have no label and are left out. So are those still in the air when the next stretch
    begins: their label was not known then.

    Raises:
        DataError: a stretch has no flights, or none that is late, or only late ones.
    """
    labelled = rows[rows["known_at"].notna()]
    stretches = {
        "train": labelled[labelled["month"] < month - 1],
        "validation": labelled[labelled["month"] == month - 1],
        "test": labelled[labelled["month"] == month],
    }
    for name, part in stretches.items():
        if part["late"].nunique() < 2:
            raise DataError(
                f"the `{name}` part of a split with test month {month} cannot be used: it has {len(part)} flights",
                code="P412",
                facts=["each part needs late and punctual flights"],
                help=["choose a month from 3 to 12"],
            )
    train = stretches["train"][stretches["train"]["known_at"] < stretches["validation"]["scheduled"].min()]
    validation = stretches["validation"][stretches["validation"]["known_at"] < stretches["test"]["scheduled"].min()]
    parts = Parts(*(part.astype({"late": "int8"}) for part in (train, validation, stretches["test"])))
    context().logger.info("%d / %d / %d flights to train, validate, test", *map(len, parts))
    return parts


@task
def train(rows: pd.DataFrame, setting: Setting) -> Classifier:
    """Fit one model; the result is the same whenever rows and setting are.

    Args:
        rows: labelled flights.
        setting: `kind` ("baseline", "logistic" or "lightgbm"), everything else goes to that model.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

    choices = dict(setting)
    kind = str(choices.pop("kind", ""))
    if kind not in KINDS:
        guess = did_you_mean(kind, KINDS)
        raise UsageError(
            f"`setting` asks for an unknown kind of model, `{kind}`",
            facts=[f"kinds are {', '.join(KINDS)}"],
            help=[f"did you mean `{guess}`?"] if guess else (),
        )
    model, columns = KINDS[kind](**choices)
    with threadpool_limits(1):  # models train side by side; and sums keep their order on every machine
        return model.fit(rows[columns], rows["late"])


def baseline() -> tuple[Any, list[str]]:
    """What a traveller knows: delays add up during the day. Every other model has to beat it."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression()), ["departure_minute"]


def logistic(**choices: object) -> tuple[Any, list[str]]:
    """Logistic regression on scaled numbers and one-hot categories; everything is fitted on the training rows."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    columns = ColumnTransformer(
        [("numbers", numbers, NUMBERS), ("categories", OneHotEncoder(handle_unknown="ignore"), CATEGORIES)]
    )
    return make_pipeline(columns, LogisticRegression(max_iter=300, **choices)), FEATURES


def lightgbm(**choices: object) -> tuple[Any, list[str]]:
    """Boosted trees, with every source of chance fixed."""
    from lightgbm import LGBMClassifier

    fixed = {"random_state": 0, "deterministic": True, "force_row_wise": True, "n_jobs": 1, "verbose": -1}
    chosen = {"learning_rate": 0.05, "min_child_samples": 100, "reg_lambda": 5.0, "colsample_bytree": 0.5}
    sampled = {"subsample": 0.8, "subsample_freq": 1}
    return LGBMClassifier(**{**chosen, **sampled, **choices, **fixed}), FEATURES


KINDS = {"baseline": baseline, "logistic": logistic, "lightgbm": lightgbm}


@task
def evaluate(model: Classifier, rows: pd.DataFrame, setting: Setting) -> Scores:
    """How well `model`, made with `setting`, tells late flights from punctual ones on rows it has not seen."""
    scores = score(model, rows, name_of(setting))
    for metric in ("auc", "log_loss", "brier"):
        context().log_metric(f"validation_{metric}", getattr(scores, metric))
    context().logger.info("%s: AUC %.4f, log loss %.4f", scores.name, scores.auc, scores.log_loss)
    return scores


@task
def pick(models: list[Classifier], scores: list[Scores], test: pd.DataFrame) -> Best:
    """The model with the highest AUC on the validation month; the earlier one of equals.

    Only then is the test month opened, once and for this model alone: its numbers chose nothing.
    """
    validation = max(scores, key=lambda one: one.auc)
    model = models[scores.index(validation)]
    final = score(model, test, validation.name)
    for metric in ("auc", "log_loss", "brier"):
        context().log_metric(f"test_{metric}", getattr(final, metric))
    context().logger.info("%s is best; AUC on the test month: %.4f", final.name, final.auc)
    return Best(model, final.auc, validation, final)


@task
def explain(model: Classifier, rows: pd.DataFrame, *, row_count: int = 5000, repeats: int = 2) -> pd.DataFrame:
    """Permutation importance: how much AUC is lost when one feature's values are shuffled among the rows.

    Args:
        rows: flights that the model has not seen; an evenly spaced sample of `row_count` is used.
        repeats: shuffles of each feature.

    Returns:
        Columns `feature` and `auc_loss`, the most important feature first.
    """
    import numpy as np
    import pandas as pd
    from sklearn.metrics import roc_auc_score

    chance = np.random.default_rng(0)
    sample = rows.iloc[:: max(1, len(rows) // row_count)]
    full = roc_auc_score(sample["late"], late_probability(model, sample))
    losses = {}
    for feature in model.feature_names_in_:
        aucs = []
        for _ in range(repeats):
            values = sample[feature].iloc[chance.permutation(len(sample))].set_axis(sample.index)
            aucs.append(roc_auc_score(sample["late"], late_probability(model, sample.assign(**{feature: values}))))
        losses[str(feature)] = full - float(np.mean(aucs))
    ranked = pd.DataFrame({"feature": losses.keys(), "auc_loss": losses.values()})
    return ranked.sort_values("auc_loss", ascending=False, kind="stable", ignore_index=True)


def name_of(setting: Setting) -> str:
    """A setting in words, e.g. "lightgbm num_leaves=15"."""
    return " ".join(str(value) if key == "kind" else f"{key}={value}" for key, value in setting.items())


def late_probability(model: Classifier, rows: pd.DataFrame) -> np.ndarray:
    """For each row the probability that the flight arrives late."""
    return model.predict_proba(rows[list(model.feature_names_in_)])[:, 1]


def score(model: Classifier, rows: pd.DataFrame, name: str) -> Scores:
    """All numbers about one model on some labelled rows."""
    import numpy as np
    from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score, roc_curve

    late = rows["late"].to_numpy()
    probability = late_probability(model, rows)
    auc = float(roc_auc_score(late, probability))
    tenths = np.array_split(np.argsort(probability, kind="stable"), min(10, len(rows)))
    false_alarms, caught, _ = roc_curve(late, probability)
    grid = np.linspace(0, 1, 101)
    return Scores(
        name=name,
        row_count=len(rows),
        late_rate=float(late.mean()),
        auc=auc,
        auc_error=auc_error(auc, int(late.sum()), int(len(late) - late.sum())),
        log_loss=float(log_loss(late, probability)),
        brier=float(brier_score_loss(late, probability)),
        predicted=[float(probability[tenth].mean()) for tenth in tenths],
        observed=[float(late[tenth].mean()) for tenth in tenths],
        false_alarms=grid.tolist(),
        caught=np.interp(grid, false_alarms, caught).tolist(),
    )


def auc_error(auc: float, late_count: int, punctual_count: int) -> float:
    """Standard error of an AUC by Hanley and McNeil's formula."""
    late_pair = auc / (2 - auc) - auc**2
    punctual_pair = 2 * auc**2 / (1 + auc) - auc**2
    variance = auc * (1 - auc) + (late_count - 1) * late_pair + (punctual_count - 1) * punctual_pair
    return float((variance / (late_count * punctual_count)) ** 0.5)
