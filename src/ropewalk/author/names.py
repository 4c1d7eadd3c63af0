"""Names that authors give: of tasks, pipelines and nodes."""

from __future__ import annotations

import re

from ropewalk.core.errors import DefinitionError, Where

MAX_LENGTH = 128
PATTERN = "letters, digits, _ and -; not first -; 1 to 128 characters"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_RESERVED = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]", re.IGNORECASE)  # file names that Windows keeps


def is_name(text: str) -> bool:
    """Whether a text can name a task, a pipeline or a node: dots, slashes and colons separate parts of longer names."""
    return len(text) <= MAX_LENGTH and bool(_NAME.fullmatch(text)) and not _RESERVED.fullmatch(text)


def check_name(name: object, what: str, where: Where | None, suggestion: str) -> str:
    """The name itself.

    Raises:
        DefinitionError: it is not a name.
    """
    if isinstance(name, str) and is_name(name):
        return str(name)
    shown = repr(name) if len(repr(name)) <= 60 else repr(name)[:59] + "…"
    facts = [f"allowed are {PATTERN}"]
    if isinstance(name, str) and _RESERVED.fullmatch(name):
        facts.append("Windows keeps this word for a device")
    raise DefinitionError(
        f"{shown} cannot be the name of a {what}", code="P216", where=where, facts=facts, help=[suggestion]
    )
