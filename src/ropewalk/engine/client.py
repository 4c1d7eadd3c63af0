"""The one facade: whatever is outside the engine talks to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.materialize import load
from ropewalk.core.artifact import ArtifactRef
from ropewalk.core.errors import UsageError
from ropewalk.core.graph import Graph
from ropewalk.core.state import RunState, fold
from ropewalk.engine.home import Home, find_home
from ropewalk.engine.owner import is_alive
from ropewalk.engine.past import Past
from ropewalk.engine.result import RunResult
from ropewalk.store import events as log
from ropewalk.store import runs
from ropewalk.store.database import DURABILITIES, Database, open_database

if TYPE_CHECKING:
    from ropewalk.engine.driving import Driver
    from ropewalk.engine.executors.base import Executor
    from ropewalk.engine.scheduler import Listener
    from ropewalk.plan.plan import Plan


@dataclass(frozen=True, slots=True)
class Work:
    """A graph that can be run: with the functions of its tasks."""

    graph: Graph
    functions: Mapping[str, Callable[..., Any]]  # by key of Graph.tasks
    params: Mapping[str, Any]
    overrides: Mapping[str, str]  # "task.parameter" to text, already part of the graph
    target: str = ""  # "file.py:name", for finding the pipeline again


@dataclass(frozen=True, slots=True)
class Options:
    """How to run it.

    Attributes:
        executor: "processes" or "inline".
        workers: number of worker processes; None: one for each CPU.
        seed: runs with different seeds share no results.
        reuse: False: execute everything, whatever is known.
        durability: what recorded results survive: "power" (a power cut), or "process" (the end of any process; a power
            cut may cost the last seconds, but leaves the store consistent). It holds when a run is continued, too.
    """

    executor: str = "processes"
    workers: int | None = None
    seed: int = 0
    reuse: bool = True
    durability: str = "power"

    def __post_init__(self) -> None:
        if self.durability not in DURABILITIES:
            raise UsageError(
                f"durability is {' or '.join(DURABILITIES)}, not `{self.durability}`",
                help=["ropewalk run --durability process     faster, and a power cut may lose the last seconds"],
            )


class Client:
    """Runs pipelines and tells about runs, in one project.

    Args:
        home: the project's state folder; None: found upward from the current folder.
        clock: gives seconds since the epoch.
    """

    def __init__(self, home: Path | str | None = None, clock: Callable[[], float] = time.time) -> None:
        self.home: Home = find_home() if home is None else Home(Path(home).absolute())
        self._clock = clock
        self._db: Database | None = None
        self.past = Past(self.graph, self.state)

    @property
    def db(self) -> Database:
        """The store, opened (and made) when it is first needed."""
        if self._db is None:
            self.home.prepare()
            self._db = open_database(self.home.database)
        return self._db

    @property
    def blobs(self) -> Blobs:
        """The files of results."""
        return Blobs(self.home.blobs)

    def close(self) -> None:
        """Give the store back."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(
        self,
        work: Work,
        options: Options = Options(),
        listener: Listener | None = None,
        *,
        around: Callable[[Executor], Executor] | None = None,
    ) -> RunResult:
        """Start a run and drive it to its end in this process.

        The result tells whether it succeeded; only what is not the user's work raises.

        Args:
            around: puts something between the scheduler and the executor.
        """
        return self._driver.run(work, options, listener, around)

    def plan(self, work: Work, options: Options = Options()) -> Plan:
        """What a run would do with each task, why, and how long it should take; nothing is executed or recorded."""
        from ropewalk.engine.explain.planning import make_plan  # loaded only here, as what drives runs in `_driver`

        return make_plan(self, work, options)

    def resume(
        self,
        run: runs.Run,
        work: Work,
        options: Options = Options(),
        listener: Listener | None = None,
        *,
        only: Mapping[str, Collection[int]] | None = None,
    ) -> RunResult:
        """Continue a run that was interrupted, cancelled or failed; what succeeded is kept.

        One that was interrupted while it took effects back goes on with that, and has then failed or been cancelled.

        Args:
            only: of what has failed, or was tolerated to fail, try these again, items by node; what has succeeded is
                kept even if its code has changed. None: all, and what has changed.

        Raises:
            UsageError: it is still running, or has nothing left to do.
        """
        return self._driver.resume(run, work, options, listener, only)

    def check_schedulable(self, work: Work, options: Options = Options()) -> None:
        """Refuse work with a task that asks for more than there is, or for slots of a pool that there is not."""
        self._driver.check_schedulable(work, options)

    def check_resumable(self, run: runs.Run, *, tolerated: bool = False) -> None:
        """Refuse what cannot be continued; what has succeeded can be for the sake of `tolerated` failures."""
        self._driver.check_resumable(run, tolerated=tolerated)

    def cancel(self, run: runs.Run, by: str, work: Callable[[], Work] | None = None) -> bool:
        """Ask a run to stop; False when it had ended. One whose scheduler is gone is ended at once.

        Args:
            work: gives its pipeline, which is needed when its scheduler is gone and effects are to be taken back.

        Raises:
            UsageError: effects are to be taken back, and there is no pipeline.
        """
        return self._driver.cancel(run, by, work)

    def pause(self, run: runs.Run, by: str) -> bool:
        """Ask a run to rest once what is running has ended; False when nothing drives it."""
        return is_alive(run.owner) and runs.ask_pause(self.db, run.number, by)

    def state(self, run: runs.Run) -> RunState:
        """The state of a run, folded from its events."""
        events = (event for batch in log.read(self.db, run.number) for event in batch.events)
        return fold(self.graph(run.first_graph), events, self.graph)

    def graph(self, digest: str) -> Graph:
        """The graph with this digest."""
        return runs.get_graph(self.db, digest)

    def run_graph(self, run: runs.Run) -> Graph:
        """The graph of a run, with the nodes that have come into being in it."""
        return self.past.graph(run)

    def result(self, run: runs.Run) -> RunResult:
        """A run with the values that it made."""
        return RunResult(run, self.state(run), self.blobs)

    def load(self, ref: ArtifactRef) -> Any:
        """The value of an artifact."""
        return load(ref, self.blobs)

    @property
    def _driver(self) -> Driver:
        """What drives runs. It is loaded here only: it is half of the time that a look at runs takes to start."""
        from ropewalk.engine.driving import Driver  # it is built on this client

        return Driver(self, self._clock)
