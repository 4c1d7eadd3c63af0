"""When a task may start, and by when it has to be done."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from ropewalk.core.errors import DefinitionError
from ropewalk.core.quantity import seconds
from ropewalk.core.window import parse_window, show_at, zone_of


@dataclass(frozen=True, slots=True)
class Timing:
    """Times in a policy, as the author wrote them and checked when the graph is made.

    Attributes:
        not_before: a moment with its zone ("2026-12-01T08:00:00+01:00", "2026-12-01 08:00 Europe/Paris"), or a
            duration since the run began ("2h").
        window: "22:00-06:00 Europe/Paris", perhaps after days: "Mon-Fri 09:00-17:00 Europe/Paris"; empty: always.
        deadline: a moment or a duration since the run began by which it has to be done; empty: none.
        on_miss: what happens when it is not, "alert" or "cancel".
        expires: a moment or a duration since the run began after which it is not started any more; empty: never.
        depends_on_past: the same task must have succeeded in the pipeline's run before.
    """

    not_before: str = ""
    window: str = ""
    deadline: str = ""
    on_miss: str = "alert"
    expires: str = ""
    depends_on_past: bool = False

    def to_json(self) -> dict[str, Any]:
        return {name: value for name in _FIELDS if (value := getattr(self, name)) != getattr(ALWAYS, name)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Timing:
        return cls(**data)


_FIELDS = tuple(Timing.__dataclass_fields__)
_MOMENTS = ("not_before", "deadline", "expires")
ALWAYS = Timing()
_NUMBER = re.compile(r"\d+(\.\d+)?", re.ASCII)
_MAX_S = 100 * 366 * 86400.0
_DATE = re.compile(r"\d{4}-")


def checked(times: Timing) -> Timing:
    """The same times, of which each can be understood, and which do not contradict each other.

    Moments and durations may be given as a datetime with its zone and as a number of seconds; they become texts.

    Raises:
        DefinitionError: one of them cannot, or they do.
    """
    given: dict[str, Any] = {name: _text(name, getattr(times, name)) for name in _MOMENTS}
    times = replace(times, window=times.window or "", **given)
    if times.on_miss not in ("alert", "cancel"):
        raise _error(f"`on_miss` must be alert or cancel, not {times.on_miss!r}", help=['on_miss="cancel"'])
    if type(times.depends_on_past) is not bool:
        raise _error(
            f"`depends_on_past` must be True or False, not {times.depends_on_past!r}", help=["depends_on_past=True"]
        )
    parsed = {name: _parse(name, given[name]) for name in _MOMENTS if given[name]}
    if not isinstance(times.window, str):
        raise _error(f"`window` must be a text, not {times.window!r}", help=['window="22:00-06:00 Europe/Paris"'])
    if times.window:
        parse_window(times.window)
    for end in ("deadline", "expires"):
        _check_order(times, parsed.get("not_before"), end, parsed.get(end))
    return times


def check_now(times: Timing, now: float, name: str = "") -> None:
    """Refuse what a run that begins now could not keep.

    Args:
        name: of the node; empty: the times are those of the run.

    Raises:
        DefinitionError: a moment is in the past, or nothing can start in time.
    """
    of = f" of task `{name}`" if name else " of the run"
    for what, ends_at in (("deadline", deadline_at(times, now)), ("expires", expires_at(times, now))):
        text = getattr(times, what)
        if ends_at is None:
            continue
        if ends_at <= now:
            raise _error(f'`{what}`{of} is in the past: "{text}"', [f"it is {show_at(now)}"], ["give a later moment"])
        starts = start_at(times, now, now)
        if starts >= ends_at:
            raise _error(
                f'`{what}`{of} comes before it may start: "{text}"',
                [f"the first moment when it may start is {show_at(starts)}"],
                [f"give a later `{what}`, or another `window` or `not_before`"],
            )


def start_at(times: Timing, now: float, began: float) -> float:
    """The earliest moment, from now on, when a task run may start; all in seconds since the epoch.

    Args:
        began: when the run was made.
    """
    earliest = max(now, _moment(times.not_before, began) or now)
    return parse_window(times.window).next_open(earliest) if times.window else earliest


def deadline_at(times: Timing, began: float) -> float | None:
    """By when it has to be done; None: there is no deadline."""
    return _moment(times.deadline, began)


def expires_at(times: Timing, began: float) -> float | None:
    """From when on it is not started any more; None: it never expires."""
    return _moment(times.expires, began)


def _moment(text: str, began: float) -> float | None:
    if not text:
        return None
    at, is_since = _parse("", text)
    return began + at if is_since else at


@lru_cache(maxsize=4096)
def _parse(name: str, text: str) -> tuple[float, bool]:
    """Seconds, and whether they count from the beginning of the run."""
    if _DATE.match(text):
        return _parse_moment(name, text.strip()), False
    try:
        since_s = seconds(float(text) if _NUMBER.fullmatch(text) else text, name)
    except DefinitionError:
        raise _error(
            f"`{name}` is neither a moment nor a duration: {text!r}",
            ["a moment is a date, a time and a time zone; a duration counts from the beginning of the run"],
            [f'{name}="2026-12-01T08:00:00+01:00"', f'{name}="2026-12-01 08:00 Europe/Paris"', f'{name}="2h30m"'],
        ) from None
    if since_s > _MAX_S:
        raise _error(f"`{name}` is further than a hundred years away: {text!r}", help=[f'{name}="2h30m"'])
    return since_s, True


def _parse_moment(name: str, text: str) -> float:
    date, _, zone = text.rpartition(" ")
    is_named = bool(date) and zone[:1].isalpha()
    try:
        moment = datetime.fromisoformat(date if is_named else text)
        moment = moment.replace(tzinfo=zone_of(zone)) if is_named else moment
    except ValueError as error:
        raise _error(
            f"`{name}` is not a moment: {text!r}", [str(error)], [f'{name}="2026-12-01T08:00:00+01:00"']
        ) from None
    if moment.tzinfo is None:
        fixes = [f'{name}="{text} Europe/Paris"', f'{name}="{moment.isoformat()}+01:00"']
        raise _error(f"`{name}` has no time zone: {text!r}", ["it would depend on the machine"], fixes)
    if not 1970 < moment.year < 2970:
        raise _error(f"`{name}` is further away than can be: {text!r}", help=[f'{name}="2026-12-01T08:00:00+01:00"'])
    at = moment.timestamp()
    if datetime.fromtimestamp(at, moment.tzinfo).replace(tzinfo=None) != moment.replace(tzinfo=None):
        raise _error(
            f"`{name}` does not exist: {text!r}",
            [f"clocks in {zone} are put forward then, and never show that time"],
            [f'{name}="{datetime.fromtimestamp(at, moment.tzinfo):%Y-%m-%d %H:%M} {zone}"'],
        )
    return at


def _text(name: str, value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, datetime):
        return value.isoformat()
    text = f"{seconds(value, name):.6f}"  # type: ignore[arg-type]  # it refuses what is no number
    return text.rstrip("0").rstrip(".") + "s"


def _check_order(times: Timing, earliest: tuple[float, bool] | None, name: str, end: tuple[float, bool] | None) -> None:
    """Refuse an end that comes before the beginning, as far as can be said before it is known when a run begins."""
    if end is None:
        return
    if end == (0.0, True):
        raise _error(f"`{name}` is over when the run begins: {getattr(times, name)!r}", help=[f'{name}="2h"'])
    if earliest is None or earliest[1] != end[1]:
        return
    if end[0] <= earliest[0]:
        raise _error(
            f'`{name}` is not after `not_before`: "{getattr(times, name)}" and "{times.not_before}"',
            help=["give a later one, or leave one of them out"],
        )
    if times.window and not end[1] and parse_window(times.window).next_open(earliest[0]) >= end[0]:
        raise _error(
            f'`window` is never open between `not_before` and `{name}`: "{times.window}"',
            [f"not_before is {times.not_before}", f"{name} is {getattr(times, name)}"],
            ["give another window, or a later end"],
        )


def _error(title: str, facts: Iterable[str] = (), help: Iterable[str] = ()) -> DefinitionError:
    return DefinitionError(title, code="P246", facts=facts, help=help)
