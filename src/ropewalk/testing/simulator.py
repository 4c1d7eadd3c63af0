"""A deterministic simulation: the real scheduler and store, with virtual time, workers and people, and many mishaps.

`simulate(seed)` plays runs of a random pipeline to their end. Schedulers die between any two writes, and others take
over; attempts are lost, given back, cancelled and reported twice or too late; blobs vanish and rot; disks are full for
a moment. Then every run must have ended as one without mishaps does, and have broken no rule on the way.

    python -m ropewalk.testing.simulator 17          one seed, told step by step
    python -m ropewalk.testing.simulator 0 1000      a range of seeds
"""

from __future__ import annotations

import errno
import hashlib
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NoReturn, TypeAlias

from ropewalk.core import events as ev
from ropewalk.core.artifact import Failed, Failure
from ropewalk.core.artifact import Outcome as Attempted
from ropewalk.core.errors import RopewalkError
from ropewalk.core.graph import Graph
from ropewalk.core.noderun import NodeRun
from ropewalk.core.settle import MAX_LOST
from ropewalk.core.special import Approval, Wait
from ropewalk.core.state import RunState
from ropewalk.engine.attempt import Job, Order
from ropewalk.engine.capacity import Capacity
from ropewalk.engine.client import Client, Options, Work
from ropewalk.engine.executors.base import Report as WorkerReport
from ropewalk.engine.pools import set_pool
from ropewalk.engine.scheduler import Step
from ropewalk.store import events as log
from ropewalk.store import runs
from ropewalk.testing.amounts import Amounts
from ropewalk.testing.bounds import CORES, POOLS
from ropewalk.testing.clock import Stage
from ropewalk.testing.graphs import FUNCTIONS, Shape, random_graph
from ropewalk.testing.invariants import end_problems, problems, stored_state
from ropewalk.testing.people import answer, interfere, spoil
from ropewalk.testing.processes import Crashed, Process, bury, patched
from ropewalk.testing.report import Broken, Report, brief
from ropewalk.testing.watch import Watch
from ropewalk.testing.workers import LOST

MAX_TURNS = 20_000
LOOK_S = 1.0  # how often schedulers look at the store
MACHINE = Capacity(CORES, 1 << 40, 1 << 40, ())
CALM_AFTER_S = 300.0  # from then on nothing more goes wrong, and everything has to end
WRONG = Failure("exception", "ValueError: no", "builtins.ValueError", ("builtins.Exception",))
TIMEOUT = Failure("timeout", "timed out after 1 s")
Outcome: TypeAlias = dict[tuple[str, int], tuple[str, tuple[tuple[str, str], ...]]]


