"""Tables of pandas, polars and pyarrow as uncompressed Arrow files, memory-mapped when read."""

from __future__ import annotations

import json
from typing import Any

from ropewalk.artifacts.format import Format, Inexact, Sink, Source, as_json, count, is_a, is_exactly
from ropewalk.core.errors import CorruptBlobError, UnstorableError

_PANDAS = tuple(
    "pandas." + name
    for name in (
        "DataFrame Series Index RangeIndex MultiIndex DatetimeIndex TimedeltaIndex PeriodIndex IntervalIndex "
        "CategoricalIndex"
    ).split()
)
_POLARS = ("polars.DataFrame", "polars.Series")
_ARROW = "pyarrow.Table"
_LAZY = "polars.LazyFrame"
_KEY = b"ropewalk"  # of the schema's metadata: how to make a pandas or polars object again


def _matches(value: Any) -> bool:
    return is_exactly(value, *_PANDAS, *_POLARS, _ARROW, _LAZY)


def _write(value: Any, sink: Sink) -> None:
    import pyarrow as pa

    if is_a(value, _LAZY):
        raise UnstorableError(
            "a `polars.LazyFrame` cannot be stored: it is a query that has not run yet",
            help=["return the table that it stands for: frame.collect()"],
        )
    table = _table_of(value)
    try:
        with pa.ipc.new_file(sink, table.schema) as file:
            if len(table):
                file.write_table(table)
            else:  # a table without rows has no batches, and without any the categories would be lost
                file.write_batch(pa.RecordBatch.from_arrays(list(map(_one_chunk, table.columns)), schema=table.schema))
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        raise Inexact from None


def _one_chunk(column: Any) -> Any:
    import pyarrow as pa

    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


def _table_of(value: Any) -> Any:
    from ropewalk.artifacts import frames

    if is_a(value, _ARROW):
        if _KEY in (value.schema.metadata or {}):
            raise Inexact
        return value.combine_chunks()
    if is_a(value, *_POLARS):
        return _polars_to_arrow(value)
    table, described = frames.to_table(value)
    return table.replace_schema_metadata({_KEY: json.dumps(described, separators=(",", ":"))})


def _polars_to_arrow(value: Any) -> Any:
    import polars as pl

    described: dict[str, Any] = {"kind": "polars"}
    if isinstance(value, pl.Series):
        described = {"kind": "polars series"}
        value = value.to_frame()
    try:
        table = value.rechunk().to_arrow(compat_level=pl.CompatLevel.newest()).combine_chunks()
    except (pl.exceptions.PolarsError, ValueError, TypeError):
        raise Inexact from None
    again: Any = pl.from_arrow(table.slice(0, 0))
    if again.schema != value.schema:
        raise Inexact
    metadata = {**(table.schema.metadata or {}), _KEY: json.dumps(described)}
    return table.replace_schema_metadata(metadata)


def _read(source: Source, type_name: str) -> Any:
    from ropewalk.artifacts import frames

    table = _open(source).read_all()
    metadata = dict(table.schema.metadata or {})
    described = json.loads(metadata.pop(_KEY, b"null"))
    if described is None:
        return table
    if not described["kind"].startswith("polars"):
        return frames.from_table(table, described)
    import polars as pl

    frame: Any = pl.from_arrow(table.replace_schema_metadata(metadata or None))
    return frame.to_series() if described["kind"] == "polars series" else frame


def _open(source: Source) -> Any:
    import pyarrow as pa

    try:
        return pa.ipc.open_file(pa.py_buffer(source.data))
    except pa.ArrowInvalid as error:
        raise CorruptBlobError(source.ref.digest, f"is not an Arrow file: {error}") from error


def _preview(value: Any) -> str:
    shape: tuple[int, ...] = getattr(value, "shape", ())
    if len(shape) == 2 and not is_a(value, "pandas.MultiIndex"):
        return f"{count(shape[0], 'row')} × {shape[1]}"
    return f"{count(len(value), 'value')}, {getattr(value, 'dtype', 'object')}"


def _peek(source: Source, rows: int) -> dict[str, Any]:
    """Names, types and the first rows; needs pyarrow only."""
    reader = _open(source)
    described = json.loads((reader.schema.metadata or {}).get(_KEY, b"null")) or {}
    own = described.get("names", reader.schema.names)
    index_names = ["index"] * (len(reader.schema) - len(own))
    names = index_names + own
    head = [reader.get_batch(0).slice(0, rows)] if reader.num_record_batches else []
    columns = [_head_of(column) for batch in head for column in batch.columns] or [[] for _ in names]
    return {
        "kind": "table",
        "shape": [_row_count(reader), len(own)],
        "columns": [
            {"name": name, "type": _type_of(field), "index": position < len(index_names)}
            for position, (name, field) in enumerate(zip(names, reader.schema, strict=True))
        ],
        "rows": [list(row) for row in zip(*columns, strict=True)],
    }


def _row_count(reader: Any) -> int:
    return sum(reader.get_batch(i).num_rows for i in range(reader.num_record_batches))


def _type_of(field: Any) -> str:
    import pyarrow as pa

    return f"category of {field.type.value_type}" if pa.types.is_dictionary(field.type) else str(field.type)


def _head_of(column: Any) -> list[Any]:
    column.validate(full=True)  # the offsets in a damaged file may point anywhere
    return [as_json(v) for v in column.to_pylist()]


ARROW = Format("arrow", _matches, _write, _read, _preview, _peek)
