"""Checkpoints as files: whatever is killed, full or damaged, the newest complete one is found."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.checkpoints import history, keep, sweep, tidy, values
from ropewalk.core.errors import StoreError, UnstorableError
from ropewalk.core.failpoint import arm
from tests.faults.powercut import tmpfs

LARGE = 50_000  # bytes: in a blob
POINTS = ("blob.written", "blob.synced", "blob.renamed", "blob.published", "checkpoint.written", "checkpoint.renamed")


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    arm("")


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "checkpoints")


def large(letter: str) -> bytes:
    return letter.encode() * LARGE


def files(blobs: Blobs) -> list[str]:
    return sorted(path.name for path in blobs.root.rglob("*") if path.is_file())


def newest(blobs: Blobs) -> object:
    """As a fresh process finds it."""
    return next(values(Blobs(blobs.root)), None)


@pytest.mark.parametrize("value", [1, None, "text", {"epoch": 3}, {1: {2}}, large("a"), [large("a"), large("b")]])
def test_what_was_saved_is_loaded(blobs: Blobs, value: object) -> None:
    keep(value, blobs, at=1.0)

    assert newest(blobs) == value


def test_nothing_was_saved(blobs: Blobs) -> None:
    assert list(values(blobs)) == []


def test_the_two_newest_are_kept_and_nothing_else(blobs: Blobs) -> None:
    for letter in "abcd":
        keep(large(letter), blobs, at=1.0)

    assert list(values(blobs)) == [large("d"), large("c")]
    assert len(files(blobs)) == 4, "two records and two blobs"


def test_saving_the_same_twice_keeps_it(blobs: Blobs) -> None:
    for letter in "abba":
        keep(large(letter), blobs, at=1.0)

    assert list(values(blobs)) == [large("a"), large("b")]


def test_parts_that_are_shared_stay_so_and_can_be_changed(blobs: Blobs) -> None:
    """As a model and its optimizer need it: a format for each part would break this."""
    weights = np.zeros(LARGE)
    keep({"model": weights, "optimizer": weights}, blobs, at=1.0)

    loaded = newest(blobs)

    assert isinstance(loaded, dict)
    loaded["model"] += 1
    assert loaded["optimizer"].sum() == LARGE


def test_what_cannot_be_kept_is_named_and_what_was_saved_before_stays(blobs: Blobs) -> None:
    keep(large("a"), blobs, at=1.0)

    with pytest.raises(UnstorableError) as caught:
        keep({"epoch": 1, "callback": lambda: None}, blobs, at=2.0)

    assert "checkpoint" in caught.value.title
    assert newest(blobs) == large("a")


@pytest.mark.parametrize("damage", [b"", b"x" * LARGE, None])
def test_a_damaged_blob_is_noticed_and_the_one_before_counts(
    blobs: Blobs, damage: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    for letter in "ab":
        saved = keep(large(letter), blobs, at=1.0)
    path = blobs.path(saved.ref.digest)
    path.unlink()
    if damage is not None:
        path.write_bytes(damage)

    with caplog.at_level(logging.WARNING):
        found = newest(blobs)

    assert found == large("a")
    assert "checkpoint 2 is damaged" in caplog.text


@pytest.mark.parametrize("damage", [b"", b"x", b"{}\n{}"])
def test_a_damaged_record_is_noticed_and_the_one_before_counts(blobs: Blobs, damage: bytes) -> None:
    for number in range(2):
        saved = keep(number, blobs, at=1.0)
    saved.path.write_bytes(damage)

    assert newest(blobs) == 0

    keep(2, blobs, at=2.0)
    assert list(values(blobs)) == [2, 0]


def test_a_record_that_lost_one_bit_anywhere_is_noticed(blobs: Blobs) -> None:
    for number in (10, 11):
        saved = keep(number, blobs, at=1.0)
    whole = saved.path.read_bytes()
    line_end = whole.index(b"\n")

    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        saved.path.write_bytes(damaged)
        assert newest(blobs) == 10, f"byte {place} of {len(whole)}, the digest ends at {line_end}"

    saved.path.write_bytes(whole)
    assert newest(blobs) == 11


@pytest.mark.parametrize("action", ["enospc", "eio"])
@pytest.mark.parametrize("point", POINTS)
def test_a_step_of_saving_that_fails_leaves_something_complete(blobs: Blobs, point: str, action: str) -> None:
    keep(large("a"), blobs, at=1.0)
    arm(f"{point}={action}")

    with pytest.raises((OSError, StoreError)):
        keep(large("b"), blobs, at=2.0)

    assert newest(blobs) == large("b" if point == "checkpoint.renamed" else "a")
    keep(large("c"), blobs, at=3.0)
    sweep(blobs, now=os.stat(blobs.root).st_mtime + 10)
    assert newest(blobs) == large("c")
    assert len(files(blobs)) == 4, "two records and two blobs, and nothing half-written"


SAVE = """
import sys
from pathlib import Path
from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.checkpoints import keep
keep(b"b" * 50_000, Blobs(Path(sys.argv[1])), at=2.0)
"""


@pytest.mark.parametrize("point", POINTS)
def test_a_process_that_dies_while_saving_leaves_something_complete(blobs: Blobs, point: str) -> None:
    keep(large("a"), blobs, at=1.0)

    env = {**os.environ, "ROPEWALK_FAILPOINTS": f"{point}=exit"}
    died = subprocess.run([sys.executable, "-c", SAVE, str(blobs.root)], env=env, check=False)

    assert died.returncode == 137
    assert newest(blobs) == large("b" if point == "checkpoint.renamed" else "a")
    sweep(blobs, now=os.stat(blobs.root).st_mtime + 10)
    assert len(files(blobs)) == (4 if point == "checkpoint.renamed" else 2), "nothing half-written stays"


def test_a_full_disk_in_the_middle_of_a_save_leaves_the_one_before(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk", size_bytes=4 << 20) as disk:
        blobs = Blobs(disk / "checkpoints")
        keep(large("a"), blobs, at=1.0)

        with pytest.raises(StoreError) as caught:
            keep(b"b" * (8 << 20), blobs, at=2.0)

        assert caught.value.code == "P520"
        assert newest(blobs) == large("a")
        assert len(files(blobs)) == 2, "what was half-written is gone"
        keep(large("c"), blobs, at=3.0)
        assert newest(blobs) == large("c")


def test_a_folder_that_is_removed_in_the_middle_is_made_again(blobs: Blobs) -> None:
    keep(large("a"), blobs, at=1.0)
    for path in sorted(blobs.root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    blobs.root.rmdir()

    keep(large("b"), blobs, at=2.0)

    assert list(values(blobs)) == [large("b")]


def test_tidying_what_is_not_there_does_nothing(blobs: Blobs) -> None:
    tidy(blobs)
    sweep(blobs, now=1.0)

    assert history(blobs.root) == []
    assert not blobs.root.exists()
