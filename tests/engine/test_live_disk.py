"""A disk that is full or read-only: one clear error, nothing half-written, and the run goes on when there is room."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ropewalk import each, pipeline, task
from ropewalk.core.errors import StoreError
from ropewalk.store import runs
from ropewalk.testing.invariants import problems
from tests.engine.live import Live, both_executors, note

MIB = 1024 * 1024


@task
def block(n: int, ledger: str) -> bytes:
    note(ledger, n)
    return os.urandom(MIB)


@task
def total(blocks: list[bytes]) -> int:
    return sum(map(len, blocks))


@pipeline
def blocks(ledger: str) -> int:
    return total(block(each(range(12)), ledger))


def mount(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mount("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder))
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        pytest.skip(f"needs the right to mount a file system: {error}")
    yield folder
    mount("umount", "--lazy", str(folder))


def said(live: Live, ledger: str, executor: str) -> str:
    """What a run says that comes to nothing: as its error, or as that of its tasks."""
    try:
        result = live.run(blocks, executor, ledger=ledger)
    except StoreError as error:
        return f"{error.code} {error.title}"
    assert result.state == "failed"
    return live.failures(result.number, "block")[0].message


@both_executors
def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_room(tmp_path: Path, disk: Path, executor: str) -> None:
    live, ledger = Live(disk), str(tmp_path / "ledger")

    assert "space" in said(live, ledger, executor)

    with live.client() as client:
        run = runs.find(client.db, "last")
        assert problems(client.db, run.number) == []
        assert client.db.problems() == []
        assert client.blobs.sweep_temporary(0, now=time.time() + 1, dry_run=True) == 0, "half-written files are left"
        for digest in client.blobs.digests():
            client.blobs.verify(digest)
    kept = {row.item for row in live.rows(run.number, "block") if row.state == "succeeded"}

    mount("mount", "-o", "remount,size=64m", str(disk))
    result = live.resume(blocks, executor, ledger=ledger)

    assert (result.state, result.output) == ("succeeded", 12 * MIB)
    begun = Path(ledger).read_text().split()
    assert all(begun.count(str(item)) == 1 for item in kept), "what was kept is not made again"


@both_executors
def test_a_disk_that_is_too_full_to_begin_with_is_named(tmp_path: Path, disk: Path, executor: str) -> None:
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize
    (disk / "ballast").write_bytes(b"x" * (free - 20_000))
    live, ledger = Live(disk), str(tmp_path / "ledger")

    with pytest.raises(StoreError) as caught:
        live.run(blocks, executor, ledger=ledger)

    assert caught.value.code == "P520"
    (disk / "ballast").unlink()
    mount("mount", "-o", "remount,size=64m", str(disk))
    assert live.run(blocks, executor, ledger=ledger).state == "succeeded"


@both_executors
def test_a_read_only_home_is_named(tmp_path: Path, disk: Path, executor: str) -> None:
    mount("mount", "-o", "remount,ro", str(disk))
    live, ledger = Live(disk), str(tmp_path / "ledger")

    with pytest.raises(StoreError) as caught:
        live.run(blocks, executor, ledger=ledger)

    assert caught.value.code == "P530"
    assert str(disk) in caught.value.title
    assert not Path(ledger).exists(), "nothing was begun"


@both_executors
def test_a_home_that_became_read_only_is_named(tmp_path: Path, disk: Path, executor: str) -> None:
    mount("mount", "-o", "remount,size=64m", str(disk))
    live, ledger = Live(disk), str(tmp_path / "ledger")
    live.run(blocks, executor, ledger=ledger)
    mount("mount", "-o", "remount,ro", str(disk))

    with pytest.raises(StoreError) as caught:
        live.run(blocks, executor, ledger=ledger)

    assert caught.value.code == "P530"
    assert len(Path(ledger).read_text().split()) == 12
