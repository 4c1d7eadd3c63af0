"""What a power cut takes from a run that is to survive the end of processes only: the last results, and nothing else.

Each cut: a run with its home on a disk of its own says what it has recorded, the power goes, and what the disk then
holds is compared with what was said. The same run under "power" shows that the difference is the setting's.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from ropewalk.author.pipeline import trace
from ropewalk.core import events as ev
from ropewalk.core.artifact import ArtifactRef
from ropewalk.core.errors import RopewalkError
from ropewalk.engine.client import Client, Options
from ropewalk.engine.scheduler import Step
from ropewalk.store import runs
from tests.faults.powercut import lines_told_before_cut, power_cut_disk
from tests.faults.unplugged import EXPECTED, ITEMS, payload, unplugged

pytestmark = [pytest.mark.slow]

CUTS = 4
_ROOT = str(Path(__file__).parents[2])
_WRITER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from tests.faults.unplugged import begin

if sys.argv[2] == "unsynced":
    os.fsync = lambda fd: None
begin(*sys.argv[3:])
"""


@dataclass(frozen=True, slots=True)
class Cut:
    """What was said before it, and what was there and done after it."""

    told: list[int]  # items, in the order in which they were recorded
    kept: set[int]  # those that are still recorded
    unreadable: set[int]  # of those that are kept
    problems: list[str]  # of the store
    executed: list[int]  # items, by `resume`
    output: int | None  # of the run in the end; None: it did not succeed

    @property
    def lost(self) -> int:
        return len(set(self.told) - self.kept)


def cuts(place: Path, durability: str, blobs: str = "synced") -> list[Cut]:
    """The power is cut some times, each time of a new run, after some of its store has reached the disk."""
    moments = random.Random(CUTS)
    return [
        cut_power_of_a_run(place / str(number), durability, blobs, moments.randint(20, 60), moments.randint(90, 140))
        for number in range(CUTS)
    ]


def cut_power_of_a_run(place: Path, durability: str, blobs: str, write_back: int, told: int) -> Cut:
    place.mkdir()
    with power_cut_disk(place) as disk:
        home = disk.folder / "home"
        arguments = (_ROOT, blobs, str(home), durability, str(write_back))
        lines = lines_told_before_cut(disk, _WRITER, *arguments, told=told)
        cut = look_and_go_on(home, [int(line) for line in lines])
    (place / "disk.img").unlink()
    return cut


def look_and_go_on(home: Path, told: list[int]) -> Cut:
    """Read everything that a store records after a power cut, and resume its run."""
    executed = []

    def note(step: Step) -> None:
        executed.extend(e.item for e in step.events if isinstance(e, ev.Succeeded) and e.node == "payload")

    with Client(home) as client:
        problems, run = client.db.problems(), runs.find(client.db, "last")
        recorded = {i: made["result"] for i, made in enumerate(client.result(run).artifacts("payload")) if made}
        unreadable = {item for item, ref in recorded.items() if not is_readable(client, ref, payload(item))}
        result = client.resume(run, trace(unplugged), Options("inline"), note)
        output = result.output if result.state == "succeeded" else None
        return Cut(told, set(recorded), unreadable, problems, executed, output)


def is_readable(client: Client, ref: ArtifactRef, value: bytes) -> bool:
    try:
        return bool(client.load(ref) == value)
    except RopewalkError:
        return False


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> list[Cut]:
    """Cuts in runs that are to survive the end of processes only."""
    return cuts(tmp_path_factory.mktemp("process"), "process")


def test_a_power_cut_costs_a_run_that_only_survives_processes_its_last_results_and_no_more(process: list[Cut]) -> None:
    for cut in process:
        assert cut.problems == []
        assert cut.output == EXPECTED
        assert sorted(cut.executed) == sorted(set(range(ITEMS)) - cut.kept), "only what was not recorded"
        assert set(cut.told[: len(cut.told) - cut.lost]) <= cut.kept, "something was lost, and what came after it not"
    assert any(cut.lost for cut in process), "these cuts lose nothing, so they show nothing"


def test_whatever_a_power_cut_leaves_recorded_can_be_read(process: list[Cut]) -> None:
    """Files are synced before they are recorded, however little a record itself is to survive."""
    assert all(any(item % 7 == 0 for item in cut.kept) for cut in process), "no file was recorded"
    assert [cut.unreadable for cut in process] == [set()] * CUTS


def test_if_files_were_not_synced_a_store_would_record_what_a_power_cut_has_taken(tmp_path: Path) -> None:
    """Negative control."""
    assert any(cut.unreadable for cut in cuts(tmp_path, "process", "unsynced"))


def test_once_the_store_was_closed_a_power_cut_costs_nothing_any_more(tmp_path: Path) -> None:
    """The last one to close it folds the log into the file, and syncs both."""
    with power_cut_disk(tmp_path) as disk:
        home = disk.folder / "home"
        arguments = (_ROOT, "synced", str(home), "process", "-1")

        told = lines_told_before_cut(disk, _WRITER, *arguments, told=ITEMS + 1)

        with Client(home) as client:
            result = client.result(runs.find(client.db, "last"))
            assert (told[-1], result.state, result.output) == ("closed", "succeeded", EXPECTED)


def test_a_power_cut_costs_a_run_that_survives_it_nothing(tmp_path: Path) -> None:
    """The same cuts, so the loss above is the setting's."""
    seen = cuts(tmp_path, "power")

    assert [(cut.lost, cut.unreadable) for cut in seen] == [(0, set())] * CUTS
    assert [(cut.problems, cut.output) for cut in seen] == [([], EXPECTED)] * CUTS
