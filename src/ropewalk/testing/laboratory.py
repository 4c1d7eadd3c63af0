"""`lab`: pipelines of yours, run in virtual time while everything that can go wrong does."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from ropewalk.author.pipeline import Pipeline, trace
from ropewalk.core import events as ev
from ropewalk.core.errors import NotFoundError, StoreError, did_you_mean
from ropewalk.core.graph import Graph
from ropewalk.core.policy import Policy
from ropewalk.core.quantity import seconds
from ropewalk.engine.client import Client, Options, Work
from ropewalk.engine.pools import set_pool
from ropewalk.engine.result import RunResult
from ropewalk.store import approvals, runs
from ropewalk.store import events as log
from ropewalk.store.runs import Run
from ropewalk.testing.amounts import Amounts
from ropewalk.testing.clock import Stage
from ropewalk.testing.invariants import end_problems, problems
from ropewalk.testing.luck import Luck, Mishaps
from ropewalk.testing.processes import Crashed, Process, bury, patched
from ropewalk.testing.report import Broken, brief
from ropewalk.testing.watch import Watch

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
HORIZON = "366d"  # a run that takes longer hangs
LOOK_S = 300.0  # how often schedulers look at the store, in virtual time
RESTART_S = 5.0  # at most, until another scheduler goes on after a crash
COMPARED = 200  # up to so many commits and task runs rows are compared with events each time; then less and less often


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened."""

    at: datetime
    run: int
    what: str

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S}  run {self.run}: {self.what}"


@dataclass(slots=True)
class _Story:
    """One run, as it was told so far."""

    work: Work
    after: int  # runs with numbers up to this one are others
    number: int = 0  # 0: it is not begun
    seq: int = 0
    commits: int = 0
    check_at: int = 0  # the commit after which rows are compared with events again
    watch: Watch | None = None
    result: RunResult | None = None

    @property
    def is_at_rest(self) -> bool:
        """Whether it has ended, or only a person can help it."""
        return self.watch is not None and bool(self.watch.finished or self.watch.resting)


