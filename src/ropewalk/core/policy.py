"""How a task is run: small frozen values that a graph carries."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from ropewalk.core.artifact import Failure
from ropewalk.core.errors import DefinitionError, did_you_mean
from ropewalk.core.quantity import cores, seconds, size_bytes

RunIf = Literal["all_succeeded", "all_done", "any_failed", "none_failed", "always"]
REASONS = ("lost", "oom", "timeout")  # ways to end that are not an exception of the task's own
MAX_RETRIES = 100
MAX_DELAY_S = 86400.0


def _fields(policy: Retry | Cache | Resources) -> dict[str, Any]:
    """The fields as JSON-able data; `asdict` takes twenty times as long, which counts in large graphs."""
    found = {name: getattr(policy, name) for name in policy.__dataclass_fields__}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def _names(kinds: Iterable[type[BaseException] | str] | type[BaseException] | str) -> tuple[str, ...]:
    several = (kinds,) if isinstance(kinds, (str, type)) else kinds
    return tuple(k if isinstance(k, str) else f"{k.__module__}.{k.__qualname__}" for k in several)


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
    """

    count: int
    delay_s: float
    backoff: float
    jitter: bool
    cap_s: float
    on: tuple[str, ...]
    not_on: tuple[str, ...]

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
        set_(self, "on", _names(on))
        set_(self, "not_on", _names(not_on))

    def allows(self, failure: Failure, retries: int) -> bool:
        """Whether another attempt follows after `retries` earlier ones that counted."""
        if retries >= self.count or not failure.retryable:
            return False
        labels = {failure.kind} if failure.kind in REASONS else {failure.error_type, *failure.bases}
        labels |= {label.rpartition(".")[2] for label in labels}
        if labels & set(self.not_on):
            return False
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
        return _fields(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Retry:
        made = cls()
        for name, value in data.items():
            object.__setattr__(made, name, tuple(value) if isinstance(value, list) else value)
        return made


@dataclass(frozen=True, slots=True, init=False)
class Cache:
    """Whether and for how long a result may be reused.

    Args:
        enabled: False makes every run execute the task; `cache=False` on a task says the same.
        ttl: results older than this are not reused; None: for ever.
        version: a text of the author's; changing it makes old results unusable.
        ignore: names of parameters that do not count.
        env: names of environment variables whose values count.
    """

    enabled: bool
    ttl_s: float | None
    version: str
    ignore: tuple[str, ...]
    env: tuple[str, ...]

    def __init__(
        self,
        enabled: bool = True,
        *,
        ttl: float | str | None = None,
        version: str = "",
        ignore: Iterable[str] = (),
        env: Iterable[str] = (),
    ) -> None:
        set_ = object.__setattr__
        set_(self, "enabled", bool(enabled))
        set_(self, "ttl_s", None if ttl is None else seconds(ttl, "ttl"))
        set_(self, "version", str(version))
        set_(self, "ignore", (ignore,) if isinstance(ignore, str) else tuple(ignore))
        set_(self, "env", (env,) if isinstance(env, str) else tuple(env))

    def to_json(self) -> dict[str, Any]:
        return _fields(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Cache:
        return cls(data["enabled"], ttl=data["ttl_s"], version=data["version"], ignore=data["ignore"], env=data["env"])


@dataclass(frozen=True, slots=True, init=False)
class Resources:
    """What one attempt needs: `cpu` in cores, `memory` in bytes or a text such as "4Gi"."""

    cpu: float
    memory_bytes: int | None

    def __init__(self, *, cpu: float | str = 1, memory: float | str | None = None) -> None:
        object.__setattr__(self, "cpu", cores(cpu))
        object.__setattr__(self, "memory_bytes", None if memory is None else size_bytes(memory))

    def to_json(self) -> dict[str, Any]:
        return _fields(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Resources:
        return cls(cpu=data["cpu"], memory=data["memory_bytes"])


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything about a node that is not what it computes."""

    retry: Retry = Retry()
    cache: Cache = Cache()
    resources: Resources = Resources()
    timeout_s: float | None = None
    run_if: RunIf = "all_succeeded"

    def with_options(self, **options: Any) -> Policy:
        """This policy with some parts replaced, as `@task(...)` and `.options(...)` spell them.

        Raises:
            DefinitionError: an unknown option, or a value of the wrong kind.
        """
        known = {"retry": _retry, "cache": _cache, "resources": _resources, "timeout": _timeout, "run_if": _run_if}
        changes: dict[str, Any] = {}
        for name, value in options.items():
            if name not in known:
                guess = did_you_mean(name, known)
                raise DefinitionError(
                    f"unknown option `{name}`",
                    code="P224",
                    facts=[f"options are {', '.join(known)}, name"],
                    help=[f"did you mean `{guess}`?"] if guess else [],
                )
            changes["timeout_s" if name == "timeout" else name] = known[name](value)
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        return {
            "retry": self.retry.to_json(),
            "cache": self.cache.to_json(),
            "resources": self.resources.to_json(),
            "timeout_s": self.timeout_s,
            "run_if": self.run_if,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Policy:
        return cls(
            Retry.from_json(data["retry"]),
            Cache.from_json(data["cache"]),
            Resources.from_json(data["resources"]),
            data["timeout_s"],
            data["run_if"],
        )


def _retry(value: Any) -> Retry:
    return value if isinstance(value, Retry) else Retry(value)


def _cache(value: Any) -> Cache:
    if isinstance(value, Cache):
        return value
    if isinstance(value, bool):
        return Cache(value)
    raise DefinitionError(f"`cache` must be True, False or Cache(...), not {value!r}", code="P224")


def _resources(value: Any) -> Resources:
    if isinstance(value, Resources):
        return value
    raise DefinitionError(
        f"`resources` must be Resources(...), not {value!r}", code="P224", help=['Resources(cpu=2, memory="4Gi")']
    )


def _timeout(value: Any) -> float | None:
    if value is None:
        return None
    timeout_s: float = seconds(value, "timeout")
    if timeout_s == 0:
        raise DefinitionError("`timeout` must be longer than 0", code="P220", help=['timeout="10m"'])
    return timeout_s


def _run_if(value: Any) -> RunIf:
    known = get_args(RunIf)
    if value in known:
        return value  # type: ignore[no-any-return]  # just compared with each member of the literal
    guess = did_you_mean(str(value), known)
    raise DefinitionError(
        f"`run_if` must be one of {', '.join(known)}, not {value!r}",
        code="P224",
        help=[f'did you mean run_if="{guess}"?'] if guess else [],
    )
