"""Paths: what a task returns is the content of the file or folder, and what the next one gets is a read-only path."""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.disk import disk_errors, make_folder, readable_size, remove_tree
from ropewalk.artifacts.format import Format, Sink, Source, count
from ropewalk.core.errors import CorruptBlobError, UnstorableError

MATERIALIZED = "materialized"
_PEEK_BYTES = 4096


def _matches_file(value: Any) -> bool:
    return isinstance(value, Path) and not value.is_dir()


def _write_file(path: Path, sink: Sink) -> None:
    if not path.exists():
        raise UnstorableError(
            f"the file `{path}` that was returned does not exist",
            facts=["a path that a task returns stands for the content of its file or folder"],
            help=["write the file before returning its path, or return str(path) to keep only the name"],
        )
    if not path.is_file():
        raise UnstorableError(f"`{path}` is neither a file nor a folder, so it has no content to keep")
    try:
        sink.write(_json({"name": path.name, "files": [["", *sink.file(path)]]}))
    except OSError as error:
        raise _unreadable(path, error) from error


def _matches_folder(value: Any) -> bool:
    return isinstance(value, Path) and value.is_dir()


def _write_folder(path: Path, sink: Sink) -> None:
    files, folders = [], []
    try:
        for below, names, leaves in os.walk(path, onerror=_fail):
            folders += [_relative(Path(below, name), path) for name in names]
            files += [[_relative(Path(below, leaf), path), *sink.file(Path(below, leaf))] for leaf in leaves]
    except OSError as error:
        raise _unreadable(path, error) from error
    sink.write(_json({"name": path.resolve().name or "root", "files": sorted(files), "folders": sorted(folders)}))


def _fail(error: OSError) -> None:
    raise error


def _unreadable(path: Path, error: OSError) -> UnstorableError:
    return UnstorableError(f"`{path}` cannot be stored, because `{error.filename}` cannot be read: {error.strerror}")


def _relative(path: Path, root: Path) -> str:
    """The name of an entry relative to the folder, if it is one whose content can be kept."""
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        raise UnstorableError(
            f"the folder `{root}` cannot be stored: `{path}` is a symbolic link",
            facts=["what a link points to may be outside the folder, or may change later"],
            help=["copy the content into the folder: shutil.copytree(source, folder)  follows links"],
        )
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise UnstorableError(f"the folder `{root}` cannot be stored: `{path}` is neither a file nor a folder")
    return path.relative_to(root).as_posix()


def _json(manifest: dict[str, Any]) -> bytes:
    return json.dumps(manifest, separators=(",", ":")).encode()


def _read(source: Source, type_name: str) -> Path:
    """A path under its original name, to files of mode 0444 that share the blobs' bytes."""
    manifest = json.loads(bytes(source.data))
    _check_names(manifest, source.ref.digest)
    for _, digest, _ in manifest["files"]:
        source.blobs.read(digest)
    place = source.blobs.root / MATERIALIZED / source.ref.digest
    target: Path = place / manifest["name"]
    if not _intact(target, manifest, source.blobs):
        _materialize(place, manifest, source.blobs)
    with suppress(OSError):
        os.utime(place)  # in use: `collect` leaves it alone
    return target


def _check_names(manifest: dict[str, Any], digest: str) -> None:
    """A manifest that was tampered with must not name a place outside its folder."""
    for name in [manifest["name"], *(row[0] for row in manifest["files"]), *manifest.get("folders", ())]:
        parts = name.split("/")
        if (name and {"", ".", ".."} & set(parts)) or "\0" in name:
            raise CorruptBlobError(digest, f"names a file outside its folder: {name!r}")
    if "/" in manifest["name"] or not manifest["name"]:
        raise CorruptBlobError(digest, "has a name that is not one")


def _materialize(place: Path, manifest: dict[str, Any], blobs: Blobs) -> None:
    """Build the file or folder aside, then move it into place."""
    scratch = blobs.root / "tmp"
    with disk_errors(place):
        make_folder(scratch)
        make_folder(place.parent)
        made = Path(tempfile.mkdtemp(dir=scratch))
        target = made / manifest["name"]
        folders = [target / name for name in ["", *manifest["folders"]]] if "folders" in manifest else []
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        for name, digest, _ in manifest["files"]:
            _link(blobs.path(digest), target / name if name else target)
        for folder in folders:
            folder.chmod(0o555)
        _move(made, place, manifest, blobs)


def _link(blob: Path, target: Path) -> None:
    try:
        os.link(blob, target)
    except OSError:  # a file system without hard links, or too many of them
        target.symlink_to(blob)


def _move(made: Path, place: Path, manifest: dict[str, Any], blobs: Blobs) -> None:
    try:
        made.rename(place)
    except OSError:  # something is there: another process was faster, or the copy is damaged
        if _intact(place / manifest["name"], manifest, blobs):
            remove_tree(made)
        else:
            remove_tree(place)
            made.rename(place)


def _intact(target: Path, manifest: dict[str, Any], blobs: Blobs) -> bool:
    """Whether the materialized content is there and is still what the manifest says."""
    if "folders" in manifest:
        expected = {row[0] for row in manifest["files"]} | set(manifest["folders"])
        found = {path.relative_to(target).as_posix() for path in target.rglob("*")} if target.is_dir() else None
        if found != expected:
            return False
    return all(_same(target / name if name else target, blobs.path(digest)) for name, digest, _ in manifest["files"])


def _same(path: Path, blob: Path) -> bool:
    try:
        if path.samefile(blob):
            return True
        with open(path, "rb") as file:  # the blob was made anew since
            return hashlib.file_digest(file, "sha256").hexdigest() == blob.name
    except OSError:
        return False


def _preview_file(path: Path) -> str:
    return f"{path.name}, {readable_size(path.stat().st_size)}"


def _preview_folder(path: Path) -> str:
    files = [found for found in path.rglob("*") if found.is_file()]
    return f"{path.name}/, {count(len(files), 'file')}, {readable_size(sum(f.stat().st_size for f in files))}"


def _peek_file(source: Source, rows: int) -> dict[str, Any]:
    manifest = json.loads(bytes(source.data))
    _, digest, size = manifest["files"][0]
    head = bytes(source.blobs.open(digest)[:_PEEK_BYTES])
    shown: dict[str, Any] = {"kind": "file", "name": manifest["name"], "size_bytes": size}
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # the head may end within a character
        return shown | {"text": "\n".join(text.splitlines()[:rows])}
    except UnicodeDecodeError:
        return shown | {"hex": head[:64].hex(" ")}


def _peek_folder(source: Source, rows: int) -> dict[str, Any]:
    manifest = json.loads(bytes(source.data))
    files = [{"name": name, "size_bytes": size} for name, _, size in manifest["files"]]
    return {
        "kind": "folder",
        "name": manifest["name"],
        "file_count": len(files),
        "size_bytes": sum(size for _, _, size in manifest["files"]),
        "files": files[: rows * 10],
    }


FILE = Format("file", _matches_file, _write_file, _read, _preview_file, _peek_file)
FOLDER = Format("folder", _matches_folder, _write_folder, _read, _preview_folder, _peek_folder)
