"""The report's figures: inline SVG whose colours are the page's own, so that they fit light and dark."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from flights.models import Scores

# Drawn with stand-in colours, which `svg` then exchanges for the names of the page's CSS variables.
INK, MUTED, GRID, ACCENT, SECOND, SOFT = (f"#00000{number}" for number in range(1, 7))
CSS_NAMES = {INK: "ink", MUTED: "muted", GRID: "grid", ACCENT: "accent", SECOND: "second", SOFT: "soft"}
STYLE = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "flights",  # the same figure has the same bytes in every run
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def late_by_month(months: pd.DataFrame, test_month: int) -> str:
    """Bars: the share of late flights in each month; train, validation and test are told apart."""
    colors = [_part_color(month, test_month) for month in months["month"]]
    with _axes() as (axes, drawing):
        axes.bar(range(len(months)), months["late_rate"], color=colors, width=0.72)
        axes.set_xticks(range(len(months)), [MONTHS[month - 1] for month in months["month"]])
        for position, rate in enumerate(months["late_rate"]):
            axes.text(position, rate + 0.006, f"{rate:.0%}", ha="center", color=MUTED, fontsize=8)
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="x", length=0)
    return drawing[0]


def roc(test: Scores, validation: Scores) -> str:
    """ROC curves of one model on the test and on the validation month."""
    with _axes() as (axes, drawing):
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.plot(validation.false_alarms, validation.caught, color=SECOND, label=f"validation, {validation.auc:.3f}")
        axes.plot(test.false_alarms, test.caught, color=ACCENT, label=f"test, {test.auc:.3f}")
        _percent(axes, "punctual flights called late", "late flights caught")
        axes.legend(loc="lower right", frameon=False, labelcolor=INK)
    return drawing[0]


def calibration(test: Scores) -> str:
    """Predicted against observed share of late flights, a dot for each tenth of the test month."""
    limit = max(*test.predicted, *test.observed) * 1.08
    with _axes() as (axes, drawing):
        axes.plot([0, limit], [0, limit], color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.plot(test.predicted, test.observed, color=ACCENT, marker="o", markersize=4.5)
        _percent(axes, "predicted", "arrived late", limit)
    return drawing[0]


def importance(ranked: pd.DataFrame, count: int = 12) -> str:
    """Bars: the AUC that is lost when a feature is shuffled, for the most important ones."""
    top = ranked.head(count)[::-1]
    with _axes() as (axes, drawing):
        axes.barh(range(len(top)), top["auc_loss"], color=ACCENT, height=0.68)
        axes.set_yticks(range(len(top)), top["feature"].str.replace("_", " "))
        axes.set_xlabel("AUC lost when shuffled")
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
        axes.tick_params(length=0)
    return drawing[0]


@contextmanager
def _axes() -> Iterator[tuple[Axes, list[str]]]:
    """Axes to draw on; when the block ends, the list holds the SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 3.3), layout="constrained")
        drawing: list[str] = []
        yield figure.subplots(), drawing
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawing.append(_for_page(file.getvalue()))


def _for_page(text: str) -> str:
    """An SVG file as part of a page: no prolog, no metadata, no fixed size, the page's colours."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r' id="[a-z0-9.]+_\d+"', "", text)  # figures on one page may not share names
    for color, name in CSS_NAMES.items():
        text = text.replace(color, f"var(--{name})")
    return text


def _part_color(month: int, test_month: int) -> str:
    if month == test_month:
        return ACCENT
    if month == test_month - 1:
        return SECOND
    return MUTED if month < test_month else SOFT


def _percent(axes: Axes, x_label: str, y_label: str, limit: float = 1.0) -> None:
    axes.set(xlim=(0, limit), ylim=(0, limit), xlabel=x_label, ylabel=y_label)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.locator_params(nbins=6)
    axes.grid()
    axes.tick_params(length=0, pad=5)
