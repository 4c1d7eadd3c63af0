"""What every blob store must do. Subclass `BlobSuite` in a test file and give it a fixture `blobs`."""

from __future__ import annotations

import hashlib
from typing import Any

from ropewalk.core.errors import CorruptBlobError, NotFoundError

_LARGE_BYTES = 9_000_001  # beyond what any writer keeps in memory, and no multiple of a buffer's size
_ABSENT = "0" * 64


class BlobSuite:
    """Conformance of a blob store; `blobs` is an empty one.

    The store also has to offer `damage(blobs, digest)`, a method of the subclass that changes one byte of a blob behind
    the store's back.
    """

    def damage(self, blobs: Any, digest: str) -> None:
        raise NotImplementedError

    def test_a_blob_is_named_by_the_sha256_of_its_bytes(self, blobs: Any) -> None:
        assert blobs.put_bytes(b"rope") == hashlib.sha256(b"rope").hexdigest()

    def test_what_was_put_is_read_back(self, blobs: Any) -> None:
        for data in (b"", b"rope", bytes(range(256)) * 100):
            assert bytes(blobs.open(blobs.put_bytes(data))) == data

    def test_any_buffer_may_be_put(self, blobs: Any) -> None:
        assert {blobs.put_bytes(kind(b"rope")) for kind in (bytes, bytearray, memoryview)} == {blobs.put_bytes(b"rope")}

    def test_what_was_written_in_pieces_is_read_back_whole(self, blobs: Any) -> None:
        pieces = [b"a" * 10, b"", b"b" * 5_000_000, b"c" * 3_999_991, b"d"]

        with blobs.writer() as sink:
            for piece in pieces:
                assert sink.write(piece) == len(piece)

        assert sink.digest == hashlib.sha256(b"".join(pieces)).hexdigest()
        assert bytes(blobs.open(sink.digest)) == b"".join(pieces)

    def test_a_writer_may_reuse_its_buffer_at_once(self, blobs: Any) -> None:
        buffer = bytearray(_LARGE_BYTES)

        with blobs.writer() as sink:
            sink.write(buffer)
            buffer[:] = b"x" * _LARGE_BYTES

        assert sink.digest == hashlib.sha256(bytes(_LARGE_BYTES)).hexdigest()

    def test_nothing_is_left_of_a_writer_that_fails(self, blobs: Any) -> None:
        import pytest

        def fail_half_way() -> None:
            with blobs.writer() as sink:
                sink.write(b"half")
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail_half_way()

        assert list(blobs.digests()) == []

    def test_a_file_is_put_by_its_content(self, blobs: Any, tmp_path: Any) -> None:
        (tmp_path / "model.bin").write_bytes(b"x" * _LARGE_BYTES)

        assert blobs.put_file(tmp_path / "model.bin") == hashlib.sha256(b"x" * _LARGE_BYTES).hexdigest()

    def test_putting_twice_keeps_one(self, blobs: Any) -> None:
        digests = [blobs.put_bytes(b"rope"), blobs.put_bytes(b"rope")]

        assert list(blobs.digests()) == digests[:1]

    def test_all_digests_are_listed(self, blobs: Any) -> None:
        put = {blobs.put_bytes(str(n).encode()) for n in range(20)}

        assert set(blobs.digests()) == put

    def test_only_what_is_there_in_that_size_exists(self, blobs: Any) -> None:
        digest = blobs.put_bytes(b"rope")

        assert blobs.exists(digest)
        assert blobs.exists(digest, 4)
        assert not blobs.exists(digest, 5)
        assert not blobs.exists(_ABSENT)

    def test_only_what_is_there_can_be_touched(self, blobs: Any) -> None:
        assert blobs.touch(blobs.put_bytes(b"rope"))
        assert not blobs.touch(_ABSENT)

    def test_opened_bytes_cannot_be_changed(self, blobs: Any) -> None:
        assert blobs.open(blobs.put_bytes(b"rope")).readonly

    def test_a_deleted_blob_is_missing_and_may_be_deleted_again(self, blobs: Any) -> None:
        import pytest

        digest = blobs.put_bytes(b"rope")

        blobs.delete(digest)
        blobs.delete(digest)

        assert not blobs.exists(digest)
        with pytest.raises(CorruptBlobError, match="missing"):
            blobs.open(digest)

    def test_opened_bytes_stay_readable_when_the_blob_is_deleted(self, blobs: Any) -> None:
        digest = blobs.put_bytes(b"rope")
        opened = blobs.open(digest)

        blobs.delete(digest)

        assert bytes(opened) == b"rope"

    def test_a_missing_blob_is_told_by_its_digest(self, blobs: Any) -> None:
        import pytest

        with pytest.raises(CorruptBlobError) as caught:
            blobs.verify(_ABSENT)

        assert caught.value.digest == _ABSENT

    def test_a_damaged_blob_does_not_pass(self, blobs: Any) -> None:
        import pytest

        digest = blobs.put_bytes(b"rope" * 1000)
        blobs.verify(digest)

        self.damage(blobs, digest)

        with pytest.raises(CorruptBlobError, match="not match"):
            blobs.verify(digest)

    def test_reading_a_damaged_blob_fails_and_lets_it_be_put_anew(self, blobs: Any) -> None:
        import pytest

        digest = blobs.put_bytes(b"rope" * 1000)
        self.damage(blobs, digest)

        with pytest.raises(CorruptBlobError):
            blobs.read(digest)

        assert not blobs.exists(digest)
        assert blobs.put_bytes(b"rope" * 1000) == digest
        assert bytes(blobs.read(digest)) == b"rope" * 1000

    def test_a_name_that_is_no_digest_is_refused(self, blobs: Any) -> None:
        import pytest

        for name in ("", "abc", _ABSENT.replace("0", "A"), "../" + "0" * 61, _ABSENT + "\n", "sha256:" + "0" * 57):
            with pytest.raises(NotFoundError):
                blobs.path(name)
            with pytest.raises(NotFoundError):
                blobs.exists(name)
