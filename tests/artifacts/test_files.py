"""Paths: the content is what is kept, and what a task gets is read-only under the original name."""

from __future__ import annotations

import json
import os
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.files import FILE, FOLDER
from ropewalk.artifacts.materialize import digests_of, load, load_preview, save
from ropewalk.core.artifact import ArtifactRef
from ropewalk.core.errors import CorruptBlobError, UnstorableError
from ropewalk.testing.format_suite import FormatSuite
from tests.artifacts.test_blobs import damage


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "out")


def make_folder(root: Path) -> Path:
    (root / "images" / "empty").mkdir(parents=True)
    (root / "labels.csv").write_text("a,b\n1,2\n")
    (root / "images" / "1.bin").write_bytes(b"x" * 5000)
    (root / "images" / "ü \udcff").write_bytes(b"")
    return root


def content(path: Path) -> dict[str, bytes | None]:
    if path.is_file():
        return {path.name: path.read_bytes()}
    return {str(p.relative_to(path)): p.read_bytes() if p.is_file() else None for p in path.rglob("*")}


class TestFile(FormatSuite):
    format = FILE

    @pytest.fixture(autouse=True)
    def _place(self, tmp_path):
        self.place = tmp_path

    def examples(self):
        for name, data in (("a.txt", b"a"), ("b.txt", b"a"), ("model.bin", b"x" * 10_000), ("empty", b"")):
            (self.place / name).write_bytes(data)
        return [self.place / name for name in ("a.txt", "b.txt", "model.bin", "empty")]

    def same(self, read, written):
        return read.name == written.name and content(read) == content(written)


class TestFolder(FormatSuite):
    format = FOLDER

    @pytest.fixture(autouse=True)
    def _place(self, tmp_path):
        self.place = tmp_path

    def examples(self):
        (self.place / "nothing").mkdir(exist_ok=True)
        if not (self.place / "out").exists():
            make_folder(self.place / "out")
        return [self.place / "out", self.place / "nothing"]

    def same(self, read, written):
        return read.name == written.name and content(read) == content(written)


def test_a_file_keeps_its_name_and_shares_the_bytes_of_its_blob(blobs, folder):
    ref = save(folder / "labels.csv", blobs)

    read = load(ref, blobs)

    assert (read.name, read.read_text()) == ("labels.csv", "a,b\n1,2\n")
    assert read.samefile(blobs.path(ref.children[0]))
    assert read.is_relative_to(blobs.root)


def test_the_original_may_change_afterwards(blobs, folder):
    ref = save(folder / "labels.csv", blobs)

    (folder / "labels.csv").write_text("changed")

    assert load(ref, blobs).read_text() == "a,b\n1,2\n"


def test_what_a_task_gets_is_read_only(blobs, folder):
    file, tree = load(save(folder / "labels.csv", blobs), blobs), load(save(folder, blobs), blobs)

    modes = [stat.S_IMODE(p.stat().st_mode) for p in (file, tree / "labels.csv", tree, tree / "images")]
    assert modes == [0o444, 0o444, 0o555, 0o555]


def test_loading_twice_gives_the_same_place(blobs, folder):
    ref = save(folder, blobs)

    assert load(ref, blobs) == load(ref, blobs)


def test_many_readers_may_materialize_at_a_time(blobs, folder):
    ref = save(folder, blobs)

    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(lambda _: load(ref, Blobs(blobs.root)), range(16)))

    assert [content(path) for path in paths] == [content(folder)]
    assert list((blobs.root / "tmp").iterdir()) == []


@pytest.mark.parametrize("harm", ["removed", "added", "changed", "emptied"])
def test_a_materialized_folder_that_somebody_changed_is_made_anew(blobs, folder, harm):
    ref = save(folder, blobs)
    read = load(ref, blobs)
    read.chmod(0o755)
    if harm in ("removed", "changed"):
        (read / "labels.csv").unlink()
    if harm == "changed":
        (read / "labels.csv").write_text("a,b\n1,3\n")
    if harm == "added":
        (read / "cache.json").write_text("{}")
    if harm == "emptied":
        os.rename(read, blobs.root / "elsewhere")

    assert content(load(ref, blobs)) == content(folder)


