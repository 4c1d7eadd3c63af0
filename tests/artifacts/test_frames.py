"""pandas frames, series and indexes: exactly what was saved comes back, memory-mapped, and can be worked with."""

from __future__ import annotations

import json
import mmap
import pickle
import tempfile
from datetime import date, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.materialize import load, load_preview, save
from ropewalk.artifacts.tables import ARROW
from ropewalk.core.artifact import ArtifactRef
from ropewalk.testing.format_suite import FormatSuite

PANDAS_3 = int(pd.__version__.split(".")[0]) >= 3


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def same(read: object, written: object) -> bool:
    """As strict as pandas can be, and the cells of object columns exactly."""
    if type(read) is not type(written):
        return False
    if isinstance(written, pd.Index):
        pd.testing.assert_index_equal(read, written, exact=True)
        return read.dtype == written.dtype and read.names == written.names
    if isinstance(written, pd.Series):
        pd.testing.assert_series_equal(read, written, check_freq=True, check_index_type=True)
        return read.dtype == written.dtype and same_cells(read, written) and same(read.index, written.index)
    pd.testing.assert_frame_equal(read, written, check_freq=True, check_index_type=True, check_column_type=True)
    cells = all(same_cells(read.iloc[:, n], written.iloc[:, n]) for n in range(written.shape[1]))
    return cells and same(read.index, written.index) and same(read.columns, written.columns)


def same_cells(read: pd.Series, written: pd.Series) -> bool:
    if written.dtype != object:
        return True
    return [*map(cell, read)] == [*map(cell, written)]


def cell(value: object) -> str:
    return f"{type(value)}{value!r}"


COLUMNS: dict[str, list] = {
    name: [pd.Series(values, dtype=dtype) for values in lists]
    for name, dtype, lists in [
        ("floats", "float64", [[1.5, np.nan, -0.0], [np.inf, 1, 2], []]),
        ("small floats", "float32", [[1.5, np.nan, 3], []]),
        ("half floats", "float16", [[1.5, np.nan, 3]]),
        ("ints", "int64", [[1, 2, -(2**63)], []]),
        ("small ints", "uint8", [[1, 2, 255]]),
        ("booleans", "bool", [[True, False, True], []]),
        ("text", "str", [["a", "b", None], ["", "ü", "a" * 50], []]),
        ("text of Arrow", "string[pyarrow]", [["a", None, "c"], []]),
        ("text of Python", "string[python]", [["a", None, "c"], []]),
        ("nullable ints", "Int64", [[1, None, 2**60], []]),
        ("nullable floats", "Float32", [[1.5, None, 2]]),
        ("nullable booleans", "boolean", [[True, None, False]]),
        ("moments", "datetime64[ns]", [["2026-01-02T03:04:05.000000001", None, "1970-01-01"], []]),
        ("seconds", "datetime64[s]", [["2026-01-02", None, "0001-01-01"]]),
        ("zoned moments", "datetime64[us, Europe/Berlin]", [["2026-03-29T01:30Z", None, "2026-10-25T00:30Z"]]),
        ("UTC moments", "datetime64[ns, UTC]", [["2026-01-02", None, "2026-01-03"], []]),
        ("durations", "timedelta64[us]", [[timedelta(1), None, timedelta(microseconds=1)], []]),
        ("categories", pd.CategoricalDtype(["b", "a", "unused"]), [["a", None, "b"], []]),
        ("ordered", pd.CategoricalDtype([3, 1, 2], ordered=True), [[1, 2, 3]]),
        ("bins", pd.CategoricalDtype(pd.IntervalIndex.from_breaks([0, 1, 2])), [[pd.Interval(0, 1), None]]),
        ("periods", "period[M]", [["2026-01", None, "2026-02"]]),
        ("intervals", "interval[int64, left]", [[pd.Interval(0, 1, "left"), pd.Interval(5, 6, "left")]]),
        ("Arrow ints", pd.ArrowDtype(pa.int32()), [[1, None, 3]]),
        ("Arrow lists", pd.ArrowDtype(pa.list_(pa.int64())), [[[1, 2], None, []]]),
        ("Arrow days", pd.ArrowDtype(pa.date32()), [[date(2026, 1, 2), None]]),
        ("text as objects", object, [["a", "b", "c"], ["a", None, "b"], ["a", np.nan, "b"], [None, None], []]),
        ("any objects", object, [[1, "1", 1.0], [True, None, np.nan], [b"x", Decimal("1.10"), date(2026, 1, 2)],
                                 [[1], {"a": (1, None)}, {1, 2}], [np.nan, np.nan]]),
    ]
}  # fmt: skip
ALL_COLUMNS = [column for columns in COLUMNS.values() for column in columns]

