"""`limit` and `breaker`: what all runs of a store share and have to pass before an attempt starts."""

from __future__ import annotations

import re

from ropewalk.author.names import check_name
from ropewalk.core.errors import DefinitionError, did_you_mean
from ropewalk.core.guard import Breaker, RateLimit
from ropewalk.core.quantity import seconds

_UNITS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}
_RATE = re.compile(r"(\d+)\s*/\s*(\d+(?:\.\d+)?)?\s*([A-Za-z]+)", re.ASCII)
MAX_COUNT = 1_000_000


def limit(name: str, rate: str) -> RateLimit:
    """A rate limit: `@task(guards=[limit("api", "100/min")])`.

    All attempts, of all runs of the store, that name it share it: in no stretch of time of that length do more of them
    start. Those that have to wait hold no worker.

    Args:
        name: what they share.
        rate: how many in what time: "100/min", "5/10s", "1000/h", "20/day".

    Raises:
        DefinitionError: the name or the rate cannot be used.
    """
    check_name(name, "rate limit", None, 'limit("api", "100/min")')
    match = _RATE.fullmatch(rate.strip()) if isinstance(rate, str) else None
    if match is None or not 1 <= int(match[1]) <= MAX_COUNT or float(match[2] or 1) == 0:
        raise _rate_error(name, rate)
    unit_s = _UNITS.get(match[3])
    if unit_s is None:
        guess = did_you_mean(match[3], _UNITS)
        raise _rate_error(name, rate, [f"did you mean `{match[1]}/{match[2] or ''}{guess}`?"] if guess else [])
    return RateLimit(name, int(match[1]), float(match[2] or 1) * unit_s)


def breaker(name: str, *, failures: int = 5, reset: float | str = "1m") -> Breaker:
    """A circuit breaker: `@task(guards=[breaker("warehouse", failures=5, reset="1m")])`.

    All attempts, of all runs of the store, that name it share it. After so many failures in a row it opens, and none
    of them starts. Once the time is over, one attempt starts: if it succeeds the breaker closes, if it fails the time
    begins anew. An attempt fails when it raises or takes too long; one that is cancelled or lost says nothing.

    Args:
        name: what they share.
        failures: how many in a row open it.
        reset: for how long; a number of seconds or a text such as "1m".

    Raises:
        DefinitionError: one of them cannot be used.
    """
    check_name(name, "circuit breaker", None, 'breaker("warehouse", failures=5, reset="1m")')
    if type(failures) is not int or not 1 <= failures <= MAX_COUNT:
        raise DefinitionError(
            f"`failures` of breaker `{name}` must be an integer of at least 1, not {failures!r}",
            code="P245", help=["failures=5"],
        )  # fmt: skip
    reset_s = seconds(reset, "reset")
    if reset_s == 0:
        raise DefinitionError(
            f"`reset` of breaker `{name}` must be longer than 0", code="P245", help=['reset="1m"']
        )  # fmt: skip
    return Breaker(name, failures, reset_s)


def _rate_error(name: str, rate: object, help: list[str] | None = None) -> DefinitionError:
    return DefinitionError(
        f"`rate` of limit `{name}` cannot be used: {rate!r}",
        code="P245",
        facts=[
            f"a rate is how many in what time: a whole number from 1 to {MAX_COUNT:,}, `/`, and a time",
            "units are s, sec, m, min, h, hour, d, day",
        ],
        help=[*(help or []), f'limit("{name}", "100/min")', f'limit("{name}", "5/10s")'],
    )
