"""When a failed attempt is followed by another."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ropewalk.core.artifact import Failure
from ropewalk.core.errors import DefinitionError, did_you_mean
from ropewalk.core.quantity import seconds
from ropewalk.core.values import fields_of

REASONS = ("lost", "oom", "timeout")  # ways to end that are not an exception of the task's own
MAX_RETRIES = 100
MAX_DELAY_S = 86400.0


def _names(kinds: Iterable[type[BaseException] | str] | type[BaseException] | str, what: str) -> tuple[str, ...]:
    several = tuple(kinds) if isinstance(kinds, (list, tuple, set, frozenset)) else (kinds,)
    return tuple(_name(kind, what) for kind in several)


def _name(kind: object, what: str) -> str:
    if isinstance(kind, type) and issubclass(kind, BaseException):
        return f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(kind, str) and all(part.isidentifier() for part in kind.split(".")):
        is_reason = kind.islower() and "." not in kind  # classes are mostly not written so
        if kind in REASONS or not is_reason or (meant := did_you_mean(kind, REASONS)) is None:
            return kind
        help_ = [f'did you mean {what}=["{meant}"]?']
    else:
        help_ = [f"{what}=[ConnectionError]", f'{what}=["timeout"]']
    raise DefinitionError(
        f"`{what}` takes exceptions, their names, and {', '.join(REASONS)}, not {kind!r:.60}", code="P223", help=help_
    )


def _growth(text: str) -> float:
    """The factor in "memory*2"; 0 for an empty text."""
    if text == "":
        return 0.0
    match = re.fullmatch(r"memory\s*\*\s*(\d+(?:\.\d+)?)", text) if isinstance(text, str) else None
    if match is None or not 1 < float(match[1]) <= 1000:
        raise DefinitionError(
            f"`on_oom` must say by how much the memory grows, not {text!r}", code="P223", help=['on_oom="memory*2"']
        )
    return float(match[1])


@dataclass(frozen=True, slots=True, init=False)
class Retry:
    """When and how often a failed attempt is followed by another.

    Args:
        count: further attempts after the first, 0 to 100.
        delay: pause before the second attempt; a number of seconds or a text such as "30s".
        backoff: each further pause is this many times longer.
        jitter: shorten each pause by a random part of up to half, so that retries do not come in step.
        cap: no pause is longer than this.
        on: only these exceptions (classes or names) or reasons ("lost", "oom", "timeout") are retried; empty: all
            exceptions, "timeout" and "lost".
        not_on: these are never retried.
        on_oom: "memory*2": an attempt that ran out of memory is followed by one with twice the memory.
    """

    count: int
    delay_s: float
    backoff: float
    jitter: bool
    cap_s: float
    on: tuple[str, ...]
    not_on: tuple[str, ...]
    on_oom: float  # how many times the memory each attempt after an "oom" asks for; 0: it is not retried

    def __init__(
        self,
        count: int = 0,
        *,
        delay: float | str = 0,
        backoff: float = 1,
        jitter: bool = False,
        cap: float | str = "1h",
        on: Iterable[type[BaseException] | str] = (),
        not_on: Iterable[type[BaseException] | str] = (),
        on_oom: str = "",
    ) -> None:
        if type(count) is not int or not 0 <= count <= MAX_RETRIES:
            raise DefinitionError(
                f"retries must be an integer from 0 to {MAX_RETRIES}, not {count!r}", code="P223", help=["Retry(3)"]
            )
        if type(backoff) not in (int, float) or not 1 <= backoff <= 1000:
            raise DefinitionError(f"`backoff` must be a number from 1 to 1000, not {backoff!r}", code="P223")
        set_ = object.__setattr__
        set_(self, "count", count)
        set_(self, "delay_s", seconds(delay, "delay"))
        set_(self, "backoff", float(backoff))
        set_(self, "jitter", bool(jitter))
        set_(self, "cap_s", min(seconds(cap, "cap"), MAX_DELAY_S))
        set_(self, "on", _names(on, "on"))
        set_(self, "not_on", _names(not_on, "not_on"))
        if both := sorted(set(self.on) & set(self.not_on)):
            raise DefinitionError(
                f"`on` and `not_on` both name `{both[0]}`", code="P223", help=["leave one of them out"]
            )
        set_(self, "on_oom", _growth(on_oom))

    def allows(self, failure: Failure, retries: int) -> bool:
        """Whether another attempt follows after `retries` earlier ones that counted."""
        if retries >= self.count or not failure.retryable:
            return False
        labels = {failure.kind} if failure.kind in REASONS else {failure.error_type, *failure.bases}
        labels |= {label.rpartition(".")[2] for label in labels}
        if labels & set(self.not_on):
            return False
        if failure.kind == "oom" and self.on_oom:
            return True
        return bool(labels & set(self.on)) if self.on else failure.kind != "oom"

    def pause_s(self, retries: int, seed: str) -> float:
        """How long to wait before the next attempt; a pure function of the policy, the count and the seed."""
        exponent = min(retries, 1000)
        try:
            pause = self.delay_s * self.backoff**exponent
        except OverflowError:
            pause = self.cap_s
        pause = min(pause, self.cap_s)
        if self.jitter:
            fraction = int.from_bytes(hashlib.sha256(f"{seed}:{retries}".encode()).digest()[:8], "big") / 2**64
            pause *= 1 - fraction / 2
        return pause

    def to_json(self) -> dict[str, Any]:
        return fields_of(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Retry:
        made = cls()
        for name, value in data.items():
            object.__setattr__(made, name, tuple(value) if isinstance(value, list) else value)
        return made
