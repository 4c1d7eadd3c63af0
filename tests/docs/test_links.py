"""Links between pages lead somewhere, and so do the make targets and files that pages name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, anchors, name, pages, prose


def broken_links(page: Path, text: str) -> list[str]:
    """Relative links of a page to a file or heading that is not there."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(text)):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(_read(file, page, text))):
            broken.append(target)
    return broken


def _read(file: Path, page: Path, text: str) -> str:
    return text if file == page else file.read_text(encoding="utf-8")


def unknown_targets(text: str, makefile: str) -> set[str]:
    """Words after `make` in code, inline or in a block, that the Makefile does not know."""
    known = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    named = re.findall(r"(?:`|^\$ )make ([a-z]+)", text, flags=re.MULTILINE)
    return set(named) - known


@pytest.mark.parametrize("page", pages(), ids=name)
def test_links_and_make_targets_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert broken_links(page, text) == []
    assert unknown_targets(text, (ROOT / "Makefile").read_text(encoding="utf-8")) == set()


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        links = re.findall(r"\]\(([^)\s#]+)", prose(page.read_text(encoding="utf-8")))
        waiting += [(page.parent / link).resolve() for link in links if "://" not in link]

    assert {name(page) for page in pages()} - {name(page) for page in reached} == set()


def test_planted_broken_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    text = (
        "# A `b` title\n[1](other.md) [2](#a-b-title) [3](#nowhere) [4](page.md#nowhere)\n```\n[5](ignored.md)\n```\n"
    )
    page.write_text(text)

    assert broken_links(page, text) == ["other.md", "#nowhere", "page.md#nowhere"]


def test_planted_unknown_make_targets_are_found() -> None:
    text = "`make test`, `make tests`\n```console part\n$ make demos\n```\nmake sense\n"

    assert unknown_targets(text, "test: x\ndemo:\n") == {"tests", "demos"}
