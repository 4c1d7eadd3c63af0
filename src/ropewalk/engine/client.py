"""The one facade: whatever is outside the engine talks to it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, Self

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.materialize import load
from ropewalk.core import events as ev
from ropewalk.core.artifact import ArtifactRef, Failure
from ropewalk.core.errors import StoreError, UsageError
from ropewalk.core.expr import to_json
from ropewalk.core.graph import Body, Graph, body_to_json
from ropewalk.core.reopen import stale
from ropewalk.core.state import RunState, fold, regraph
from ropewalk.core.taskstate import FAILED
from ropewalk.engine.admission import Admission
from ropewalk.engine.attempt import Job, Order
from ropewalk.engine.capacity import all_nodes, check_schedulable, measure
from ropewalk.engine.checkpoint import removing
from ropewalk.engine.clock import SlewedClock
from ropewalk.engine.executors.base import Ended, Executor, Report
from ropewalk.engine.guards import Guards
from ropewalk.engine.home import Home, find_home
from ropewalk.engine.ledger import Ledger
from ropewalk.engine.owner import is_alive, this_process, whoami
from ropewalk.engine.pools import PoolGate, sizes
from ropewalk.engine.prepare import Preparer
from ropewalk.engine.provenance import collect
from ropewalk.engine.punctual import check_times
from ropewalk.engine.result import RunResult
from ropewalk.engine.reuse import Reuse
from ropewalk.engine.scheduler import PAUSED, Listener, Scheduler
from ropewalk.plan.plan import Plan
from ropewalk.store import events as log
from ropewalk.store import runs
from ropewalk.store.database import Database, open_database

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
    """

    executor: str = "processes"
    workers: int | None = None
    seed: int = 0
    reuse: bool = True


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
        self.check_schedulable(work, options)
        check_times(work.graph, self._clock())
        with self._executor(work, options) as executor:
            new = runs.NewRun(
                work.graph, dict(work.params), dict(work.overrides), work.target, options.seed, this_process(),
                collect(Path.cwd(), self.blobs), whoami(),
            )  # fmt: skip
            run = runs.create(self.db, new, self._clock())
            outer = executor if around is None else around(executor)
            return self._drive(run, RunState(work.graph), outer, options, listener, [])

    def plan(self, work: Work, options: Options = Options()) -> Plan:
        """What a run would do with each task, why, and how long it should take; nothing is executed or recorded."""
        from ropewalk.engine.explain.planning import make_plan  # it is built on this client

        return make_plan(self, work, options)

    def resume(
        self, run: runs.Run, work: Work, options: Options = Options(), listener: Listener | None = None
    ) -> RunResult:
        """Continue a run that was interrupted, cancelled or failed; what succeeded is kept.

        Raises:
            UsageError: it is still running, or has nothing left to do.
        """
        self.check_resumable(run)
        self.check_schedulable(work, options)
        with self._executor(work, options) as executor:
            run = runs.take_over(self.db, run, this_process())
            _ABANDONED.discard((self.home.root, run.number))
            old = self.state(run)  # not before: until now somebody else may have written
            first = _woken(old)
            state = regraph(old, work.graph)
            if _is_over(old) or work.graph.digest != old.base.digest:
                undone = {node for node, _ in old.undone.values()}
                changed = undone.union(changed_nodes(old.base, work.graph))
                reopened = ev.Reopened(work.graph.digest, stale(state, changed))
                with self.db.transaction():
                    runs.put_graph(self.db, work.graph)
                state.apply(reopened)
                first.append(reopened)
            return self._drive(run, state, executor, replace(options, seed=run.seed), listener, first)

    def check_schedulable(self, work: Work, options: Options = Options()) -> None:
        """Refuse work with a task that asks for more than there is, or for slots of a pool that there is not."""
        if any(not node.policy.resources.is_plain for node in all_nodes(work.graph)):
            pools = sizes(self.db) if self.home.database.exists() else {}
            slots = 1 if options.executor == "inline" else options.workers or len(os.sched_getaffinity(0))
            check_schedulable(work.graph, measure(slots, self.home.root), pools)

    def check_resumable(self, run: runs.Run) -> None:
        """Refuse what cannot be continued."""
        if run.is_open and is_alive(run.owner) and (self.home.root, run.number) not in _ABANDONED:
            raise UsageError(
                f"run {run.number} is still running (process {run.owner.get('pid')})",
                code="P303",
                help=[f"ropewalk show {run.number}", f"ropewalk cancel {run.number}"],
            )
        if run.state == "succeeded":
            raise UsageError(
                f"run {run.number} has succeeded: there is nothing to continue",
                code="P304",
                help=["ropewalk run     starts a new one"],
            )

    def cancel(self, run: runs.Run, by: str) -> bool:
        """Ask a run to stop; False when it had ended. One whose scheduler is gone is ended at once."""
        if not run.is_open:
            return False
        if is_alive(run.owner):
            return runs.ask_cancel(self.db, run.number, by)
        run = runs.take_over(self.db, run, this_process())
        runs.ask_cancel(self.db, run.number, by)
        state = self.state(run)
        self._drive(run, state, _NoExecutor(), Options(seed=run.seed), None, _woken(state))
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
        scheduler = self._scheduler(run, state, executor, run.params, options, listener)
        try:
            with _interruptible(scheduler, executor):
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
        blobs = self.blobs
        reuse = Reuse(self.db, blobs, enabled=options.reuse)
        preparer = Preparer(run.number, state, params, options.seed, lambda ref: load(ref, blobs), reuse=options.reuse)
        listener = removing(self.home, run.number, listener)
        clock = SlewedClock(self._clock)
        ledger = Ledger(state, measure(executor.slots, self.home.root))
        gates = (PoolGate(self.db, run.number, state), Guards(self.db, run.number, state, clock))
        admission = Admission(gates, ledger)
        return Scheduler(self.db, run, state, executor, preparer, reuse, listener, clock, admission)

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


