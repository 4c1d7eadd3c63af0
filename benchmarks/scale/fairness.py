"""Many runs that want the same workers: who gets how many, and who waits for how long.

Each run has a scheduler of its own; all of them share a store. Four arrangements:

    apart   each run has its share of the workers for itself, as with `--workers` set by hand
    pool    each task run needs a slot of a pool, which is how runs share a number of workers today
    first   who asks first gets it: what the pool does, without the cost of looking into the store
    fair    a dispatcher that all runs share gives each its max-min share: a prototype of what there is not
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal
from unittest.mock import patch

from benchmarks.scale.cluster import Cluster
from benchmarks.scale.one import bound_s
from benchmarks.scale.pipelines import FUNCTIONS, lengths, mixed
from ropewalk.engine.attempt import Order
from ropewalk.engine.client import Client, Options, Work
from ropewalk.engine.pools import PoolGate, set_pool
from ropewalk.engine.queue import Queue
from ropewalk.testing.clock import Stage
from ropewalk.testing.processes import Process, patched

Arrangement = Literal["apart", "pool", "first", "fair"]
POOL = "workers"
SAMPLE_S = 5.0
LOOK_S = 0.2  # how often who was refused asks again
ARRIVE_S = 60.0  # within so long all runs begin


def jain(shares: Sequence[float]) -> float:
    """Jain's index of fairness: 1 when all get as much of what is due to them, 1/n when one gets everything."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0


def fair_shares(demands: Sequence[float], slots: float) -> list[float]:
    """Max-min: nobody gets more than it wants, and what is left is shared out evenly among the others."""
    shares, left = [0.0] * len(demands), slots
    for position, index in enumerate(sorted(range(len(demands)), key=demands.__getitem__)):
        shares[index] = min(demands[index], left / (len(demands) - position))
        left -= shares[index]
    return shares


@dataclass(slots=True)
class Watched:
    """What was seen of many runs.

    Attributes:
        ready_at: when each task run that has not begun got ready, by run.
        running: attempts under way by run.
        without_since: since when each run that wants workers has none at all.
    """

    slots: int
    ready_at: defaultdict[str, dict[tuple[str, int], float]] = field(default_factory=lambda: defaultdict(dict))
    running: Counter[str] = field(default_factory=Counter)
    without_since: dict[str, float] = field(default_factory=dict)
    longest_without_s: Counter[str] = field(default_factory=Counter)
    longest_wait_s: Counter[str] = field(default_factory=Counter)
    most_running: int = 0
    indices: list[float] = field(default_factory=list)  # Jain's, one for each sample
    used: list[float] = field(default_factory=list)  # of the slots that somebody wanted, the share that was used

    def ready(self, run: str, node: str, items: Iterable[int], at: float) -> None:
        for item in items:
            self.ready_at[run].setdefault((node, item), at)
        self._look_at(run, at)

    def begins(self, run: str, node: str, item: int, now: float) -> None:
        waited_s = now - self.ready_at[run].pop((node, item), now)
        without_s = now - self.without_since.pop(run, now)
        self.longest_wait_s[run] = max(self.longest_wait_s[run], waited_s)  # type: ignore[assignment]  # seconds
        self.longest_without_s[run] = max(self.longest_without_s[run], without_s)  # type: ignore[assignment]  # seconds
        self.running[run] += 1
        self.most_running = max(self.most_running, self.running.total())

    def ends(self, run: str, now: float) -> None:
        self.running[run] -= 1
        if not self.running[run] and self.ready_at[run]:
            self._look_at(run, max(now, min(self.ready_at[run].values())))

    def _look_at(self, run: str, at: float) -> None:
        if not self.running[run]:
            self.without_since[run] = min(self.without_since.get(run, at), at)

    def sample(self) -> None:
        """Compare what each run has with its max-min share."""
        demands = {run: self.running[run] + len(ready) for run, ready in self.ready_at.items()}
        wanting = [run for run, demand in demands.items() if demand > 0]
        if not wanting:
            return
        shares = fair_shares([demands[run] for run in wanting], self.slots)
        self.indices.append(jain([self.running[run] / share for run, share in zip(wanting, shares, strict=True)]))
        self.used.append(sum(self.running[run] for run in wanting) / sum(shares))


