"""What a task saves of its own work while it runs, so that its next attempt need not start over.

Equal work has equal keys, so what one attempt saved serves the next one, whichever process, scheduler or run makes it:

    home/checkpoints/KEY/RUN.NODE.ITEM/…    what attempts of one task run saved (see `artifacts.checkpoints`)

A task run that has saved nothing itself takes over what another run has saved under its key, unless its result may
not come from another run either (`cache=False`, `--no-cache`). All of it goes when the task run has succeeded.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Any

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.checkpoints import Saved, history, keep, sweep, values
from ropewalk.artifacts.disk import remove_tree
from ropewalk.core import events as ev
from ropewalk.core.errors import RopewalkError, UsageError
from ropewalk.core.quantity import seconds
from ropewalk.engine.home import Home
from ropewalk.plan.interval import mean_time_between_failures_s, optimum_interval_s

if TYPE_CHECKING:
    from ropewalk.engine.scheduler import Listener, Step

_COARSE_NS = 50_000_000  # a change so soon before a look may have been missed by it
_NEWEST_WEIGHS = 0.3  # in the moving average of what saving costs


def folder_of(home: Home, key: str, run: int, node: str, item: int) -> Path:
    """Where a task run keeps its checkpoints."""
    return home.checkpoints / key / _own(run, node, item)


def _own(run: int, node: str, item: int) -> str:
    return f"{run}.{node.replace('/', '~')}.{item}"


class Checkpoint:
    """Saves and loads what a task needs to go on from where an earlier attempt of it ended.

    Args:
        folder: where the task run keeps them; None: in memory, for a task that is called as a plain function.
        takes_over: whether it may go on from what stands beside it, which equal work has saved.
        mtbf_s: gives the mean time between failures; asked for by `every(auto=True)` only.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        takes_over: bool = False,
        mtbf_s: Callable[[], float] = lambda: mean_time_between_failures_s(0, 0),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._takes_over = takes_over
        self._mtbf_s = mtbf_s
        self._clock = clock
        self._blobs = None if folder is None else Blobs(folder)
        self._memory: Any = None
        self.saves = 0  # by this attempt
        self.saved_at = clock()  # when the last save ended; before the first one: when the attempt began to use it
        self.cost_s: float | None = None  # of a save: a moving average; None before the first one

    def load(self) -> Any:
        """What was saved last, in this or in an earlier attempt; None: nothing.

        One that is damaged does not count; then it is the one before.
        """
        if self._blobs is None:
            return self._memory
        if self._takes_over and not history(self._blobs.root):
            _take_over(self._blobs.root)
        sweep(self._blobs, now=time.time())
        return next(values(self._blobs), None)

    def save(self, value: Any) -> None:
        """Keep a value for the next attempt; when this returns, a power cut does not lose it.

        Args:
            value: anything that can be pickled; parts of it that are shared stay so.

        Raises:
            UnstorableError: it cannot be kept (P310).
            StoreError: the disk is full (P520) or refuses (P530); what was saved before is as it was.
        """
        began = self._clock()
        if self._blobs is None:
            self._memory = value
        else:
            keep(value, self._blobs, at=time.time())
        self.saved_at = self._clock()
        self.saves += 1
        took_s = self.saved_at - began
        before = took_s if self.cost_s is None else self.cost_s
        self.cost_s = before + _NEWEST_WEIGHS * (took_s - before)

    def every(self, interval: float | str | None = None, *, steps: int | None = None, auto: bool = False) -> Timer:
        """Say in a loop when it is time to save: after some time, some steps, or as seldom as is wise.

        With `auto` that is the interval of Young and Daly, which loses least to saving and to failures together,
        from what saving has cost so far in this attempt and how often attempts have been lost in this store. The
        first save is due at once, so that its cost is known.

        Args:
            interval: "10m", or a number of seconds, since the last save.
            steps: how many calls of `due` since the last save.

        Raises:
            UsageError: not exactly one of the three is given, or `steps` is not a positive integer.
            DefinitionError: `interval` is not a duration.
        """
        if (interval is not None) + (steps is not None) + bool(auto) != 1:
            raise UsageError(
                "`checkpoint.every` takes exactly one of an interval, `steps` and `auto`",
                help=['checkpoint.every("10m")', "checkpoint.every(steps=5)", "checkpoint.every(auto=True)"],
            )
        if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps < 1):
            raise UsageError(
                f"`steps` of `checkpoint.every` is not a positive integer: {steps!r}",
                help=["checkpoint.every(steps=5)"],
            )
        if steps is not None:
            return Timer(self, self._clock, steps=steps)
        if auto:
            mtbf_s = self._mtbf_s()
            return Timer(self, self._clock, lambda cost_s: optimum_interval_s(cost_s or 0.0, mtbf_s))
        interval_s = seconds(0 if interval is None else interval, "interval of checkpoint.every")
        return Timer(self, self._clock, lambda _: interval_s)


