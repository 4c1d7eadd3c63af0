"""What every format must do. Subclass `FormatSuite` in a test file and give it `format` and `examples`."""

from __future__ import annotations

import json
import pickle
from typing import Any, ClassVar

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.format import Format
from ropewalk.artifacts.materialize import load_as, save_as
from ropewalk.core.artifact import ArtifactRef

_PREVIEW_CHARS = 120
_STRANGERS: tuple[Any, ...] = (object(), len, Ellipsis, NotImplemented)


class FormatSuite:
    """Conformance of a format.

    A subclass sets `format`; `examples()` makes values, the same ones at every call, the larger the better; `same` says
    whether what was read is what was written, and should be as strict as the values allow.
    """

    format: ClassVar[Format]

    def examples(self) -> list[Any]:
        raise NotImplementedError

    def same(self, read: Any, written: Any) -> bool:
        return type(read) is type(written) and bool(read == written)

    def _blobs(self, tmp_path: Any) -> Blobs:
        return Blobs(tmp_path / "blobs")

    def _saved(self, tmp_path: Any) -> list[tuple[Any, ArtifactRef]]:
        return [(value, save_as(value, self.format, self._blobs(tmp_path))) for value in self.examples()]

    def test_it_matches_its_own_values_and_no_others(self) -> None:
        assert all(self.format.matches(value) for value in self.examples())
        assert not any(self.format.matches(value) for value in _STRANGERS)

    def test_what_was_written_is_read_back(self, tmp_path: Any) -> None:
        for value, ref in self._saved(tmp_path):
            read = load_as(ref, self.format, self._blobs(tmp_path))  # another Blobs, as in another process

            assert self.same(read, value), f"{value!r} came back as {read!r}"

    def test_two_readers_do_not_share_what_they_could_change(self, tmp_path: Any) -> None:
        for value, ref in self._saved(tmp_path):
            first, second = (load_as(ref, self.format, self._blobs(tmp_path)) for _ in range(2))

            assert self.same(first, value)
            assert first is not second or hash(first) == hash(second)  # nobody can change what has a hash

    def test_the_same_value_gives_the_same_bytes(self, tmp_path: Any) -> None:
        first, second = self._saved(tmp_path), self._saved(tmp_path)

        assert [ref for _, ref in first] == [ref for _, ref in second]

    def test_different_values_give_different_bytes(self, tmp_path: Any) -> None:
        identities = [ref.identity for _, ref in self._saved(tmp_path)]

        assert len(set(identities)) == len(identities)

    def test_what_was_read_can_be_saved_as_the_same_artifact(self, tmp_path: Any) -> None:
        """So a task that hands its input on changes nothing; pickles do, as they tell same objects from equal ones."""
        if self.format.unsafe:
            return
        for _, ref in self._saved(tmp_path):
            blobs = self._blobs(tmp_path)

            assert save_as(load_as(ref, self.format, blobs), self.format, blobs).digest == ref.digest

    def test_the_reference_survives_json(self, tmp_path: Any) -> None:
        for value, ref in self._saved(tmp_path):
            again = ArtifactRef.from_json(json.loads(json.dumps(ref.to_json())))

            assert again == ref
            assert self.same(load_as(again, self.format, self._blobs(tmp_path)), value)

    def test_the_preview_is_one_short_line(self) -> None:
        for value in self.examples():
            preview = self.format.preview(value)

            assert preview.isprintable()
            assert len(preview) <= _PREVIEW_CHARS

    def test_the_rich_preview_is_json_and_runs_no_code(self, tmp_path: Any, monkeypatch: Any) -> None:
        saved = self._saved(tmp_path)
        for name in ("load", "loads", "Unpickler"):
            monkeypatch.setattr(pickle, name, _refuse)

        for _, ref in saved:
            shown = self.format.peek(_SourceOf(ref, self._blobs(tmp_path)), 3)

            assert shown["kind"]
            json.dumps(shown, allow_nan=False)


def _refuse(*arguments: Any, **options: Any) -> None:
    raise AssertionError("a preview must never unpickle")


class _SourceOf:
    """A Source as pages have it."""

    def __init__(self, ref: ArtifactRef, blobs: Blobs) -> None:
        self.ref = ref
        self.blobs = blobs

    @property
    def data(self) -> memoryview:
        return memoryview(self.ref.inline) if self.ref.inline is not None else self.blobs.read(self.ref.digest)

    def child(self, ref: ArtifactRef) -> Any:
        raise AssertionError("a preview must not load parts")

    def peek(self, ref: ArtifactRef) -> dict[str, Any]:
        from ropewalk.artifacts.materialize import load_preview

        return load_preview(ref, self.blobs, 3)
