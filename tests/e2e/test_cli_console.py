"""What a stream can show, and text made safe for it."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.cli.console import Terminal, cells, fit, open_terminal, pad, table

DANGEROUS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Screen(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def __init__(self, encoding: str = "utf-8", *, interactive: bool = True) -> None:
        super().__init__(io.BytesIO(), encoding=encoding)
        self._interactive = interactive

    def isatty(self) -> bool:
        return self._interactive


@pytest.mark.parametrize(
    ("environment", "choice", "interactive", "color"),
    [
        ({}, "auto", True, True),
        ({}, "auto", False, False),
        ({"TERM": "dumb"}, "auto", True, False),
        ({"NO_COLOR": "1"}, "auto", True, False),
        ({"NO_COLOR": ""}, "auto", True, True),
        ({"FORCE_COLOR": "1"}, "auto", False, True),
        ({"FORCE_COLOR": "0"}, "auto", False, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, "auto", False, True),
        ({"CLICOLOR_FORCE": "1"}, "auto", False, True),
        ({"CLICOLOR": "0"}, "auto", True, False),
        ({"NO_COLOR": "1"}, "always", False, True),
        ({"FORCE_COLOR": "1"}, "never", True, False),
    ],
)
def test_colour_follows_the_option_then_the_environment_then_the_stream(
    environment: dict[str, str], choice: str, interactive: bool, color: bool
) -> None:
    assert open_terminal(Screen(interactive=interactive), choice, environment).color is color


@pytest.mark.parametrize(
    ("environment", "encoding", "unicode"),
    [
        ({"LANG": "en_US.UTF-8"}, "utf-8", True),
        ({}, "utf-8", True),
        ({"LANG": "C"}, "utf-8", False),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, "utf-8", False),
        ({"LANG": "C", "LC_CTYPE": "en_US.UTF-8"}, "utf-8", True),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "POSIX"}, "utf-8", False),
        ({"LANG": "en_US.UTF-8"}, "ascii", False),
        ({"LANG": "en_US.UTF-8"}, "latin-1", False),
    ],
)
def test_characters_beyond_ascii_need_the_locale_and_the_encoding(
    environment: dict[str, str], encoding: str, unicode: bool
) -> None:
    assert open_terminal(Screen(encoding), "auto", environment).unicode is unicode


@pytest.mark.parametrize(("columns", "width"), [("40", 40), ("1", 1), ("0", 80), ("-3", 80), ("wide", 80)])
def test_the_width_is_what_columns_says(columns: str, width: int) -> None:
    assert open_terminal(Screen(), "auto", {"COLUMNS": columns}).width == width


def test_what_is_no_terminal_has_no_width() -> None:
    assert open_terminal(Screen(interactive=False), "auto", {"COLUMNS": "40"}).width is None


def test_marks_have_ascii_fallbacks() -> None:
    assert Terminal(io.StringIO(), unicode=False).safe("✓ ✗ = ▸ · → ● – × − …") == "+ x = > - -> * - x - ~"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x1b]8;;javascript:alert(1)\x07x", "\\x1b]8;;javascript:alert(1)\\x07x"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\rb", "a\\rb"),
        ("\u202eevil", "\\u202eevil"),
        ("\x9b31m", "\\x9b31m"),
        ("a\tb", "a\tb"),
        ("\ud800", "\\ud800"),
    ],
)
@pytest.mark.parametrize("color", [True, False])
def test_what_would_act_on_the_terminal_is_shown_instead(text: str, safe: str, color: bool) -> None:
    assert Terminal(io.StringIO(), color=color).safe(text) == safe


def test_colours_stay_where_they_are_wanted_and_never_leak_into_what_follows() -> None:
    assert Terminal(io.StringIO(), color=True).safe("\x1b[31mred") == "\x1b[31mred\x1b[0m"
    assert Terminal(io.StringIO(), color=False).safe("\x1b[31mred\x1b[0m") == "red"
    assert Terminal(io.StringIO(), color=True).safe("\x1b[8mhidden") == "hidden"


@given(st.text(), st.booleans(), st.booleans())
def test_nothing_but_colours_gets_through(text: str, color: bool, unicode: bool) -> None:
    shown = re.sub(r"\x1b\[[0-9;]*m", "", Terminal(io.StringIO(), color=color, unicode=unicode).safe(text))

    assert not DANGEROUS.search(shown.replace("\n", ""))
    assert unicode or shown.isascii()


def test_a_checker_of_text_would_find_an_escape() -> None:
    assert DANGEROUS.search("\x1b]0;title\x07")


def test_wide_characters_take_two_cells_and_colours_none() -> None:
    assert (cells("abc"), cells("数据"), cells("e\u0301"), cells("\x1b[31mred\x1b[0m")) == (3, 4, 1, 3)


@given(st.text(alphabet=st.characters(categories=["L", "N"])), st.integers(1, 30))
def test_fitted_text_is_never_wider_and_short_text_is_untouched(text: str, width: int) -> None:
    fitted = fit(text, width)

    assert cells(fitted) <= width
    assert fitted == text if cells(text) <= width else fitted.endswith("…")


def test_padding_counts_cells_and_can_stand_in_front() -> None:
    assert pad("数", 4) == "数  "
    assert pad("7", 3, right=True) == "  7"


def test_columns_of_a_table_are_aligned() -> None:
    assert table([("RUN", "NAME"), ("7", "x"), ("10", "longer")], right=(0,)) == ["RUN  NAME", "  7  x", " 10  longer"]


def test_the_widest_columns_give_way_and_none_vanishes() -> None:
    rows = [("a" * 40, "b" * 20, "c")]

    assert table(rows, width=30) == ["aaaaaaaaaaa…  bbbbbbbbbbbb…  c"]
    assert table(rows, width=1) == ["aaaaaaa…  bbbbbbb…  c"]
    assert table([], width=10) == []


@given(st.lists(st.tuples(*[st.text(alphabet="abc ", max_size=30)] * 3), min_size=1), st.integers(1, 120))
def test_a_table_has_a_line_for_each_row_and_keeps_to_the_width_it_can_keep(
    rows: list[tuple[str, str, str]], width: int
) -> None:
    lines = table(rows, width=width)

    assert len(lines) == len(rows)
    assert max(map(cells, lines)) <= max(width, 3 * 8 + 2 * 2)
