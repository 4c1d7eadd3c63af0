"""What examples/flights publishes: a page that stands alone, and the numbers of a model version."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pandas as pd
import pytest

from tests.e2e.flights_example import figures, models, page, publish


@pytest.fixture(autouse=True)
def temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def scores_of(name: str, auc: float = 0.75) -> models.Scores:
    tenths = [place / 10 + 0.05 for place in range(10)]
    line = [place / 100 for place in range(101)]
    return models.Scores(name, 1000, 0.25, auc, 0.01, 0.5, 0.17, tenths, tenths, line, line)


def report_text(decision: publish.Decision, value: str = "17") -> str:
    months = pd.DataFrame({"month": range(1, 13), "flights": 100, "arrived": 97, "departed": 98, "late_rate": 0.25})
    quarantine = pd.DataFrame(
        [["flights", 7, "distance", "is from 50 to 6000", value]], columns=["table", "row", "column", "check", "value"]
    )
    path = publish.report(
        scores_of("logistic C=1"),
        [scores_of("baseline", 0.65), scores_of("logistic C=1", 0.76)],
        pd.DataFrame({"feature": ["departure_minute", "temp"], "auc_loss": [0.1, -0.001]}),
        months,
        quarantine,
        decision,
        month=6,
        min_auc=0.7,
    )
    assert path.name == "report.html"
    return path.read_text(encoding="utf-8")


REGISTERED = publish.Decision("flights-late", registered=True, version=3, digest="0" * 64)


def test_the_report_has_the_same_bytes_for_the_same_inputs() -> None:
    assert report_text(REGISTERED) == report_text(REGISTERED)


def test_the_report_loads_nothing_from_elsewhere() -> None:
    text = report_text(REGISTERED)

    addresses = re.findall(r'(?:src|href|url)\s*[=(]\s*["\']?([^"\')\s>]+)', text)
    assert [address for address in addresses if not address.startswith("#")] == []
    assert "<script" not in text
    assert "@import" not in text


def test_every_name_in_the_report_is_given_once_and_none_is_missing() -> None:
    """Four drawings share one page, so what refers to a part of one must not find another's."""
    text = report_text(REGISTERED)

    names = re.findall(r' id="([^"]+)"', text)
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', text)) <= set(names)
    assert not [name for name in names if re.fullmatch(r"[a-z0-9.]+_\d+", name)]


def test_the_figures_take_their_colours_from_the_page() -> None:
    text = report_text(REGISTERED)

    assert not [color for color in figures.CSS_NAMES if color in text]
    assert {f"--{name}:" for name in figures.CSS_NAMES.values()} <= set(re.findall(r"--\w+:", page.STYLE))


@pytest.mark.parametrize(
    ("decision", "sentence"),
    [
        (REGISTERED, "Registered as flights-late v3: logistic C=1 reaches AUC 0.750"),
        (
            publish.Decision("flights-late", registered=False, version=2, digest=""),
            "Not registered; flights-late v2 stays",
        ),
        (publish.Decision("flights-late", registered=False, version=None, digest=""), "has no champion yet"),
    ],
)
def test_the_report_says_what_became_of_the_model(decision: publish.Decision, sentence: str) -> None:
    assert sentence in report_text(decision)


def test_text_from_the_data_cannot_become_markup() -> None:
    text = report_text(REGISTERED, value="<script>alert(1)</script>")

    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_a_model_version_carries_the_numbers_of_both_months() -> None:
    metrics = publish.metrics_of(scores_of("a", 0.7), scores_of("a", 0.8))

    assert (metrics["validation_auc"], metrics["test_auc"]) == (0.7, 0.8)
    assert len(metrics) == 6
