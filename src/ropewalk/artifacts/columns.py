"""pandas columns and indexes as Arrow arrays plus a description that gives exactly them back.

`from_pandas` of pyarrow forgets dtypes, mixes None with NaN and writes versions into the bytes; this does not. What it
has no exact form for, it refuses (Inexact), and the value is pickled.
"""

from __future__ import annotations

import json
import math
from typing import Any

from ropewalk.artifacts.format import Inexact, is_exactly
from ropewalk.core import values
from ropewalk.core.errors import UnstorableError

Described = dict[str, Any]
_INDEX_CLASSES = frozenset(
    f"pandas.{name}Index" for name in ("", "Datetime", "Timedelta", "Period", "Interval", "Categorical")
)


def to_arrow(column: Any) -> tuple[Any, Described]:
    """The Arrow array of a Series or a flat Index, and what it takes to read it back."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        return _numpy_to_arrow(column.to_numpy())
    if isinstance(dtype, pd.DatetimeTZDtype):
        return _zoned_to_arrow(column)
    if isinstance(dtype, pd.CategoricalDtype):
        return _categorical_to_arrow(column.array)
    if isinstance(dtype, pd.PeriodDtype):
        return pa.array(column.array.asi8), {"kind": "period", "dtype": str(dtype)}
    if isinstance(dtype, pd.IntervalDtype):
        return _interval_to_arrow(column.array)
    return _extension_to_arrow(column.array)


def from_arrow(array: Any, described: Described) -> Any:
    """The NumPy or pandas array that `to_arrow` took; shares memory with `array` where it can."""
    kind = described["kind"]
    if kind == "numpy":
        return array.to_numpy(zero_copy_only=False)
    return _READERS[kind](array, described)


def _numpy_to_arrow(array: Any) -> tuple[Any, Described]:
    import numpy as np
    import pyarrow as pa

    if array.dtype.kind == "O":
        return _objects_to_arrow(array)
    if array.dtype.kind not in "biufmM" or not array.dtype.isnative or array.dtype.itemsize > 8:
        raise Inexact
    return pa.array(np.ascontiguousarray(array), from_pandas=False), {"kind": "numpy"}


def _objects_to_arrow(array: Any) -> tuple[Any, Described]:
    """Cells of any class: text as text, other plain values as JSON, so that no cell is ever a pickle."""
    import pyarrow as pa

    kinds = set(map(type, array))
    missing_is_nan = float in kinds and kinds <= {str, float} and all(type(v) is str or math.isnan(v) for v in array)
    try:
        if kinds <= {str, type(None)} or missing_is_nan:
            texts = pa.array(array, pa.large_string(), from_pandas=True)
            return texts, {"kind": "objects", "missing": "nan" if missing_is_nan else "none"}
        cells = [values.canonical(v).decode() for v in array]
    except (UnstorableError, UnicodeError, RecursionError):
        raise Inexact from None
    if any('"t":"' in cell for cell in cells):
        raise Inexact  # instances of the user's classes
    return pa.array(cells, pa.large_string()), {"kind": "objects", "missing": "json"}


def _objects_from_arrow(array: Any, described: Described) -> Any:
    import numpy as np

    texts = array.to_numpy(zero_copy_only=False)
    if described["missing"] == "none":
        return texts
    if described["missing"] == "nan":
        texts = texts.copy()
        texts[np.asarray(array.is_null())] = np.nan
        return texts
    cells = np.empty(len(texts), dtype=object)
    for position, text in enumerate(texts):
        cells[position] = values.parse(text)
    return cells


def _zoned_to_arrow(column: Any) -> tuple[Any, Described]:
    import pandas as pd
    import pyarrow as pa

    dtype = column.dtype
    again = pd.DatetimeTZDtype(dtype.unit, str(dtype.tz))
    if again != dtype or type(again.tz) is not type(dtype.tz):
        raise Inexact
    utc = pa.array(column.array.tz_convert(None).to_numpy(), from_pandas=False)
    return utc.view(pa.timestamp(dtype.unit, str(dtype.tz))), {"kind": "zoned"}


def _zoned_from_arrow(array: Any, described: Described) -> Any:
    import pandas as pd
    import pyarrow as pa

    utc = array.view(pa.timestamp(array.type.unit)).to_numpy(zero_copy_only=False)
    return pd.array(utc, dtype=utc.dtype, copy=False).tz_localize("UTC").tz_convert(array.type.tz)


def _categorical_to_arrow(array: Any) -> tuple[Any, Described]:
    dictionary, described = _dictionary(array.codes, array.categories, ordered=bool(array.ordered))
    return dictionary, {"kind": "categorical", "categories": described}


def _dictionary(codes: Any, entries: Any, *, ordered: bool = False) -> tuple[Any, Described]:
    """Codes (-1 is missing) and the Index that they point into, as one Arrow array."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    flat = pd.Index(entries.to_numpy()) if type(entries) is pd.RangeIndex else entries.rename(None)
    arrays, described = index_to_arrow(flat)
    if len(arrays) != 1:
        raise Inexact
    numbers = np.asarray(codes)
    indices = pa.array(numbers, mask=numbers < 0)
    return pa.DictionaryArray.from_arrays(indices, arrays[0], ordered=ordered), described


