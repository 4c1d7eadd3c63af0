"""The first place at which two values differ is found and written as one would write it in Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.engine.explain.locate import difference

FRAME = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": ["a", "b", "c"]})


@dataclass
class Model:
    weights: list[float]
    bias: float = 0.0


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        (1, 2, "1 → 2"),
        (1, 1.0, "a int → a float"),
        (1, True, "a int → a bool"),
        (0.0, -0.0, "0.0 → -0.0"),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, "at ['a'][1]['b']: 2 → 3"),
        ({"a": 1}, {}, "at ['a']: is gone"),
        ({}, {"a": 1}, "at ['a']: is new"),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, "the keys have another order"),
        ([1, 2], [1, 2, 3], "2 items → 3 items"),
        ((1, [2]), (1, (2,)), "at [1]: a list → a tuple"),
        (Model([1.0, 2.0]), Model([1.0, 2.5]), "at .weights[1]: 2.0 → 2.5"),
        (np.array([1, 2]), np.array([1, 3]), "at [1]: 2 → 3"),
        (np.array([1, 2]), np.array([1.0, 2.0]), "int64 → float64"),
        (np.zeros((2, 2)), np.zeros((4, 1)), "shape (2, 2) → (4, 1)"),
        (FRAME, FRAME.assign(x=[1.0, 2.0, 4.0]), "column 'x', row 2: 3.0 → 4.0 (1 of 3 rows differ)"),
        (FRAME, FRAME.assign(x=[1, 2, 3]), "column 'x': float64 → int64"),
        (FRAME, FRAME[["y", "x"]], "columns ['x', 'y'] → ['y', 'x']"),
        (FRAME, FRAME.head(2), "3 rows → 2 rows"),
        (FRAME, FRAME.set_axis([7, 8, 9]), "the index differs"),
    ],
)
def test_the_first_difference_is_found(old: Any, new: Any, where: str) -> None:
    assert difference(old, new) == where


@pytest.mark.parametrize("value", [float("nan"), [float("nan")], FRAME, np.array([np.nan]), {"a": {1, 2}}, None])
def test_equal_values_do_not_differ(value: Any) -> None:
    assert difference(value, value) == ""


def test_missing_numbers_in_equal_places_are_no_difference() -> None:
    old, new = (pd.DataFrame({"x": [1.0, float("nan")]}) for _ in range(2))

    assert difference(old, new) == ""


def test_values_that_contain_themselves_end() -> None:
    old: list[Any] = [1]
    new: list[Any] = [1]
    old.append(old)
    new.append(new)

    assert difference(old, new) == ""


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(PLAIN, PLAIN)
def test_plain_values_differ_exactly_if_their_text_does(old: Any, new: Any) -> None:
    assert bool(difference(old, new)) == (repr(old) != repr(new))
