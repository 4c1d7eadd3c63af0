"""The time by which a run goes."""

from __future__ import annotations

from collections.abc import Callable


class SlewedClock:
    """A clock that follows another one, but is never set back.

    When the other one is, as by a person or a time server, this one goes on at half its speed until the two agree
    again. So a retry that is due in a second comes in two seconds, not in an hour, and events are logged in order.

    Args:
        clock: gives seconds since the epoch.
        since: what a clock of the same run has shown before, in a process that has ended.
    """

    def __init__(self, clock: Callable[[], float], since: float = 0.0) -> None:
        self._clock = clock
        self._last = clock()
        self._ahead_s = max(0.0, since - self._last)

    def __call__(self) -> float:
        now = self._clock()
        if now >= self._last and not self._ahead_s:
            self._last = now
            return now
        passed_s = now - self._last
        self._last = now
        self._ahead_s = self._ahead_s - passed_s if passed_s < 0 else max(0.0, self._ahead_s - passed_s / 2)
        return now + self._ahead_s
