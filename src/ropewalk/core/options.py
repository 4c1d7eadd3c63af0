"""The options of `@task`, `.options` and `@pipeline`, checked and made part of a policy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, get_args

from ropewalk.core import timing
from ropewalk.core.cache import Cache
from ropewalk.core.errors import DefinitionError, did_you_mean
from ropewalk.core.guard import Breaker, Guard, RateLimit
from ropewalk.core.policy import OnFailure, Order, Policy, RunIf, RunPolicy
from ropewalk.core.quantity import seconds
from ropewalk.core.resources import Resources
from ropewalk.core.retry import Retry


def with_options(policy: Policy, options: Mapping[str, Any]) -> Policy:
    """A policy with some parts replaced, as `@task(...)` and `.options(...)` spell them.

    Raises:
        DefinitionError: an unknown option, or a value of the wrong kind.
    """
    changes: dict[str, Any] = {}
    times: dict[str, Any] = {}
    for name, value in options.items():
        if name in _TIMES:
            times[name] = value
        elif name in _TASK:
            changes["timeout_s" if name == "timeout" else name] = _TASK[name](value)
        else:
            raise _unknown(name, [*_TASK, *_TIMES, "undo", "name"])
    if times:
        changes["timing"] = timing.checked(replace(policy.timing, **times))
    made = replace(policy, **changes)
    if made.retry.on_oom and made.resources.memory_bytes is None:
        raise DefinitionError(
            "`on_oom` has no memory to multiply",
            code="P223", help=['resources=Resources(memory="2Gi"), retry=Retry(3, on_oom="memory*2")'],
        )  # fmt: skip
    return made


def run_policy(options: Mapping[str, Any]) -> RunPolicy:
    """The policy of a run, as `@pipeline(...)` spells it.

    Raises:
        DefinitionError: an unknown option, or a value of the wrong kind.
    """
    for name in options:
        if name not in _RUN:
            raise _unknown(name, [*_RUN, "name"])
    made = RunPolicy(**{name: _RUN[name](value) for name, value in options.items()})
    timing.checked(timing.Timing(deadline=made.deadline, on_miss=made.on_miss))
    return made


def _unknown(name: str, known: list[str]) -> DefinitionError:
    guess = did_you_mean(name, known)
    return DefinitionError(
        f"unknown option `{name}`",
        code="P224",
        facts=[f"options are {', '.join(known)}"],
        help=[f"did you mean `{guess}`?"] if guess else [],
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


def _one_of(option: str, known: tuple[str, ...]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if isinstance(value, str) and value in known:
            return value
        guess = did_you_mean(str(value), known)
        raise DefinitionError(
            f"`{option}` must be one of {', '.join(known)}, not {value!r}",
            code="P224", help=[f'did you mean {option}="{guess}"?'] if guess else [],
        )  # fmt: skip

    return check


def _integer(option: str, least: int | None, fix: str) -> Callable[[Any], int | None]:
    def check(value: Any) -> int | None:
        if value is None and least is not None:
            return None
        if type(value) is int and (least is None or value >= least):
            return value
        bound = "" if least is None else f" of at least {least}"
        raise DefinitionError(f"`{option}` must be an integer{bound}, not {value!r}", code="P224", help=[fix])

    return check


def _share(value: Any) -> float:
    if type(value) in (int, float) and math.isfinite(value) and 0 <= value <= 1:
        return float(value)
    raise DefinitionError(
        f"`partial_ok` must be a share from 0 to 1, not {value!r}",
        code="P224", facts=["it is the share of a map's task runs that have to succeed"], help=["partial_ok=0.95"],
    )  # fmt: skip


def _guards(value: Any) -> tuple[Guard, ...]:
    several = value if isinstance(value, (list, tuple)) else (value,)
    for one in several:
        if not isinstance(one, (RateLimit, Breaker)):
            raise DefinitionError(
                f"`guards` takes limit(...) and breaker(...), not {one!r}",
                code="P224", help=['guards=[limit("api", "100/min")]'],
            )  # fmt: skip
    return tuple(several)


_TIMES = tuple(timing.Timing.__dataclass_fields__)
_TASK: dict[str, Callable[[Any], Any]] = {
    "retry": _retry,
    "cache": _cache,
    "resources": _resources,
    "timeout": _timeout,
    "run_if": _one_of("run_if", get_args(RunIf)),
    "limit": _integer("limit", 1, "limit=4"),
    "partial_ok": _share,
    "priority": _integer("priority", None, "priority=10"),
    "guards": _guards,
}
_RUN: dict[str, Callable[[Any], Any]] = {
    "on_failure": _one_of("on_failure", get_args(OnFailure)),
    "retry_budget": _integer("retry_budget", 0, "retry_budget=20"),
    "deadline": str,
    "on_miss": str,
    "order": _one_of("order", get_args(Order)),
}
