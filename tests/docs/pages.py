"""The pages for readers, cut into what the tests look at: code blocks, headings and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of code: its language, the words after it, and its text."""

    line: int
    language: str
    options: dict[str, str] = field(default_factory=dict)  # `file=a.py part` → {"file": "a.py", "part": ""}
    text: str = ""


def pages() -> list[Path]:
    """Every Markdown page of the repository that people read."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, also those inside lists."""
    opened: tuple[int, str, str] | None = None  # line, indentation, info string
    body: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        fence = re.match(r"( *)```+(.*)", line)
        if opened is None and fence:
            opened, body = (number, fence[1], fence[2].strip()), []
        elif opened is not None and fence and not fence[2].strip():
            language, *words = opened[2].split() or [""]
            options = dict(word.partition("=")[::2] for word in words)
            yield Block(opened[0], language, options, "\n".join(body) + "\n")
            opened = None
        elif opened is not None:
            body.append(line.removeprefix(opened[1]))
    if opened is not None:
        raise ValueError(f"the block that begins at line {opened[0]} has no end")


def prose(text: str) -> str:
    """The page without its fenced blocks, lines kept in place."""
    return re.sub(r"^ *```.*?^ *```$", lambda m: "\n" * m[0].count("\n"), text, flags=re.DOTALL | re.MULTILINE)


def anchors(text: str) -> set[str]:
    """What `#…` may point to: the headings, spelled as code hosts do."""
    titles = re.findall(r"^#+ (.+)$", prose(text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def sections(text: str) -> dict[str, str]:
    """Text of each section by its heading, without the sections below it in depth."""
    found: dict[str, list[str]] = {}
    title, fenced = "", False
    for line in text.splitlines(keepends=True):
        fenced ^= line.lstrip().startswith("```")
        if not fenced and (heading := re.match(r"#+ (.+)", line)):
            title = heading[1]
        found.setdefault(title, []).append(line)
    return {title: "".join(lines) for title, lines in found.items()}
