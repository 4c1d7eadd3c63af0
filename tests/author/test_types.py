# ruff: noqa: E501  # tables read better with a line for each group
"""Whether a result may go where it is put: only what is certain is refused."""

from __future__ import annotations

from collections import abc
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, NewType, Protocol, TypedDict, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from ropewalk import pipeline, task
from ropewalk.author.hints import resolve_hints, show_type
from ropewalk.author.types import accepts, fits, is_listable, item_of
from tests.author.steps import Kind, Scored, Split

T = TypeVar("T")
UserId = NewType("UserId", int)


class Base: ...


class Derived(Base): ...


class Other: ...


class Closes(Protocol):
    def close(self) -> None: ...


class Row(TypedDict):
    a: int


FIT = [
    (int, int), (bool, int), (int, float), (bool, float), (float, complex), (Derived, Base), (Base, Derived),
    (int, Any), (Any, int), (int, object), (object, int), (T, int), (int, T), (int, int | None), (int | None, int),
    (int | str, str | float), (None, int | None), (Literal["a"], str), (str, Literal["a"]),
    (Literal["a", "b"], Literal["b", "c"]), (list[int], list[int]), (list[int], list[float]), (list[int], list),
    (list, list[int]), (list[int], abc.Sequence[int]), (list[int], abc.Iterable[float]), (set[int], abc.Collection[int]),
    (tuple[int, ...], abc.Sequence[int]), (tuple[int, int], tuple[int, ...]), (tuple[int, ...], tuple[int, int]),
    (dict[str, int], abc.Mapping[str, float]), (dict, Row), (Row, dict[str, Any]), (Split, tuple), (Path, PurePath),
    (PurePath, Path), (Other, Closes), (Annotated[int, "x"], int), (UserId, int), (int, UserId),
    (type[int], type), (abc.Callable[[int], int], abc.Callable[..., int]), (list[Any], list[int]),
    (npt.NDArray[np.float64], np.ndarray), (np.ndarray, npt.NDArray[np.float64]), (pd.DataFrame, pd.DataFrame),
    (str, abc.Sequence[str]), (list[T], list[int]), ("Unknown", int), (int, "Unknown"),
]  # fmt: skip

CLASH = [
    (str, int), (float, int), (int, str), (int, bytes), (None, int), (str, int | float), (int | bytes, str),
    (Base, Other), (Derived, Other), (list[str], list[int]), (list[int], int), (int, list[int]), (list[int], tuple[int, ...]),
    (dict[str, str], dict[str, int]), (dict[int, int], dict[str, int]), (tuple[int, str], tuple[int, int]),
    (tuple[int, int, int], tuple[int, int]), (tuple[str, ...], abc.Sequence[int]), (Literal["a"], Literal["b"]),
    (Literal[1], str), (int, Literal["a"]), (pd.DataFrame, np.ndarray), (pd.DataFrame, str), (Scored, Split),
    (Path, str), (str, Path), (Kind, str), (list[list[int]], list[int]), (UserId, str),
]  # fmt: skip


@pytest.mark.parametrize(("have", "want"), FIT, ids=str)
def test_what_may_fit_is_accepted(have, want):
    assert fits(have, want)


@pytest.mark.parametrize(("have", "want"), CLASH, ids=str)
def test_what_certainly_does_not_fit_is_refused(have, want):
    assert not fits(have, want)


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (1, int), (1, float), (True, int), ("a", Literal["a"]), ([1], list[int]), ([], list[int]), ((1, "a"), tuple[int, str]),
        ({"a": 1}, dict[str, float]), (None, int | None), (Kind.FOREST, Kind), ([1, "a"], list), ("ab", abc.Sequence[str]),
        ({"a": 1}, Row), (range(3), abc.Sequence[int]),
    ],
    ids=str,
)  # fmt: skip
def test_constants_that_may_fit_are_accepted(value, want):
    assert accepts(value, want)


@pytest.mark.parametrize(
    ("value", "want"),
    [
        ("six", int), (1.0, int), (None, int), ("b", Literal["a"]), (1, Literal[True]), (["a"], list[int]), ((1,), tuple[int, str]),
        ({"a": "b"}, dict[str, int]), ({1: 1}, dict[str, int]), ("rf", Kind), ([[1], ["a"]], list[list[int]]), ([1], tuple[int, ...]),
    ],
    ids=str,
)  # fmt: skip
def test_constants_that_certainly_do_not_fit_are_refused(value, want):
    assert not accepts(value, want)


@pytest.mark.parametrize(
    ("hint", "item"),
    [
        (list[int], int),
        (abc.Sequence[str], str),
        (tuple[int, ...], int),
        (list, Any),
        (int, Any),
        (tuple[int, str], Any),
    ],
    ids=str,
)
def test_items_of_a_collection_have_its_argument(hint, item):
    assert item_of(hint) is item


@pytest.mark.parametrize(
    "hint", [list, list[int], tuple, set[int], Any, range, pd.DataFrame, list[int] | None], ids=str
)
def test_collections_can_be_mapped_over(hint):
    assert is_listable(hint)


@pytest.mark.parametrize("hint", [int, str, bytes, dict[str, int], Row, None, Scored], ids=str)
def test_other_types_cannot_be_mapped_over(hint):
    assert not is_listable(hint)


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (int, "int"), (None, "None"), (list[int], "list[int]"), (int | None, "int | None"), (pd.DataFrame, "DataFrame"),
        (dict[str, list[int]], "dict[str, list[int]]"), (Any, "Any"), (Literal["a"], "Literal['a']"), (UserId, "int"),
    ],
    ids=str,
)  # fmt: skip
def test_types_are_shown_as_people_write_them(hint, text):
    assert show_type(hint) == text


def test_annotations_that_cannot_be_resolved_say_nothing():
    def odd(a: int, b: NoSuchName, c: "1 +") -> list[NoSuchName]: ...  # noqa: F821, F722

    assert resolve_hints(odd) == {"a": int, "b": Any, "c": Any, "return": Any}


def test_annotations_may_name_what_an_enclosing_function_defines():
    @dataclass
    class Local:
        x: int = 1

    def odd(a: Local) -> Local:
        return a or Local()

    assert resolve_hints(odd)["return"] is Local


def test_unresolved_annotations_on_both_ends_are_accepted():
    def make() -> NoSuchName: ...  # noqa: F821

    def take(value: OtherName) -> None: ...  # noqa: F821

    @pipeline
    def wired():
        task(take)(task(make)())

    assert list(wired.graph().nodes) == ["make", "take"]
