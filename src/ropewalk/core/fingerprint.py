"""What makes two failures the same: the kind of error, the place in the user's code, and what the message says."""

from __future__ import annotations

import re

from ropewalk.core.artifact import Failure
from ropewalk.core.values import digest

_LENGTH = 12
_QUOTED = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`")
_HEX = re.compile(r"\b0x[0-9a-f]+\b|\b(?=[0-9a-f]*[0-9])[0-9a-f]{8,}\b", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+(?:[.,_:][0-9]+)*")


def fingerprint(failure: Failure, task: str) -> str:
    """A short name that failures of the same making share, in all runs; the line of code does not count, it moves.

    Args:
        task: stands for the place where the failure has none, such as that of a worker that was killed.
    """
    file = failure.file.replace("\\", "/").rpartition("/")[2]
    place = f"{file}:{failure.function}" if file else task
    message = failure.message.strip().partition("\n")[0]
    return digest("\n".join([failure.kind, failure.error_type, place, normalised(message)]).encode())[:_LENGTH]


def normalised(message: str) -> str:
    """A message without what differs from item to item: quoted parts, addresses, digests and numbers."""
    return _NUMBER.sub("#", _HEX.sub("#", _QUOTED.sub("#", message)))