class World:
    """Everything that a simulation consists of."""

    def __init__(self, seed: int, folder: Path, *, faults: float, tell: bool = False) -> None:
        self.report = Report(seed)
        self.rng = _random(f"{seed} {faults > 0}")
        self.stage = Stage(self.rng)
        self.home = folder
        shape = _random(seed)
        special, bounded = shape.choice((0.0, 0.25, 0.5)), shape.choice((0.0, 0.15, 0.3))
        self.graph = random_graph(shape, shape.randint(1, 9), Shape(conditional=0.15, special=special, bounded=bounded))
        self.functions = {**FUNCTIONS, "found": self._found}
        self.faults = faults
        self.tell = tell
        self.scenes: dict[str, Scene] = {}
        self.computing: dict[str, Scene] = {}
        self.held: Counter[str] = Counter()  # slots of pools, by attempts of all runs
        self._trace = hashlib.sha256()
        self._began = self.stage.now

    @property
    def calm(self) -> bool:
        """Nothing goes wrong any more."""
        return self.faults == 0 or self.stage.now - self._began > CALM_AFTER_S

    def chance(self, likely: float) -> bool:
        """Whether something that goes wrong so often does so now."""
        return not self.calm and self.rng.random() < likely

    def note(self, text: str) -> None:
        self._trace.update(text.encode())
        if self.tell:
            sys.stdout.write(f"{self.stage.now - self._began:9.2f}  {text}\n")

    def failures(self, key: str, most: int) -> int:
        """How many attempts at a key fail by their own fault: none, as many as may be, or all."""
        rng = _random(f"{self.report.seed} {key}")
        return rng.choice((min(1, most), min(2, most), 99)) if rng.random() < 0.15 else 0

    def play(self, runs_: int) -> Report:
        """Let so many runs, and people who interfere, act until all runs have ended."""
        for number in range(runs_):
            scene = Scene(self, number)
            self.scenes[f"run {number}"] = scene
            self.stage.add(f"run {number}", scene.live, at=self.rng.random() * 3 * number)
        with Client(self.home, self.stage.clock) as client:
            for name, slots in POOLS.items():
                set_pool(client.db, name, slots, "person", self.stage.now)
        self.stage.add("person", partial(answer, self))
        if self.faults:
            self.stage.add("vandal", partial(spoil, self))
            self.stage.add("manager", partial(interfere, self))
        with patched(self.stage, self._at_failpoint, look_s=LOOK_S, machine=MACHINE):
            if not self.stage.play(MAX_TURNS):
                left = [name for name, scene in self.scenes.items() if not scene.ended]
                self.report.problems.append(f"{left} do not end")
            return self._finish()

    def _found(self, after_s: float, **_: Any) -> bool:
        """A check for what comes at its time."""
        return self.stage.now - self._began >= after_s

    def _at_failpoint(self, name: str) -> None:
        """A moment between two writes."""
        scene = self.scenes.get(self.stage.acting)
        if scene is None or scene.process is None:
            return
        if self.chance(0.01):
            scene.crash(f"at {name}")
        if name == "commit.before" and self.chance(0.003):
            self.report.full_disks += 1
            raise OSError(errno.ENOSPC, "the disk is full for a moment")
        if name == "commit.done" and self.chance(0.2):
            self.stage.wait()

    def _finish(self) -> Report:
        self.report.turns, self.report.virtual_s = self.stage.turns, self.stage.now - self._began
        self.report.trace = self._trace.hexdigest()
        self.report.problems += self.stage.errors
        return self.report

    def outcome(self, number: int) -> Outcome:
        """How a run has ended: for each task run its state and what it made."""
        with Client(self.home) as client:
            run = self.scenes[f"run {number}"].find(client)
            assert run is not None
            state = client.state(run)
        return {
            (node_id, item): (node.state(item).label, digests(node, item))
            for node_id, node in state.nodes.items()
            for item in range(node.length)
        }

    def watched(self, number: int) -> tuple[list[str], bool]:
        """What must not have happened in a run, and whether its outcome depends on what happened first."""
        with Client(self.home) as client:
            run = self.scenes[f"run {number}"].find(client)
            assert run is not None
            events = [event for batch in log.read(client.db, run.number) for event in batch.events]
        watch = Watch(self.graph, run.created_at, Amounts(CORES, POOLS))
        try:
            for event in events:
                watch.see(event)
        except Broken as broken:
            return [str(broken)], True
        return [], watch.denied or any(_is_by_chance(event, self.graph) for event in events)

    def check(self, number: int, wanted: Outcome) -> None:
        """Note what is wrong with a run that has ended; `wanted` is empty where that depends on luck."""
        with Client(self.home) as client:
            run = self.scenes[f"run {number}"].find(client)
            assert run is not None
            state = stored_state(client.db, run.number)
            found = [*problems(client.db, run.number), *end_problems(state), *client.db.problems()]
        broken, by_chance = self.watched(number)
        if not by_chance and wanted and (different := sorted(set(self.outcome(number).items()) ^ set(wanted.items()))):
            found.append(f"it has not ended as without mishaps: {different}")
        self.report.problems += [f"run {number}: {problem}" for problem in [*found, *broken]]