def _is_over(state: RunState) -> bool:
    """Whether a run has come to an end, at least in parts that would have to be begun anew to go on."""
    failed = any(node.counts[FAILED] for node in state.nodes.values())
    return bool(state.finished) or bool(state.cancel_requested) or failed


def changed_nodes(old: Graph, new: Graph) -> tuple[str, ...]:
    """Nodes whose results do not count any more in the new graph: what changed, and everything after it."""
    changed: set[str] = set()
    for node_id in new.nodes:
        follows = any(up in changed for up in new.upstream[node_id])
        if follows or node_id not in old.nodes or _essence(old, node_id) != _essence(new, node_id):
            changed.add(node_id)
    return tuple(node_id for node_id in new.nodes if node_id in changed)


def _essence(graph: Graph, node_id: str) -> str:
    node, spec = graph.nodes[node_id], graph.spec(node_id)
    bindings = {name: to_json(binding) for name, binding in node.bindings.items()}
    when = None if node.when is None else to_json(node.when)
    mapping = None if node.map is None else [node.map.mode, node.map.names]
    bodies = {key: _body_essence(graph, body) for key, body in graph.bodies.items() if key.startswith(node_id)}
    return json.dumps([spec.code.digest, bindings, when, mapping, bodies], default=str)


def _body_essence(graph: Graph, body: Body) -> list[Any]:
    codes = [graph.tasks[node.task].code.digest for node in body.nodes.values()]
    return [body_to_json(body, places=False), codes]


class _NoExecutor:
    """Runs nothing: for ending a run whose scheduler is gone. What would have to run after that is cancelled, too."""

    slots = 0

    def __init__(self) -> None:
        self._refused: list[Report] = []

    def offer(self, node: str, remaining: int, taken: Collection[str] = ()) -> tuple[str, int] | None:
        return None if taken else ("nobody", remaining)

    def submit(self, worker: str, job: Job, orders: Sequence[Order]) -> None:
        failure = Failure("cancelled", "the scheduler of its run is gone", retryable=False)
        self._refused += [Ended(job.node, order.item, order.token, failure) for order in orders]

    def poll(self, timeout_s: float) -> list[Report]:
        refused, self._refused = self._refused, []
        return refused

    def kill(self, *_: object) -> None:
        pass

    def wake(self) -> None:
        pass

    def close(self) -> None:
        pass


@contextlib.contextmanager
def _interruptible(scheduler: Scheduler, executor: Executor) -> Iterator[None]:
    """Ctrl-C and SIGTERM ask the run to stop; a second Ctrl-C ends its tasks without grace."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(_signal: int, _frame: FrameType | None) -> None:
        if scheduler.interrupt() > 1:
            kill_all = getattr(executor, "kill_all", None)
            if kill_all is not None:
                kill_all()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
