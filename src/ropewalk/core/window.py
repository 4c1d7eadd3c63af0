"""Windows of time, as a clock on the wall shows them: "22:00-06:00 Europe/Paris", "Mon-Fri 09:00-17:00 Europe/Paris".

A window is open while the clock of its zone shows a time in it. So it is right when clocks change: what the clock does
not show on that day does not happen, and what it shows twice happens twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from ropewalk.core.errors import DefinitionError, did_you_mean

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY_MIN = 24 * 60
_SEARCHED_DAYS = 16  # a weekly window that a change of clocks swallows comes again the week after
_TIMES = r"(\d{1,2}):(\d{2})\s*[-\u2013]\s*(\d{1,2}):(\d{2})"
_WINDOW = re.compile(rf"(?:(?P<days>[A-Za-z][A-Za-z,\- ]*?)\s+)?{_TIMES}(?:\s+(?P<zone>\S+))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of each day, or of some days.

    Attributes:
        days: on which it begins, 0 for Monday.
        first_min: its first minute of the day.
        end_min: the minute of the day when it is over; not after `first_min`: on the next day.
    """

    days: frozenset[int]
    first_min: int
    end_min: int
    zone: ZoneInfo

    def is_open(self, at: float) -> bool:
        """Whether it is open at a moment, in seconds since the epoch."""
        shown = datetime.fromtimestamp(at, self.zone)
        minute, today = shown.hour * 60 + shown.minute, shown.weekday()
        if self.first_min < self.end_min:
            return today in self.days and self.first_min <= minute < self.end_min
        return (today in self.days and minute >= self.first_min) or (
            (today - 1) % 7 in self.days and minute < self.end_min
        )

    def next_open(self, at: float) -> float:
        """The first moment from then on when it is open."""
        if self.is_open(at):
            return at
        day = datetime.fromtimestamp(at, self.zone).date()
        for later in range(_SEARCHED_DAYS):
            for moment in sorted(self._openings(day + timedelta(later))):
                if moment > at and self.is_open(moment):
                    return moment
        return at + _SEARCHED_DAYS * 86400.0  # no zone has such a gap: look again then

    def _openings(self, day: date) -> Iterator[float]:
        """Moments of a day at which it may open: the clock shows its time, perhaps twice, or jumps into it."""
        shown = datetime.combine(day, time(*divmod(self.first_min, 60)), self.zone)
        yield shown.timestamp()
        yield shown.replace(fold=1).timestamp()
        yield from self._changes(day)

    def _changes(self, day: date) -> Iterator[float]:
        """When clocks change on a day."""
        low = int(datetime.combine(day, time(), self.zone).timestamp())
        high = int(datetime.combine(day + timedelta(1), time(), self.zone).timestamp())
        before = self._offset(low)
        if before == self._offset(high):
            return
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._offset(middle) == before else (low, middle)
        yield float(high)

    def _offset(self, at: float) -> timedelta | None:
        return datetime.fromtimestamp(at, self.zone).utcoffset()


@lru_cache(maxsize=1024)
def parse_window(text: str) -> Window:
    """The window that a text means.

    Raises:
        DefinitionError: it means none, or one that is never open.
    """
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        raise _window_error(text)
    first_h, first_m, end_h, end_m = (int(match[k]) for k in range(2, 6))
    first, end = first_h * 60 + first_m, end_h * 60 + end_m
    if first >= _DAY_MIN or end > _DAY_MIN or first_m > 59 or end_m > 59:
        raise _window_error(text, ["times go from 00:00 to 24:00"])
    if first == end:
        raise DefinitionError(
            f"the window `{text}` is empty: it ends when it begins",
            code="P246", help=['window="00:00-24:00 Europe/Paris"   is the whole day'],
        )  # fmt: skip
    if match["zone"] is None:
        raise _window_error(text, ["it has no time zone, so it would depend on the machine"])
    return Window(_days(match["days"] or "Mon-Sun", text), first, end, zone_of(match["zone"]))


@lru_cache(maxsize=256)
def zone_of(name: str) -> ZoneInfo:
    """The time zone of this name.

    Raises:
        DefinitionError: there is none.
    """
    # Not at the top: it takes 3 ms, and few pipelines name a time zone.
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        known = available_timezones()
        guess = did_you_mean(name, known) or _of_city(name, known)
        raise DefinitionError(
            f"there is no time zone `{name[:80]}`",
            code="P246",
            facts=[] if known else ["this machine knows no time zones at all"],
            help=[f"did you mean `{guess}`?"] if guess else _zone_help(known),
        ) from error


def _zone_help(known: set[str]) -> list[str]:
    return ["Europe/Paris, America/New_York, UTC, …"] if known else ["pip install tzdata"]


def _of_city(name: str, known: set[str]) -> str | None:
    """The zone whose last part a text resembles: "Paris" for "Europe/Paris"."""
    cities = {zone.rpartition("/")[2].lower(): zone for zone in sorted(known)}
    guess = did_you_mean(name.rpartition("/")[2].lower(), cities)
    return cities[guess] if guess else None


def _days(text: str, window: str) -> frozenset[int]:
    found: set[int] = set()
    for part in re.split(r"\s*,\s*", text.strip()):
        ends = [_day(end, window) for end in re.split(r"\s*-\s*", part)]
        if len(ends) > 2:
            raise _window_error(window)
        first, last = ends[0], ends[-1]
        found.update((first + k) % 7 for k in range((last - first) % 7 + 1))
    return frozenset(found)


def _day(word: str, window: str) -> int:
    short = word[:3].title()
    full = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    if short in DAYS and full[DAYS.index(short)].startswith(word.lower()):
        return DAYS.index(short)
    guess = did_you_mean(word.title(), DAYS)
    raise _window_error(window, [f"`{word}` is no day of the week" + (f": did you mean `{guess}`?" if guess else "")])


def _window_error(text: str, facts: list[str] | None = None) -> DefinitionError:
    return DefinitionError(
        f"`window` cannot be understood: {text!r}",
        code="P246",
        facts=facts or ["a window is times of a day and a time zone, perhaps after days of the week"],
        help=['window="22:00-06:00 Europe/Paris"', 'window="Mon-Fri 09:00-17:00 Europe/Paris"'],
    )


def show_at(at: float) -> str:
    """A moment for a message, in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