class Lab:
    """A place where pipelines run in virtual time; see `lab`."""

    def __init__(self, folder: Path, seed: int, workers: int, mishaps: Mishaps, pools: Mapping[str, int]) -> None:
        rng = Random(seed)  # noqa: S311  # to be had again
        self._stage = Stage(rng, BEGINNING)
        self._luck = Luck(rng, self._stage, mishaps, self._policy_of, self._note)
        self._mishaps = mishaps
        self._home = folder
        self._workers = workers
        self._pools = dict(pools)
        self._stories: list[_Story] = []
        self._history: list[Moment] = []
        self._interrupted = False
        with self._client() as client:
            for name, slots in self._pools.items():
                set_pool(client.db, name, slots, "lab", self._stage.now)

    # what a test does

    def run(self, pipeline: Pipeline[..., Any] | Work, /, **params: Any) -> RunResult:
        """Run a pipeline to its end, or until only a person can help (its state is "paused" then).

        Its tasks are really called, in this thread. Results of runs before are reused, as they are outside.

        Raises:
            Broken: something happened that never must: a bug of Ropewalk's.
            RopewalkError: the pipeline, or a parameter, is wrong.
        """
        if isinstance(pipeline, Pipeline):
            made = trace(pipeline, params)
            work = Work(made.graph, made.functions, made.params, made.overrides, made.target)
        else:
            work = pipeline
        self._mishaps.check_names(work.graph)
        story = _Story(work, after=max((s.number for s in self._stories), default=0))
        self._stories.append(story)
        return self._drive(story)

    def resume(self, pipeline: Pipeline[..., Any] | None = None) -> RunResult:
        """Continue the last run, which failed or was rejected, as `ropewalk resume` does; with other code, if given."""
        story = self._last()
        if pipeline is not None:
            made = trace(pipeline, story.work.params)
            story.work = Work(made.graph, made.functions, made.params, made.overrides, made.target)
        return self._drive(story)

    def approve(self, node: str, *, reason: str = "", by: str = "lab") -> RunResult:
        """Approve what the last run asks at a node, and let it go on.

        Raises:
            NotFoundError: it asks nothing there.
        """
        return self._answer(node, "approved", by, reason)

    def reject(self, node: str, *, reason: str = "", by: str = "lab") -> RunResult:
        """Reject what the last run asks at a node, and let it go on."""
        return self._answer(node, "rejected", by, reason)

    def advance(self, duration: float | str) -> None:
        """Let time pass, such as "30d"; questions that nobody answers in it expire."""
        until = self._stage.now + seconds(duration)
        while (due := self._next_expiry()) is not None and due[0] <= until:
            self._stage.now = max(self._stage.now, due[0])
            self._drive(due[1])
        self._stage.now = max(self._stage.now, until)

    # what it sees

    @property
    def now(self) -> datetime:
        """The virtual time."""
        return datetime.fromtimestamp(self._stage.now, UTC)

    @property
    def runs(self) -> list[RunResult]:
        """All runs, oldest first."""
        return [story.result for story in self._stories if story.result is not None]

    @property
    def history(self) -> list[Moment]:
        """What happened, and when; one line each as text."""
        return list(self._history)

    def attempts(self, node: str) -> int:
        """How many attempts of a node the last run began: of all its items, and of the nodes that it got in the run.

        Raises:
            NotFoundError: it has no such node.
        """
        watch = self._last().watch
        nodes = {} if watch is None else watch.fold.nodes
        found = [run for node_id, run in nodes.items() if _is_of(node, node_id)]
        if not found:
            raise _not_found(f"the last run has no node `{node}`", node, nodes)
        return sum(sum(run.attempts.values()) for run in found)

    # how it goes on

    def _last(self) -> _Story:
        if not self._stories:
            raise NotFoundError("nothing was run so far", help=["w.run(my_pipeline)"])
        return self._stories[-1]

    def _answer(self, node: str, verdict: str, by: str, reason: str) -> RunResult:
        story = self._last()
        with self._client() as client:
            asked = [a for a in approvals.of_run(client.db, story.number) if not a.verdict]
            meant = [a for a in asked if _is_of(node, a.node)]
            if not meant:
                raise _not_found(f"run {story.number} asks nothing at `{node}`", node, [a.node for a in asked])
            for question in meant:
                approvals.answer(client.db, question, verdict, by, reason, self._stage.now)
        return self._drive(story)

    def _policy_of(self, node: str) -> Policy:
        watch = self._last().watch
        assert watch is not None
        return watch.fold.node_of(node).policy

    def _next_expiry(self) -> tuple[float, _Story] | None:
        """When the next question expires, and whose."""
        resting = [s for s in self._stories if s.watch is not None and s.watch.resting]
        with self._client() as client:
            asked = [(a, story) for story in resting for a in approvals.of_run(client.db, story.number)]
        due = [(a.expires_at, story) for a, story in asked if a.expires_at is not None and not a.verdict]
        return min(due, key=lambda pair: pair[0], default=None)

    def _drive(self, story: _Story) -> RunResult:
        """Let schedulers drive a run, one after another, until it rests."""
        before = story.seq
        self._luck.hangs_at = self._stage.now + seconds(HORIZON)
        while True:
            process = self._luck.process = Process(self._home, self._luck, self._workers)
            try:
                with patched(self._stage, self._luck.at_failpoint, look_s=LOOK_S):
                    self._go_on(process, story, before)
                break
            except (Crashed, StoreError):  # the second where it was about to write
                if not process.crashed:
                    raise
            finally:
                self._luck.process = None
                process.close()
            bury(self._home, self._stage, lambda client: self._find(client, story))
            self._stage.wait(self._luck.rng.random() * RESTART_S)
        if self._interrupted:
            raise KeyboardInterrupt
        assert story.result is not None
        return story.result

    def _go_on(self, client: Client, story: _Story, before: int) -> None:
        self._catch_up(client, story)
        run = self._find(client, story)
        options = Options(workers=self._workers)

        def listen(_: object) -> None:
            self._catch_up(client, story)

        if run is None:
            story.result = client.run(story.work, options, listen)
        elif story.is_at_rest and story.seq > before:
            story.result = client.result(run)
        else:
            story.result = client.resume(run, story.work, options, listen)
        self._catch_up(client, story)
        self._check_rows(client, story)

    def _find(self, client: Client, story: _Story) -> Run | None:
        if not story.number:
            newest = next(iter(runs.listing(client.db, most=1)), None)
            if newest is None or newest.number <= story.after:
                return None
            story.number = newest.number
            amounts = Amounts(pools=self._pools)
            story.watch = Watch(self._graph(newest.first_graph), newest.created_at, amounts, self._graph)
        return runs.get(client.db, story.number)

    def _graph(self, digest: str) -> Graph:
        with self._client() as client:
            return client.graph(digest)

    def _catch_up(self, client: Client, story: _Story) -> None:
        """Look at what was committed since last time."""
        if self._find(client, story) is None:
            return
        assert story.watch is not None
        for batch in log.read(client.db, story.number, after=story.seq):
            story.seq = batch.seq
            for event in batch.events:
                self._note(brief(event), batch.at, story.number)
                self._interrupted |= event == ev.CancelRequested("Ctrl-C")
                story.watch.see(event)
        story.commits += 1
        if story.commits >= story.check_at:
            length, many = sum(story.watch.lengths.values()), max(0, story.commits - COMPARED)
            story.check_at = story.commits + 1 + length // COMPARED + many // 10
            self._check_rows(client, story)

    def _check_rows(self, client: Client, story: _Story) -> None:
        assert story.watch is not None
        found = problems(client.db, story.number)
        if story.watch.finished:
            found += [*end_problems(story.watch.fold), *client.db.problems()]
        if found:
            raise Broken("\n".join(found))

    def _note(self, what: str, at: float | None = None, run: int = 0) -> None:
        moment = datetime.fromtimestamp(self._stage.now if at is None else at, UTC)
        self._history.append(Moment(moment, run or (self._stories[-1].number if self._stories else 0), what))

    def _client(self) -> Client:
        return Client(self._home, self._stage.clock)