class Tenant(Cluster):
    """The workers of one run among many."""

    def __init__(self, stage: Stage, name: str, watched: Watched, mean_s: float, seed: int) -> None:
        super().__init__(stage, mean_s=mean_s, seed=seed)
        self._name, self._watched = name, watched

    def begins(self, order: Order, node: str) -> None:
        super().begins(order, node)
        self._watched.begins(self._name, node, order.item, self.stage.now)

    def ends(self, order: Order, node: str) -> None:
        super().ends(order, node)
        self._watched.ends(self._name, self.stage.now)


class Dispatcher:
    """Slots that all runs share.

    Args:
        fair: False: who asks first gets as many as there are.
    """

    def __init__(self, slots: int, *, fair: bool) -> None:
        self._slots, self._fair = slots, fair
        self._held: Counter[str] = Counter()
        self._hungry: set[str] = set()  # runs that were refused since they last got something

    def room(self, run: str, wanted: int) -> int:
        """How many of the wanted slots a run may take now."""
        given = min(wanted, self._slots - self._held.total())
        if given > 0 and self._fair:
            others = [name for name in {*self._held, *self._hungry} if name != run]
            demands = [float(self._slots) if name in self._hungry else float(self._held[name]) for name in others]
            share = fair_shares([*demands, float(self._slots)], self._slots)[-1]
            given = max(0, min(given, int(share) - self._held[run]))
        if given < wanted:
            self._hungry.add(run)
        return given

    def change(self, run: str, by: int) -> None:
        """A run has taken slots, or given them back."""
        self._held[run] += by
        self._hungry.discard(run) if by > 0 else None
        if not self._held[run]:
            del self._held[run]

    def leave(self, run: str) -> None:
        """A run has ended."""
        self._hungry.discard(run)


class DispatcherGate:
    """A Gate of one run; see `engine/admission`."""

    def __init__(self, dispatcher: Dispatcher, run: str) -> None:
        self._dispatcher, self._run = dispatcher, run
        self._refused = False

    def room(self, node: str, item: int, worker: str, wanted: int) -> int:
        given = self._dispatcher.room(self._run, wanted)
        self._refused = given == 0
        return given

    def take(self, node: str, items: Sequence[int], token: int, worker: str) -> None:
        self._dispatcher.change(self._run, len(items))

    def end(self, node: str, item: int, token: int, failed: bool | None) -> None:
        self._dispatcher.change(self._run, -1)

    def next_s(self, now: float) -> float:
        return LOOK_S if self._refused else float("inf")


@dataclass(frozen=True, slots=True)
class Tenancy:
    """How one of many runs fared."""

    tasks: int
    state: str
    took_s: float  # from when it began to its end
    alone_s: float  # what no order could beat if it had all workers for itself
    longest_wait_s: float  # of a task run that was ready
    longest_without_s: float  # that it had no worker at all, and something for one to do

    @property
    def slowdown(self) -> float:
        """How many times as long it took as it would have alone."""
        return self.took_s / self.alone_s


@dataclass(frozen=True, slots=True)
class Shared:
    """How many runs fared together."""

    arrangement: Arrangement
    slots: int
    runs: list[Tenancy]
    makespan_s: float
    jain_mean: float  # over the time in which more than one run wanted workers
    jain_low: float  # a tenth of that time it was lower
    used: float  # of the workers that somebody wanted
    most_running: int
    cpu_s: float  # of everything, simulation included

    def summary(self) -> dict[str, Any]:
        """The figures that are compared."""
        small = [run for run in self.runs if run.tasks < 100]
        large = [run for run in self.runs if run.tasks >= 10_000] or [max(self.runs, key=lambda run: run.tasks)]
        return {
            "arrangement": self.arrangement, "runs": len(self.runs), "tasks": sum(run.tasks for run in self.runs),
            "slots": self.slots, "makespan_s": self.makespan_s, "jain": self.jain_mean, "jain_low": self.jain_low,
            "used": self.used, "small_slowdown": _median([run.slowdown for run in small]),
            "small_worst": max((run.slowdown for run in small), default=0.0),
            "large_slowdown": _median([run.slowdown for run in large]),
            "waited_s": max(run.longest_wait_s for run in self.runs),
            "starved_s": max(run.longest_without_s for run in self.runs),
            "cpu_us": self.cpu_s / sum(run.tasks for run in self.runs) * 1e6,
        }  # fmt: skip


