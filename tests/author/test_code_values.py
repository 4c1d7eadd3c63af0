"""Values that code reads: when they are the same."""

from __future__ import annotations

import functools
import os
import random
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.author.packages import Owners, in_own_tree
from ropewalk.author.source import clear_cache, fingerprint
from ropewalk.author.values import encode
from tests.author.reuse_modules import Load, digest_of, loader, names_of


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    with loader(tmp_path) as load:
        yield load


DIFFERENT = {
    "numbers": [1, 1.0, True, "1", b"1", 1j, None, -0.0, 0.0, 10**5000],
    "containers": [[1], (1,), {1}, frozenset({1}), {1: 1}, {"1": 1}, [[1]], [], (), {}],
    "order": [[1, 2], [2, 1], {"a": 1, "b": 2}, {"b": 2, "a": 1}],
    "functions": [functools.partial(int, base=2), functools.partial(int, base=3), int, float, len, [].append],
    "arrays": [np.arange(3), np.arange(4), np.arange(3.0), np.arange(3).astype("i4"), np.array([[0, 1, 2]])],
    "array scalars": [np.float64(1), np.float32(1), np.int64(1), 1, 1.0],
    "long lists": [[0] * 2000, [0.0] * 2000, [False] * 2000, (0,) * 2000, [np.int64(0)] * 2000, [np.float64(0)] * 2000],
    "patterns": [re.compile("a"), re.compile("b"), re.compile("a", re.ASCII), re.compile(b"a")],
    "types": [int | str, int | None, list[int], list[str], np.add, np.subtract, np.dtype("f4"), np.dtype("f8")],
    "generators of numbers": [random.Random(1), random.Random(2), np.random.default_rng(1), np.random.default_rng(2)],
}


@pytest.mark.parametrize("kind", DIFFERENT)
def test_different_values_have_different_texts(kind: str) -> None:
    owners = Owners(in_own_tree, "flow")

    found = [encode(value, owners, "") for value in DIFFERENT[kind]]

    assert len({one.text for one in found}) == len(found)
    assert all(one.complete for one in found)


def test_frames_count_by_values_names_and_types() -> None:
    owners = Owners(in_own_tree, "flow")

    def made(**columns: object) -> pd.DataFrame:
        return pd.DataFrame(columns)

    base = made(a=[1, 2], b=["x", "y"])
    others = [
        made(a=[1, 3], b=["x", "y"]),
        made(b=["x", "y"], a=[1, 2]),
        made(a=[1.0, 2.0], b=["x", "y"]),
        made(a=[1, 2], c=["x", "y"]),
        base.set_index("a"),
        base.astype({"b": "category"}),
    ]

    texts = [encode(frame, owners, "").text for frame in [base, *others]]

    assert len(set(texts)) == len(texts)
    assert encode(made(a=[1, 2], b=["x", "y"]), owners, "").text == texts[0]
    assert encode(base, owners, "").modules[0].startswith("pandas")


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner, inner),
    max_leaves=10,
)


@given(PLAIN, PLAIN)
def test_plain_values_have_one_text_exactly_if_they_are_written_alike(one: object, other: object) -> None:
    owners = Owners(in_own_tree, "flow")

    same = encode(one, owners, "").text == encode(other, owners, "").text

    assert same == (repr(one) == repr(other))


def test_what_cannot_be_compared_stands_for_its_type() -> None:
    owners = Owners(in_own_tree, "flow")
    with open(os.devnull) as file:
        values = [file, threading.Lock(), (x for x in [1]), sys._getframe(), [threading.Lock()]]
        found = [encode(value, owners, "") for value in values]

    assert [one.complete for one in found] == [False] * len(values)
    assert len({one.text for one in found}) == len(values)


def test_an_object_that_raises_when_looked_at_does_no_harm(load: Load) -> None:
    flow = load(
        flow="""
        class Trap:
            def __getattribute__(self, name): raise RuntimeError(name)
            def __reduce_ex__(self, protocol): raise RuntimeError
        TRAP = Trap()
        NEST = []
        for _ in range(3000): NEST = [NEST]
        def f(): return TRAP, NEST
        """
    )

    assert names_of(fingerprint(flow.f)) == ["flow:f", "flow:NEST"]


def test_paths_below_the_project_do_not_depend_on_where_it_lies(load: Load) -> None:
    text = """
        from pathlib import Path
        HERE = Path(__file__).parent
        DATA = str(HERE / "data.csv")
        NAME = {name!r}
        def f(): return HERE, DATA, NAME, __file__
        """

    here, there, other = (digest_of(load, text.format(name=name)) for name in ("a", "a", "b"))

    assert here == there
    assert here != other


def test_loggers_do_not_count(load: Load) -> None:
    text = "import logging\nlog = logging.getLogger('{}')\ndef f(): log.info('x')\n"

    assert digest_of(load, text.format("a")) == digest_of(load, text.format("b"))


def test_values_of_other_packages_count_by_name(load: Load) -> None:
    """Else every change of the environment would be a change of code."""
    flow = load(flow="from os import environ\ndef f(): return environ['HOME']\n")
    before = fingerprint(flow.f)
    clear_cache()
    os.environ["ROPEWALK_TEST_OF_REUSE"] = "1"
    try:
        after = fingerprint(flow.f)
    finally:
        del os.environ["ROPEWALK_TEST_OF_REUSE"]

    assert after == before
    assert names_of(after) == ["flow:f"]
