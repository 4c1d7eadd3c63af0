"""What a power cut leaves of the blobs whose digest somebody had been told: all of them, whole.

Each cut: a writer process publishes blobs and says so over a pipe, the power goes, and what the disk then holds is
compared with what was said. The same with syncing left out shows that the test can fail.
"""

from __future__ import annotations

import hashlib
import os
import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from ropewalk.artifacts.blobs import Blobs
from tests.faults.powercut import Disk, lines_told_before_cut, power_cut_disk

pytestmark = [pytest.mark.slow]

CUTS = 8

_WRITER = """
import os, sys
from pathlib import Path
from ropewalk.artifacts.blobs import Blobs

if sys.argv[2] == "unsynced":
    os.fsync = lambda fd: None
blobs = Blobs(Path(sys.argv[1]))
number = 0
while True:
    size = (1, 5_000, 70_000, 6_000_000)[number % 4]
    print(blobs.put_bytes(b"%d" % number + os.urandom(8) + b"x" * size), flush=True)
    number += 1
"""


@dataclass(frozen=True, slots=True)
class Loss:
    told: int
    missing: int
    wrong: int  # under a digest that is not theirs


def publish_until_cut(disk: Disk, mode: str, told: int) -> Loss:
    """Publish blobs until at least so many digests were told, cut the power, and see what is left."""
    root = disk.folder / "blobs"
    digests = lines_told_before_cut(disk, _WRITER, str(root), mode, told=told)
    blobs = Blobs(root)
    wrong = [d for d in blobs.digests() if hashlib.sha256(blobs.path(d).read_bytes()).hexdigest() != d]
    return Loss(len(digests), sum(not blobs.exists(d) for d in digests), len(wrong))


@pytest.mark.parametrize("cuts", [CUTS, pytest.param(100, marks=pytest.mark.nightly)])
def test_no_blob_that_was_told_is_lost_or_changed_by_a_power_cut(tmp_path: Path, cuts: int) -> None:
    moments = random.Random(cuts)
    losses = []
    for cut in range(cuts):
        (tmp_path / str(cut)).mkdir()
        with power_cut_disk(tmp_path / str(cut)) as disk:
            losses.append(publish_until_cut(disk, "synced", moments.randint(5, 80)))
        (tmp_path / str(cut) / "disk.img").unlink()

    assert sum(loss.told for loss in losses) >= 5 * cuts
    assert [(loss.missing, loss.wrong) for loss in losses] == [(0, 0)] * cuts


def test_what_writers_left_half_written_is_swept(tmp_path: Path) -> None:
    with power_cut_disk(tmp_path) as disk:
        publish_until_cut(disk, "synced", 10)
        blobs = Blobs(disk.folder / "blobs")

        blobs.sweep_temporary(0, now=2**33)

        assert os.listdir(blobs.root / "tmp") == []


def test_without_syncing_the_same_power_cut_does_lose_blobs(tmp_path: Path) -> None:
    """Else the tests above would prove nothing."""
    with power_cut_disk(tmp_path) as disk:
        loss = publish_until_cut(disk, "unsynced", 80)

    assert loss.missing + loss.wrong > 0
