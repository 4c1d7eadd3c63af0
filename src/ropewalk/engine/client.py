"""The one facade: whatever is outside the engine talks to it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.materialize import load
from ropewalk.core import events as ev
from ropewalk.core.artifact import ArtifactRef
from ropewalk.core.errors import StoreError, UsageError
from ropewalk.core.graph import Graph
from ropewalk.core.state import RunState, fold, regraph
from ropewalk.core.taskstate import FAILED
from ropewalk.engine.home import Home, find_home
from ropewalk.engine.owner import is_alive, this_process, whoami
from ropewalk.engine.past import Past
from ropewalk.engine.result import RunResult
from ropewalk.store import deadletters, runs, tasks
from ropewalk.store import events as log
from ropewalk.store.database import DURABILITIES, Database, open_database

if TYPE_CHECKING:
    from ropewalk.engine.executors.base import Executor
    from ropewalk.engine.scheduler import Listener, Scheduler
    from ropewalk.plan.plan import Plan

# What only drives runs is imported by the methods that do: it is half of the time that a look at runs takes to start.
_ABANDONED: set[tuple[Path, int]] = set()  # runs that this process could not even disown, since the disk was full


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
        from ropewalk.engine.provenance import collect
        from ropewalk.engine.punctual import check_times

        self.check_schedulable(work, options)
        check_times(work.graph, self._clock())
        with self._executor(work, options) as executor:
            new = runs.NewRun(
                work.graph, dict(work.params), dict(work.overrides), work.target, options.seed, this_process(),
                collect(Path.cwd(), self.blobs) | {"durability": options.durability}, whoami(),
            )  # fmt: skip
            run = runs.create(self.db, new, self._clock())
            outer = executor if around is None else around(executor)
            return self._drive(run, RunState(work.graph), outer, options, listener, [])

    def plan(self, work: Work, options: Options = Options()) -> Plan:
        """What a run would do with each task, why, and how long it should take; nothing is executed or recorded."""
        from ropewalk.engine.explain.planning import make_plan  # it is built on this client

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
        from ropewalk.core.reopen import stale, with_owners
        from ropewalk.engine.changed import changed_nodes

        self.check_resumable(run, tolerated=only is not None)
        self.check_schedulable(work, options)
        with self._executor(work, options) as executor:
            run = runs.take_over(self.db, run, this_process())
            _ABANDONED.discard((self.home.root, run.number))
            old = self.state(run)  # not before: until now somebody else may have written
            rested = bool(old.resting) and only is None  # what has failed is not begun anew by an answer
            first = _woken(old)
            options = replace(options, seed=run.seed)
            if old.undone and not old.finished:
                return self._drive(run, old, executor, options, listener, first)
            state = regraph(old, work.graph)
            if _is_over(old, rested) or work.graph.digest != old.base.digest:
                chosen = None if only is None else {node: sorted(items) for node, items in only.items()}
                changed = changed_nodes(old.base, work.graph, code=only is None)
                reopened = ev.Reopened(work.graph.digest, stale(state, changed), with_owners(state, chosen))
                with self.db.transaction():
                    runs.put_graph(self.db, work.graph)
                state.apply(reopened)
                first.append(reopened)
            return self._drive(run, state, executor, options, listener, first)

    def check_schedulable(self, work: Work, options: Options = Options()) -> None:
        """Refuse work with a task that asks for more than there is, or for slots of a pool that there is not."""
        from ropewalk.engine.capacity import all_nodes, check_schedulable, measure
        from ropewalk.engine.pools import sizes

        if any(not node.policy.resources.is_plain for node in all_nodes(work.graph)):
            pools = sizes(self.db) if self.home.database.exists() else {}
            slots = 1 if options.executor == "inline" else options.workers or len(os.sched_getaffinity(0))
            check_schedulable(work.graph, measure(slots, self.home.root), pools)

    def check_resumable(self, run: runs.Run, *, tolerated: bool = False) -> None:
        """Refuse what cannot be continued; what has succeeded can be for the sake of `tolerated` failures."""
        if run.is_open and is_alive(run.owner) and (self.home.root, run.number) not in _ABANDONED:
            raise UsageError(
                f"run {run.number} is still running (process {run.owner.get('pid')})",
                code="P303",
                help=[f"ropewalk show {run.number}", f"ropewalk cancel {run.number}"],
            )
        if run.state == "succeeded" and not tolerated:
            parked = deadletters.count(self.db, run.number)
            more = [f"ropewalk dlq retry {run.number}     tries again what it tolerated to fail"] if parked else []
            raise UsageError(
                f"run {run.number} has succeeded: there is nothing to continue",
                code="P304",
                help=[*more, "ropewalk run     starts a new one"],
            )

    def cancel(self, run: runs.Run, by: str, work: Callable[[], Work] | None = None) -> bool:
        """Ask a run to stop; False when it had ended. One whose scheduler is gone is ended at once.

        Args:
            work: gives its pipeline, which is needed when its scheduler is gone and effects are to be taken back.

        Raises:
            UsageError: effects are to be taken back, and there is no pipeline.
        """
        from ropewalk.engine.executors.nobody import NoExecutor

        if not run.is_open:
            return False
        if is_alive(run.owner):
            return runs.ask_cancel(self.db, run.number, by)
        state = self.state(run)
        needed = bool(state.effects or state.undone)
        if needed and work is None:
            raise UsageError(
                f"run {run.number} has effects to take back, which needs its pipeline",
                code="P305", help=[f"ropewalk cancel {run.number}"],
            )  # fmt: skip
        options = Options(seed=run.seed)
        with self._executor(work(), options) if needed and work else contextlib.nullcontext(NoExecutor()) as executor:
            run = runs.take_over(self.db, run, this_process())
            runs.ask_cancel(self.db, run.number, by)
            state = self.state(run)
            self._drive(run, state, executor, options, None, _woken(state))
        return True

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

    def _drive(
        self,
        run: runs.Run,
        state: RunState,
        executor: Executor,
        options: Options,
        listener: Listener | None,
        first: list[ev.Event],
    ) -> RunResult:
        from ropewalk.engine.interrupts import interruptible
        from ropewalk.engine.scheduler import PAUSED

        scheduler = self._scheduler(run, state, executor, run.params, options, listener)
        try:
            with interruptible(scheduler, executor), self.db.keeping(run.provenance.get("durability", "power")):
                if scheduler.drive(first) == PAUSED:
                    runs.disown(self.db, run)
        except BaseException:
            try:
                runs.disown(self.db, run)
            except StoreError:  # it may be what has just failed
                _ABANDONED.add((self.home.root, run.number))
            raise
        return RunResult(runs.get(self.db, run.number), state, self.blobs)

    def _scheduler(
        self,
        run: runs.Run,
        state: RunState,
        executor: Executor,
        params: Mapping[str, Any],
        options: Options,
        listener: Listener | None,
    ) -> Scheduler:
        from ropewalk.engine.admission import Admission
        from ropewalk.engine.capacity import measure, misfit
        from ropewalk.engine.checkpoint import removing
        from ropewalk.engine.clock import SlewedClock
        from ropewalk.engine.guards import Guards
        from ropewalk.engine.ledger import Ledger
        from ropewalk.engine.ordering import order_of
        from ropewalk.engine.pools import PoolGate, sizes
        from ropewalk.engine.prepare import Preparer
        from ropewalk.engine.reuse import Reuse
        from ropewalk.engine.scheduler import Scheduler
        from ropewalk.engine.supply import Means

        blobs = self.blobs
        own = tasks.computed(self.db, run.number) if state.reopened else {}
        reuse = Reuse(self.db, blobs, enabled=options.reuse, own=own)
        preparer = Preparer(run.number, state, params, options.seed, lambda ref: load(ref, blobs), reuse=options.reuse)
        listener = removing(self.home, run.number, listener)
        last = log.read(self.db, run.number, after=run.seq - 1)
        clock = SlewedClock(self._clock, last[-1].at if last else 0.0)
        capacity = measure(executor.slots, self.home.root)
        ledger = Ledger(state, capacity, clock)
        gates = (PoolGate(self.db, run.number, state, clock), Guards(self.db, run.number, state, clock))
        ranking = order_of(self.db, state.graph, executor.slots, run.created_at)
        means = Means(
            preparer, reuse, Admission(gates, ledger), ranking, lambda node: misfit(node, capacity, sizes(self.db))
        )
        return Scheduler(self.db, run, state, executor, means, listener, clock)

    @contextlib.contextmanager
    def _executor(self, work: Work, options: Options) -> Iterator[Executor]:
        self.home.prepare()
        executor = make_executor(work.functions, self.home, options)
        try:
            yield executor
        finally:
            executor.close()


def make_executor(functions: Mapping[str, Callable[..., Any]], home: Home, options: Options) -> Executor:
    """The executor that the options name."""
    if options.workers is not None and not 1 <= options.workers <= 1000:
        raise UsageError(f"the number of workers must be from 1 to 1000, not {options.workers}")
    if options.executor == "inline":
        from ropewalk.engine.executors.inline import InlineExecutor

        return InlineExecutor(functions, home, Blobs(home.blobs))
    if options.executor == "processes":
        from ropewalk.engine.executors.processes import ProcessExecutor

        return ProcessExecutor(functions, home, options.workers or len(os.sched_getaffinity(0)))
    raise UsageError(f"unknown executor `{options.executor}`", help=["--executor processes", "--executor inline"])


def _woken(state: RunState) -> list[ev.Event]:
    """Take a run up that rested; the event for its log."""
    events: list[ev.Event] = [ev.Woken()] if state.resting else []
    for event in events:
        state.apply(event)
    return events


def _is_over(state: RunState, rested: bool) -> bool:
    """Whether a run has come to an end, at least in parts that would have to be begun anew to go on."""
    failed = not rested and any(node.counts[FAILED] for node in state.nodes.values())
    return bool(state.finished) or bool(state.cancel_requested) or failed