INDEXES = [
    pd.RangeIndex(3), pd.RangeIndex(5, 11, 2, name="row"), pd.Index([3, 1, 1]), pd.Index(["a", "b", "c"], name="key"),
    pd.Index(["a", "b", "c"], dtype=object), pd.Index([1, "a", None], dtype=object), pd.Index([0.5, np.nan, 1]),
    pd.date_range("2026-01-01", periods=3, freq="D"), pd.date_range("2026-01-01", periods=3, freq="h", tz="UTC"),
    pd.DatetimeIndex(["2026-01-01", "2026-01-03", "NaT"], name="at"), pd.timedelta_range("1h", periods=3, freq="h"),
    pd.period_range("2026-01", periods=3, freq="M"), pd.interval_range(0, 3), pd.CategoricalIndex(["a", "b", "a"]),
    pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["letter", None]),
    pd.MultiIndex.from_arrays([["x", None, "y"], pd.date_range("2026", periods=3)]),
    pd.MultiIndex.from_product([["a", "b", "c", "unused"], [0]])[:3], pd.Index([1, 2, 3], dtype="uint8"),
    pd.Index(["a", "b", None], dtype="string"), pd.Index([1, 2, 3], name=("a", 1)),
]  # fmt: skip


class TestArrow(FormatSuite):
    format = ARROW

    def examples(self):
        frames = [pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None]}, index=index) for index in INDEXES]
        series = [column.rename(f"{number}") for number, column in enumerate(ALL_COLUMNS)]
        return [*frames, *series, *INDEXES, pd.DataFrame(), pd.DataFrame(index=range(3)), pd.DataFrame({"a": []})]

    def same(self, read, written):
        return same(read, written)


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.integers(0, 6))
    columns = draw(st.lists(st.sampled_from([c for c in ALL_COLUMNS if len(c)]), max_size=5))
    taken = [c.take(draw(st.lists(st.integers(0, len(c) - 1), min_size=rows, max_size=rows))) for c in columns]
    index = draw(st.sampled_from(INDEXES))
    frame = pd.DataFrame(dict(enumerate(c.reset_index(drop=True) for c in taken)), index=range(rows))
    frame.index = index.take(draw(st.lists(st.integers(0, len(index) - 1), min_size=rows, max_size=rows)))
    labels = (
        st.text(max_size=3) | st.integers() | st.none() | st.floats(allow_nan=False) | st.tuples(st.text(max_size=1))
    )
    frame.columns = pd.Index(draw(st.lists(labels, min_size=len(columns), max_size=len(columns))), dtype=object)
    return frame


@given(frames())
def test_every_frame_comes_back_exactly_without_a_pickle(frame):
    with tempfile.TemporaryDirectory() as folder:
        blobs = Blobs(Path(folder))

        ref = save(frame, blobs)

        assert ref.format == "arrow"
        assert same(load(ref, blobs), frame)
        assert save(load(ref, blobs), blobs) == ref


@pytest.mark.parametrize("position", range(len(INDEXES)))
def test_column_labels_of_any_kind_come_back(blobs, position):
    index = INDEXES[position]
    written = pd.DataFrame(np.arange(6).reshape(2, 3), columns=index)

    assert same(load(save(written, blobs), blobs), written)


def test_the_strict_comparison_sees_what_pandas_takes_for_equal():
    """Else the tests above would prove little."""
    whole, broken = (pd.DataFrame({"a": ["x", one]}, dtype=object) for one in (1, 1.0))

    pd.testing.assert_frame_equal(whole, broken)
    assert not same(whole, broken)


def test_a_large_frame_shares_the_memory_of_the_file(blobs):
    ref = save(pd.DataFrame(np.random.default_rng(7).random((10_000, 3))), blobs)
    allocated = pa.total_allocated_bytes()

    read = load(ref, blobs)

    assert pa.total_allocated_bytes() == allocated
    assert not any(read[name].to_numpy().flags.owndata for name in read)
    assert isinstance(blobs.read(ref.digest).obj, mmap.mmap)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux lists what is mapped")
def test_a_file_stays_mapped_as_long_as_its_frame_and_no_longer(blobs):
    ref = save(pd.DataFrame(np.zeros((10_000, 2))), blobs)

    read = load(ref, blobs)
    column = read[1]
    del read
    while_used = ref.digest in Path("/proc/self/maps").read_text()
    del column

    assert while_used
    assert ref.digest not in Path("/proc/self/maps").read_text()


def test_numbers_handed_out_as_arrays_are_read_only(blobs):
    read = load(save(pd.DataFrame({"a": np.arange(5.0)}), blobs), blobs)

    with pytest.raises(ValueError, match="read-only"):
        read["a"].to_numpy()[0] = 9


@pytest.mark.skipif(not PANDAS_3, reason="copy-on-write is the rule from pandas 3 on")
@pytest.mark.parametrize("rows", [5, 10_000])
def test_writing_to_a_frame_copies_the_column_and_leaves_the_artifact_alone(blobs, rows):
    """As with any frame: code that passes its unit test must not fail because its input was stored."""
    written = pd.DataFrame({"a": np.arange(float(rows)), "b": "x"})
    ref = save(written, blobs)

    first = load(ref, blobs)
    first.loc[first["a"] > 2, "a"] = 0
    first.iloc[0, 1] = "y"
    derived = load(ref, blobs).reset_index(drop=True)
    derived.iloc[0, 0] = 99.0
    series = load(ref, blobs)["a"]
    series.iloc[0] = 5.0

    assert (first["a"].sum(), first.iloc[0, 1], derived.iloc[0, 0], series.iloc[0]) == (3.0, "y", 99.0, 5.0)
    assert same(load(ref, blobs), written)
    if ref.inline is None:
        Blobs(blobs.root).verify(ref.digest)


