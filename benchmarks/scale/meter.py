"""Where the CPU seconds of a scheduler go."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

from ropewalk.core.decide import Decider
from ropewalk.engine.scheduler import Scheduler
from ropewalk.engine.supply import Supply
from ropewalk.store import events as log
from ropewalk.store.database import Database
from ropewalk.testing.workers import SimulatedExecutor

SIMULATION, START = "simulation", "start"
PARTS: tuple[tuple[Any, str, str], ...] = (
    (SimulatedExecutor, "poll", SIMULATION),
    (SimulatedExecutor, "offer", SIMULATION),
    (SimulatedExecutor, "submit", SIMULATION),
    (Scheduler, "drive", "loop"),
    (Decider, "feed", "deciding"),
    (Decider, "recover", "deciding"),
    (Supply, "look_up", "keys"),
    (Supply, "leave_to_others", "keys"),
    (Supply, "take_back", "keys"),
    (log, "append", "rows"),
    (Database, "query", "SQL"),
    (Database, "many", "SQL"),
    (Database, "data_version", "SQL"),
)


class Meter:
    """CPU seconds by part; what one part calls of another counts for the other only.

    One pair of readings costs about a microsecond, which counts for whatever is measured.
    """

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self._parts = [START]
        self._since = time.process_time()

    def enter(self, part: str) -> None:
        """From now on it is this part that spends."""
        self._charge()
        self._parts.append(part)

    def leave(self) -> None:
        """It is again the part that was left for this one."""
        self._charge()
        self._parts.pop()

    def _charge(self) -> None:
        now = time.process_time()
        self.spent[self._parts[-1]] += now - self._since  # type: ignore[assignment]  # a Counter of seconds
        self._since = now

    def read(self) -> dict[str, float]:
        """CPU seconds by part until now."""
        self._charge()
        return dict(self.spent)

    def at_failpoint(self, name: str) -> None:
        """A commit is SQL, too."""
        if name == "commit.before":
            self.enter("SQL")
        elif name == "commit.after":
            self.leave()

    def _timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **named: Any) -> Any:
            self.enter(part)
            try:
                return function(*args, **named)
            finally:
                self.leave()

        return timed

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Measure all parts inside the block."""
        with contextlib.ExitStack() as stack:
            for owner, name, part in PARTS:
                stack.enter_context(patch.object(owner, name, self._timed(part, getattr(owner, name))))
            self._charge()
            self.spent.clear()
            yield
