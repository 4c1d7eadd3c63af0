"""Garbage collection: what is live or young stays, whatever happens meanwhile."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.collect import QUARANTINE_S, collect
from ropewalk.artifacts.materialize import digests_of, load, save
from tests.artifacts.test_blobs import damage

NOW = 2_000_000_000.0
GRACE_S = 3600.0
OLD = NOW - 10 * GRACE_S


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def put(blobs: Blobs, data: bytes, modified: float = 1.0) -> str:
    digest = blobs.put_bytes(data)
    os.utime(blobs.path(digest), (modified, modified))
    return digest


def age_all(root: Path, modified: float = OLD) -> None:
    for path in [root, *root.rglob("*")]:
        os.utime(path, (modified, modified), follow_symlinks=False)


def test_what_is_neither_live_nor_young_is_removed(blobs):
    live, dead = put(blobs, b"live"), put(blobs, b"dead")
    young = put(blobs, b"young", NOW - GRACE_S + 1)

    done = collect(blobs, [live], grace_s=GRACE_S, now=NOW)

    assert set(blobs.digests()) == {live, young}
    assert (done.removed, done.kept, done.freed_bytes) == ((dead,), 2, 4)


def test_a_dry_run_tells_the_same_and_removes_nothing(blobs):
    put(blobs, b"dead")
    (blobs.root / "tmp" / "left").write_bytes(b"half")
    age_all(blobs.root)

    told = collect(blobs, [], grace_s=GRACE_S, now=NOW, dry_run=True)

    assert len(list(blobs.digests())) == 1
    assert (blobs.root / "tmp" / "left").exists()
    assert collect(blobs, [], grace_s=GRACE_S, now=NOW) == told


@given(st.lists(st.tuples(st.booleans(), st.floats(-10 * GRACE_S, 10 * GRACE_S)), max_size=12))
def test_nothing_live_or_young_is_ever_removed(tmp_path_factory, states):
    root = tmp_path_factory.mktemp("blobs")
    blobs = Blobs(root)
    digests = [put(blobs, str(n).encode(), NOW - age) for n, (_, age) in enumerate(states)]
    live = [digest for digest, (alive, _) in zip(digests, states, strict=True) if alive]

    done = collect(blobs, live, grace_s=GRACE_S, now=NOW)

    expected = {d for d, (alive, age) in zip(digests, states, strict=True) if not alive and age > GRACE_S + 1e-3}
    assert expected <= set(done.removed)
    assert not set(done.removed) & set(live)
    assert all(age >= GRACE_S for d, (_, age) in zip(digests, states, strict=True) if d in done.removed)
    assert set(blobs.digests()) == set(digests) - set(done.removed)
    shutil.rmtree(root)


def test_the_parts_of_a_live_artifact_are_live(blobs, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    value = {"array": np.arange(5000.0), "notes": tmp_path / "notes.txt"}
    ref = save(value, blobs)
    age_all(blobs.root)

    collect(blobs, digests_of(ref), grace_s=GRACE_S, now=NOW)

    read = load(ref, blobs)
    assert (read["array"][-1], read["notes"].read_text()) == (4999.0, "hello")


def test_a_blob_that_a_writer_finds_while_it_is_collected_survives(blobs, monkeypatch):
    """The writer touches it after its age was read, and before it is removed."""
    digest = put(blobs, b"rope")
    rename = os.rename

    def touch_first(source, target):
        if Path(source) == blobs.path(digest):
            Blobs(blobs.root).put_bytes(b"rope")
        rename(source, target)

    monkeypatch.setattr(os, "rename", touch_first)
    done = collect(blobs, [], grace_s=GRACE_S, now=time.time())

    assert done.removed == ()
    assert bytes(blobs.read(digest)) == b"rope"


def test_a_blob_that_was_touched_survives(blobs):
    """So a run that reuses an old result touches its blobs first."""
    digest = put(blobs, b"rope")

    assert blobs.touch(digest)
    collect(blobs, [], grace_s=GRACE_S, now=time.time())

    assert blobs.exists(digest)


def test_a_writer_that_finds_the_blob_gone_writes_it_anew(blobs, monkeypatch):
    """The writer saw it, and it is removed before the writer can touch it."""
    digest = put(blobs, b"rope")
    exists = Blobs.exists

    def collect_after(self, *arguments):
        found = exists(self, *arguments)
        collect(self, [], grace_s=GRACE_S, now=time.time())
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Blobs, "exists", collect_after)
        blobs.put_bytes(b"rope")

    assert bytes(blobs.read(digest)) == b"rope"


def test_stale_temporary_files_and_folders_are_swept(blobs):
    put(blobs, b"live")
    (blobs.root / "tmp" / "half").write_bytes(b"12345")
    (blobs.root / "tmp" / "folder" / "below").mkdir(parents=True)
    (blobs.root / "tmp" / "folder").chmod(0o555)
    age_all(blobs.root)

    collect(blobs, list(blobs.digests()), grace_s=GRACE_S, now=NOW)

    assert os.listdir(blobs.root / "tmp") == []


def test_evidence_of_corruption_is_kept_for_a_month(blobs):
    digest = put(blobs, b"rope")
    damage(blobs, digest)
    evidence = blobs.quarantine(digest)

    os.utime(evidence, (NOW - QUARANTINE_S + 1,) * 2)
    collect(blobs, [], grace_s=GRACE_S, now=NOW)
    assert evidence.exists()

    os.utime(evidence, (NOW - QUARANTINE_S - 1,) * 2)
    assert collect(blobs, [], grace_s=GRACE_S, now=NOW).freed_bytes == 4
    assert not evidence.exists()


def test_materialized_copies_go_with_their_artifact(blobs, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.bin").write_bytes(b"x" * 100)
    live, dead = save(tmp_path / "out", blobs), save(tmp_path / "out" / "a.bin", blobs)
    kept, gone = load(live, blobs), load(dead, blobs)
    age_all(blobs.root)

    collect(blobs, digests_of(live), grace_s=GRACE_S, now=NOW)

    assert (kept.exists(), gone.exists()) == (True, False)


def test_a_copy_that_was_just_handed_out_stays(blobs, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"x")
    ref = save(tmp_path / "a.bin", blobs)
    load(ref, blobs)
    age_all(blobs.root)

    read = load(ref, blobs)
    collect(blobs, [], grace_s=GRACE_S, now=read.parent.stat().st_mtime + 1)

    assert read.read_bytes() == b"x"


def test_collecting_a_store_that_does_not_exist_yet_is_no_error(blobs):
    assert collect(blobs, [], grace_s=GRACE_S, now=NOW).kept == 0
