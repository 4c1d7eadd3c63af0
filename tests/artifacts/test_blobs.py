"""The blob store on a local disk: layout, durability order, crashes, full and broken disks, many writers."""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import stat
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from ropewalk.artifacts.blobs import Blobs
from ropewalk.core.errors import CorruptBlobError, StoreError
from ropewalk.core.failpoint import arm
from ropewalk.testing.blob_suite import BlobSuite
from tests.faults.powercut import tmpfs

LARGE = bytes(range(251)) * 40_000  # ten megabytes: hashed behind the writer
POINTS = ["blob.written", "blob.synced", "blob.renamed", "blob.published"]


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


@pytest.fixture
def disarm():
    yield
    arm("")


def damage(blobs: Blobs, digest: str) -> None:
    path = blobs.path(digest)
    path.chmod(0o644)
    with open(path, "r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


def files_below(root: Path) -> list[str]:
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())


def misnamed(blobs: Blobs) -> list[str]:
    """Digests whose content is something else: what must never be."""
    return [d for d in blobs.digests() if hashlib.sha256(blobs.path(d).read_bytes()).hexdigest() != d]


class TestLocalDisk(BlobSuite):
    def damage(self, blobs, digest):
        damage(blobs, digest)


def test_a_blob_lies_in_a_folder_of_its_first_two_digits_and_is_read_only(blobs):
    digest = blobs.put_bytes(b"rope")

    assert files_below(blobs.root) == [f"{digest[:2]}/{digest}"]
    assert stat.S_IMODE(blobs.path(digest).stat().st_mode) == 0o444
    assert stat.S_IMODE(blobs.path(digest).parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(blobs.root.stat().st_mode) == 0o700


def test_reading_maps_the_file_into_memory(blobs):
    opened = blobs.open(blobs.put_bytes(LARGE))

    assert isinstance(opened.obj, mmap.mmap)


def test_a_blob_that_is_there_is_not_written_again(blobs):
    digest = blobs.put_bytes(LARGE)
    inode = blobs.path(digest).stat().st_ino

    blobs.put_bytes(LARGE)

    assert blobs.path(digest).stat().st_ino == inode


def test_a_blob_of_the_wrong_size_is_written_anew(blobs):
    digest = blobs.put_bytes(b"rope")
    blobs.path(digest).unlink()
    blobs.path(digest).write_bytes(b"")

    blobs.put_bytes(b"rope")

    assert bytes(blobs.read(digest)) == b"rope"


def test_a_blob_that_is_found_again_counts_as_young(blobs):
    """Or the garbage collector could remove it before the row that now refers to it is there."""
    digest = blobs.put_bytes(b"rope")
    os.utime(blobs.path(digest), (1, 1))

    blobs.put_bytes(b"rope")

    assert blobs.path(digest).stat().st_mtime > 1


def test_a_file_is_hashed_once_per_process_while_it_does_not_change(blobs):
    digest = blobs.put_bytes(b"rope")
    reader = Blobs(blobs.root)
    reader.verify(digest)
    modified_ns = blobs.path(digest).stat().st_mtime_ns
    damage(blobs, digest)
    os.utime(blobs.path(digest), ns=(modified_ns, modified_ns))

    reader.verify(digest)

    with pytest.raises(CorruptBlobError):
        Blobs(blobs.root).verify(digest)


def test_a_corrupt_blob_is_kept_aside_as_evidence(blobs):
    digest = blobs.put_bytes(b"rope")
    damage(blobs, digest)

    with pytest.raises(CorruptBlobError):
        blobs.read(digest)

    assert files_below(blobs.root) == [f"quarantine/{digest}"]


def test_quarantining_a_blob_that_is_gone_is_no_error(blobs):
    assert blobs.quarantine("0" * 64) is None


def test_sweeping_removes_old_temporary_files_only(blobs):
    blobs.put_bytes(b"rope")
    old, young = blobs.root / "tmp" / "old", blobs.root / "tmp" / "young"
    for path, modified in ((old, 1_000), (young, 2_000)):
        path.write_bytes(b"12345")
        os.utime(path, (modified, modified))

    assert blobs.sweep_temporary(500, now=2_100, dry_run=True) == 5
    assert blobs.sweep_temporary(500, now=2_100) == 5

    assert [path.name for path in (blobs.root / "tmp").iterdir()] == ["young"]


@pytest.mark.parametrize("point", POINTS[:3])
@pytest.mark.parametrize("data", [b"rope", LARGE], ids=["small", "large"])
def test_after_an_error_at_any_step_nothing_half_written_is_left_and_a_retry_succeeds(blobs, disarm, point, data):
    arm(f"{point}=eio")

    with pytest.raises((StoreError, OSError)):
        blobs.put_bytes(data)

    assert misnamed(blobs) == []
    assert list((blobs.root / "tmp").iterdir()) == []
    assert bytes(blobs.read(blobs.put_bytes(data))) == data


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "P520"), (errno.EDQUOT, "P520"), (errno.EIO, "P530")])
def test_a_sync_that_fails_is_told_and_never_trusted_afterwards(blobs, monkeypatch, number, code):
    def fail(fd):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        blobs.root.mkdir()
        for name in ("tmp", hashlib.sha256(b"rope").hexdigest()[:2]):
            (blobs.root / name).mkdir()
        blobs._durable_folders = {blobs.root / "tmp"}
        with pytest.raises(StoreError) as caught:
            blobs.put_bytes(b"rope")

    assert caught.value.code == code
    assert caught.value.retryable
    assert str(blobs.root) in str(caught.value)
    assert files_below(blobs.root) == []


