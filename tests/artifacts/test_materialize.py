"""save, load and load_preview as attempts and pages use them: formats, integrity, plugins, what is imported."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ropewalk.artifacts import formats
from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.format import Format
from ropewalk.artifacts.materialize import digests_of, load, load_preview, save
from ropewalk.core.artifact import ArtifactRef
from ropewalk.core.errors import CorruptBlobError, NotFoundError, StoreError
from ropewalk.core.failpoint import arm
from tests.artifacts.test_blobs import damage
from tests.faults.powercut import tmpfs


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def large_frame() -> pd.DataFrame:
    return pd.DataFrame({"a": np.arange(5000.0)})


def test_the_digest_is_that_of_the_content(blobs):
    small, large = save({"a": 1}, blobs), save(large_frame(), blobs)

    assert small.digest == hashlib.sha256(small.inline).hexdigest()
    assert large.digest == hashlib.sha256(blobs.path(large.digest).read_bytes()).hexdigest()
    assert (small.size_bytes, large.size_bytes) == (7, blobs.path(large.digest).stat().st_size)


def test_a_small_value_of_any_format_is_inline(blobs):
    for value in ({"a": 1}, b"rope", np.arange(3), pd.DataFrame({"a": [1]}), Marked(1)):
        assert save(value, blobs).inline is not None

    assert list(blobs.digests()) == []


@pytest.mark.parametrize("value", [large_frame(), np.zeros(5000), b"x" * 5000, "x" * 5000, [large_frame(), 1]])
def test_a_missing_blob_is_told_by_its_digest(blobs, value):
    ref = save(value, blobs)
    lost = next(iter(blobs.digests()))
    blobs.delete(lost)

    with pytest.raises(CorruptBlobError, match="missing") as caught:
        load(ref, blobs)

    assert caught.value.digest == lost


@pytest.mark.parametrize("value", [large_frame(), np.zeros(5000), b"x" * 5000, "x" * 5000, [large_frame(), 1]])
def test_a_blob_with_a_flipped_bit_is_refused_and_can_be_made_anew(blobs, value):
    ref = save(value, blobs)
    damage(blobs, next(iter(blobs.digests())))

    with pytest.raises(CorruptBlobError, match="match"):
        load(ref, Blobs(blobs.root))

    assert save(value, blobs) == ref
    load(ref, Blobs(blobs.root))


def test_a_damaged_blob_is_told_in_the_preview_too(blobs):
    ref = save(large_frame(), blobs)
    damage(blobs, ref.digest)

    shown = load_preview(ref, Blobs(blobs.root))

    assert (shown["kind"], shown["preview"]) == ("problem", "5,000 rows × 1")
    assert "digest" in shown["problem"]


def test_a_full_disk_while_saving_a_frame_is_told_and_leaves_nothing(tmp_path):
    with tmpfs(tmp_path / "small", size_bytes=2 << 20) as folder:
        blobs = Blobs(folder / "blobs")

        with pytest.raises(StoreError) as caught:
            save({"frame": pd.DataFrame(np.zeros((100_000, 4))), "n": 1}, blobs)

        assert caught.value.code == "P520"
        assert caught.value.retryable
        assert list(blobs.digests()) == []
        assert list((blobs.root / "tmp").iterdir()) == []


def test_an_error_of_the_disk_is_not_mistaken_for_a_value_that_cannot_be_kept(blobs):
    try:
        arm("blob.renamed=eio")
        with pytest.raises(StoreError) as caught:
            save(large_frame(), blobs)
    finally:
        arm("")

    assert caught.value.code == "P530"


def test_the_digests_of_an_artifact_are_its_own_and_those_of_its_parts(blobs):
    ref = save({"frame": large_frame()}, blobs)

    assert digests_of(ref) == (ref.digest, *ref.children)
    assert digests_of(save(1, blobs))[1:] == ()


def test_an_unknown_format_is_told_with_those_that_are_known(blobs):
    ref = ArtifactRef("0" * 64, 1, "onnx", "onnx.Model", "", b"x")

    with pytest.raises(NotFoundError, match="there is no format `onnx` here"):
        load(ref, blobs)
    assert load_preview(ref, blobs)["kind"] == "problem"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (1, "int"), (None, "NoneType"), (pd.DataFrame(), "pandas.DataFrame"), (np.zeros(1), "numpy.ndarray"),
        (np.float64(1), "numpy.float64"), (Path(__file__), "pathlib.PosixPath"), ([1], "list"),
    ],
)  # fmt: skip
def test_the_type_is_readable(blobs, value, name):
    assert save(value, blobs).type == name


class Marked:
    def __init__(self, value: int) -> None:
        self.value = value


def _read_marked(source, type_name):
    return Marked(int(bytes(source.data)))


def _peek_marked(source, rows):
    return {"kind": "marked"}


MARKED = Format(
    "marked",
    lambda value: type(value) is Marked,
    lambda value, sink: sink.write(str(value.value).encode()),
    _read_marked,
    lambda value: f"marked {value.value}",
    _peek_marked,
)


@pytest.fixture
def installed(monkeypatch):
    """A package that offers `MARKED` is installed."""
    point = EntryPoint("marked", f"{__name__}:MARKED", formats.ENTRY_POINTS)
    monkeypatch.setattr(
        "importlib.metadata.entry_points", lambda group: [point] if group == formats.ENTRY_POINTS else []
    )
    formats.plugins.cache_clear()
    yield
    formats.plugins.cache_clear()


def test_a_format_of_another_package_is_used_before_pickle(blobs, installed):
    ref = save({"parts": [Marked(7), large_frame()]}, blobs)

    assert ref.format == "tree"
    assert load_preview(ref, blobs)["parts"][0]["format"] == "marked"
    assert load(ref, blobs)["parts"][0].value == 7


def test_without_it_the_value_is_pickled(blobs):
    assert save(Marked(7), blobs).format == "pickle"


_PLAIN = """
import sys
from pathlib import Path
from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.materialize import load, save
class Own: ...
Own.__module__ = "json"
blobs = Blobs(Path(sys.argv[1]))
for value in [1, {"a": [1, (2,)]}, b"x" * 9000, Path(sys.argv[1]).parent]:
    load(save(value, blobs), blobs)
heavy = {"numpy", "pandas", "polars", "pyarrow", "scipy", "sklearn", "lightgbm", "matplotlib"}
print(sorted(heavy & set(sys.modules)))
"""


def test_keeping_plain_values_loads_no_third_party_package(tmp_path):
    (tmp_path / "out").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _PLAIN, tmp_path / "out" / "blobs"],
        capture_output=True,
        text=True,
        env={**os.environ},
        check=True,
    )

    assert done.stdout.strip() == "[]"
