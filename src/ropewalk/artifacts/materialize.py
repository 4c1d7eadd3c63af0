"""Values to artifacts and back: the two functions that every attempt calls, and the preview that pages call."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ropewalk.artifacts.blobs import Blobs, BlobWriter, Buffer
from ropewalk.artifacts.format import Format, Inexact, is_a, shorten, type_name
from ropewalk.artifacts.formats import by_name, candidates
from ropewalk.artifacts.pickles import PICKLE
from ropewalk.artifacts.plain import preview_json, to_json
from ropewalk.artifacts.unstorable import explain
from ropewalk.core import values
from ropewalk.core.artifact import INLINE_MAX_BYTES, ArtifactRef
from ropewalk.core.errors import RopewalkError, UnstorableError

_PROBE_MAX_BYTES = 1 << 20  # pickles up to this size are read back at once, to see whether they can be


def save(value: Any, blobs: Blobs, *, name: str = "result") -> ArtifactRef:
    """Keep a value durably; when this returns, a power cut does not lose it.

    Args:
        value: anything that one of the formats can keep.
        blobs: where content larger than INLINE_MAX_BYTES goes.
        name: how errors name the value.

    Raises:
        UnstorableError: no format can keep it (P310); names the path inside the value.
        StoreError: the disk is full (P520) or refuses (P530).
    """
    kind = type(value)
    try:  # the short way to what the table of formats would choose
        if kind is str or kind is int or kind is float or kind is bool or value is None:
            return _json_ref(value, values.canonical(value), blobs)
        if kind is dict or kind is list or kind is tuple:
            return _json_ref(value, to_json(value), blobs)
    except (Inexact, ValueError):  # such as an integer of more than 4,300 digits
        pass
    try:
        return _save(value, blobs, name, pickles=True)
    except _PickleFailed as failed:
        raise explain(value, name, failed.__cause__) from failed.__cause__


def load(ref: ArtifactRef, blobs: Blobs) -> Any:
    """The value of an artifact, read-only where it shares memory with the store, else not shared with anybody.

    Raises:
        CorruptBlobError: a blob is missing or does not match its digest; it was quarantined and can be made anew.
        VersionError, ExecutionError: a pickle that cannot be read here.
    """
    if ref.inline is not None and ref.format == "json":
        return values.parse(ref.inline)
    return load_as(ref, by_name(ref.format), blobs)


def save_as(value: Any, format: Format, blobs: Blobs, *, name: str = "result") -> ArtifactRef:
    """Keep a value in one given format, as tests of formats do.

    Raises:
        Inexact: the format would not give back exactly this value.
    """
    return _write(value, blobs, name, format)


def load_as(ref: ArtifactRef, format: Format, blobs: Blobs) -> Any:
    """The value of an artifact that was written in the given format."""
    return format.read(_Source(ref, blobs), ref.type)


def load_preview(ref: ArtifactRef, blobs: Blobs, rows: int = 10) -> dict[str, Any]:
    """What the artifact looks like, as JSON-able data: type, size and, by format, schema, first rows, shape.

    Never runs code from the content, so servers may call it. What cannot be shown says so under "problem".
    """
    shown = {"type": ref.type, "format": ref.format, "size_bytes": ref.size_bytes, "preview": ref.preview}
    try:
        known = by_name(ref.format)
        return shown | {"unsafe": known.unsafe} | known.peek(_Source(ref, blobs, rows), rows)
    except RopewalkError as error:
        return shown | {"kind": "problem", "problem": error.title}
    except Exception as error:  # noqa: BLE001 - content that only looks like its format; nothing of it has run
        return shown | {"kind": "problem", "problem": f"cannot be shown: {type(error).__name__}: {error}"}


def digests_of(ref: ArtifactRef) -> tuple[str, ...]:
    """What `collect` has to leave alone for this artifact to stay readable."""
    return (ref.digest, *ref.children)


def _json_ref(value: Any, content: bytes, blobs: Blobs) -> ArtifactRef:
    size, name, preview = len(content), type(value).__name__, preview_json(value)
    if size > INLINE_MAX_BYTES:
        return ArtifactRef(blobs.put_bytes(content), size, "json", name, preview)
    return ArtifactRef(hashlib.sha256(content).hexdigest(), size, "json", name, preview, content)


class _PickleFailed(Exception):
    """Pickle, the last format, could not keep the value or a part of it; the cause is chained."""


def _save(value: Any, blobs: Blobs, path: str, *, pickles: bool) -> ArtifactRef:
    for known in candidates(value):
        if known is PICKLE and not pickles:
            break
        try:
            return _write(value, blobs, path, known)
        except (_PickleFailed, RopewalkError, MemoryError):
            raise
        except Exception:  # noqa: BLE001, S112 - Inexact, or a value that is broken in a way its format did not foresee
            continue
    raise Inexact


def _write(value: Any, blobs: Blobs, path: str, format: Format) -> ArtifactRef:
    try:
        with _Sink(blobs, path) as sink:
            format.write(value, sink)
        ref = sink.ref(format, value)
    except (_PickleFailed, RopewalkError, MemoryError):
        raise
    except Exception as error:
        if format is PICKLE:
            raise _PickleFailed from error
        raise
    if format is PICKLE and ref.size_bytes <= _PROBE_MAX_BYTES:
        _probe(ref, blobs, path)
    return ref


def _probe(ref: ArtifactRef, blobs: Blobs, path: str) -> None:
    """Find out now, while the task that made it can still be blamed, that a pickle cannot be read back."""
    try:
        load(ref, blobs)
    except RopewalkError as error:
        cause = error.__cause__
        raise UnstorableError(
            f"`{path}` cannot be stored: its `{ref.type}` can be pickled, but not read back",
            facts=[f"reading it said: {type(cause).__name__}: {cause}"],
            help=["give the class __reduce__ or __getnewargs__ that say how to make it again"],
        ) from error


class _Sink:
    """Collects what a format writes: in memory while it is small, from then on in a blob."""

    def __init__(self, blobs: Blobs, path: str) -> None:
        self._blobs = blobs
        self.path = path
        self._small = bytearray()
        self._large: BlobWriter | None = None
        self._exits = ExitStack()
        self._children: dict[str, None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exits.__exit__(kind, error, trace)

    @property
    def closed(self) -> bool:
        return False

    def flush(self) -> None:
        """Nothing to do: the content is durable when the `with` block has ended."""

    def tell(self) -> int:
        return len(self._small) if self._large is None else self._large.tell()

    def write(self, data: Buffer) -> int:
        count = memoryview(data).nbytes
        if self._large is None:
            if len(self._small) + count <= INLINE_MAX_BYTES:
                self._small += memoryview(data).cast("B") if count else b""
                return count
            self._large = self._exits.enter_context(self._blobs.writer())
            self._large.write(self._small)
        return self._large.write(data)

    def child(self, value: Any, step: str, format: Format | None = None) -> ArtifactRef:
        path = self.path + step
        if format is None:
            ref = _save(value, self._blobs, path, pickles=False)
        else:
            ref = _write(value, self._blobs, path, format)
        own = () if ref.inline is not None else (ref.digest,)
        self._children.update(dict.fromkeys((*own, *ref.children)))
        return ref

    def file(self, path: Path) -> tuple[str, int]:
        digest = self._blobs.put_file(path)
        self._children[digest] = None
        return digest, self._blobs.path(digest).stat().st_size

    def ref(self, format: Format, value: Any) -> ArtifactRef:
        name, preview, children = type_name(type(value)), _preview(format, value), tuple(self._children)
        content = bytes(self._small) if self._large is None else None
        if self._large is None:
            digest, size = hashlib.sha256(bytes(self._small)).hexdigest(), len(self._small)
        else:
            digest, size = self._large.digest, self._large.size_bytes
        return ArtifactRef(digest, size, format.name, name, preview, content, children, _length(value))


def _length(value: Any) -> int | None:
    """The number of items of what a pipeline can map over."""
    if isinstance(value, (list, tuple)):
        return len(value)
    if is_a(value, "numpy.ndarray") and value.ndim:
        return len(value)
    return None


def _preview(format: Format, value: Any) -> str:
    try:
        return shorten(format.preview(value), 120)
    except Exception:  # noqa: BLE001 - a line for people must never be why a result is lost
        return ""


class _Source:
    """Content for a format to read: inline, or a blob that is checked against its digest first."""

    def __init__(self, ref: ArtifactRef, blobs: Blobs, rows: int = 0) -> None:
        self.ref = ref
        self.blobs = blobs
        self._rows = rows
        self._data: memoryview | None = None

    @property
    def data(self) -> memoryview:
        if self._data is None:
            if self.ref.inline is not None:
                self._data = memoryview(self.ref.inline)
            else:
                self._data = self.blobs.read(self.ref.digest)
        return self._data

    def child(self, ref: ArtifactRef) -> Any:
        return load(ref, self.blobs)

    def peek(self, ref: ArtifactRef) -> dict[str, Any]:
        return load_preview(ref, self.blobs, self._rows)
