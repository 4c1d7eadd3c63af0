"""What a power cut leaves of checkpoints: the one that was last told of, or a newer one, whole."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.checkpoints import values
from tests.faults.powercut import lines_told_before_cut, power_cut_disk

pytestmark = [pytest.mark.slow]

CUTS = 6

_SAVER = """
import os, sys
from pathlib import Path
from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.checkpoints import keep

if sys.argv[2] == "unsynced":
    os.fsync = lambda fd: None
blobs = Blobs(Path(sys.argv[1]))
number = 0
while True:
    keep((number, b"x" * (1, 70_000, 3_000_000)[number % 3]), blobs, at=float(number))
    print(number, flush=True)
    number += 1
"""


@dataclass(frozen=True, slots=True)
class Cut:
    told: int  # the last checkpoint that was told of
    found: int  # the newest that can be read; -1: none


def save_until_cut(place: Path, mode: str, told: int) -> Cut:
    place.mkdir()
    with power_cut_disk(place) as disk:
        folder = disk.folder / "checkpoints"
        lines = lines_told_before_cut(disk, _SAVER, str(folder), mode, told=told)
        number, _ = next(values(Blobs(folder)), (-1, b""))
    (place / "disk.img").unlink()
    return Cut(int(lines[-1]), number)


def test_no_checkpoint_that_was_told_of_is_lost_by_a_power_cut(tmp_path: Path) -> None:
    moments = random.Random(CUTS)

    cuts = [save_until_cut(tmp_path / str(n), "synced", moments.randint(2, 40)) for n in range(CUTS)]

    assert all(cut.found >= cut.told for cut in cuts), cuts


def test_without_syncing_the_same_power_cut_does_lose_checkpoints(tmp_path: Path) -> None:
    """Negative control."""
    cuts = [save_until_cut(tmp_path / str(n), "unsynced", 20) for n in range(CUTS)]

    assert any(cut.found < cut.told for cut in cuts), cuts
