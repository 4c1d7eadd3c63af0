"""What is left of a command line becomes a target and parameters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.cli.arguments import Wish, read, suggest_option
from ropewalk.core.errors import UsageError


@pytest.mark.parametrize(
    ("words", "target", "pairs"),
    [
        ([], "", []),
        (["pipeline.py:train"], "pipeline.py:train", []),
        (["--month", "7"], "", [("month", "7")]),
        (["--month=7", "a.py"], "a.py", [("month", "7")]),
        (["a.py", "--min-auc", "0.7"], "a.py", [("min_auc", "0.7")]),
        (["--offset", "-5"], "", [("offset", "-5")]),
        (["--offset", "-.5"], "", [("offset", "-.5")]),
        (["--offset=-x"], "", [("offset", "-x")]),
        (["--text="], "", [("text", "")]),
        (["a.py", "--dry"], "a.py", [("dry", "true")]),
        (["a.py", "--no-dry"], "a.py", [("dry", "false")]),
        (["--dry", "--month", "7"], "", [("dry", "true"), ("month", "7")]),
        (["--train.c", "0.1"], "", [("train.c", "0.1")]),
        (["--a=b=c"], "", [("a", "b=c")]),
        (["-"], "-", []),
    ],
)
def test_options_that_the_command_does_not_know_are_parameters(
    words: list[str], target: str, pairs: list[tuple[str, str]]
) -> None:
    wish = read(words, [])

    assert (wish.target, list(wish.pairs)) == (target, pairs)


def test_parameters_given_with_p_come_first_and_may_hold_equal_signs() -> None:
    assert read(["--month", "7"], ["train.c=0.1", " name = a=b"]).pairs == (
        ("train.c", "0.1"), ("name", " a=b"), ("month", "7"),
    )  # fmt: skip


@pytest.mark.parametrize("text", ["", "x", "=1", " =1"])
def test_what_is_not_name_and_value_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not of the form name=value"):
        read([], [text])


@pytest.mark.parametrize(
    ("words", "problem"), [(["-x", "3"], "there is no option `-x`"), (["a.py", "b.py"], "one pipeline at a time")]
)
def test_what_is_neither_target_nor_parameter_is_refused(words: list[str], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        read(words, [])


def test_a_mistyped_option_is_recognised_but_a_mistyped_parameter_is_not() -> None:
    known = ["--workers", "--no-cache", "-p"]

    assert suggest_option(read(["--worker", "3"], []), ["worker"], known) == "--workers"
    assert suggest_option(read(["--nocache"], []), ["nocache"], known) == "--no-cache"
    assert suggest_option(read([], ["worker=3"]), ["worker"], known) is None


@given(st.lists(st.text(min_size=1, max_size=12), max_size=8), st.lists(st.text(max_size=12), max_size=3))
def test_any_words_give_a_wish_or_a_usage_error(words: list[str], parameters: list[str]) -> None:
    try:
        wish = read(words, parameters)
    except UsageError:
        return

    assert isinstance(wish, Wish)
    assert len(wish.pairs) >= len(parameters)
