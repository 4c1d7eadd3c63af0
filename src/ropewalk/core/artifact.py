"""What is known of an artifact without opening it, and how an attempt ended."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ropewalk.core.pickling import pickled_by_fields

INLINE_MAX_BYTES = 4096  # values up to this size live in the row instead of a blob


@pickled_by_fields
@dataclass(frozen=True, slots=True)
class ArtifactRef:
    """An immutable, content-addressed value.

    Two artifacts with the same `identity` hold the same value in the same format.
    """

    digest: str  # SHA-256 of the content, lower-case hex
    size_bytes: int
    format: str  # name of the format that wrote it, e.g. "json", "arrow"
    type: str  # readable type of the value, e.g. "pandas.DataFrame"
    preview: str = ""  # one line for people, e.g. "150 rows × 5"
    inline: bytes | None = None  # the content itself when it is small
    children: tuple[str, ...] = ()  # digests of further blobs that the content refers to
    length: int | None = None  # number of items, for values that have one

    @property
    def identity(self) -> str:
        """What a cache key takes of this artifact."""
        return f"{self.format}:{self.digest}"

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {"d": self.digest, "s": self.size_bytes, "f": self.format, "t": self.type}
        if self.preview:
            data["p"] = self.preview
        if self.inline is not None:
            if self.format == "json":
                data["v"] = self.inline.decode()
            else:
                data["b"] = b64encode(self.inline).decode()
        if self.children:
            data["c"] = list(self.children)
        if self.length is not None:
            data["n"] = self.length
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ArtifactRef:
        inline: bytes | None = None
        if "v" in data:
            inline = data["v"].encode()
        elif "b" in data:
            inline = b64decode(data["b"])
        return cls(
            data["d"], data["s"], data["f"], data["t"], data.get("p", ""), inline,
            tuple(data.get("c", ())), data.get("n"),
        )  # fmt: skip


Outputs: TypeAlias = dict[str, ArtifactRef]  # by output name; "result" where there is only one


@pickled_by_fields
@dataclass(frozen=True, slots=True)
class Usage:
    """What one attempt used."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_bytes: int = 0
    started_at: float = 0.0  # seconds since the epoch, by the clock of the machine that ran it


@pickled_by_fields
@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt did not succeed: the story that a person reads."""

    kind: str  # exception | timeout | oom | lost | unstorable | input | cancelled
    message: str  # one line, e.g. "ZeroDivisionError: division by zero"
    error_type: str = ""  # qualified name of the exception's class
    bases: tuple[str, ...] = ()  # names of the classes it inherits from, for Retry(on=...)
    traceback: str = ""  # from the user's first frame on
    file: str = ""
    line: int = 0
    function: str = ""
    text: str = ""  # the line of source at `file`:`line`
    facts: tuple[str, ...] = ()
    help: tuple[str, ...] = ()
    retryable: bool = True
    lost_digest: str = ""  # kind "input": the blob that was missing or corrupt

    def to_json(self) -> dict[str, Any]:
        return {name: list(v) if isinstance(v := getattr(self, name), tuple) else v for name in _FAILURE_FIELDS}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Failure:
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        return cls(**fields)


_FAILURE_FIELDS = tuple(Failure.__dataclass_fields__)


@pickled_by_fields
@dataclass(frozen=True, slots=True)
class Succeeded:
    """The attempt returned a value and every output of it is durable."""

    outputs: Outputs
    usage: Usage = Usage()
    metrics: dict[str, float] = field(default_factory=dict)


@pickled_by_fields
@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt ended without a value."""

    failure: Failure
    usage: Usage = Usage()


Outcome: TypeAlias = Succeeded | Failed