def _is_of(name: str, node_id: str) -> bool:
    """Whether a node is meant by a name: its own, that in its body, or that of the node it belongs to."""
    return node_id.startswith(f"{name}/") or name in (node_id, node_id.rpartition("/")[2])


def _not_found(title: str, name: str, known: Mapping[str, object] | list[str]) -> NotFoundError:
    guess = did_you_mean(name, known)
    facts = [f"there are {', '.join(known)}"] if known else ["there are none"]
    return NotFoundError(title, facts=facts, help=[f"did you mean `{guess}`?"] if guess else [])


@contextmanager
def lab(
    *,
    failures: float | Mapping[str, float] = 0.0,
    losses: float = 0.0,
    crashes: float = 0.0,
    stragglers: float = 0.0,
    workers: int = 2,
    seed: int = 0,
    durations: Mapping[str, float | str] | None = None,
    pools: Mapping[str, int] | None = None,
) -> Iterator[Lab]:
    """A place where pipelines run in virtual time, on a store of its own, while things go wrong by chance.

    Pauses of retries, waits, timeouts and expiries pass at once; what a task does itself takes as long as it takes.
    After each commit everything is checked that must hold of a run. Whatever is raised inside the `with` block is
    raised with a line that plays the same again.

    Args:
        failures: how likely an attempt raises an exception instead of doing its work; for all, or by name of task or
            node. It is one that the retry policy is for, if that names any.
        losses: how likely the worker of an attempt dies, before or after the task has done its work.
        crashes: how likely the scheduler dies, at each moment between two writes; another one goes on.
        stragglers: how likely an attempt takes twenty times as long as it should.
        workers: how many attempts run at the same time.
        seed: equal seeds play the same.
        durations: how long attempts take, by name of task or node, such as `{"train": "2h"}`; others about a second.
        pools: the slots of pools, such as `{"warehouse": 2}`; of all other resources there is plenty.

    Raises:
        UsageError: one of them cannot be.
    """
    mishaps = Mishaps(failures, losses, crashes, stragglers, durations)
    mishaps.check()
    memory = Path("/dev/shm")  # noqa: S108  # nothing here has to survive
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None, ignore_cleanup_errors=True) as folder:
        try:
            yield Lab(Path(folder), seed, workers, mishaps, pools or {})
        except BaseException as error:
            error.add_note(f"lab: seed {seed}; to play it again: {_replay(mishaps, workers, seed)}")
            raise


def _replay(mishaps: Mishaps, workers: int, seed: int) -> str:
    """One line that plays the same again: of a shell, where pytest runs the test, else of the test."""
    if test := os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]:
        return f'python -m pytest "{test}"'
    names = ("failures", "losses", "crashes", "stragglers", "durations")
    given = {name: value for name in names if (value := getattr(mishaps, name))} | {"workers": workers, "seed": seed}
    return f"with lab({', '.join(f'{name}={value!r}' for name, value in given.items())}) as w: …"
