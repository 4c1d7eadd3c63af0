"""A chart as SVG, readable on light and on dark pages: milliseconds for each task, on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from benchmarks.results import OURS, Results
from benchmarks.versus import Cost, cost

PANELS = {"chain": "chain: one task after the other", "fanout": "fan-out: one, n side by side, one"}
WIDTH, LEFT, RIGHT, ROW, TOP = 880, 210, 150, 22, 64
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 14px }
.faint { fill: #57606a }
.grid { stroke: #d0d7de; stroke-width: 1 }
.ours { fill: #0969da }
.power { fill: #1a7f37 }
.process { fill: #9a6700 }
.nothing { fill: #8c959f }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .faint { fill: #9198a1 } .grid { stroke: #3d444d }
  .ours { fill: #4493f8 } .power { fill: #3fb950 } .process { fill: #d29922 } .nothing { fill: #6e7681 }
}
"""
LEGEND = {
    "ours": "Ropewalk",
    "power": "survives a power cut",
    "process": "survives kill -9",
    "nothing": "keeps nothing",
}


def svg(results: Results) -> str:
    """One panel for chains and one for fan-outs, each with the largest size that a variant has finished."""
    panels = [(title, _costs(results, workload)) for workload, title in PANELS.items()]
    panels = [(title, costs) for title, costs in panels if costs]
    height = 40 + sum(TOP + ROW * len(costs) + 24 for _, costs in panels)
    body: list[str] = list(_legend())
    top = 40
    for title, costs in panels:
        body += _panel(results, title, costs, top)
        top += TOP + ROW * len(costs) + 24
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        "<title>Milliseconds for each task, by tool; less is better</title>",
        f"<style>{STYLE}</style>", *body, "</svg>\n",
    ])  # fmt: skip


def _costs(results: Results, workload: str) -> list[Cost]:
    found = (cost(results, subject.name, workload) for subject in results.subjects)
    return sorted((one for one in found if one is not None and one.each_s > 0), key=lambda one: one.each_s)


def _legend() -> Iterator[str]:
    x = LEFT
    for kind, label in LEGEND.items():
        yield f'<rect class="{kind}" x="{x}" y="14" width="12" height="12" rx="2"/>'
        yield f'<text x="{x + 18}" y="24">{label}</text>'
        x += 40 + 7 * len(label)


def _panel(results: Results, title: str, costs: Sequence[Cost], top: int) -> Iterator[str]:
    """Bars from the left edge, one for each variant."""
    low = math.floor(math.log10(min(one.each_s for one in costs) * 1000))
    high = max(math.ceil(math.log10(max(one.each_s for one in costs) * 1000)), low + 1)
    keeps = {s.name: "ours" if s.peer == OURS else str(s.keeps) for s in results.subjects}

    def x(each_s: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (math.log10(each_s * 1000) - low) / (high - low)

    bottom = top + TOP + ROW * len(costs)
    yield f'<text class="title" x="10" y="{top + 22}">{escape(title)}</text>'
    for power in range(low, high + 1):
        at = x(10**power / 1000)
        yield f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{top + TOP - 14}" y2="{bottom}"/>'
        yield f'<text class="faint" x="{at:.1f}" y="{top + TOP - 20}" text-anchor="middle">{10.0**power:{",.0f" if power >= 0 else "g"}} ms</text>'
    for row, one in enumerate(costs):
        y, width = top + TOP + ROW * row, max(x(one.each_s) - LEFT, 2)
        each_ms = one.each_s * 1000
        label = f"{each_ms:,.0f} ms, n = {one.n:,}" if each_ms >= 100 else f"{each_ms:.3g} ms, n = {one.n:,}"
        yield f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(one.variant)}</text>'
        bar = f'x="{LEFT}" y="{y + 3}" width="{width:.1f}" height="{ROW - 7}" rx="2"'
        yield f'<rect class="{keeps[one.variant]}" {bar}/>'
        yield f'<text class="faint" x="{LEFT + width + 6:.1f}" y="{y + 14}">{label}</text>'