def _categorical_from_arrow(array: Any, described: Described) -> Any:
    import pandas as pd

    categories = index_from_arrow([array.dictionary], described["categories"])
    dtype = pd.CategoricalDtype(categories, ordered=array.type.ordered)
    return pd.Categorical.from_codes(_codes(array), dtype=dtype, validate=False)


def _codes(array: Any) -> Any:
    """The positions in the dictionary, -1 where there is none."""
    return array.indices.fill_null(-1).to_numpy(zero_copy_only=False)


def _period_from_arrow(array: Any, described: Described) -> Any:
    import pandas as pd

    return pd.arrays.PeriodArray(array.to_numpy(), dtype=_dtype_named(described["dtype"]))


def _interval_to_arrow(array: Any) -> tuple[Any, Described]:
    import pyarrow as pa

    left, described = to_arrow(array.left)
    right, _ = to_arrow(array.right)
    both = pa.StructArray.from_arrays([left, right], ["left", "right"])
    return both, {"kind": "interval", "closed": array.closed, "ends": described}


def _interval_from_arrow(array: Any, described: Described) -> Any:
    import pandas as pd

    left, right = (from_arrow(end, described["ends"]) for end in array.flatten())
    return pd.arrays.IntervalArray.from_arrays(left, right, closed=described["closed"])


def _extension_to_arrow(array: Any) -> tuple[Any, Described]:
    """Through pandas' own exchange with Arrow: nullable numbers, text, Arrow types."""
    import pandas as pd
    import pyarrow as pa

    dtype = array.dtype
    described: Described = {"kind": "extension", "dtype": str(dtype)}
    if isinstance(dtype, pd.StringDtype):
        missing = "NA" if dtype.na_value is pd.NA else "nan"
        described = {"kind": "text", "storage": dtype.storage, "missing": missing}
    elif isinstance(dtype, pd.ArrowDtype):
        described = {"kind": "arrow"}
    elif isinstance(dtype, pd.SparseDtype) or _dtype_named(described["dtype"]) != dtype:
        raise Inexact
    try:
        arrow = pa.array(array)
    except (pa.ArrowException, TypeError, ValueError, NotImplementedError):
        raise Inexact from None
    return (arrow.combine_chunks() if isinstance(arrow, pa.ChunkedArray) else arrow), described


def _dtype_named(name: str) -> Any:
    import pandas as pd

    try:
        return pd.api.types.pandas_dtype(name)
    except TypeError:
        return None


def _extension_from_arrow(array: Any, described: Described) -> Any:
    return _dtype_named(described["dtype"]).__from_arrow__(array)


def _text_from_arrow(array: Any, described: Described) -> Any:
    import numpy as np
    import pandas as pd

    missing: Any = pd.NA if described["missing"] == "NA" else np.nan
    dtype: Any = pd.StringDtype(described["storage"], na_value=missing)
    return dtype.__from_arrow__(array)


def _arrow_from_arrow(array: Any, described: Described) -> Any:
    import pandas as pd

    dtype: Any = pd.ArrowDtype(array.type)
    return dtype.__from_arrow__(array)


_READERS = {
    "objects": _objects_from_arrow,
    "zoned": _zoned_from_arrow,
    "categorical": _categorical_from_arrow,
    "period": _period_from_arrow,
    "interval": _interval_from_arrow,
    "extension": _extension_from_arrow,
    "text": _text_from_arrow,
    "arrow": _arrow_from_arrow,
}


def index_to_arrow(index: Any) -> tuple[list[Any], Described]:
    """The Arrow arrays of an Index, one for each level (none for a RangeIndex), and its description."""
    import pandas as pd

    names = encoded(list(index.names))
    if type(index) is pd.RangeIndex:
        return [], {"kind": "range", "range": [index.start, index.stop, index.step], "names": names}
    if type(index) is pd.MultiIndex:
        pairs = [_dictionary(codes, level) for codes, level in zip(index.codes, index.levels, strict=True)]
        return [array for array, _ in pairs], {"kind": "levels", "levels": [d for _, d in pairs], "names": names}
    if not is_exactly(index, *_INDEX_CLASSES):
        raise Inexact
    array, described = to_arrow(index)
    frequency = getattr(index, "freqstr", None) if isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex) else None
    return [array], {"kind": "flat", "values": described, "frequency": frequency, "names": names}


def index_from_arrow(arrays: list[Any], described: Described) -> Any:
    """The Index that `index_to_arrow` took."""
    import pandas as pd

    names = values.decode(described["names"])
    if described["kind"] == "range":
        start, stop, step = described["range"]
        return pd.RangeIndex(start, stop, step, name=names[0])
    if described["kind"] == "levels":
        levels = [index_from_arrow([a.dictionary], d) for a, d in zip(arrays, described["levels"], strict=True)]
        return pd.MultiIndex(levels, [_codes(a) for a in arrays], names=names, verify_integrity=False)
    content = from_arrow(arrays[0], described["values"])
    dtype = object if described["values"]["kind"] == "objects" else None
    index = pd.Index(content, dtype=dtype, name=names[0], copy=False)
    return index if described["frequency"] is None else _with_frequency(index, described["frequency"])


def _with_frequency(index: Any, frequency: str) -> Any:
    index.freq = frequency
    return index


def encoded(labels: Any) -> Any:
    """Labels as JSON; Inexact where they are not plain values."""
    try:
        data = values.encode(labels)
    except UnstorableError:
        raise Inexact from None
    if '"t":' in json.dumps(data):
        raise Inexact
    return data
