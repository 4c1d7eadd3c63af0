"""Durable bytes under the name of their content: a folder of files named by SHA-256.

A digest is only ever the name of complete, synced bytes: temporary file → fsync → rename → fsync of the folder,
and only then does anybody hear of the digest. A reader after a crash finds a blob whole or not at all.

    root/ab/abcdef…      the blobs, read-only
    root/tmp/…           being written; on the same file system, so that a rename is atomic
    root/quarantine/…    bytes that did not match their name, kept as evidence
    root/materialized/…  files and folders handed to tasks (see `files`)
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TypeAlias

from ropewalk.artifacts.disk import disk_errors, make_folder, remove_tree, sync_file, sync_folder
from ropewalk.core.errors import CorruptBlobError, NotFoundError, StoreError
from ropewalk.core.failpoint import failpoint

Buffer: TypeAlias = bytes | bytearray | memoryview

_DIGEST = re.compile(r"[0-9a-f]{64}")
_FAN_OUT = re.compile(r"[0-9a-f]{2}")
_COPY_BYTES = 1 << 20
_HASH_BEHIND_BYTES = 4 << 20  # from here on, hashing runs in a thread behind the writing


class _Follower(Thread):
    """Hashes a file behind its writer, out of the file, so that writers may reuse their buffers."""

    def __init__(self, fd: int, start: int, content: hashlib._Hash) -> None:
        super().__init__(name="ropewalk-hash", daemon=True)
        self._fd = fd
        self._position = start
        self._content = content
        self._ends: SimpleQueue[int | None] = SimpleQueue()
        self._error: OSError | None = None
        self.start()

    def follow(self, end: int) -> None:
        """Go on up to `end`, which is written already."""
        self._ends.put(end)

    def stop(self) -> None:
        """Wait until everything up to the last `end` is hashed."""
        self._ends.put(None)
        self.join()
        if self._error is not None:
            raise self._error

    def run(self) -> None:
        try:
            while (end := self._ends.get()) is not None:
                while self._position < end:
                    piece = os.pread(self._fd, min(_COPY_BYTES, end - self._position), self._position)
                    if not piece:
                        raise OSError(errno.EIO, "the file became shorter while it was written")
                    self._content.update(piece)
                    self._position += len(piece)
        except OSError as error:
            self._error = error


class BlobWriter:
    """A file-like object whose content becomes a blob; made by `Blobs.writer`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._content = hashlib.sha256()
        self._follower: _Follower | None = None
        self._handed_bytes = 0  # hashed, or given to the follower to hash
        with disk_errors(folder):
            fd, self.temporary = tempfile.mkstemp(dir=folder)
        self._file = open(fd, "w+b", buffering=_COPY_BYTES)  # noqa: SIM115 - closed by discard()
        self.size_bytes = 0
        self.digest = ""  # known once the `with` block of `Blobs.writer` has ended

    @property
    def closed(self) -> bool:
        return self._file.closed

    def write(self, data: Buffer) -> int:
        """Append bytes.

        Raises:
            StoreError: the disk is full (P520) or refuses (P530).
        """
        count = memoryview(data).nbytes
        with disk_errors(self._folder, self.size_bytes + count):
            self._file.write(data)
        self.size_bytes += count
        if self.size_bytes <= _HASH_BEHIND_BYTES:
            self._content.update(data)
            self._handed_bytes = self.size_bytes
        elif self.size_bytes - self._handed_bytes >= _HASH_BEHIND_BYTES:
            self._hash_behind()
        return count

    def tell(self) -> int:
        return self.size_bytes

    def flush(self) -> None:
        with disk_errors(self._folder, self.size_bytes):
            self._file.flush()

    def _hash_behind(self) -> None:
        self.flush()
        if self._follower is None:
            self._follower = _Follower(self._file.fileno(), self._handed_bytes, self._content)
        self._follower.follow(self.size_bytes)
        self._handed_bytes = self.size_bytes

    def settle(self) -> bool:
        """Whether the digest is known before the bytes are durable, as it is for small content."""
        if self._handed_bytes == self.size_bytes and self._follower is None:
            self.digest = self._content.hexdigest()
        return bool(self.digest)

    def finish(self) -> None:
        """Make the bytes durable and know their digest."""
        if self._handed_bytes < self.size_bytes:
            self._hash_behind()
        self.flush()
        failpoint("blob.written")
        with disk_errors(self._folder, self.size_bytes):
            os.fchmod(self._file.fileno(), 0o444)
            sync_file(self._file.fileno())
            if self._follower is not None:
                self._follower.stop()
        self.digest = self._content.hexdigest()
        failpoint("blob.synced")

    def discard(self) -> None:
        """Remove the temporary file, if it is still under its name."""
        with suppress(OSError):
            if self._follower is not None:
                self._follower.stop()
        with suppress(OSError):  # a full disk refuses the buffered rest, which is not wanted any more
            self._file.close()
        with suppress(OSError):  # the usual case: it was renamed
            os.unlink(self.temporary)


