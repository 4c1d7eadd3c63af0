"""The reference says what the code says: pages written from it are fresh, and every error code is explained."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from docs.build import api_page, cli_page, pages
from ropewalk import Cache, Resources, Retry
from ropewalk.author.pipeline import PipelineOptions
from ropewalk.author.task import CallOptions
from tests.docs.pages import ROOT, sections

SRC = ROOT / "src" / "ropewalk"
ERRORS = ROOT / "docs" / "reference" / "errors.md"


def stale(expected: dict[Path, str]) -> list[Path]:
    return [path for path, text in expected.items() if not path.exists() or path.read_text(encoding="utf-8") != text]


def test_the_written_pages_are_fresh() -> None:
    if not (SRC / "cli" / "main.py").exists():
        pytest.skip("there is no command line yet")

    assert stale(pages()) == [], "make fix"


def test_a_stale_page_is_found(tmp_path: Path) -> None:
    (tmp_path / "old.md").write_text("old")

    expected = {tmp_path / "old.md": "new", tmp_path / "missing.md": "", tmp_path / "fresh.md": "fresh"}
    (tmp_path / "fresh.md").write_text("fresh")

    assert stale(expected) == [tmp_path / "old.md", tmp_path / "missing.md"]


def test_the_page_of_commands_has_every_visible_command_and_option() -> None:
    import click

    @click.group()
    def root() -> None: ...

    @root.command()
    @click.option("-p", "--parameter", metavar="NAME=VALUE", help="Sets a | b.")
    @click.option("--old", hidden=True)
    def run() -> None:
        """Run it.

        \b
        ropewalk run
          -p month=7
        """

    @root.command(hidden=True)
    def worker() -> None: ...

    page = sections(cli_page(root))

    assert list(page) == ["Commands", "`ropewalk`", "`ropewalk run`"]
    assert "```text\nropewalk run [OPTIONS]\n```" in page["`ropewalk run`"]
    assert "```text\nropewalk run\n  -p month=7\n```" in page["`ropewalk run`"]
    assert "| `-p, --parameter NAME=VALUE` | Sets a \\| b. |" in page["`ropewalk run`"]
    assert "--old" not in page["`ropewalk run`"]


class Walk:
    """A walk along the rope.

    Args:
        length: in metres,
            to the end.
    """

    def __init__(self, length: int, *, strand: str = "a", direction: str = "clockwise", tension_n: float = 1.5) -> None:
        self.length = length

    def lay(self, count: int) -> bool:
        """Lay that many strands."""
        return count < self.length

    def to_json(self) -> None: ...


class Made(Walk):
    """A walk that `lay_out` made."""


def lay_out(strands: int = object()) -> Walk:  # type: ignore[assignment]  # a default that means "not given"
    """Lay out.

    Returns:
        The walk
        itself.
    """
    return Walk(strands)


def test_the_page_of_names_has_signatures_contracts_and_methods() -> None:
    page = sections(api_page({"LIMIT": 3, "lay_out": lay_out, "Walk": Walk}, {"Made": Made}))

    assert list(page) == [
        "Python",
        "`lay_out`",
        "`LIMIT`",
        "`Walk`",
        "`Walk.lay`",
        "Objects that these return",
        "`Made`",
    ]
    assert "Walk(\n    length: int,\n    *,\n    strand: str = 'a',\n" in page["`Walk`"]
    assert "**Args**\n\n- `length`: in metres,\n  to the end.\n" in page["`Walk`"]
    assert "lay(count: int) -> bool\n```\n\nLay that many strands." in page["`Walk.lay`"]
    assert "text" not in page["`Made`"]
    assert "`3`" in page["`LIMIT`"]
    assert "lay_out(strands: int = …) -> Walk\n" in page["`lay_out`"]
    assert "**Returns**\n\nThe walk\nitself." in page["`lay_out`"]


def codes_in_source(texts: dict[str, str]) -> dict[str, str]:
    """Error codes in the package, each with a place where it is used."""
    return {
        node.value: f"{path}:{node.lineno}"
        for path, text in texts.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"P\d{3}", node.value)
    }


def codes_in_table(text: str) -> set[str]:
    return set(re.findall(r"^\| `(P\d{3})` \|", text, flags=re.MULTILINE))


def test_every_error_code_is_explained_and_no_other() -> None:
    used = codes_in_source({path.relative_to(ROOT).as_posix(): path.read_text() for path in SRC.rglob("*.py")})
    explained = codes_in_table(ERRORS.read_text(encoding="utf-8"))

    assert {code: place for code, place in used.items() if code not in explained} == {}
    assert explained - used.keys() == set()


def test_codes_are_read_from_source_and_table() -> None:
    assert codes_in_source({"a.py": 'raise E("`x` P999 is wrong", code="P104")'}) == {"P104": "a.py:1"}
    assert codes_in_table("| `P104` | unknown |\n`P105`\n") == {"P104"}


def options() -> set[str]:
    """Everything that `@task`, `.options`, `@pipeline`, `Retry`, `Cache` and `Resources` can be told."""
    named = {name for kind in (CallOptions, PipelineOptions) for name in kind.__annotations__}
    return named | {name for kind in (Retry, Cache, Resources) for name in inspect.signature(kind).parameters}


def undescribed(page: str, names: set[str]) -> set[str]:
    return {name for name in names if not re.search(rf"`{name}\b", page)}


def test_every_option_is_described() -> None:
    page = (ROOT / "docs" / "reference" / "policies.md").read_text(encoding="utf-8")

    assert undescribed(page, options()) == set()


def test_an_option_that_is_not_described_is_found() -> None:
    assert {"retry", "limit", "order", "on_oom", "ttl", "pools", "after"} <= options()
    assert undescribed("`limits` and `retry=3`", {"limit", "retry"}) == {"limit"}


@pytest.mark.parametrize("page", ["README.md", "docs/explanation/README.md"])
def test_the_promise_on_execution_is_stated_word_for_word(page: str) -> None:
    promise = (
        "*Task bodies run at least once (at most once where the author asks); "
        "each task's outcome and artifacts are recorded exactly once.*"
    )

    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())

    assert promise.lower() in text.lower()
