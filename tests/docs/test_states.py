"""The diagram and the table of task-run states say what the code's table of legal moves says."""

from __future__ import annotations

import re

from ropewalk.core.taskstate import TRANSITIONS
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "explanation" / "states.md"
Moves = set[tuple[str, str]]


def drawn_moves(text: str) -> Moves:
    """Arrows of the first state diagram on a page, without those from the start and to the end."""
    diagrams = [block.text for block in blocks(text) if block.language == "mermaid"]
    return set(re.findall(r"^\s*([a-z]+) --> ([a-z]+)", diagrams[0], flags=re.MULTILINE))


def tabled_moves(text: str) -> Moves:
    """Rows of the table: | `from` | `to` | when |."""
    return set(re.findall(r"^\| `([a-z]+)` \| `([a-z]+)` \|", text, flags=re.MULTILINE))


def test_diagram_table_and_code_agree() -> None:
    text = PAGE.read_text(encoding="utf-8")
    legal = {(before.label, after.label) for before, after in TRANSITIONS}

    assert tabled_moves(text) == legal
    assert drawn_moves(text) == legal


def test_moves_are_read_from_diagram_and_table() -> None:
    text = """
```mermaid
stateDiagram-v2
    [*] --> waiting
    waiting --> ready : its inputs are there
    ready --> ready
    failed --> [*]
```

| from | to | when |
|---|---|---|
| `ready` | `running` | claimed |
"""

    assert drawn_moves(text) == {("waiting", "ready"), ("ready", "ready")}
    assert tabled_moves(text) == {("ready", "running")}