class Blobs:
    """A content-addressed store on a local disk; any number of processes may use one root at a time.

    Args:
        root: its folder; made on first use, readable by its owner only.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._durable_folders: set[Path] = set()  # known to survive a power cut
        self._verified: dict[str, tuple[int, int, int]] = {}  # digest → identity of the file that was hashed

    def put_bytes(self, data: Buffer) -> str:
        """Keep `data` durably and return its digest.

        Raises:
            StoreError: the disk is full (P520) or refuses (P530); nothing half-written is left.
        """
        size = memoryview(data).nbytes
        if size <= _HASH_BEHIND_BYTES:  # a larger one is hashed while it is written
            digest = hashlib.sha256(data).hexdigest()
            if self._keep_existing(digest, size):
                return digest
        with self.writer() as sink:
            sink.write(data)
        return sink.digest

    def put_file(self, path: Path) -> str:
        """Keep a copy of the file's content durably and return its digest."""
        with open(path, "rb") as source, self.writer() as sink:
            shutil.copyfileobj(source, sink, _COPY_BYTES)
        return sink.digest

    @contextmanager
    def writer(self) -> Iterator[BlobWriter]:
        """A file-like object; when the block ends without an error its content is durable and `.digest` is set."""
        folder = self._folder("tmp")
        sink = BlobWriter(folder)
        try:
            yield sink
            if not (sink.settle() and self._keep_existing(sink.digest, sink.size_bytes)):
                sink.finish()
                self._publish(sink)
        finally:
            sink.discard()

    def _publish(self, sink: BlobWriter) -> None:
        if self._keep_existing(sink.digest, sink.size_bytes):
            return
        target = self.path(sink.digest)
        folder = self._folder(target.parent.name)
        with disk_errors(folder, sink.size_bytes):
            os.rename(sink.temporary, target)
            failpoint("blob.renamed")
            try:
                sync_folder(folder)
            except OSError:
                target.unlink(missing_ok=True)  # a sync that is tried again may lie: the next writer starts afresh
                raise
        failpoint("blob.published")
        self._verified[sink.digest] = _identity(target.stat())

    def _keep_existing(self, digest: str, size_bytes: int) -> bool:
        if not self.exists(digest, size_bytes) or not self.touch(digest):
            return False
        folder = self._folder(digest[:2])
        with disk_errors(folder):
            sync_folder(folder)  # its writer may not have come that far yet
        return True

    def path(self, digest: str) -> Path:
        """Where the blob is, or would be.

        Raises:
            NotFoundError: `digest` is not 64 lower-case hexadecimal digits.
        """
        if not _DIGEST.fullmatch(digest):
            raise NotFoundError(f"`{digest[:80]}` is not the digest of a blob: 64 lower-case hexadecimal digits")
        return self.root / digest[:2] / digest

    def touch(self, digest: str) -> bool:
        """Whether the blob is there; if so, it now counts as young, so that `collect` leaves it alone.

        For whoever is about to refer to it: a blob that merely `exists` may be collected at this moment.
        """
        path = self.path(digest)
        try:
            known = self._verified.get(digest) == _identity(path.stat())
            os.utime(path)
            if known:
                self._verified[digest] = _identity(path.stat())
        except OSError:  # gone, or another user's file
            return False
        return True

    def exists(self, digest: str, size_bytes: int | None = None) -> bool:
        """Whether the blob is there, of that size if one is given; its content is not looked at."""
        try:
            found = os.stat(self.path(digest))
        except (FileNotFoundError, NotADirectoryError):
            return False
        return size_bytes is None or found.st_size == size_bytes

    def open(self, digest: str) -> memoryview:
        """The blob as read-only memory, mapped from its file; not verified.

        Raises:
            CorruptBlobError: it is missing.
        """
        with self._reading(digest) as fd:
            if os.fstat(fd).st_size == 0:
                return memoryview(b"")
            return memoryview(mmap.mmap(fd, 0, access=mmap.ACCESS_READ))

    def read(self, digest: str) -> memoryview:
        """`open` after `verify`; a blob that is not what it should be is quarantined, so that it can be made anew."""
        try:
            self.verify(digest)
        except CorruptBlobError:
            with suppress(OSError, StoreError):  # on a read-only disk it stays where it is
                self.quarantine(digest)
            raise
        return self.open(digest)

    def verify(self, digest: str) -> None:
        """Check the content against its digest, once per process for a file that does not change.

        Raises:
            CorruptBlobError: it is missing, unreadable or different.
        """
        with self._reading(digest) as fd:
            identity = _identity(os.fstat(fd))
            if self._verified.get(digest) == identity:
                return
            content = hashlib.sha256()
            # Not through a memory map: there, a bad sector would be a signal that ends the process.
            while piece := os.read(fd, _COPY_BYTES):
                content.update(piece)
        if content.hexdigest() != digest:
            raise CorruptBlobError(digest, "holds bytes that do not match its digest")
        self._verified[digest] = identity

    @contextmanager
    def _reading(self, digest: str) -> Iterator[int]:
        try:
            fd = os.open(self.path(digest), os.O_RDONLY)
        except FileNotFoundError:
            raise CorruptBlobError(digest, f"is missing from {self.root}") from None
        except OSError as error:
            raise CorruptBlobError(digest, f"cannot be opened: {error.strerror}") from error
        try:
            yield fd
        except OSError as error:
            raise CorruptBlobError(digest, f"cannot be read: {error.strerror}") from error
        finally:
            os.close(fd)

    def quarantine(self, digest: str) -> Path | None:
        """Move a corrupt blob aside, so that it counts as missing; returns where it is now, None if it was gone."""
        target = self._folder("quarantine") / digest
        try:
            os.replace(self.path(digest), target)
        except FileNotFoundError:
            return None
        os.utime(target)
        self._verified.pop(digest, None)
        return target

    def delete(self, digest: str) -> None:
        """Remove the blob; one that is gone already is not an error."""
        self._verified.pop(digest, None)
        with disk_errors(self.root), suppress(FileNotFoundError):
            os.unlink(self.path(digest))

    def digests(self) -> Iterator[str]:
        """Every digest that is there, in no order; blobs that come or go meanwhile may or may not be among them."""
        for folder in _names(self.root):
            if _FAN_OUT.fullmatch(folder):
                yield from (name for name in _names(self.root / folder) if _DIGEST.fullmatch(name))

    def sweep_temporary(self, older_than_s: float, *, now: float, dry_run: bool = False) -> int:
        """Remove what writers that died left behind; returns how many bytes that frees."""
        freed = 0
        for name in _names(self.root / "tmp"):
            path = self.root / "tmp" / name
            with suppress(FileNotFoundError):
                found = path.stat()
                if now - found.st_mtime <= older_than_s:
                    continue
                freed += found.st_size
                if not dry_run:
                    remove_tree(path) if path.is_dir() else path.unlink()
        return freed

    def _folder(self, name: str) -> Path:
        folder = self.root / name
        if folder not in self._durable_folders or not folder.is_dir():
            with disk_errors(self.root):
                make_folder(folder)
                sync_folder(self.root)  # another process may have made it a moment ago
            self._durable_folders.add(folder)
        return folder


def _identity(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
