"""Plain values as JSON, and bytes."""

from __future__ import annotations

import enum
import math
import tempfile
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.materialize import load, save
from ropewalk.artifacts.plain import BYTES, JSON
from ropewalk.core.artifact import INLINE_MAX_BYTES
from ropewalk.testing.format_suite import FormatSuite


class Color(enum.Enum):
    RED = 1


@dataclass(frozen=True)
class Metrics:
    auc: float
    color: Color


class Split(NamedTuple):
    train: int
    test: int


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary(max_size=50)
    | st.dates()
    | st.datetimes().map(lambda moment: moment.replace(fold=0))
    | st.timedeltas()
    | st.uuids()
    | st.complex_numbers()
    | st.decimals(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers() | st.booleans(), inner, max_size=4)
    ),
    max_leaves=20,
)


def exactly(read: object, written: object) -> bool:
    """Equal in type and value all the way down; NaN is itself, and 0.0 is not -0.0."""
    if type(read) is not type(written):
        return False
    if isinstance(written, dict):
        return [*map(repr, read)] == [*map(repr, written)] and all(map(exactly, read.values(), written.values()))
    if isinstance(written, list | tuple):
        return len(read) == len(written) and all(map(exactly, read, written))
    return repr(read) == repr(written)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


class TestJson(FormatSuite):
    format = JSON

    def examples(self):
        return [
            None, True, 1, 1.0, -0.0, math.inf, "", "räpe\n\ud800", [1, [2]], (1, "a"), {"b": 1, "a": 2}, {1: {"$": 3}},
            {"a", "b"}, frozenset([1]), date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC), time(1), timedelta(1),
            Decimal("1.10"), UUID(int=5), 1j, Color.RED, Metrics(0.9, Color.RED), Split(1, 2), range(3), "x" * 10_000,
        ]  # fmt: skip

    def same(self, read, written):
        return exactly(read, written)


class TestBytes(FormatSuite):
    format = BYTES

    def examples(self):
        return [b"", b"rope", b"x" * 10_000, bytearray(b"rope 2")]


@given(PLAIN)
def test_every_plain_value_comes_back_exactly(value):
    with tempfile.TemporaryDirectory() as folder:
        blobs = Blobs(Path(folder))

        ref = save(value, blobs)

        assert exactly(load(ref, blobs), value)
        assert save(value, blobs) == ref


def test_a_small_value_lives_in_the_row_and_touches_no_disk(blobs):
    ref = save({"auc": 0.967}, blobs)

    assert ref.inline == b'{"auc":0.967}'
    assert not blobs.root.exists()


def test_a_value_at_the_limit_is_inline_and_one_byte_more_is_a_blob(blobs):
    within, beyond = (save("x" * (INLINE_MAX_BYTES - 2 + more), blobs) for more in (0, 1))

    assert (within.inline is not None, beyond.inline) == (True, None)
    assert list(blobs.digests()) == [beyond.digest]
    assert load(beyond, blobs) == "x" * (INLINE_MAX_BYTES - 1)


def test_the_order_of_a_dictionary_is_part_of_its_value(blobs):
    assert save({"a": 1, "b": 2}, blobs).digest != save({"b": 2, "a": 1}, blobs).digest


def test_the_order_of_a_set_is_not(blobs):
    assert save({8, 0, 16}, blobs).digest == save({16, 8, 0}, blobs).digest


def test_each_load_gives_a_fresh_container(blobs):
    ref = save({"rows": [1, 2]}, blobs)

    load(ref, blobs)["rows"].append(3)

    assert load(ref, blobs) == {"rows": [1, 2]}


def test_subclasses_of_plain_types_keep_their_type(blobs):
    read = load(save(OrderedDict(b=1, a=2), blobs), blobs)

    assert type(read) is OrderedDict
    assert list(read) == ["b", "a"]


def test_an_integer_too_long_for_text_is_kept_all_the_same(blobs):
    assert load(save(10**5000, blobs), blobs) == 10**5000


@pytest.mark.parametrize(
    ("value", "preview"),
    [
        (0.967, "0.967"), (None, "None"), (True, "True"), ("a\nb", "a b"), ("x" * 100, "x" * 59 + "…"),
        ({"auc": 0.9, "n": 3}, "{'auc': 0.9, 'n': 3}"), (list(range(2000)), "2,000 items"), ([], "[]"), ((1,), "(1,)"),
        (["x" * 99], "1 item"), (date(2026, 1, 2), "2026-01-02"), (Decimal("1.5"), "1.5"), (b"abc", "3 bytes"),
        (Metrics(0.9, Color.RED), "Metrics"), (Split(1, 2), "Split"), (Color.RED, "Color"),
    ],
)  # fmt: skip
def test_the_preview_shows_the_value_or_its_size(blobs, value, preview):
    assert save(value, blobs).preview == preview
