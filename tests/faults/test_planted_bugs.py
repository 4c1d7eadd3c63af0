"""Bugs that cost data in real engines, planted one at a time: the harness of this folder must catch each.

Acknowledging before the commit is planted in `test_killed_runs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ropewalk import context, pipeline, task
from ropewalk.artifacts.blobs import Blobs
from ropewalk.author.pipeline import trace
from ropewalk.core.artifact import Failure
from ropewalk.core.errors import CorruptBlobError
from ropewalk.core.state import RunState
from ropewalk.engine.attempt import Job, Order
from ropewalk.engine.client import Client, Options
from ropewalk.engine.executors.base import NOBODY, Ended, Executor, Offer, Report
from ropewalk.engine.scheduler import Scheduler
from tests.faults.campaign.races import holder_killed
from tests.faults.powercut import lines_told_before_cut, power_cut_disk

_WRITER = """
import sys, time
from pathlib import Path
from ropewalk.artifacts import blobs

if sys.argv[2] == "file":
    blobs.sync_file = lambda fd: None
if sys.argv[2] == "folder":
    blobs.sync_folder = lambda folder: None
store = blobs.Blobs(Path(sys.argv[1]))
for number in range(5):
    print(store.put_bytes(b"%d" % number * 70_000), flush=True)
time.sleep(600)
"""


def lost(place: Path, skipped: str) -> int:
    """How many of five blobs whose digest was told are missing or wrong after a power cut."""
    with power_cut_disk(place) as disk:
        root = disk.folder / "blobs"
        digests = lines_told_before_cut(disk, _WRITER, str(root), skipped, told=5, quiet=True)
        blobs = Blobs(root)
        return sum(not is_whole(blobs, digest) for digest in digests)


def is_whole(blobs: Blobs, digest: str) -> bool:
    try:
        blobs.verify(digest)
    except CorruptBlobError:
        return False
    return True


@pytest.mark.parametrize(("skipped", "caught"), [("file", True), ("folder", True), ("nothing", False)])
def test_a_power_cut_shows_what_was_not_synced(tmp_path: Path, skipped: str, caught: bool) -> None:
    """Without the sync of its file a blob may be empty under its name, without that of its folder it has no name."""
    assert bool(lost(tmp_path, skipped)) == caught


@task(cache=False)
def numbered() -> int:
    return context().attempt


@pipeline
def numbers() -> int:
    return numbered()


class Late:
    """An executor that takes the first attempt for lost; its report comes when the second one is under way."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._late: list[Report] = []
        self.slots = executor.slots

    def offer(self, node: str, remaining: int, taken: Mapping[str, float] = NOBODY, task: str = "") -> Offer | None:
        return self._executor.offer(node, remaining, taken, task)

    def submit(self, worker: str, job: Job, orders: Sequence[Order]) -> None:
        self._executor.submit(worker, job, orders)

    def poll(self, timeout_s: float) -> list[Report]:
        reports = self._executor.poll(timeout_s)
        if reports and not self._late:
            (done,) = self._late = reports
            return [Ended(done.node, done.item, done.token, Failure("lost", "its worker was taken for dead"))]
        return [*self._late, *reports] if reports else []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._executor, name)


def outcome(folder: Path) -> Any:
    """What a run has for a result whose first attempt reports late; an exception counts as one, too."""
    with Client(folder / "home") as client:
        try:
            return client.run(trace(numbers), Options("inline"), around=Late).output
        except Exception as error:  # noqa: BLE001  # whatever the planted bug breaks
            return error


def test_a_late_report_of_an_attempt_that_was_taken_for_lost_is_refused(tmp_path: Path) -> None:
    assert outcome(tmp_path) == 2


def test_a_scheduler_that_does_not_look_at_tokens_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the late report becomes the outcome, or two outcomes are recorded."""

    def is_under_way(state: RunState, node: str, item: int, _token: int) -> bool:
        return item in state.nodes[node].tokens

    def order_of(self: Scheduler, report: Any) -> Any:
        return self._granted.get((report.node, report.item))

    monkeypatch.setattr(RunState, "holds", is_under_way)
    monkeypatch.setattr(Scheduler, "_order_of", order_of)

    assert outcome(tmp_path) != 2


def test_slots_of_a_pool_that_are_counted_instead_of_leased_are_caught(tmp_path: Path) -> None:
    """Who is killed never gives back what it has counted as its own. Without the bug: `test_campaign`."""
    row = holder_killed(tmp_path / "place", quick=True, plant="counter")

    assert row.problems == ["the slots of a run that was killed are held for ever"]
