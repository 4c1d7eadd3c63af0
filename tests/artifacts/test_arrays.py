"""NumPy arrays and scalars, and sparse matrices."""

from __future__ import annotations

import mmap
import tempfile
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ropewalk.artifacts.arrays import NPY, SPARSE
from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.materialize import load, load_preview, save
from ropewalk.core.artifact import ArtifactRef
from ropewalk.core.errors import CorruptBlobError
from ropewalk.testing.format_suite import FormatSuite

RANDOM = np.random.default_rng(7)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def same(read: np.ndarray, written: np.ndarray) -> bool:
    return (
        type(read) is type(written)
        and read.dtype == written.dtype
        and read.shape == written.shape
        and read.tobytes() == written.tobytes()
    )


class TestNpy(FormatSuite):
    format = NPY

    def examples(self):
        return [
            np.arange(5), np.arange(5.0).reshape(5, 1), np.zeros((0, 3)), np.array(3), np.array(["a", "bc"]),
            np.arange(6, dtype="float32").reshape(2, 3).T, np.arange(24).reshape(2, 3, 4)[:, ::2],
            np.array(["2026-01-02", "NaT"], "M8[s]"), np.array([1, 2], "m8[ms]"), np.array([1 + 2j]), np.array([b"x"]),
            np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")]), np.arange(3, dtype=">i2"), np.array([True]),
            np.float64(0.967), np.int32(4), np.bool_(True), np.datetime64("2026-01-02"), np.str_("a"), np.float16(0.5),
            np.arange(4000).reshape(40, 100) * 0.5,
        ]  # fmt: skip

    def same(self, read, written):
        return same(read, written)


class TestSparse(FormatSuite):
    format = SPARSE

    def examples(self):
        dense = np.eye(40, 30) * np.arange(30)
        layouts = ["csr", "csc", "coo", "dia", "bsr"]
        return [getattr(scipy.sparse, f"{layout}_{kind}")(dense) for layout in layouts for kind in ("array", "matrix")]

    def same(self, read, written):
        return (
            type(read) is type(written)
            and read.dtype == written.dtype
            and read.shape == written.shape
            and np.array_equal(read.toarray(), written.toarray())
        )


@given(hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)), st.booleans())
def test_every_array_comes_back_bit_for_bit(array, transposed):
    written = array.T if transposed else array
    with tempfile.TemporaryDirectory() as folder:
        blobs = Blobs(Path(folder))

        ref = save(written, blobs)

        assert ref.format == "npy"
        assert same(load(ref, blobs), written)


def test_the_order_in_memory_is_kept(blobs):
    written = np.asfortranarray(RANDOM.random((300, 20)))

    assert load(save(written, blobs), blobs).flags.f_contiguous


def test_a_large_array_is_the_file_itself_mapped_into_memory(blobs):
    read = load(save(RANDOM.random((300, 20)), blobs), blobs)

    base = read
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(memoryview(base).obj, mmap.mmap)


@pytest.mark.parametrize("shape", [(3, 2), (300, 20)])
def test_an_array_is_read_only(blobs, shape):
    read = load(save(np.ones(shape), blobs), blobs)

    with pytest.raises(ValueError, match="read-only"):
        read[...] = 0
    with pytest.raises(ValueError, match="WRITEABLE"):
        read.flags.writeable = True


@pytest.mark.parametrize(
    "value",
    [np.array([1, "a"], dtype=object), np.ma.masked_array([1, 2], [0, 1]), np.array([1.0]).view(np.recarray)],
    ids=["objects", "masked", "records"],
)
def test_what_npy_cannot_hold_is_pickled_and_says_so(blobs, value):
    ref = save(value, blobs)

    assert ref.format == "pickle"
    assert ref.preview.endswith("(pickle)")
    assert type(load(ref, blobs)) is type(value)


def test_an_array_of_objects_in_an_npy_file_is_refused(blobs, tmp_path):
    np.save(tmp_path / "evil.npy", np.array([{}], dtype=object), allow_pickle=True)
    content = (tmp_path / "evil.npy").read_bytes()
    content = content[:6] + b"\x02\x00" + len(content[10:]).to_bytes(4, "little") + content[10:]
    ref = ArtifactRef("0" * 64, len(content), "npy", "numpy.ndarray", "", content)

    with pytest.raises((CorruptBlobError, ValueError, SyntaxError)):
        load(ref, blobs)
    assert load_preview(ref, blobs)["kind"] == "problem"


@pytest.mark.parametrize("cut", [0, 5, 20, 150])
def test_a_cut_array_is_refused(blobs, cut):
    content = save(np.arange(20), blobs).inline[:cut]

    with pytest.raises((CorruptBlobError, ValueError, SyntaxError)):
        load(ArtifactRef("0" * 64, cut, "npy", "numpy.ndarray", "", content), blobs)


def test_a_sparse_matrix_is_parts_that_are_mapped_into_memory(blobs):
    ref = save(scipy.sparse.random_array((1000, 1000), density=0.01, format="csr", rng=RANDOM), blobs)

    read = load(ref, blobs)

    assert set(ref.children) == set(blobs.digests()) - {ref.digest}
    assert len(ref.children) == 3
    assert not read.data.flags.writeable


def test_a_sparse_layout_that_is_not_arrays_is_pickled(blobs):
    assert save(scipy.sparse.lil_array((3, 3)), blobs).format == "pickle"


@pytest.mark.parametrize(
    ("value", "preview"),
    [
        (np.zeros((1000, 20)), "float64 (1000, 20)"),
        (np.float64(0.967), "0.967"),
        (scipy.sparse.csr_array(np.eye(3)), "sparse float64 (3, 3), 3 stored"),
    ],
)
def test_the_preview_gives_type_and_shape(blobs, value, preview):
    assert save(value, blobs).preview == preview


def test_the_rich_preview_of_an_array_shows_its_head(blobs):
    shown = load_preview(save(np.array([[1.0, np.nan], [np.inf, 2.0]]), blobs), blobs, rows=1)

    assert (shown["dtype"], shown["shape"], shown["head"]) == ("float64", [2, 2], [1.0, "nan"])
