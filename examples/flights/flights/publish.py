"""Publish: put the model into the registry, or keep the one that is there, and write the report."""

from __future__ import annotations

import tempfile
from calendar import month_name
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flights.models import Classifier, Scores
from ropewalk import context, task

if TYPE_CHECKING:
    import pandas as pd

MODEL = "flights-late"
ALIAS = "champion"
LISTED_ROWS = 20  # of the quarantine, in the report


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of the new model."""

    model: str
    registered: bool
    version: int | None  # the new one, or the champion that stays; None when there is neither
    digest: str  # of that version, "" when there is none


@task(cache=False)  # an effect: the alias is to point here again, although the model is known
def register(model: Classifier, validation: Scores, test: Scores) -> Decision:
    """Register the model as the new champion, with what it scored. The same model is registered once."""
    from ropewalk.ml.registry import register_model

    made = register_model(
        MODEL,
        model,
        metrics=metrics_of(validation, test),
        alias=ALIAS,
        description=f"{test.name}: will a flight from New York arrive more than 15 minutes late?",
    )
    context().logger.info("%s v%d is %s", made.name, made.version, ALIAS)
    return Decision(MODEL, registered=True, version=made.version, digest=made.digest)


@task(cache=False)  # the answer lies in the registry, not in the inputs
def keep_champion(test: Scores) -> Decision:
    """Leave the registry as it is and say which version stays champion."""
    from ropewalk.ml.registry import find_model

    found = find_model(MODEL, ALIAS)
    context().logger.warning("%s is not registered: AUC %.4f is too low", test.name, test.auc)
    if found is None:
        return Decision(MODEL, registered=False, version=None, digest="")
    return Decision(MODEL, registered=False, version=found.version, digest=found.digest)


def metrics_of(validation: Scores, test: Scores) -> dict[str, float]:
    """The numbers that belong to a model version, of the month that chose it and of the one that did not."""
    return {
        f"{part}_{metric}": float(getattr(scores, metric))
        for part, scores in (("validation", validation), ("test", test))
        for metric in ("auc", "log_loss", "brier")
    }


@task
def report(
    test: Scores,
    scores: list[Scores],
    importance: pd.DataFrame,
    months: pd.DataFrame,
    quarantine: pd.DataFrame,
    decision: Decision,
    *,
    month: int,
    min_auc: float,
) -> Path:
    """One self-contained HTML page about the run; the same inputs give the same bytes.

    Args:
        test: the picked model on the test month.
        scores: all models on the validation month, the picked one among them.
        importance, months, quarantine: as `explain`, `features` and `validate` give them.
        decision: what became of the model.
        month: the test month.
        min_auc: what the gate asked for.

    Returns:
        The path of a file `report.html`.
    """
    from flights.page import page

    validation = next(one for one in scores if one.name == test.name)
    last, chosen, tested = (month_name[month - back] for back in (2, 1, 0))
    text = page(
        "Will this flight arrive late?",
        f"Departures from New York in 2013. Trained on January to {last}, chosen on {chosen}, tested on {tested}. "
        "Late means more than 15 minutes.",
        [
            summary(test, decision, min_auc),
            drawings(test, validation, importance, months, month),
            comparison(scores, test.name),
            data_quality(months, quarantine),
            caveats(test, validation),
        ],
    )
    path = Path(tempfile.mkdtemp(prefix="flights-")) / "report.html"
    path.write_text(text, encoding="utf-8")
    return path


def summary(test: Scores, decision: Decision, min_auc: float) -> str:
    """The verdict and the numbers that it rests on."""
    from flights.page import tiles, verdict

    if decision.registered:
        outcome = f"Registered as {decision.model} v{decision.version}"
    elif decision.version is not None:
        outcome = f"Not registered; {decision.model} v{decision.version} stays {ALIAS}"
    else:
        outcome = f"Not registered, and {decision.model} has no {ALIAS} yet"
    facts = f"{test.name} reaches AUC {test.auc:.3f} on the test month; the gate asks for {min_auc:.3f}."
    return verdict(decision.registered, f"{outcome}: {facts}") + tiles(
        [
            ("AUC", f"{test.auc:.3f}", f"± {1.96 * test.auc_error:.3f}"),
            ("Log loss", f"{test.log_loss:.3f}", ""),
            ("Brier score", f"{test.brier:.3f}", ""),
            ("Flights tested", f"{test.row_count:,}", ""),
            ("Arrived late", f"{test.late_rate:.1%}", ""),
        ]
    )


def drawings(test: Scores, validation: Scores, importance: pd.DataFrame, months: pd.DataFrame, month: int) -> str:
    """The four figures."""
    from flights import figures
    from flights.page import figure, section

    parts = [
        figure(
            figures.late_by_month(months, month),
            "Late flights by month",
            "trained on grey, chosen on blue, tested on orange; pale is not used",
        ),
        figure(figures.roc(test, validation), "ROC curve", "the dashed line is guessing"),
        figure(
            figures.calibration(test),
            "Calibration on the test month",
            "each dot is a tenth of the flights; the dashed line is perfect",
        ),
        figure(
            figures.importance(importance),
            "What the model looks at",
            "validation month; features that say the same share their weight",
        ),
    ]
    return section("The model", f'<div class="figures">{"".join(parts)}</div>')


def comparison(scores: list[Scores], picked: str) -> str:
    """All models side by side, on the month that chose between them."""
    from flights.page import section, table

    ranked = sorted(scores, key=lambda one: -one.auc)
    rows = [[s.name, f"{s.auc:.4f}", f"{s.log_loss:.4f}", f"{s.brier:.4f}"] for s in ranked]
    chosen = [s.name for s in ranked].index(picked)
    return section("Compared on the validation month", table(["model", "AUC", "log loss", "Brier"], rows, chosen))


def data_quality(months: pd.DataFrame, quarantine: pd.DataFrame) -> str:
    """What was left out, and why."""
    from flights.page import section, table

    flights, arrived, departed = (int(months[name].sum()) for name in ("flights", "arrived", "departed"))
    bad = quarantine.drop_duplicates(["table", "row"])
    text = (
        f"<p>{flights:,} flights have features. {flights - departed:,} were cancelled and {departed - arrived:,} were "
        "diverted or have no arrival time: nothing says how late they were, so they are neither trained nor tested on. "
        f"{len(bad)} rows failed a check and were put aside.</p>"
    )
    if quarantine.empty:
        return section("The data", text)
    listed = quarantine.head(LISTED_ROWS).astype(str)
    rows: list[list[str]] = listed.to_numpy().tolist()
    return section("The data", text, table(list(listed.columns), rows))


def caveats(test: Scores, validation: Scores) -> str:
    """How far the numbers can be trusted."""
    from flights.page import bullets, section

    texts = [
        "A prediction is made at the scheduled departure. Nothing later is used, nor the flight's own departure delay.",
        "Late rates count only flights that had landed by then; the newest weather is that of an hour that is over.",
        f"The test month chose nothing. AUC there is {test.auc:.4f}, on the month that chose {validation.auc:.4f}.",
        "The interval of the AUC takes flights as independent. Flights of one day are not: the true one is wider.",
        "Delays differ by season, so another test month gives another AUC.",
    ]
    return section("How far to trust this", bullets(texts))
