"""Every error that Ropewalk raises on purpose.

    RopewalkError
    ├── UsageError         P1xx  command line, parameters, configuration          exit 2
    ├── DefinitionError    P2xx  the pipeline is written wrongly                  exit 2
    │   └── MisuseError    P205  a reference was used as if it were a value
    ├── ExecutionError     P3xx  a run or a task failed: the user's work          exit 1
    │   └── UnstorableError P310 a result that no format can keep
    ├── DataError          P4xx  data did not pass its checks                     exit 1
    ├── StoreError         P5xx  database, disk, executor: a retry may help       exit 1
    │   ├── CorruptBlobError P521 bytes that do not match their digest
    │   └── LeaseLostError P540  another process took this run over
    ├── NotFoundError      P6xx  no such run, task, artifact, model               exit 1
    └── VersionError       P8xx  written by a newer version                       exit 1

Each carries what a reader needs: a code, one sentence, where, facts and what to type next. The
command line, notebooks and JSON show the same object. Whether another try may help is a field.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Where:
    """The place that an error speaks about."""

    file: str  # a path, or words such as "command line"
    line: int | None = None
    text: str = ""  # the line of source itself
    detail: str = ""  # e.g. "in scale(), called from pipeline.py:19"

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place} {self.detail}".rstrip()


class RopewalkError(Exception):
    """Base of all errors raised on purpose.

    Args:
        title: one sentence that says what is wrong and names the thing in backticks.
        code: error code such as "P104"; a class has a default.
        where: place in the user's file or on the command line.
        facts: short statements that explain it.
        help: what to type or change, most useful first.
    """

    default_code: ClassVar[str] = "P900"
    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        title: str,
        *,
        code: str = "",
        where: Where | None = None,
        facts: Iterable[str] = (),
        help: Iterable[str] = (),
    ) -> None:
        super().__init__(title)
        self.title = title
        self.code = code or self.default_code
        self.where = where
        self.facts = tuple(facts)
        self.help = tuple(help)

    def __str__(self) -> str:
        return render(self)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.title, self.code, self.where, self.facts, self.help))

    def to_json(self) -> dict[str, object]:
        """The error as JSON-able data, for `--json` and pages."""
        return {
            "code": self.code,
            "title": self.title,
            "where": str(self.where) if self.where else None,
            "facts": list(self.facts),
            "help": list(self.help),
            "retryable": self.retryable,
        }


class UsageError(RopewalkError):
    """The command line, a parameter or the configuration is wrong; nothing was started."""

    default_code = "P100"
    exit_code = 2


class DefinitionError(RopewalkError):
    """The pipeline or a task is written in a way that cannot work; found before anything runs."""

    default_code = "P200"
    exit_code = 2


class MisuseError(DefinitionError, TypeError):
    """A reference was used as if its value were known already."""

    default_code = "P205"


class ExecutionError(RopewalkError):
    """A run or a task failed."""

    default_code = "P300"


class UnstorableError(ExecutionError):
    """A result cannot be kept; the message names the path inside the value."""

    default_code = "P310"


class DataError(RopewalkError):
    """Data did not pass its checks."""

    default_code = "P400"


class StoreError(RopewalkError):
    """The store, the disk or an executor did not do its part."""

    default_code = "P500"
    retryable = True


class CorruptBlobError(StoreError):
    """Bytes are missing or do not match their digest."""

    default_code = "P521"

    def __init__(self, digest: str, problem: str) -> None:
        super().__init__(f"blob `{digest[:12]}` {problem}", help=["ropewalk doctor"])
        self.digest = digest
        self.problem = problem

    def __reduce__(self) -> tuple[object, ...]:
        return (CorruptBlobError, (self.digest, self.problem))


class LeaseLostError(StoreError):
    """Another process took over the run, so this one must stop writing."""

    default_code = "P540"


class NotFoundError(RopewalkError):
    """There is no such run, task run, artifact or model."""

    default_code = "P600"


class VersionError(RopewalkError):
    """Something was written by a version that this one cannot read."""

    default_code = "P800"


def render(error: RopewalkError) -> str:
    """The error as plain text: the one block that every surface shows."""
    lines = [f"error[{error.code}]: {error.title}"]
    if error.where is not None:
        lines.append(f"  --> {error.where}")
        if error.where.text.strip():
            number = str(error.where.line or "")
            pad = " " * len(number)
            lines += [f"{pad} |", f"{number} | {error.where.text.rstrip()}", f"{pad} |"]
    lines += [f"  = {fact}" for fact in error.facts]
    for index, text in enumerate(error.help):
        lines.append(("  help: " if index == 0 else "        ") + text)
    return "\n".join(lines)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The closest of `known` to `word`, or None when nothing is near enough to suggest."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def _rebuild(
    kind: type[RopewalkError],
    title: str,
    code: str,
    where: Where | None,
    facts: tuple[str, ...],
    help: tuple[str, ...],
) -> RopewalkError:
    return kind(title, code=code, where=where, facts=facts, help=help)