def sizes(runs: int, most: int, seed: int) -> list[int]:
    """Numbers of task runs from 10 to `most`, as many small ones as large ones; the largest comes first."""
    rng = Random(f"sizes {seed}")  # to be had again
    drawn = [int(10 * (most / 10) ** ((k + rng.random()) / runs)) for k in range(runs)]
    rng.shuffle(drawn)
    return drawn


def share(
    folder: Path, arrangement: Arrangement, tasks: Sequence[int], slots: int, mean_s: float, *, seed: int = 0,
    reuse: bool = False,
) -> Shared:  # fmt: skip
    """Let runs of so many task runs each share so many workers.

    Args:
        reuse: True: before it starts anything each run looks what the others compute.
    """
    rng = Random(f"arrivals {seed}")  # to be had again
    stage, watched = Stage(rng), Watched(slots)
    dispatcher = Dispatcher(slots, fair=arrangement == "fair")
    tenancies: dict[str, Tenancy] = {}
    own = max(1, slots // len(tasks)) if arrangement == "apart" else slots

    def live(name: str, number: int) -> None:
        graph = mixed(tasks[number], number, POOL if arrangement == "pool" else "")
        tenant = Tenant(stage, name, watched, mean_s, seed + number)
        began = stage.now
        with Process(folder, tenant, own) as client:
            options = Options(workers=own, seed=number, reuse=reuse)
            result = client.run(Work(graph, FUNCTIONS, {}, {}), options)
        dispatcher.leave(name)
        alone_s = bound_s(graph, lengths(dict(graph.nodes)), tenant.duration_s, slots)
        waits = float(watched.longest_wait_s[name]), float(watched.longest_without_s[name])
        tenancies[name] = Tenancy(tasks[number], result.run.state, stage.now - began, alone_s, *waits)
        watched.ready_at.pop(name, None)

    def observe() -> None:
        while len(tenancies) < len(tasks) and not stage.errors:
            watched.sample()
            stage.wait(SAMPLE_S)

    with Client(folder, stage.clock) as client:
        set_pool(client.db, POOL, slots, "scale", stage.now)
    for number in range(len(tasks)):
        name = f"run {number}"
        stage.add(name, lambda name=name, number=number: live(name, number), at=rng.random() * ARRIVE_S)
    stage.add("observer", observe)
    began, cpu_began = stage.now, time.process_time()
    look_s = 5 * LOOK_S if arrangement == "apart" else None  # there nobody waits for others
    with patched(stage, lambda _: None, look_s), _seen(watched, stage), _gated(arrangement, dispatcher, stage):
        stage.play(most_turns=1 << 60)
    if stage.errors:
        raise RuntimeError("\n".join(stage.errors))
    indices = sorted(watched.indices) or [1.0]
    return Shared(
        arrangement, slots, list(tenancies.values()), stage.now - began, sum(indices) / len(indices),
        indices[len(indices) // 10], sum(watched.used) / max(1, len(watched.used)), watched.most_running,
        time.process_time() - cpu_began,
    )  # fmt: skip


@contextlib.contextmanager
def _seen(watched: Watched, stage: Stage) -> Iterator[None]:
    """Be told of each task run that gets ready."""
    add = Queue.add

    def told(self: Queue, node: str, items: Iterable[int], at: float | None, now: float) -> None:
        several = items if isinstance(items, (range, tuple)) else tuple(items)
        watched.ready(stage.acting, node, several, stage.now if at is None else max(at, stage.now))
        add(self, node, several, at, now)

    with patch.object(Queue, "add", told):
        yield


@contextlib.contextmanager
def _gated(arrangement: Arrangement, dispatcher: Dispatcher, stage: Stage) -> Iterator[None]:
    """Put a dispatcher where the gate of the pools is, unless that is what is looked at."""
    if arrangement in ("apart", "pool"):
        yield
        return

    def begin(self: Any, *_: object) -> None:
        DispatcherGate.__init__(self, dispatcher, stage.acting)

    with contextlib.ExitStack() as stack:
        stack.enter_context(patch.object(PoolGate, "__init__", begin))
        for name in ("room", "take", "end", "next_s"):
            stack.enter_context(patch.object(PoolGate, name, getattr(DispatcherGate, name)))
        yield


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0
