"""The report's frame: one page that needs nothing from anywhere else."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

STYLE = """
:root { color-scheme: light dark; --paper: #fbfaf8; --card: #fff; --ink: #1d2126; --muted: #6a727c; --grid: #d9d9d6;
  --accent: #b4531f; --second: #3f7cac; --soft: #dcdcd8; --good: #2f7d4f; --bad: #b3372f; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --card: #1c2024; --ink: #e8e6e1; --muted: #9aa2ab;
  --grid: #3a4047; --accent: #e8894f; --second: #74aede; --soft: #383e44; --good: #6cc08b; --bad: #e8776f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 0.75rem; }
.lead { color: var(--muted); margin: 0.4rem 0 1.5rem; }
.verdict { background: var(--card); border-left: 4px solid var(--good); border-radius: 0 8px 8px 0; }
.verdict { padding: 0.8rem 1.1rem; }
.verdict.no { border-color: var(--bad); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: 0.75rem; margin: 1rem 0 0; }
.tiles div, figure { background: var(--card); border: 1px solid var(--grid); border-radius: 10px; }
.tiles div { padding: 0.7rem 1rem; }
.tiles dt { color: var(--muted); font-size: 0.85rem; }
.tiles dd { margin: 0; font-size: 1.45rem; font-variant-numeric: tabular-nums; }
.tiles small { font-size: 0.85rem; color: var(--muted); white-space: nowrap; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); gap: 1rem; }
figure { margin: 0; padding: 1rem; }
figure svg { display: block; width: 100%; height: auto; }
figure svg text { font-family: system-ui, sans-serif !important; }
figcaption { font-weight: 600; margin-bottom: 0.6rem; }
figcaption span { color: var(--muted); display: block; font-size: 0.88rem; font-weight: 400; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.4rem 0.9rem 0.4rem 0; border-bottom: 1px solid var(--grid); }
th { color: var(--muted); font-weight: 500; font-size: 0.9rem; }
td.number, th.number { text-align: right; padding-right: 1.5rem; }
tr.best td { color: var(--accent); font-weight: 600; }
li { margin-bottom: 0.35rem; }
"""


def page(title: str, lead: str, sections: Iterable[str]) -> str:
    """A whole HTML page; `sections` are HTML already."""
    body = "\n".join(sections)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<h1>{escape(title)}</h1>\n<p class="lead">{escape(lead)}</p>\n'
        f"{body}\n</main>\n</body>\n</html>\n"
    )


def section(heading: str, *parts: str) -> str:
    """A heading with HTML under it."""
    return f"<section>\n<h2>{escape(heading)}</h2>\n" + "\n".join(parts) + "\n</section>"


def verdict(good: bool, text: str) -> str:
    """The one sentence to read if only one is read."""
    return f'<p class="verdict{"" if good else " no"}">{escape(text)}</p>'


def tiles(facts: Iterable[tuple[str, str, str]]) -> str:
    """A row of numbers: what it is, the number, a small remark."""
    boxes = (
        f"<div><dt>{escape(name)}</dt><dd>{escape(number)} <small>{escape(remark)}</small></dd></div>"
        for name, number, remark in facts
    )
    return f'<dl class="tiles">{"".join(boxes)}</dl>'


def figure(svg: str, title: str, remark: str) -> str:
    """An SVG drawing under its title."""
    return f"<figure><figcaption>{escape(title)} <span>{escape(remark)}</span></figcaption>{svg}</figure>"


def table(head: list[str], rows: list[list[str]], marked: int = -1) -> str:
    """A table; what looks like a number is set to the right, row `marked` stands out."""
    kinds = [' class="number"' if all(_is_number(row[place]) for row in rows) else "" for place in range(len(head))]
    top = "".join(f"<th{kind}>{escape(text)}</th>" for kind, text in zip(kinds, head, strict=True))
    body = ""
    for place, row in enumerate(rows):
        cells = "".join(f"<td{kind}>{escape(text)}</td>" for kind, text in zip(kinds, row, strict=True))
        best = ' class="best"' if place == marked else ""
        body += f"<tr{best}>{cells}</tr>\n"
    return f'<div class="scroll"><table>\n<thead><tr>{top}</tr></thead>\n<tbody>\n{body}</tbody>\n</table></div>'


def bullets(texts: Iterable[str]) -> str:
    """A list of sentences."""
    return "<ul>\n" + "".join(f"<li>{escape(text)}</li>\n" for text in texts) + "</ul>"


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "").replace("%", "").replace("±", "").replace(" ", "").isdigit()