def test_after_a_sync_of_the_folder_fails_the_blob_is_written_from_its_source_again(blobs, monkeypatch):
    """The kernel tells of a lost write once; a second sync would succeed without having written anything."""
    sync = os.fsync
    blobs.put_bytes(b"other")
    digest = hashlib.sha256(b"rope").hexdigest()

    def fail_on_its_folder(fd):
        if os.path.samestat(os.fstat(fd), blobs.path(digest).parent.stat()):
            raise OSError(errno.EIO, "broken")
        sync(fd)

    (blobs.root / digest[:2]).mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail_on_its_folder)
        with pytest.raises(StoreError):
            blobs.put_bytes(b"rope")

    assert not blobs.exists(digest)
    assert bytes(blobs.read(blobs.put_bytes(b"rope"))) == b"rope"


def test_a_full_disk_is_told_with_what_is_needed_and_what_is_free(tmp_path):
    with tmpfs(tmp_path / "small", size_bytes=2 << 20) as folder:
        blobs = Blobs(folder / "blobs")
        kept = blobs.put_bytes(b"x" * 100_000)

        with pytest.raises(StoreError) as caught:
            blobs.put_bytes(LARGE)

        assert caught.value.code == "P520"
        assert "MiB in" in caught.value.title
        assert "free" in caught.value.title
        assert caught.value.retryable
        assert list(blobs.digests()) == [kept]
        assert list((blobs.root / "tmp").iterdir()) == []
        assert bytes(blobs.read(blobs.put_bytes(b"y" * 500_000))) == b"y" * 500_000


def test_a_disk_without_inodes_is_a_full_disk(tmp_path):
    with tmpfs(tmp_path / "small", size_bytes=2 << 20, inodes=5) as folder:
        blobs = Blobs(folder / "blobs")

        with pytest.raises(StoreError) as caught:
            [blobs.put_bytes(str(n).encode()) for n in range(10)]

        assert caught.value.code == "P520"
        assert misnamed(blobs) == []


def test_a_read_only_disk_is_told_and_can_still_be_read(tmp_path):
    with tmpfs(tmp_path / "small", size_bytes=2 << 20) as folder:
        digest = Blobs(folder / "blobs").put_bytes(b"rope")
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        blobs = Blobs(folder / "blobs")

        with pytest.raises(StoreError) as caught:
            blobs.put_bytes(b"other")

        assert caught.value.code == "P530"
        assert bytes(blobs.read(digest)) == b"rope"


def test_a_root_that_is_a_file_is_told(tmp_path):
    (tmp_path / "blobs").write_text("")

    with pytest.raises(StoreError, match="cannot write to"):
        Blobs(tmp_path / "blobs").put_bytes(b"rope")


def test_a_source_that_cannot_be_read_is_not_blamed_on_the_disk(blobs, tmp_path):
    with pytest.raises(FileNotFoundError):
        blobs.put_file(tmp_path / "absent")

    assert list(blobs.digests()) == []


_PUT = """
import sys
from pathlib import Path
from ropewalk.artifacts.blobs import Blobs
print(Blobs(Path(sys.argv[1])).put_bytes(b"rope" * int(sys.argv[2])), flush=True)
"""


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("times", [1, 2_000_000], ids=["small", "large"])
def test_a_process_killed_at_any_step_leaves_a_whole_blob_or_none(blobs, point, times):
    armed = {**os.environ, "ROPEWALK_FAILPOINTS": f"{point}=exit"}
    done = subprocess.run(
        [sys.executable, "-c", _PUT, blobs.root, str(times)], env=armed, capture_output=True, text=True, check=False
    )

    assert done.returncode == 137
    assert done.stdout == ""  # nobody heard of the digest
    assert misnamed(blobs) == []
    assert len(list(blobs.digests())) == (1 if point in POINTS[2:] else 0)
    data = b"rope" * times
    assert bytes(blobs.read(blobs.put_bytes(data))) == data


def test_the_crash_test_would_see_a_blob_with_wrong_content(blobs):
    blobs.root.joinpath("ab").mkdir(parents=True)
    blobs.path("ab" + "0" * 62).write_bytes(b"half")

    assert misnamed(blobs) == ["ab" + "0" * 62]


def _put_many(root: Path, start: int) -> list[str]:
    blobs = Blobs(root)
    return [blobs.put_bytes(str((start + n) % 30).encode() * 3000) for n in range(30)]


def test_many_processes_may_put_the_same_blobs_at_a_time(blobs):
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        found = [set(digests) for digests in pool.map(_put_many, [blobs.root] * 4, range(0, 28, 7))]

    assert all(digests == set(blobs.digests()) for digests in found)
    assert len(found[0]) == 30
    assert misnamed(blobs) == []
    assert list((blobs.root / "tmp").iterdir()) == []
