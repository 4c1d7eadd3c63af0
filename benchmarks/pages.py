"""Tables in pages of the docs: each between two comments that name it, so that figures are never typed in."""

from __future__ import annotations

from pathlib import Path


def filled(page: str, part: str, text: str) -> str:
    """The page with this text in the place that it has for it.

    Raises:
        SystemExit: it has none.
    """
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"the page has no place for a table: {begin} … {end}")
    return f"{before}{begin}\n{text.strip()}\n{end}{after}"


def fill(path: Path, part: str, text: str) -> None:
    """Write a text into a page."""
    path.write_text(filled(path.read_text(encoding="utf-8"), part, text), encoding="utf-8")
