"""Guards: named objects that all runs of a store share and that hold task runs back.

A rate limit keeps a log of its starts, so that no window of time, wherever it begins, holds more of them than allowed.
A circuit breaker is closed while all is well; open, and nothing starts, after some failures in a row; and half-open
once it has been open long enough: then one attempt in the whole store tries whether all is well again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from ropewalk.core.errors import DefinitionError

FINE_LOG = 256  # up to this count a rate limit keeps each start; beyond it, it rounds them up to as many steps
_COUNTED = ("exception", "timeout")  # kinds of failures that speak against what a breaker protects


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `count` starts in any `per_s` seconds."""

    name: str
    count: int
    per_s: float


@dataclass(frozen=True, slots=True)
class Breaker:
    """After `failures` in a row nothing starts for `reset_s` seconds; then one attempt tries whether all is well."""

    name: str
    failures: int
    reset_s: float


Guard: TypeAlias = RateLimit | Breaker


@dataclass(frozen=True, slots=True)
class Starts:
    """What a rate limit remembers.

    Attributes:
        log: moments, in order, and how many started then.
        keep_s: how long each is remembered: runs that ask for different windows are all served.
    """

    log: tuple[tuple[float, int], ...] = ()
    keep_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Probe:
    """The one attempt that tries whether all is well: it lasts as long as its lease."""

    run: int
    token: int


@dataclass(frozen=True, slots=True)
class Circuit:
    """What a breaker remembers."""

    failures: int = 0  # in a row
    opened_at: float | None = None  # None: closed
    probe: Probe | None = None


def to_json(guard: Guard) -> list[Any]:
    """The guard as JSON-able data."""
    if isinstance(guard, RateLimit):
        return ["limit", guard.name, guard.count, guard.per_s]
    return ["breaker", guard.name, guard.failures, guard.reset_s]


def from_json(data: list[Any]) -> Guard:
    """The guard that `to_json` wrote."""
    return RateLimit(*data[1:]) if data[0] == "limit" else Breaker(*data[1:])


def kind_of(guard: Guard) -> str:
    """Its kind: limit | breaker."""
    return "limit" if isinstance(guard, RateLimit) else "breaker"


def verdict(failure_kind: str) -> bool | None:
    """Whether an attempt that ended so has failed in the eyes of a breaker; None: it says nothing about it.

    Args:
        failure_kind: of its `Failure`; empty: it succeeded.
    """
    if not failure_kind:
        return False
    return True if failure_kind in _COUNTED else None


# rate limits


def remembered(limit: RateLimit, starts: Starts, now: float) -> Starts:
    """What counts of the past: not what is over, and what seems to lie ahead, as after a clock was set back, is now."""
    keep_s = max(limit.per_s, starts.keep_s)
    latest = now + keep_s / FINE_LOG
    log = tuple((at if at <= latest else now, number) for at, number in starts.log if at + keep_s > now)
    return Starts(log, keep_s if log else limit.per_s)


def free(limit: RateLimit, starts: Starts, now: float) -> int:
    """How many may start now."""
    return max(0, limit.count - counted(limit, starts, now))


def opens_at(limit: RateLimit, starts: Starts, now: float) -> float:
    """The first moment, from now on, when another may start."""
    used = counted(limit, starts, now)
    for at, number in starts.log:
        if used < limit.count:
            break
        if at + limit.per_s > now:
            used -= number
            now = at + limit.per_s
    return now


def started(limit: RateLimit, starts: Starts, number: int, now: float) -> Starts:
    """What is remembered once so many more have started.

    Where there is much to remember, moments are rounded up: a start then counts a little longer, and never shorter.
    """
    at, log = now, starts.log
    if limit.count > FINE_LOG or len(log) > 2 * FINE_LOG:
        step_s = max(starts.keep_s, limit.per_s) / FINE_LOG
        at = max(now, -(-now // step_s) * step_s)
    if log and log[-1][0] >= at:
        at, number, log = log[-1][0], number + log[-1][1], log[:-1]
    return Starts((*log, (at, number)), max(starts.keep_s, limit.per_s))


def counted(limit: RateLimit, starts: Starts, now: float) -> int:
    """How many have started that still count."""
    return sum(number for at, number in starts.log if at + limit.per_s > now)


# circuit breakers


def phase(breaker: Breaker, circuit: Circuit, now: float) -> str:
    """What the breaker is: closed | open | half-open."""
    if circuit.opened_at is None:
        return "closed"
    return "open" if now < circuit.opened_at + breaker.reset_s else "half-open"


def settled(circuit: Circuit, now: float) -> Circuit:
    """The circuit, of which no moment lies ahead, as it would after a clock was set back."""
    if circuit.opened_at is None or circuit.opened_at <= now:
        return circuit
    return Circuit(circuit.failures, now, circuit.probe)


def ended(breaker: Breaker, circuit: Circuit, ender: Probe, failed: bool | None, now: float) -> Circuit:
    """The circuit after an attempt has ended.

    Once it has opened, only the end of its probe counts: the others began when nobody knew.

    Args:
        failed: None: the end says nothing, as of an attempt that was cancelled or lost.
    """
    if circuit.opened_at is not None:
        if ender != circuit.probe:
            return circuit
        if failed is None:
            return Circuit(circuit.failures, circuit.opened_at)
        return Circuit(circuit.failures + 1, now) if failed else Circuit()
    if failed is None:
        return circuit
    failures = circuit.failures + 1 if failed else 0
    return Circuit(failures, now if failures >= breaker.failures else None)


# graphs


def check_guards(guards: Iterable[tuple[str, tuple[Guard, ...]]]) -> None:
    """Refuse one name with different numbers.

    Args:
        guards: of each node its id and its guards.

    Raises:
        DefinitionError: two nodes, or one, name the same guard and do not mean the same.
    """
    known: dict[tuple[str, str], tuple[str, Guard]] = {}
    for node_id, several in guards:
        for guard in several:
            first_id, first = known.setdefault((kind_of(guard), guard.name), (node_id, guard))
            if first != guard:
                raise DefinitionError(
                    f"two guards named `{guard.name}` have different numbers",
                    code="P245",
                    facts=[f"{show(first)} at `{first_id}`", f"{show(guard)} at `{node_id}`"],
                    help=["make it once and use it for both: shared = " + show(first)],
                )


def show(guard: Guard) -> str:
    """The guard as its author would write it."""
    if isinstance(guard, RateLimit):
        return f'limit("{guard.name}", "{guard.count}/{_show_s(guard.per_s)}")'
    return f'breaker("{guard.name}", failures={guard.failures}, reset="{_show_s(guard.reset_s)}")'


def _show_s(duration_s: float) -> str:
    for unit, size_s in (("d", 86400), ("h", 3600), ("m", 60)):
        if duration_s >= size_s and duration_s % size_s == 0:
            return f"{duration_s / size_s:g}{unit}"
    return f"{duration_s:g}s"