@pytest.mark.parametrize("columns", [5, 150])
def test_adding_columns_to_a_wide_frame_does_not_warn(blobs, columns):
    written = pd.DataFrame(np.zeros((3, columns)))

    read = load(save(written, blobs), blobs)
    read["new"] = 1

    assert read.shape == (3, columns + 1)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([object], dtype=object), pd.Series([np.float64(1)], dtype=object), pd.Series([1j]),
        pd.Series(["a\ud800"], dtype=object), pd.Series([1, 0, 0], dtype="Sparse[int]"), pd.Series([np.longdouble(1)]),
    ],
    ids=["class", "numpy scalars", "complex", "surrogate", "sparse", "long double"],
)  # fmt: skip
def test_what_arrow_cannot_hold_exactly_is_pickled_and_says_so(blobs, column):
    ref = save(column.to_frame("a"), blobs)

    assert ref.format == "pickle"
    assert "(pickle)" in ref.preview
    assert same(load(ref, blobs), column.to_frame("a"))


def test_a_subclass_of_a_frame_is_not_mistaken_for_one(blobs):
    ref = save(Tagged({"a": [1]}), blobs)

    assert ref.format == "pickle"
    assert type(load(ref, blobs)) is Tagged


class Tagged(pd.DataFrame):
    pass


def test_names_of_columns_and_duplicate_labels_are_kept(blobs):
    written = pd.DataFrame([[1, 2.5, "x"]], columns=pd.Index(["a", "a", "b"], name="feature"))

    assert same(load(save(written, blobs), blobs), written)


def test_a_fixed_offset_is_kept_as_the_same_kind_of_zone(blobs):
    at = pd.Series(pd.to_datetime(["2026-01-02"]).tz_localize(timezone(timedelta(hours=2))))

    assert load(save(at, blobs), blobs).dt.tz == at.dt.tz


def test_the_bytes_do_not_depend_on_how_pandas_lays_the_frame_out(blobs):
    columns = {"a": np.arange(2000.0), "b": np.arange(2000.0), "c": np.arange(2000)}
    together, apart = pd.DataFrame(columns).copy(), pd.DataFrame({"a": columns["a"]})
    for name in "bc":
        apart[name] = columns[name]

    assert (
        save(together, blobs).digest == save(apart, blobs).digest == save(together.iloc[::-1].iloc[::-1], blobs).digest
    )


def test_the_bytes_name_no_version_of_pandas(blobs):
    ref = save(pd.DataFrame({"a": [1]}), blobs)

    assert pd.__version__.encode() not in ref.inline
    assert b"pandas_version" not in ref.inline


@pytest.mark.parametrize(
    ("value", "preview"),
    [
        (pd.DataFrame(np.zeros((336_776, 19), "int8")), "336,776 rows × 19"),
        (pd.DataFrame({"a": [1]}), "1 row × 1"),
        (pd.Series([1.0, 2.0]), "2 values, float64"),
        (pd.Index(["a"]), "1 value, str" if PANDAS_3 else "1 value, object"),
    ],
)
def test_the_preview_gives_rows_and_columns(blobs, value, preview):
    assert save(value, blobs).preview == preview


def test_the_rich_preview_shows_names_types_and_first_rows(blobs):
    frame = pd.DataFrame(
        {"n": [1.5, np.nan], "s": ["a", None], "c": pd.Categorical(["x", "y"]), "d": pd.to_datetime(["2026", None])},
        index=pd.Index([10, 20], name="id"),
    )

    shown = load_preview(save(frame, blobs), blobs, rows=1)

    assert shown["shape"] == [2, 4]
    assert [column["name"] for column in shown["columns"]] == ["index", "n", "s", "c", "d"]
    assert [column["index"] for column in shown["columns"]] == [True, False, False, False, False]
    assert shown["rows"] == [[10, 1.5, "a", "x", "2026-01-01 00:00:00"]]


def test_a_damaged_table_is_told_in_the_rich_preview(blobs):
    content = save(pd.DataFrame({"s": ["some", "text"]}), blobs).inline

    for position in range(0, len(content), 7):
        damaged = content[:position] + b"\xff" + content[position + 1 :]
        shown = load_preview(ArtifactRef("0" * 64, len(content), "arrow", "pandas.DataFrame", "", damaged), blobs)

        assert shown["kind"] in ("table", "problem")
        json.dumps(shown, allow_nan=False)


def test_a_frame_that_was_read_can_be_pickled_for_another_process(blobs):
    written = pd.DataFrame({"a": np.arange(5.0), "b": ["x"] * 5})

    assert same(pickle.loads(pickle.dumps(load(save(written, blobs), blobs))), written)
