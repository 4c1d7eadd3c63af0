"""NumPy arrays and scalars as `.npy`, memory-mapped read-only; SciPy sparse matrices as the arrays that they hold."""

from __future__ import annotations

import ast
import json
import math
from typing import Any

from ropewalk.artifacts.format import Format, Inexact, Sink, Source, as_json, is_a, is_exactly, shorten
from ropewalk.core.artifact import ArtifactRef
from ropewalk.core.errors import CorruptBlobError

_MAGIC = b"\x93NUMPY"
_SCALARS = "numpy.generic"
_EXACT_KINDS = frozenset("biufcmMSUV")


def _matches_array(value: Any) -> bool:
    return is_exactly(value, "numpy.ndarray", "numpy.memmap") or is_a(value, _SCALARS)


def _write_array(value: Any, sink: Sink) -> None:
    import io

    import numpy as np

    array = np.asarray(value)
    if array.dtype.hasobject or array.dtype.kind not in _EXACT_KINDS or not _descr_exact(array.dtype):
        raise Inexact
    head = io.BytesIO()
    np.lib.format.write_array_header_2_0(head, np.lib.format.header_data_from_array_1_0(array))
    sink.write(head.getvalue())
    if array.nbytes:
        fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        flat = np.ascontiguousarray(array.T if fortran else array).reshape(-1)
        sink.write(flat.view(np.uint8).data)


def _descr_exact(dtype: Any) -> bool:
    import numpy as np

    if dtype.metadata is not None:
        return False
    return bool(np.lib.format.descr_to_dtype(np.lib.format.dtype_to_descr(dtype)) == dtype)


def _read_array(source: Source, type_name: str) -> Any:
    import numpy as np

    dtype, fortran, shape, start = _read_head(source)
    if math.prod(shape) * dtype.itemsize != len(source.data) - start:
        raise CorruptBlobError(source.ref.digest, "is an array shorter or longer than its header says")
    if not dtype.itemsize or not math.prod(shape):
        array = np.empty(shape, dtype, order="F" if fortran else "C")
        array.flags.writeable = False
    else:
        array = np.frombuffer(source.data, dtype, offset=start).reshape(shape, order="F" if fortran else "C")
    return array if type_name == "numpy.ndarray" else array[()]


def _read_head(source: Source) -> tuple[Any, bool, tuple[int, ...], int]:
    """dtype, order, shape and where the numbers start; evaluates literals only."""
    import numpy as np

    head = bytes(source.data[:12])
    if head[:6] != _MAGIC:
        raise CorruptBlobError(source.ref.digest, "does not start like an array")
    start = 12 + int.from_bytes(head[8:12], "little")
    fields = ast.literal_eval(bytes(source.data[12:start]).decode("latin1").strip())
    dtype = np.lib.format.descr_to_dtype(fields["descr"])
    if dtype.hasobject:
        raise CorruptBlobError(source.ref.digest, "is an array of objects, which is never read from this format")
    return dtype, fields["fortran_order"], fields["shape"], start


def _preview_array(value: Any) -> str:
    if is_a(value, _SCALARS):
        return shorten(str(value))
    return f"{value.dtype} {value.shape}"


def _peek_array(source: Source, rows: int) -> dict[str, Any]:
    array = _read_array(source, "numpy.ndarray")
    head = array.reshape(-1)[: rows * 10] if array.ndim < 2 else array[:rows].reshape(-1)[: rows * 20]
    values = [as_json(v) for v in head.tolist()]
    return {"kind": "array", "dtype": str(array.dtype), "shape": list(array.shape), "head": values}


NPY = Format("npy", _matches_array, _write_array, _read_array, _preview_array, _peek_array)

_PARTS = {
    "csr": ("data", "indices", "indptr"),
    "csc": ("data", "indices", "indptr"),
    "bsr": ("data", "indices", "indptr"),
    "dia": ("data", "offsets"),
    "coo": ("data", "coords"),
}


def _matches_sparse(value: Any) -> bool:
    return is_a(value, "scipy._spbase") and type(value).__module__.startswith("scipy.sparse.")


def _write_sparse(value: Any, sink: Sink) -> None:
    import numpy as np

    layout = value.format
    if layout not in _PARTS or value.dtype.hasobject:
        raise Inexact  # lists of lists and dictionaries of keys
    skeleton: dict[str, Any] = {
        "class": type(value).__qualname__,
        "shape": list(value.shape),
        "dtype": str(value.dtype),
        "nnz": int(value.nnz),
        "parts": {},
    }
    for part in _PARTS[layout]:
        array = np.asarray(getattr(value, part))
        skeleton["parts"][part] = sink.child(array, f".{part}").to_json()
    sink.write(json.dumps(skeleton, separators=(",", ":")).encode())


def _read_sparse(source: Source, type_name: str) -> Any:
    import scipy.sparse

    skeleton = json.loads(bytes(source.data))
    if skeleton["class"] not in scipy.sparse.__all__:
        raise CorruptBlobError(source.ref.digest, "names a sparse matrix class that does not exist")
    parts = {name: source.child(ArtifactRef.from_json(ref)) for name, ref in skeleton["parts"].items()}
    if "coords" in parts:
        content = (parts["data"], tuple(parts["coords"]))
    else:
        content = tuple(parts.values())
    return getattr(scipy.sparse, skeleton["class"])(content, shape=tuple(skeleton["shape"]))


def _preview_sparse(value: Any) -> str:
    return f"sparse {value.dtype} {tuple(value.shape)}, {value.nnz:,} stored"


def _peek_sparse(source: Source, rows: int) -> dict[str, Any]:
    skeleton = json.loads(bytes(source.data))
    return {"kind": "sparse", **{key: skeleton[key] for key in ("class", "shape", "dtype", "nnz")}}


SPARSE = Format("sparse", _matches_sparse, _write_sparse, _read_sparse, _preview_sparse, _peek_sparse)
