"""Checkpoints as files: in one folder the two newest values that were saved there, each whole or not at all.

    folder/00000007.json   what was saved seventh: the digest of the next line, then the artifact as JSON
    folder/ab/abcdef…      its content, where it is not small, as in any folder of blobs

A record is written when its content is durable, and older ones go when it is durable itself. So whatever is killed,
or however full the disk, the newest record is of something complete. Values are pickled: only that keeps what two
parts of a value share, such as a model and the optimizer that moves its weights, and gives back what can be changed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.disk import disk_errors, make_folder, sync_file, sync_folder
from ropewalk.artifacts.materialize import digests_of, load, save, save_as
from ropewalk.artifacts.pickles import PICKLE
from ropewalk.core.artifact import ArtifactRef
from ropewalk.core.errors import CorruptBlobError, ExecutionError, RopewalkError, StoreError, VersionError
from ropewalk.core.failpoint import failpoint

KEPT = 2

_log = logging.getLogger("ropewalk.checkpoint")


@dataclass(frozen=True, slots=True)
class Saved:
    """One checkpoint."""

    number: int  # counts up
    at: float  # seconds since the epoch
    ref: ArtifactRef
    path: Path


def keep(value: Any, blobs: Blobs, *, at: float) -> Saved:
    """Save a value as the newest of its folder; when this returns, a power cut does not lose it.

    Args:
        blobs: of the folder, which holds nothing else.
        at: the time, as of `time.time()`.

    Raises:
        UnstorableError: it can neither be pickled nor kept in another format.
        StoreError: the disk is full (P520) or refuses (P530); what was saved before is as it was.
    """
    try:
        return _keep(value, blobs, at)
    except FileNotFoundError:  # the folder was removed at this moment: equal work has succeeded elsewhere
        return _keep(value, blobs, at)


def _keep(value: Any, blobs: Blobs, at: float) -> Saved:
    try:
        ref = _write(value, blobs)
        with disk_errors(blobs.root, ref.size_bytes):
            make_folder(blobs.root)
            kept = _record(blobs.root, ref, at)
    except (OSError, StoreError):
        tidy(blobs)
        raise
    tidy(blobs)
    return kept


def _write(value: Any, blobs: Blobs) -> ArtifactRef:
    try:
        return save_as(value, PICKLE, blobs, name="checkpoint")
    except (RopewalkError, OSError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001  # whatever pickling a value of the user raises
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from None
        # What cannot be pickled may have a format of its own; if not, this says why.
        return save(value, blobs, name="checkpoint")


def _record(folder: Path, ref: ArtifactRef, at: float) -> Saved:
    number = max((saved.number for saved in history(folder)), default=0) + 1
    body = json.dumps({"at": at, "ref": ref.to_json()}).encode()
    path = folder / f"{number:08}.json"
    fd, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
    try:
        with open(fd, "wb") as file:
            file.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
            file.flush()
            failpoint("checkpoint.written")
            sync_file(fd)
        os.rename(temporary, path)
        failpoint("checkpoint.renamed")
        sync_folder(folder)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return Saved(number, at, ref, path)


def history(folder: Path) -> list[Saved]:
    """What was saved, newest first; records that are damaged are left out."""
    return [saved for path in sorted(folder.glob("*.json"), reverse=True) if (saved := _read(path)) is not None]


def _read(path: Path) -> Saved | None:
    try:
        digest, _, body = path.read_bytes().partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != digest:
            return None
        data = json.loads(body)
        return Saved(int(path.stem), data["at"], ArtifactRef.from_json(data["ref"]), path)
    except (OSError, ValueError, LookupError):
        return None


def values(blobs: Blobs) -> Iterator[Any]:
    """What was saved and can be read, newest first. What is damaged is named in the log, and removed."""
    for saved in history(blobs.root):
        try:
            value = load(saved.ref, blobs)
        except CorruptBlobError as error:
            _log.warning("checkpoint %d is damaged, the one before counts: %s", saved.number, error.title)
            with suppress(OSError):
                saved.path.unlink()
        except (ExecutionError, VersionError) as error:
            _log.warning("checkpoint %d cannot be read, the one before counts: %s", saved.number, error.title)
        else:
            yield value


def tidy(blobs: Blobs) -> None:
    """Remove all but the KEPT newest, and what was left behind by whoever died while saving."""
    kept = history(blobs.root)[:KEPT]
    live = {digest for saved in kept for digest in digests_of(saved.ref)}
    paths = {saved.path for saved in kept}
    with suppress(OSError, StoreError):  # it is tried again after the next save
        for path in blobs.root.glob("*.json"):
            if path not in paths:
                path.unlink(missing_ok=True)
        for digest in blobs.digests():
            if digest not in live:
                blobs.delete(digest)


def sweep(blobs: Blobs, *, now: float) -> None:
    """`tidy`, and remove half-written files: for whoever begins, when nobody else is saving here."""
    tidy(blobs)
    with suppress(OSError, StoreError):
        for path in blobs.root.glob("*.tmp"):
            path.unlink(missing_ok=True)
        blobs.sweep_temporary(0, now=now)
