"""Goes through a graph as the scheduler would, up to what would have to be executed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ropewalk.core import events as ev
from ropewalk.core import expr as ex
from ropewalk.core.artifact import Failure
from ropewalk.core.cache import Cache
from ropewalk.core.decide import Decider, Open, Run
from ropewalk.core.errors import CorruptBlobError
from ropewalk.core.graph import Graph, Node
from ropewalk.core.nesting import grows
from ropewalk.core.state import RunState
from ropewalk.core.taskstate import CANCELLED, FAILED, READY, SKIPPED, WAITING
from ropewalk.engine.explain.awaiting import promise
from ropewalk.engine.explain.keys import show
from ropewalk.engine.explain.memory import Memory
from ropewalk.engine.growing import Grower
from ropewalk.engine.inputs import Load
from ropewalk.engine.prepare import Preparer
from ropewalk.store.tasks import Hit

CHUNK = 512  # keys that are looked up together


@dataclass(frozen=True, slots=True)
class Verdict:
    """What would be done with a task run whose inputs are known."""

    action: str  # reuse | run | maybe
    key: str
    cause: str = ""  # why it is not simply looked up, e.g. "cache off"; empty: what it computes is not known
    hit: Hit | None = None


class Walk:
    """One walk. Afterwards `state` holds what would be reused, skipped and failed, and `verdicts` the rest."""

    def __init__(
        self, graph: Graph, params: Mapping[str, Any], seed: int, load: Load, memory: Memory, *, reuse: bool
    ) -> None:
        self.state = RunState(graph)
        self.verdicts: dict[str, dict[int, Verdict]] = defaultdict(dict)
        self.problems: dict[str, str] = {}  # by node: why inputs cannot be worked out
        self.doomed: dict[str, str] = {}  # nodes that will be skipped, and what they need in vain
        self.open_ended: set[str] = set()  # nodes that may be skipped, which what is executed will decide
        self._decider = Decider(self.state)
        self._preparer = Preparer(0, self.state, params, seed, load)
        self._grower = Grower(self.state, self._preparer.resolver)
        self._memory = memory
        self._reuse = reuse
        self._first: dict[str, str] = {}  # by key that would be computed: the node that computes it

    def go(self) -> None:
        """Walk as far as it goes.

        Raises:
            CorruptBlobError: a result that a condition or a list needs was damaged; it counts as missing from now on.
        """
        self._decider.recover()
        self._obey()
        nodes, seen = self.state.nodes, 0
        while new := list(islice(nodes.items(), seen, None)):  # they come into being on the way
            seen += len(new)
            for node_id, run in new:
                if not run.opened:
                    self._look_ahead(node_id, run.node)

    def _obey(self) -> None:
        while True:
            _, commands = self._decider.take()
            if not commands:
                return
            wanted: dict[str, list[int]] = {}  # together, though items that follow others come one by one
            for command in commands:
                if isinstance(command, Open):
                    self._open(command.node)
                elif isinstance(command, Run):
                    wanted.setdefault(command.node, []).extend(command.items)
            for node_id, items in wanted.items():
                self._judge_all(node_id, self._runnable(node_id, items))

    def _runnable(self, node_id: str, items: Iterable[int]) -> Iterator[int]:
        run = self.state.nodes[node_id]
        return (i for i in items if run.state(i) is READY and self._decider.runnable(node_id, i))

    def _look_ahead(self, node_id: str, node: Node) -> None:
        """What is certain of a node that waits for something that is executed; those before it have been looked at."""
        if lacking := self._lacking(node):
            self.doomed[node_id] = lacking
            return
        is_known = self._takes_only_what_is_known(node)
        upstream = node.upstream
        undecided = node.policy.run_if != "all_succeeded" or (node.when is not None and not is_known)
        if undecided or not self.open_ended.isdisjoint(upstream):
            self.open_ended.add(node_id)
        if is_known:
            self._open(node_id)
            run = self.state.nodes[node_id]
            self._judge_all(node_id, [i for i in range(run.length) if run.state(i) is WAITING])
            self._obey()

    def _lacking(self, node: Node) -> str:
        """Something that a node cannot do without and that will not be there; empty: nothing."""
        if node.policy.run_if != "all_succeeded":
            return ""
        needs = [ref.node for expr in _expressions(node) for ref in ex.hard_refs(expr)] + list(node.after)
        barriers = self._decider.wiring[node.id].barriers
        lacking = next((need for need in needs if need in barriers and self._is_hopeless(need)), "")
        return lacking or next((show(c) for e in _expressions(node) for c in ex.choices(e) if self._is_vain(c)), "")

    def _is_vain(self, choice: ex.FirstOf) -> bool:
        """Whether no option of a `first_of` will be there."""
        return all(any(self._is_hopeless(ref.node) for ref in ex.refs(option)) for option in choice.options)

    def _is_hopeless(self, node_id: str) -> bool:
        counts = self.state.nodes[node_id].counts
        return node_id in self.doomed or bool(counts[FAILED] or counts[SKIPPED] or counts[CANCELLED])

    def _takes_only_what_is_known(self, node: Node) -> bool:
        """Whether it waits for others only to end: if they succeed, all about it is known."""
        needs = {ref.node for expr in _expressions(node) for ref in ex.refs(expr)}
        return node.policy.run_if == "all_succeeded" and all(self.state.nodes[n].all_succeeded for n in needs)

    def _open(self, node_id: str) -> None:
        node = self.state.nodes[node_id].node
        try:
            if self._preparer.condition(node):
                self._decider.feed(ev.Opened(node_id, self._preparer.length(node), self._preparer.labels(node)))
            else:
                self._decider.feed(ev.Skipped(node_id, None, "its condition is false"))
        except Exception as error:  # noqa: BLE001  # as in a run: whatever is wrong with it, the task fails
            self._fail(node_id, 0, error)

    def _fail(self, node_id: str, item: int, error: Exception) -> None:
        if isinstance(error, CorruptBlobError):
            raise error
        text = str(getattr(error, "title", "") or error) or type(error).__name__
        self.problems.setdefault(node_id, text)
        self._decider.feed(ev.AttemptFailed(node_id, item, 0, Failure("input", text, retryable=False), None))

    def _grow(self, node_id: str, items: Iterable[int]) -> None:
        """Let what is inside of task runs come into being, as long as all that decides on it is known."""
        for item in list(items):
            try:
                event = self._grower.advance(node_id, item)
            except Exception as error:  # noqa: BLE001  # as in a run: an input that cannot be worked out fails its task
                self._fail(node_id, item, error)
            else:
                self._decider.feed(event)

    def _judge_all(self, node_id: str, items: Iterable[int]) -> None:
        if grows(self.state.nodes[node_id].node):
            self._grow(node_id, items)
            return
        cache = self.state.nodes[node_id].node.policy.cache
        rest = iter(items)
        while chunk := list(islice(rest, CHUNK)):
            keys = dict(self._keys(node_id, chunk))
            hits = self._memory.find(keys.values()) if cache.enabled and self._reuse else {}
            for item, key in keys.items():
                verdict = self._judge(node_id, key, hits.get(key), cache)
                self.verdicts[node_id][item] = verdict
                self._settle(node_id, item, verdict)

    def _settle(self, node_id: str, item: int, verdict: Verdict) -> None:
        run, hit = self.state.nodes[node_id], verdict.hit
        if run.state(item) is WAITING:
            run.move(item, READY)
        if hit is not None:
            self._decider.feed(ev.Reused(node_id, item, verdict.key, hit.outputs, hit.run, hit.wall_s))

    def _keys(self, node_id: str, items: Iterable[int]) -> Iterator[tuple[int, str]]:
        known = self.verdicts[node_id]
        for item in items:
            if item in known:
                continue
            try:
                prepared = self._preparer.prepare(node_id)
                yield item, self._preparer.key(prepared, self._preparer.sources(prepared, item))
            except Exception as error:  # noqa: BLE001  # as in a run: an input that cannot be worked out fails its task
                self._fail(node_id, item, error)

    def _judge(self, node_id: str, key: str, hit: Hit | None, cache: Cache) -> Verdict:
        action = "maybe" if node_id in self.open_ended else "run"
        if not self._reuse:
            return Verdict(action, key, "reuse off")
        if not cache.enabled:
            self._first.setdefault(key, node_id)
            return Verdict(action, key, promise(self.state.nodes[node_id].node) or "cache off")
        obstacle = "" if hit is None else self._memory.obstacle(hit, cache)
        if hit is not None and not obstacle:
            return Verdict("reuse", key, hit=hit)
        if key in self._first:
            return Verdict("maybe", key, f"`{self._first[key]}` computes the same")
        if busy := self._memory.computing.get(key):
            return Verdict("maybe", key, f"run {busy} is computing it")
        self._first[key] = node_id
        return Verdict(action, key, obstacle)


def _expressions(node: Node) -> list[ex.Expr]:
    return [*node.bindings.values(), *((node.when,) if node.when is not None else ())]
