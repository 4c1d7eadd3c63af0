"""Task runs on their way from ready to a worker: their time, their key, and whether their result is known already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ropewalk.core import events as ev
from ropewalk.core.artifact import Failure
from ropewalk.core.cache import Cache
from ropewalk.core.decide import Command, Decider, Open, Run
from ropewalk.core.errors import RopewalkError
from ropewalk.core.expr import Unavailable
from ropewalk.core.graph import Node
from ropewalk.core.nesting import grows
from ropewalk.core.settle import settle
from ropewalk.core.special import Approval
from ropewalk.core.state import RunState
from ropewalk.core.taskstate import READY
from ropewalk.core.timing import ALWAYS
from ropewalk.engine.admission import Admission
from ropewalk.engine.asking import Asker
from ropewalk.engine.attempt import Order
from ropewalk.engine.growing import Grower
from ropewalk.engine.prepare import Preparer
from ropewalk.engine.punctual import Punctual
from ropewalk.engine.queue import Queue, Ready
from ropewalk.engine.reuse import Reuse
from ropewalk.engine.startable import Startable
from ropewalk.engine.story import describe
from ropewalk.engine.turns import Turns
from ropewalk.plan.order import Ranking
from ropewalk.store.tasks import Hit

CHUNK = 512  # task runs whose keys are looked up together
MAX_LOSSES = 5  # attempts of a task run that may find inputs lost, before it is given up


@dataclass(frozen=True, slots=True)
class Means:
    """What the rest of the engine knows for one run."""

    preparer: Preparer
    reuse: Reuse
    admission: Admission = field(default_factory=Admission)
    ranking: Ranking = Ranking()
    misfit: Callable[[Node], RopewalkError | None] = lambda _: None  # why a node could never start


class Supply:
    """Turns ready task runs of one run into orders, or into results where they need no worker."""

    def __init__(
        self,
        state: RunState,
        decider: Decider,
        means: Means,
        asker: Asker,
        punctual: Punctual,
        clock: Callable[[], float],
    ) -> None:
        self._state = state
        self._decider = decider
        self._preparer = means.preparer
        self._grower = Grower(state, means.preparer.resolver, means.misfit)
        self._reuse = means.reuse
        self._asker = asker
        self._punctual = punctual
        self._clock = clock
        ranking = means.ranking
        self.queue = Queue(Turns(ranking, ranking.patience_s, clock))
        self.startable = Startable(
            Turns(ranking, ranking.patience_s, clock),
            task_of=lambda node: state.nodes[node].node.task,
            is_guarded=lambda node: bool(state.nodes[node].node.policy.guards),
        )
        self._losses: Counter[Ready] = Counter()  # how often a task run found inputs lost

    def obey(self, commands: Iterable[Command]) -> None:
        """Take up what is ready, and open what can be opened."""
        for command in commands:
            if isinstance(command, Run):
                self.queue.add(command.node, command.items, command.at, self._clock())
            elif isinstance(command, Open):
                self._open(command.node)

    def _open(self, node_id: str) -> None:
        run = self._state.nodes[node_id]
        if run.opened or self._decider.pending[node_id]:
            return  # it was cancelled since it was asked for, or will be asked for again
        try:
            if self._preparer.condition(run.node):
                self._decider.feed(ev.Opened(node_id, self._preparer.length(run.node), self._preparer.labels(run.node)))
            else:
                self._decider.feed(ev.Skipped(node_id, None, "its condition is false"))
        except Exception as error:  # noqa: BLE001  # whatever is wrong with the condition or the list, the task fails
            self.input_failed(node_id, 0, error)

    def look_up(self) -> bool:
        """Work out the keys of some ready task runs and reuse what is known; whether anything came of it."""
        if self.is_full:
            return False
        now = self._clock()
        orders: dict[str, list[tuple[str, Order]]] = {}

        def is_wanted(node_id: str, item: int) -> bool:  # and not in the queue for a second time
            return (node_id, item) not in self.startable and self.is_due(node_id, item)

        if not (taken := self.queue.take(CHUNK, now, is_wanted)):
            return False
        happened = len(self._decider.events)
        for node_id, item in taken:
            if len(self._decider.events) != happened and not self.is_due(node_id, item):
                continue  # one before it has found that an input of both is lost
            try:
                if (order := self._order(node_id, item, now)) is not None:
                    orders.setdefault(order.key, []).append((node_id, order))
            except Exception as error:  # noqa: BLE001  # an input that cannot be worked out fails its task
                self.input_failed(node_id, item, error)
        self._reuse_or_start(orders, now)
        return True

    def _order(self, node_id: str, item: int, now: float) -> Order | None:
        """What a worker is to do for a task run; None: no worker is needed."""
        node = self._state.nodes[node_id].node
        needs_no_worker = grows(node) or isinstance(node.special, Approval)
        if needs_no_worker and self.holds_back(node_id, item):
            return None
        if grows(node):
            self._decider.feed(self._grower.advance(node_id, item))
            return None
        if isinstance(node.special, Approval):
            self._decider.feed(self._asker.ask(node_id, item, now))
            return None
        prepared = self._preparer.prepare(node_id)
        sources = self._preparer.sources(prepared, item)
        return Order(prepared.job.id, item, 0, 0, self._preparer.key(prepared, sources), sources)

    def holds_back(self, node_id: str, item: int) -> bool:
        """Whether it is too early for a task run, which is put back then, or too late."""
        if self._state.nodes[node_id].node.policy.timing is ALWAYS:
            return False
        now = self._clock()
        if reason := self._punctual.expired(node_id, item, now):
            self._decider.feed(ev.Skipped(node_id, (item,), reason))
            return True
        at = self._punctual.hold_until(node_id, item, now)
        if at is not None:
            self.queue.add(node_id, (item,), at, now)
        return at is not None

    def is_due(self, node_id: str, item: int) -> bool:
        """Whether a task run can start: it may have been cancelled, or lost an input, since it was queued."""
        run = self._state.nodes[node_id]
        if run.state(item) is not READY or (item in run.ready_at and run.ready_at[item] > self._clock()):
            return False
        return self._decider.runnable(node_id, item)

    def _reuse_or_start(self, orders: dict[str, list[tuple[str, Order]]], now: float) -> None:
        nodes = self._state.nodes
        wanted = {k: nodes[pairs[0][0]].node.policy.cache for k, pairs in orders.items()}
        hits = self._reuse.find({k: cache for k, cache in wanted.items() if cache.enabled}, now)
        for key, pairs in orders.items():
            for node_id, order in pairs:
                hit = hits.get(key)
                if hit is not None and nodes[node_id].node.policy.cache.enabled:
                    self._decider.feed(_reused(node_id, order, hit))
                elif nodes[node_id].node.policy.cache.enabled and self._reuse.is_computing(key):
                    self.queue.park(key, node_id, order.item)
                elif not self.holds_back(node_id, order.item):
                    self._reuse.begin(key)
                    self.startable.add(node_id, order)

    def leave_to_others(self, run: int) -> None:
        """Hold back what another run computes, or has computed, since it was looked up."""

        def wanted() -> dict[str, Cache]:
            caches = ((key, self._state.nodes[node].node.policy.cache) for node, key in self.startable.waiting())
            return {key: cache for key, cache in caches if cache.enabled}

        news = self._reuse.news(run, wanted, self._clock())
        for node_id, order in self.startable.withdraw_keys(news):
            self._reuse.end(order.key)
            self.queue.park(order.key, node_id, order.item)

    def take_back(self, run: int) -> None:
        """Let those look again whose key another run does not compute any more."""
        if parked := self.queue.parked():
            taken = self._reuse.taken_by_others(run)
            for key in parked:
                if key not in taken and not self._reuse.is_computing(key):
                    self.release(key)
            self.queue.flush()

    def release(self, key: str) -> None:
        """The key is not being computed any more: whoever waits for it may look again, once that is committed."""
        self._reuse.end(key)
        self.queue.release(key)

    @property
    def is_full(self) -> bool:
        """Enough is known to be executed: no more is looked up before workers have room."""
        if len(self.startable) < CHUNK:  # as a rule
            return False
        return self.startable.open >= CHUNK and not self.queue.turns.before(self.startable.turns)

    @property
    def is_idle(self) -> bool:
        """Nothing is on its way, now or later."""
        return not (self.queue or self.startable or self.queue.parked() or self.queue.later)

    def input_failed(self, node_id: str, item: int, error: Exception) -> None:
        """A condition, list or input cannot be worked out: for good, or until something is computed again."""
        failure = _input_failure(error)
        if not (failure.lost_digest and self.makes_again(failure.lost_digest, node_id, item)):
            self._decider.feed(settle(self._state, node_id, item, 0, failure, self._clock()))

    def makes_again(self, digest: str, node_id: str, item: int) -> bool:
        """Have a result that turned out to be missing or corrupt computed again, for a task run that needs it.

        So are all its other inputs that are missing: an attempt tells of the first only.

        False: nothing that this run computed holds it, or the task run has lost inputs too often.
        """
        self._losses[node_id, item] += 1
        if self._losses[node_id, item] > MAX_LOSSES:
            return False
        lost = self._reuse.missing(self._preparer.artifacts(node_id, item)) | {digest}
        users: dict[str, None] = {}
        for maker, made, held in self._reuse.makers(self._state, lost):
            self._decider.feed(ev.ResultLost(maker, made, held))
            users.update(dict.fromkeys(self._decider.users(maker)))
        for user in users:
            self._preparer.forget(user)
            self._look_up_again(user)
        opened = self._state.nodes[node_id].opened
        return self._decider.pending[node_id] > 0 or (opened and not self._decider.runnable(node_id, item))

    def _look_up_again(self, node_id: str) -> None:
        """What was looked up before an input was lost may have another key once it is made again."""
        orders: Sequence[Order] = self.startable.withdraw(node_id)
        for order in orders:
            self.release(order.key)
            self.queue.add(node_id, (order.item,), None, self._clock())


def _reused(node_id: str, order: Order, hit: Hit) -> ev.Reused:
    return ev.Reused(node_id, order.item, order.key, hit.outputs, hit.run, hit.wall_s, hit.metrics)


def _input_failure(error: BaseException) -> Failure:
    """Why the inputs of a task run could not be had."""
    if isinstance(error, RopewalkError):
        digest = getattr(error, "digest", "")
        return Failure("input", error.title, facts=error.facts, help=error.help, retryable=False, lost_digest=digest)
    if isinstance(error, Unavailable):
        return Failure("input", "a result that it needs is not available", retryable=False)
    story = describe(error)
    return Failure("input", f"its inputs cannot be had: {story.message}", story.error_type, retryable=False)
