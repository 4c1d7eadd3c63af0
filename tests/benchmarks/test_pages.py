"""Tables of figures in pages of the docs."""

from __future__ import annotations

import pytest

from benchmarks import pages

PAGE = "before\n<!-- a: begin -->\nold\n<!-- a: end -->\nafter\n<!-- b: begin -->\n<!-- b: end -->\n"


def test_a_table_is_put_in_its_place_and_nothing_else_is_touched() -> None:
    page = pages.filled(pages.filled(PAGE, "a", "new"), "a", "newer\n")

    assert page == PAGE.replace("old", "newer")


@pytest.mark.parametrize("page", ["", "<!-- a: end --> <!-- a: begin -->", "<!-- a: begin -->"])
def test_a_page_without_a_place_for_a_table_is_refused(page: str) -> None:
    with pytest.raises(SystemExit, match="has no place"):
        pages.filled(page, "a", "new")
