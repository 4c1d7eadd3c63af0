"""Plain values as typed JSON: told apart, read back, the same in every process."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import pathlib
import subprocess
import sys
import uuid
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.core.errors import DefinitionError, UnstorableError
from ropewalk.core.values import canonical, decode, digest, encode, parse, show

SIMPLE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(), st.datetimes(),
    st.dates(), st.times(), st.timedeltas(), st.decimals(allow_nan=False), st.uuids(),
    st.complex_numbers(allow_nan=False), st.builds(range, st.integers(-9, 9), st.integers(-9, 9)),
)  # fmt: skip
KEYS = st.one_of(st.text(), st.integers(), st.booleans(), st.dates(), st.just("$"), st.tuples(st.integers(), st.text()))
VALUES = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.lists(inner, max_size=4).map(tuple), st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)


class Colour(enum.Enum):
    RED = 1


class Pair(NamedTuple):
    left: int
    right: Any


@dataclasses.dataclass(frozen=True)
class Point:
    x: float
    tags: tuple[str, ...] = ()
    distance: float = dataclasses.field(init=False, default=0.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "distance", abs(self.x))


def typed(value: Any) -> Any:
    """A value with the types of all its parts, which `==` does not compare."""
    if isinstance(value, dict):
        return {repr(typed(k)): typed(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [typed(v) for v in value]
    return type(value).__name__, repr(value)


@given(value=VALUES)
def test_a_value_is_read_back_with_its_types(value: Any) -> None:
    assert typed(parse(canonical(value))) == typed(value)


@given(value=VALUES)
def test_the_text_is_json_and_the_same_each_time(value: Any) -> None:
    text = canonical(value)

    assert json.loads(text) is not NotImplemented
    assert canonical(parse(text)) == text


def test_what_python_takes_for_equal_is_told_apart() -> None:
    alike = [1, 1.0, True, "1", b"1", (1,), [1], {1}, frozenset({1}), decimal.Decimal(1), {"1": 1}, {1: 1}]

    assert len({canonical(value) for value in alike}) == len(alike)


@pytest.mark.parametrize(
    "value",
    [
        Colour.RED, Pair(1, [2]), Point(-2.0, ("a",)), {Colour.RED: Point(1.0)}, pathlib.Path("a/b"), uuid.UUID(int=7),
        {"$": 1}, {"$": "tuple", "v": [1]}, bytearray(b"x"), range(1, 9, 2), 2**200, -0.0, math.inf, "\ud800", "é\x00",
        dt.datetime(2024, 2, 29, tzinfo=dt.UTC), dt.timedelta(days=-1, microseconds=1), [], {}, (), set(), "",
    ],
    ids=repr,
)  # fmt: skip
def test_all_sorts_of_values_are_read_back(value: Any) -> None:
    again = parse(canonical(value))

    assert again == value
    assert type(again) is type(value)
    assert repr(again) == repr(value)


def test_not_a_number_is_read_back() -> None:
    assert math.isnan(parse(canonical(math.nan)))


def test_sets_are_written_in_one_order_in_every_process() -> None:
    program = "from ropewalk.core.values import canonical; print(canonical({'a','b','c','d', 1, 2.5}))"
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip

    assert len(texts) == 1


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (object(), "`value` is a `builtins.object`"),
        ([1, {"k": print}], r"`value\[1\]\['k'\]` is a `builtins.builtin_function"),
        ({"a": (1, open)}, r"`value\['a'\]\[1\]`"),
        (Point(1.0, (object(),)), r"`value.tags\[0\]`"),
        ({object: 1}, "`value key <class 'object'>`"),
        ({1, object}, "`value{…}`"),
    ],
)
def test_what_is_not_plain_is_named_by_its_path(value: Any, path: str) -> None:
    with pytest.raises(UnstorableError, match=path):
        encode(value)


def test_a_value_that_contains_itself_is_refused_without_a_recursion_error() -> None:
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(UnstorableError, match="contains itself"):
        encode(endless)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1, "a", None], "[1, 'a', None]"),
        ({"k": (1,)}, "{'k': (1,)}"),
        ({1: 2}, "{1: 2}"),
        ({3}, "{3}"),
        (set(), "set()"),
        (Colour.RED, "Colour.RED"),
        (Pair(1, (2, 3)), "Pair(left=1, right=(2, 3))"),
        (dt.date(2024, 2, 29), "datetime.date(2024, 2, 29)"),
    ],
    ids=repr,
)
def test_a_value_is_shown_as_a_person_would_write_it(value: Any, text: str) -> None:
    assert show(encode(value)) == text


def test_a_class_that_is_not_there_any_more_is_named() -> None:
    with pytest.raises(DefinitionError, match="a value of the class `gone:Point` cannot be read here") as caught:
        decode({"$": "object", "v": {}, "t": "gone:Point"})

    assert "put `gone.py` where Python finds it" in caught.value.help[0]


def test_digests_are_sha256_in_hex() -> None:
    assert digest(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_decoding_a_dataclass_does_not_run_its_constructor() -> None:
    made = decode(encode(Point(-3.0)) | {})

    assert made == Point(-3.0)
    assert made.distance == 3.0
