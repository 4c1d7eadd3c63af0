"""Processes that exist in virtual time only: each drives a run with simulated workers, and may end at any moment."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NoReturn
from unittest.mock import patch

from ropewalk.engine import capacity as capacity_module
from ropewalk.engine import pools as pools_module
from ropewalk.engine import provenance as provenance_module
from ropewalk.engine import punctual as punctual_module
from ropewalk.engine import scheduler as scheduler_module
from ropewalk.engine.capacity import Capacity
from ropewalk.engine.client import Client, Options, Work
from ropewalk.engine.executors import nobody as nobody_module
from ropewalk.engine.executors.nobody import NoExecutor
from ropewalk.store import database as database_module
from ropewalk.store import runs
from ropewalk.store.runs import Run
from ropewalk.testing.clock import Stage
from ropewalk.testing.workers import Director, SimulatedExecutor

PLENTY = Capacity(1e6, 1 << 60, 1 << 60, tuple(map(str, range(1024))))


class Crashed(BaseException):
    """The process of a scheduler has ended, in the middle of whatever it did."""


class Process(Client):
    """A client whose workers are simulated, in a process that can be ended.

    Args:
        director: decides what happens to its workers.
        batch: how many attempts a worker takes at a time.
    """

    def __init__(self, home: Path, director: Director, slots: int, batch: int = 1) -> None:
        super().__init__(home, director.stage.clock)
        self._director = director
        self._slots, self._batch = slots, batch
        self.crashed = False
        self._workers: SimulatedExecutor | None = None

    @contextlib.contextmanager
    def _executor(self, work: Work, options: Options) -> Iterator[SimulatedExecutor]:
        self.home.prepare()
        self._workers = SimulatedExecutor(self._director, work.functions, self.blobs, self._slots, self._batch)
        try:
            yield self._workers
        finally:
            self._workers.close()

    def crash(self) -> NoReturn:
        """End the process: whatever it had not committed is gone, and it says nothing more."""
        self.crashed = True
        if self._workers is not None:
            self._director.late += self._workers.vanish()
        if self._db is not None:
            self._db.close()  # without a word, as of a process that is killed
        raise Crashed


class Nobody(NoExecutor):
    """Runs nothing, and waits in virtual time."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage

    def wait(self, timeout_s: float) -> None:
        self._stage.wait(timeout_s)


def bury(home: Path, stage: Stage, find: Callable[[Client], Run | None]) -> None:
    """See to it that nobody takes a dead process for the owner of its run."""
    with Client(home, stage.clock) as client:
        run = find(client)
        if run is not None and run.is_open:
            runs.disown(client.db, run)


@contextlib.contextmanager
def patched(
    stage: Stage, at_failpoint: Callable[[str], None], look_s: float | None = None, machine: Capacity = PLENTY
) -> Iterator[None]:
    """Be told of each moment between two writes; and leave what this machine is and has out of the play.

    Args:
        look_s: how often schedulers look at the store; None: as often as they do.
        machine: what each scheduler finds that it has.
    """
    looks = [] if look_s is None else [scheduler_module, pools_module, punctual_module]
    with contextlib.ExitStack() as stack:
        for module in looks:
            stack.enter_context(patch.object(module, "LOOK_S", look_s))
        stack.enter_context(_played(stage, at_failpoint, machine))
        yield


@contextlib.contextmanager
def _played(stage: Stage, at_failpoint: Callable[[str], None], machine: Capacity) -> Iterator[None]:
    with (
        patch.object(scheduler_module, "failpoint", at_failpoint),
        patch.object(database_module, "failpoint", at_failpoint),
        patch.object(provenance_module, "collect", lambda *_: {}),
        patch.object(capacity_module, "measure", lambda *_: machine),
        patch.object(nobody_module, "NoExecutor", partial(Nobody, stage)),
    ):
        yield
