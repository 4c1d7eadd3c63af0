"""Tables of polars and pyarrow."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.materialize import load, load_preview, save
from ropewalk.artifacts.tables import ARROW
from ropewalk.core.errors import UnstorableError
from ropewalk.testing.format_suite import FormatSuite


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def polars_frame() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "int": [1, None],
            "text": ["x", None],
            "category": pl.Series(["x", "y"], dtype=pl.Categorical),
            "enum": pl.Series(["x", "y"], dtype=pl.Enum(["y", "x", "unused"])),
            "day": [date(2026, 1, 2), None],
            "at": pl.Series([datetime(2026, 1, 2, tzinfo=UTC)] * 2, dtype=pl.Datetime("ns", "Europe/Berlin")),
            "list": [[1], None],
            "struct": [{"a": 1}, None],
            "decimal": pl.Series(["1.10", None]).cast(pl.Decimal(10, 2)),
            "bytes": [b"a", None],
            "duration": [timedelta(1), None],
            "time": [time(1), None],
            "array": pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int8, 2)),
            "nothing": [None, None],
        }
    )


def arrow_table() -> pa.Table:
    schema = pa.schema(
        [
            pa.field("a", pa.int32(), nullable=False, metadata={"unit": "m"}),
            pa.field("c", pa.dictionary(pa.int8(), pa.string())),
        ],
        metadata={"owner": "team"},
    )
    return pa.table({"a": [1, 2], "c": pa.array(["x", None]).dictionary_encode().cast(schema.field("c").type)}, schema)


class TestArrow(FormatSuite):
    format = ARROW

    def examples(self):
        frame, table = polars_frame(), arrow_table()
        return [frame, frame.head(0), frame["text"], frame["enum"], pl.DataFrame(), table, table.slice(0, 0), table[:1]]

    def same(self, read, written):
        if isinstance(written, pl.DataFrame):
            return type(read) is pl.DataFrame and read.schema == written.schema and read.equals(written)
        if isinstance(written, pl.Series):
            return read.dtype == written.dtype and read.name == written.name and read.equals(written)
        return type(read) is pa.Table and read.equals(written, check_metadata=True)


@pytest.mark.parametrize(("make", "kind"), [(polars_frame, "polars.DataFrame"), (arrow_table, "pyarrow.Table")])
def test_the_readable_type_and_preview_name_the_table(blobs, make, kind):
    ref = save(make(), blobs)

    assert (ref.format, ref.type) == ("arrow", kind)
    assert ref.preview == f"2 rows × {make().shape[1]}"


def test_the_same_data_in_two_libraries_is_two_artifacts(blobs):
    frame = pl.DataFrame({"a": [1]})

    assert save(frame, blobs).digest != save(frame.to_arrow(), blobs).digest


def test_the_bytes_do_not_depend_on_chunks(blobs):
    table = pa.table({"a": range(6)})

    assert save(pa.concat_tables([table.slice(0, 2), table.slice(2)]), blobs) == save(table, blobs)
    frame = pl.DataFrame({"a": range(6)})
    assert save(pl.concat([frame[:2], frame[2:]], rechunk=False), blobs) == save(frame, blobs)


def test_a_lazy_frame_is_refused_with_what_to_write_instead(blobs):
    with pytest.raises(UnstorableError, match="has not run yet") as caught:
        save({"table": pl.DataFrame({"a": [1]}).lazy()}, blobs)

    assert "frame.collect()" in str(caught.value)


def test_a_polars_frame_that_arrow_cannot_hold_is_pickled_and_says_so(blobs):
    written = pl.DataFrame({"a": pl.Series([1, 2], dtype=pl.Int128)})

    ref = save(written, blobs)

    assert ref.format == "pickle"
    assert load(ref, blobs).equals(written)


def test_the_rich_preview_of_a_table_shows_nested_cells_as_text(blobs):
    shown = load_preview(save(polars_frame(), blobs), blobs, rows=1)

    cells = dict(zip((column["name"] for column in shown["columns"]), shown["rows"][0], strict=True))
    assert (cells["int"], cells["list"], cells["struct"], cells["day"]) == (1, "[1]", "{'a': 1}", "2026-01-02")


def test_a_table_of_many_batches_is_counted_whole(blobs):
    table = pa.table({"a": range(100)})

    assert load_preview(save(table, blobs), blobs)["shape"] == [100, 1]
