"""What a task's code consists of, as far as reuse is concerned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CodePart:
    """One first-party function, class or constant that a task reaches (the task itself is the first)."""

    name: str  # "module:qualname", e.g. "features:scale" or "features:LIMIT"
    digest: str  # of the normalised syntax tree or of the constant's value
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class CodeFingerprint:
    """The code of one task: everything whose change must make it run again."""

    digest: str  # over the digests of `parts` and over `packages`
    parts: tuple[CodePart, ...] = ()
    packages: tuple[tuple[str, str], ...] = ()  # (distribution, version), sorted

    def to_json(self) -> dict[str, Any]:
        return {
            "digest": self.digest,
            "parts": [[p.name, p.digest, p.file, p.line] for p in self.parts],
            "packages": [list(p) for p in self.packages],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> CodeFingerprint:
        return cls(
            data["digest"],
            tuple(CodePart(*part) for part in data["parts"]),
            tuple((name, version) for name, version in data["packages"]),
        )
