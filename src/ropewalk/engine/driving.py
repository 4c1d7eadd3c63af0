"""What drives runs, for the client: it starts, continues and ends them with a scheduler and an executor."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.materialize import load
from ropewalk.core import events as ev
from ropewalk.core.errors import StoreError, UsageError
from ropewalk.core.reopen import stale, with_owners
from ropewalk.core.state import RunState, regraph
from ropewalk.core.taskstate import FAILED
from ropewalk.engine.admission import Admission
from ropewalk.engine.capacity import all_nodes, check_schedulable, measure, misfit
from ropewalk.engine.changed import changed_nodes
from ropewalk.engine.checkpoint import removing
from ropewalk.engine.client import Client, Options, Work
from ropewalk.engine.clock import SlewedClock
from ropewalk.engine.executors.base import Executor
from ropewalk.engine.executors.inline import InlineExecutor
from ropewalk.engine.executors.nobody import NoExecutor
from ropewalk.engine.executors.processes import ProcessExecutor
from ropewalk.engine.guards import Guards
from ropewalk.engine.home import Home
from ropewalk.engine.interrupts import interruptible
from ropewalk.engine.ledger import Ledger
from ropewalk.engine.ordering import order_of
from ropewalk.engine.owner import is_alive, this_process, whoami
from ropewalk.engine.pools import PoolGate, sizes
from ropewalk.engine.prepare import Preparer
from ropewalk.engine.provenance import collect
from ropewalk.engine.punctual import check_times
from ropewalk.engine.result import RunResult
from ropewalk.engine.reuse import Reuse
from ropewalk.engine.scheduler import PAUSED, Listener, Scheduler
from ropewalk.engine.supply import Means
from ropewalk.store import deadletters, runs, tasks
from ropewalk.store import events as log

_ABANDONED: set[tuple[Path, int]] = set()  # runs that this process could not even disown, since the disk was full


def make_executor(functions: Mapping[str, Callable[..., Any]], home: Home, options: Options) -> Executor:
    """The executor that the options name."""
    if options.workers is not None and not 1 <= options.workers <= 1000:
        raise UsageError(f"the number of workers must be from 1 to 1000, not {options.workers}")
    if options.executor == "inline":
        return InlineExecutor(functions, home, Blobs(home.blobs))
    if options.executor == "processes":
        return ProcessExecutor(functions, home, options.workers or len(os.sched_getaffinity(0)))
    raise UsageError(f"unknown executor `{options.executor}`", help=["--executor processes", "--executor inline"])


MakeExecutor: TypeAlias = Callable[[Mapping[str, Callable[..., Any]], Home, Options], Executor]


@dataclass(frozen=True, slots=True)
class Driver:
    """Drives runs in this process; its public methods are those of the client, which tells what they do."""

    client: Client
    clock: Callable[[], float]
    make_executor: MakeExecutor = make_executor

    def run(
        self, work: Work, options: Options, listener: Listener | None, around: Callable[[Executor], Executor] | None
    ) -> RunResult:
        self.check_schedulable(work, options)
        check_times(work.graph, self.clock())
        with self._executor(work, options) as executor:
            client = self.client
            new = runs.NewRun(
                work.graph, dict(work.params), dict(work.overrides), work.target, options.seed, this_process(),
                collect(Path.cwd(), client.blobs) | {"durability": options.durability}, whoami(),
            )  # fmt: skip
            run = runs.create(client.db, new, self.clock())
            outer = executor if around is None else around(executor)
            return self._drive(run, RunState(work.graph), outer, options, listener, [])

    def resume(
        self,
        run: runs.Run,
        work: Work,
        options: Options,
        listener: Listener | None,
        only: Mapping[str, Collection[int]] | None,
    ) -> RunResult:
        self.check_resumable(run, tolerated=only is not None)
        self.check_schedulable(work, options)
        with self._executor(work, options) as executor:
            run = runs.take_over(self.client.db, run, this_process())
            _ABANDONED.discard((self.client.home.root, run.number))
            old = self.client.state(run)  # not before: until now somebody else may have written
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
                with self.client.db.transaction():
                    runs.put_graph(self.client.db, work.graph)
                state.apply(reopened)
                first.append(reopened)
            return self._drive(run, state, executor, options, listener, first)

    def check_schedulable(self, work: Work, options: Options) -> None:
        if any(not node.policy.resources.is_plain for node in all_nodes(work.graph)):
            home = self.client.home
            pools = sizes(self.client.db) if home.database.exists() else {}
            slots = 1 if options.executor == "inline" else options.workers or len(os.sched_getaffinity(0))
            check_schedulable(work.graph, measure(slots, home.root), pools)

    def check_resumable(self, run: runs.Run, *, tolerated: bool) -> None:
        if run.is_open and is_alive(run.owner) and (self.client.home.root, run.number) not in _ABANDONED:
            raise UsageError(
                f"run {run.number} is still running (process {run.owner.get('pid')})",
                code="P303",
                help=[f"ropewalk show {run.number}", f"ropewalk cancel {run.number}"],
            )
        if run.state == "succeeded" and not tolerated:
            parked = deadletters.count(self.client.db, run.number)
            more = [f"ropewalk dlq retry {run.number}     tries again what it tolerated to fail"] if parked else []
            raise UsageError(
                f"run {run.number} has succeeded: there is nothing to continue",
                code="P304",
                help=[*more, "ropewalk run     starts a new one"],
            )

    def cancel(self, run: runs.Run, by: str, work: Callable[[], Work] | None) -> bool:
        if not run.is_open:
            return False
        if is_alive(run.owner):
            return runs.ask_cancel(self.client.db, run.number, by)
        state = self.client.state(run)
        needed = bool(state.effects or state.undone)
        if needed and work is None:
            raise UsageError(
                f"run {run.number} has effects to take back, which needs its pipeline",
                code="P305", help=[f"ropewalk cancel {run.number}"],
            )  # fmt: skip
        options = Options(seed=run.seed)
        with self._executor(work(), options) if needed and work else contextlib.nullcontext(NoExecutor()) as executor:
            run = runs.take_over(self.client.db, run, this_process())
            runs.ask_cancel(self.client.db, run.number, by)
            state = self.client.state(run)
            self._drive(run, state, executor, options, None, _woken(state))
        return True

    @contextlib.contextmanager
    def _executor(self, work: Work, options: Options) -> Iterator[Executor]:
        self.client.home.prepare()
        executor = self.make_executor(work.functions, self.client.home, options)
        try:
            yield executor
        finally:
            executor.close()

    def _drive(
        self,
        run: runs.Run,
        state: RunState,
        executor: Executor,
        options: Options,
        listener: Listener | None,
        first: list[ev.Event],
    ) -> RunResult:
        db = self.client.db
        scheduler = self._scheduler(run, state, executor, options, listener)
        try:
            with interruptible(scheduler, executor), db.keeping(run.provenance.get("durability", "power")):
                if scheduler.drive(first) == PAUSED:
                    runs.disown(db, run)
        except BaseException:
            try:
                runs.disown(db, run)
            except StoreError:  # it may be what has just failed
                _ABANDONED.add((self.client.home.root, run.number))
            raise
        return RunResult(runs.get(db, run.number), state, self.client.blobs)

    def _scheduler(
        self, run: runs.Run, state: RunState, executor: Executor, options: Options, listener: Listener | None
    ) -> Scheduler:
        client, db, blobs = self.client, self.client.db, self.client.blobs  # the same blobs: they know what is verified
        own = tasks.computed(db, run.number) if state.reopened else {}
        reuse = Reuse(db, blobs, enabled=options.reuse, own=own)
        preparer = Preparer(
            run.number, state, run.params, options.seed, lambda ref: load(ref, blobs), reuse=options.reuse
        )
        listener = removing(client.home, run.number, listener)
        last = log.read(db, run.number, after=run.seq - 1)
        clock = SlewedClock(self.clock, last[-1].at if last else 0.0)
        capacity = measure(executor.slots, client.home.root)
        ledger = Ledger(state, capacity, clock)
        gates = (PoolGate(db, run.number, state, clock), Guards(db, run.number, state, clock))
        ranking = order_of(db, state.graph, executor.slots, run.created_at)
        means = Means(
            preparer, reuse, Admission(gates, ledger), ranking, lambda node: misfit(node, capacity, sizes(db))
        )
        return Scheduler(db, run, state, executor, means, listener, clock)


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