class Timer:
    """Says when it is time to save; made by `Checkpoint.every`."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        clock: Callable[[], float],
        interval_s: Callable[[float | None], float] = lambda _: 0.0,
        *,
        steps: int = 1,
    ) -> None:
        self._checkpoint = checkpoint
        self._clock = clock
        self._interval_s = interval_s  # from what a save costs; None: that is not known yet
        self._steps = steps
        self._since = clock()
        self._saves = checkpoint.saves
        self._calls = 0

    def due(self) -> bool:
        """Whether it is time to save; to be asked once in each step of the loop."""
        checkpoint = self._checkpoint
        if checkpoint.saves != self._saves:
            self._saves, self._since, self._calls = checkpoint.saves, checkpoint.saved_at, 0
        self._calls += 1
        elapsed_s = self._clock() - self._since
        return self._calls >= self._steps and elapsed_s >= self._interval_s(checkpoint.cost_s)


def observed_mtbf_s(home: Home) -> float:
    """The mean time between failures of one attempt, by what the store remembers."""
    from ropewalk.store.database import open_database  # few tasks ask for it
    from ropewalk.store.history import mishaps

    if home.database.exists():
        with suppress(RopewalkError):  # a guess is as good as no checkpoints are bad
            db = open_database(home.database)
            try:
                return mean_time_between_failures_s(*mishaps(db))
            finally:
                db.close()
    return mean_time_between_failures_s(0, 0)


def newest(home: Home, run: int, node: str, item: int) -> Saved | None:
    """The newest checkpoint that a task run has saved."""
    found = [
        saved for path in home.checkpoints.glob(f"*/{escape(_own(run, node, item))}") for saved in history(path)[:1]
    ]
    return max(found, key=lambda saved: saved.at, default=None)


def removing(home: Home, run: int, listener: Listener | None) -> Listener:
    """A listener that removes the checkpoints of task runs that have succeeded, and then tells another one.

    A listener hears of what is committed, so what a checkpoint would be needed for is safe by then.
    """
    folder = home.checkpoints
    keys: set[str] = set()
    looked: tuple[int, int] | None = None  # when the folder was changed, as seen by the last look, and when that was

    def listen(step: Step) -> None:
        nonlocal keys, looked
        changed_ns = _changed_ns(folder)
        if looked is None or changed_ns != looked[0] or looked[1] - changed_ns < _COARSE_NS:
            looked = changed_ns, time.time_ns()
            keys = set(_names(folder))
        for event in step.events if keys else ():
            if isinstance(event, (ev.Succeeded, ev.Reused)) and event.key in keys:
                remove(folder_of(home, event.key, run, event.node, event.item))
        if listener is not None:
            listener(step)

    return listen


def remove(folder: Path) -> None:
    """Remove the checkpoints of one task run; what cannot be removed is left to `ropewalk gc`."""
    with suppress(OSError):
        remove_tree(folder)
    with suppress(OSError):  # equal work of others keeps its own there
        folder.parent.rmdir()


@dataclass(frozen=True, slots=True)
class Leftover:
    """The checkpoints of one task run, as found on the disk."""

    folder: Path
    run: int
    node: str
    item: int
    size_bytes: int
    touched_at: float


def every_one(home: Home) -> Iterator[Leftover]:
    """All checkpoints that are there."""
    for folder in home.checkpoints.glob("*/*.*.*"):
        run, _, rest = folder.name.partition(".")
        node, _, item = rest.rpartition(".")
        if not (run.isdigit() and item.isdigit()):
            continue
        with suppress(FileNotFoundError):  # its task run succeeds at this moment
            found = [path.stat() for path in (folder, *folder.rglob("*"))]
            size, touched_at = sum(f.st_size for f in found if S_ISREG(f.st_mode)), max(f.st_mtime for f in found)
            yield Leftover(folder, int(run), node.replace("~", "/"), int(item), size, touched_at)


def _changed_ns(folder: Path) -> int:
    """When something was put into a folder or removed; 0: there is none."""
    try:
        return os.stat(folder).st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _take_over(folder: Path) -> None:
    """Make the newest of what equal work has saved this folder's own; so it goes when this task run succeeds."""
    others = [folder.parent / name for name in _names(folder.parent) if name != folder.name]
    saved = [(found[0].at, other) for other in others if (found := history(other))]
    if saved:
        with suppress(OSError):  # somebody else was faster
            remove_tree(folder)
            os.rename(max(saved)[1], folder)
