"""pandas frames, series and indexes as one Arrow table each, and back, exactly (but for `attrs`)."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import Any

from ropewalk.artifacts.columns import Described, encoded, from_arrow, index_from_arrow, index_to_arrow, to_arrow
from ropewalk.core import values

_LABEL_TYPES = frozenset({"string", "large_string", "int64"})  # a JSON list of them is as good as an Arrow array
_FRAGMENTED = 100  # blocks in a frame beyond which pandas warns of fragmentation


def to_table(value: Any) -> tuple[Any, Described]:
    """The Arrow table of a DataFrame, Series or Index: the columns of its index, then its own."""
    import pandas as pd

    index, columns, names = value, [], []
    described: Described = {"kind": "index"}
    if isinstance(value, pd.DataFrame):
        index, columns = value.index, [value.iloc[:, position] for position in range(value.shape[1])]
        names = [str(label) for label in value.columns]
        described = {"kind": "frame", "labels": _labels_to_json(value.columns)}
    elif isinstance(value, pd.Series):
        index, columns, names = value.index, [value], [str(value.name)]
        described = {"kind": "series", "name": encoded(value.name)}
    parts = [to_arrow(column) for column in columns]
    index_arrays, index_described = index_to_arrow(index)
    described |= {"index": index_described, "columns": [d for _, d in parts], "rows": len(value), "names": names}
    return _table(index_arrays + [array for array, _ in parts]), described


def from_table(table: Any, described: Described) -> Any:
    """What `to_table` took; numbers share the table's memory."""
    import pandas as pd

    arrays = [_one_chunk(column) for column in table.columns]
    own = len(arrays) - len(described["columns"])
    index = index_from_arrow(arrays[:own], described["index"])
    if described["kind"] == "index":
        return index
    # The dtype is given because pandas would take an array of objects that are all text for its text type.
    columns = [
        pd.Series(content, dtype=content.dtype, copy=False)
        for content in (from_arrow(a, d) for a, d in zip(arrays[own:], described["columns"], strict=True))
    ]
    if described["kind"] == "series":
        columns[0].index = index
        columns[0].name = values.decode(described["name"])
        return _copy_on_write(columns[0])
    frame = pd.DataFrame(dict(enumerate(columns)), index=range(described["rows"]), copy=len(columns) > _FRAGMENTED)
    frame.index = index
    frame.columns = _labels_from_json(described["labels"])
    return _copy_on_write(frame)


def _table(arrays: list[Any]) -> Any:
    import pyarrow as pa

    return pa.Table.from_arrays(arrays, names=[str(position) for position in range(len(arrays))])


def _one_chunk(column: Any) -> Any:
    import pyarrow as pa

    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _copy_on_write(value: Any) -> Any:
    """Let pandas copy a column before the first write to it, instead of failing on the read-only memory.

    pandas 3 does so while it knows of another user of the same memory. The artifact is one, so it is made known
    through an empty block that lives for ever. Without these internals (pandas 2) such a write raises ValueError.
    """
    with suppress(AttributeError, TypeError):
        for block in value._mgr.blocks:  # there is no public way
            block.refs.add_reference(_artifact_block())
    return value


_blocks: list[Any] = []


def _artifact_block() -> Any:
    import pandas as pd

    if not _blocks:
        frame: Any = pd.DataFrame({"artifact": [0]})
        _blocks.append(frame._mgr.blocks[0])
    return _blocks[0]


def _labels_to_json(columns: Any) -> Any:
    arrays, described = index_to_arrow(columns)
    if all(str(array.type) in _LABEL_TYPES for array in arrays):
        return {"index": described, "lists": [[str(array.type), array.to_pylist()] for array in arrays]}
    import pyarrow as pa

    table = _table(arrays)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return {"index": described, "arrow": base64.b64encode(sink.getvalue()).decode()}


def _labels_from_json(data: Any) -> Any:
    import pyarrow as pa

    if "lists" in data:
        arrays = [pa.array(labels, pa.type_for_alias(name)) for name, labels in data["lists"]]
    else:
        table = pa.ipc.open_stream(base64.b64decode(data["arrow"])).read_all()
        arrays = [_one_chunk(column) for column in table.columns]
    return index_from_arrow(arrays, data["index"])