class Scene:
    """One run: started by a process that may die, and taken over by the next, until it has ended."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.rng, self.stage = world.rng, world.stage
        self.number = number
        self.slots, self.batch = world.rng.randint(1, 4), world.rng.choice((1, 1, 3, 10))
        self.late: list[WorkerReport] = []
        self.state: RunState | None = None
        self.process: Process | None = None
        self.ended = False

    # what the workers ask

    def takes_s(self, job: Job, order: Order) -> float:
        return self.rng.expovariate(1.0) * (50 if self.rng.random() < 0.03 else 1)

    def attempt(self, job: Job, order: Order, work: Callable[[], Attempted]) -> Attempted | Failure:
        assert self.state is not None
        run = self.state.nodes[job.node]
        if self.is_told_again() and run.losses.get(order.item, 0) < MAX_LOST:
            return LOST
        if run.retries.get(order.item, 0) < self.world.failures(order.key, run.node.policy.retry.count):
            is_check = isinstance(run.node.special, Wait)  # too late, a check of its timeout is not its failure
            return Failed(WRONG) if order.item % 2 or is_check else TIMEOUT
        return work()

    def is_told_again(self) -> bool:
        return self.world.chance(self.world.faults)

    def begins(self, order: Order, node: str) -> None:
        other = self.world.computing.get(order.key)
        assert self.state is not None
        policy = self.state.nodes[node].node.policy
        self.world.held.update(dict(policy.resources.pools))
        for pool, slots in POOLS.items():
            if self.world.held[pool] > slots:
                self.world.report.problems.append(f"{self.world.held[pool]} slots of {pool} are held")
        if policy.cache.enabled:
            if other is not None and other is not self:
                self.world.report.problems.append(
                    f"runs {other.number} and {self.number} compute the key of {node} at once"
                )
            self.world.computing[order.key] = self

    def ends(self, order: Order, node: str) -> None:
        assert self.state is not None
        self.world.held.subtract(dict(self.state.nodes[node].node.policy.resources.pools))
        self.world.computing.pop(order.key, None)

    def before_poll(self) -> None:
        if self.world.chance(0.01):
            self.crash("while it waits")

    # the processes that it lives in

    def live(self) -> None:
        """Run, and go on after every end that is not one."""
        while not self.ended:
            self.process = Process(self.world.home, self, self.slots, self.batch)
            try:
                self._go_on(self.process)
            except (Crashed, RopewalkError, OSError) as error:
                self.world.note(f"run {self.number} is broken off: {type(error).__name__}")
            finally:
                self.process.close()
                self.process = None
            if not self.ended:
                bury(self.world.home, self.stage, self.find)
                self.stage.wait(self.rng.random() * 5)

    def _go_on(self, client: Client) -> None:
        options = Options(workers=self.slots)
        work = Work(self.world.graph, self.world.functions, {"number": self.number}, {})
        run = self.find(client)
        if run is None:
            client.run(work, options, self.listen)
        else:
            self.state = client.state(run)
            if self.is_to_go_on(self.state):
                client.resume(run, work, options, self.listen)
        assert self.state is not None
        self.look(client)
        self.world.note(f"run {self.number} has {self.state.finished or 'come to rest'}")
        self.ended = not self.is_to_go_on(self.state)

    def is_to_go_on(self, state: RunState) -> bool:
        """Whether a run was broken off or cancelled."""
        if state.finished == "failed" and state.base.policy.on_failure == "fail_fast":
            return False  # that was the one who cancelled it
        return state.finished in ("", "cancelled") or (state.finished == "failed" and state.cancel_requested)

    def find(self, client: Client) -> runs.Run | None:
        """The run of this scene, if it was begun."""
        return next((run for run in runs.all_runs(client.db) if run.params["number"] == self.number), None)

    def listen(self, step: Step) -> None:
        self.state = step.state
        self.world.report.commits += 1
        if self.process is not None and self.rng.random() < 0.05:
            self.look(self.process)
        for event in step.events:
            self.world.note(f"run {self.number}: {brief(event)}")

    def look(self, client: Client) -> None:
        """Compare the rows of the run with its events."""
        run = self.find(client)
        found = problems(client.db, run.number) if run is not None else []
        self.world.report.problems += [f"run {self.number}: {problem}" for problem in found]

    def crash(self, where: str) -> NoReturn:
        """End the process: whatever it had not committed is gone, and it says nothing more."""
        assert self.process is not None
        self.world.report.crashes += 1
        self.world.note(f"run {self.number} crashes {where}")
        self.process.crash()


def _is_by_chance(event: ev.Event, graph: Graph) -> bool:
    """Whether what follows depends on luck: it was cancelled in the middle, or must not run twice and was lost."""
    if isinstance(event, ev.AttemptFailed):
        return event.failure.kind == "lost" and event.retry_at is None
    return isinstance(event, ev.CancelRequested) and graph.policy.on_failure == "fail_fast"


def digests(node: NodeRun, item: int) -> tuple[tuple[str, str], ...]:
    """What a task run made, by name of the output."""
    outputs = (node.outputs[item] or {}) if not isinstance(node.node.special, Approval) else {}  # it says who and when
    return tuple(sorted((name, ref.digest) for name, ref in outputs.items()))


def _random(seed: int | str) -> Random:
    return Random(seed)  # noqa: S311  # to be had again


def simulate(seed: int, *, tell: bool = False) -> Report:
    """Play one simulation; its report says what was wrong."""
    memory = Path("/dev/shm")  # noqa: S108  # nothing here has to survive
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        calm = World(seed, Path(folder) / "calm", faults=0.0)
        calm.play(1)
        world = World(seed, Path(folder) / "wild", faults=0.04, tell=tell)
        report = world.play(world.rng.choice((1, 1, 2, 3)))
        broken, by_chance = calm.watched(0)
        wanted = {} if by_chance else calm.outcome(0)
        for number in range(len(world.scenes)):
            if world.scenes[f"run {number}"].ended:
                world.check(number, wanted)
        report.problems += [f"without mishaps: {problem}" for problem in [*calm.report.problems, *broken]]
    return report


def main(arguments: list[str]) -> int:
    """Play what the command line names; the number of seeds with problems."""
    first = int(arguments[0])
    seeds = range(first, int(arguments[1]) if len(arguments) > 1 else first + 1)
    bad = 0
    for seed in seeds:
        report = simulate(seed, tell=len(seeds) == 1)
        bad += bool(report.problems)
        if report.problems or len(seeds) == 1:
            sys.stdout.write(f"{report}\n")
    sys.stdout.write(f"{len(seeds)} seeds, {bad} with problems\n")
    return bad


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 100))