def test_a_file_stays_good_when_its_blob_was_collected_and_made_anew(blobs, folder):
    ref = save(folder / "labels.csv", blobs)
    read = load(ref, blobs)
    inode = read.stat().st_ino

    blobs.delete(ref.children[0])
    save(folder / "labels.csv", blobs)

    assert load(ref, blobs).stat().st_ino == inode


def test_a_damaged_file_is_not_handed_out(blobs, folder):
    ref = save(folder, blobs)
    load(ref, blobs)
    damage(blobs, ref.children[-1])

    with pytest.raises(CorruptBlobError) as caught:
        load(ref, blobs)

    assert caught.value.digest == ref.children[-1]


def test_every_blob_of_a_folder_is_among_its_children(blobs, folder):
    ref = save(folder, blobs)

    assert set(blobs.digests()) <= set(digests_of(ref))


def test_a_symbolic_link_inside_a_folder_is_refused(blobs, folder):
    (folder / "images" / "link").symlink_to("/etc/passwd")

    with pytest.raises(UnstorableError, match="is a symbolic link"):
        save(folder, blobs)


def test_a_link_to_a_file_is_kept_as_the_file_under_the_name_of_the_link(blobs, folder):
    (folder / "latest.csv").symlink_to(folder / "labels.csv")

    read = load(save(folder / "latest.csv", blobs), blobs)

    assert (read.name, read.is_symlink(), read.read_text()) == ("latest.csv", False, "a,b\n1,2\n")


def test_a_socket_inside_a_folder_is_refused(blobs, folder, monkeypatch):
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")

        with pytest.raises(UnstorableError, match="neither a file nor a folder"):
            save(folder, blobs)


def test_a_path_that_does_not_exist_is_refused_with_both_ways_out(blobs, folder):
    with pytest.raises(UnstorableError, match="does not exist") as caught:
        save(folder / "absent", blobs)

    assert "str(path)" in str(caught.value)


def test_a_device_is_refused(blobs):
    with pytest.raises(UnstorableError, match="neither a file nor a folder"):
        save(Path("/dev/null"), blobs)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(blobs, folder):
    (folder / "labels.csv").chmod(0)

    with pytest.raises(UnstorableError, match="cannot be read"):
        save(folder, blobs)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "a//b", ".", "..", "a/.", "a\0b"], ids=repr)
@pytest.mark.parametrize("place", ["name", "files", "folders"])
def test_a_manifest_that_leads_out_of_its_folder_is_refused(blobs, folder, name, place):
    manifest = json.loads(save(folder, blobs).inline)
    if place == "name":
        manifest["name"] = name
    elif place == "files":
        manifest["files"][0][0] = name
    else:
        manifest["folders"].append(name)
    text = json.dumps(manifest).encode()

    with pytest.raises(CorruptBlobError, match=r"outside|not one"):
        load(ArtifactRef("0" * 64, len(text), "folder", "pathlib.Path", "", text), blobs)

    assert not (blobs.root / "materialized").exists()


def test_the_preview_names_the_file_and_its_size(blobs, folder):
    assert save(folder / "labels.csv", blobs).preview == "labels.csv, 8 bytes"
    assert save(folder, blobs).preview == "out/, 3 files, 4.9 KiB"


def test_the_rich_preview_shows_the_head_of_a_text(blobs, folder):
    text, binary = folder / "long.txt", folder / "images" / "1.bin"
    text.write_text("ü\n" * 5000)
    binary.write_bytes(b"\xff\xfe\x00")

    assert load_preview(save(text, blobs), blobs, rows=2)["text"] == "ü\nü"
    assert load_preview(save(binary, blobs), blobs)["hex"] == "ff fe 00"


def test_the_rich_preview_of_a_folder_lists_its_files(blobs, folder):
    shown = load_preview(save(folder, blobs), blobs)

    assert (shown["file_count"], shown["size_bytes"]) == (3, 5008)
    assert shown["files"][-1] == {"name": "labels.csv", "size_bytes": 8}
