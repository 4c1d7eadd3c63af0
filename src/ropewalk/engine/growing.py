"""Task runs that get nodes of their own: items of a mapped pipeline, turns of a loop, trees, and what tasks add."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ropewalk.core import events as ev
from ropewalk.core import expr as ex
from ropewalk.core.artifact import Failure, Outputs
from ropewalk.core.errors import ExecutionError, RopewalkError
from ropewalk.core.expr import Unavailable
from ropewalk.core.graph import Body, Node, body_from_json
from ropewalk.core.grow import TEMPLATE, placed
from ropewalk.core.noderun import PART, NodeRun, Parts
from ropewalk.core.special import Grow, Loop, Reduce
from ropewalk.core.state import RunState
from ropewalk.core.taskstate import CANCELLED
from ropewalk.core.tolerance import failed_too_much
from ropewalk.core.wiring import follows
from ropewalk.engine.inputs import Resolver, Stored, Whole

MAX_NODES = 100_000  # that one task run can get at once


class Grower:
    """Says what follows for a ready task run of a node that grows."""

    def __init__(
        self,
        state: RunState,
        resolver: Resolver,
        misfit: Callable[[Node], RopewalkError | None] = lambda _: None,
    ) -> None:
        self._state = state
        self._resolver = resolver
        self._misfit = misfit
        self._lengths: dict[tuple[str, str], int] = {}  # by node and parameter, of lists that are combined

    def advance(self, node_id: str, item: int) -> ev.Event:
        """Its nodes come into being, or those of the next turn, or it has ended.

        Raises:
            Unavailable: something that it is given is not there.
            TypeError, LookupError: what it maps over is not a list, or has no such item.
            RopewalkError: one of its nodes could never start.
        """
        run = self._state.nodes[node_id]
        if item not in run.parts:
            return self._begin(run, item)
        parts = run.parts[item]
        try:
            source = self._resolver.source(parts.output)
            if not self._is_over(run, parts):
                return ev.Expanded(node_id, item, parts.turn + 1, {self._slot(node_id): parts.output})
        except Unavailable:
            return self._failed(run, item, parts)
        outputs: Outputs = source.outputs if isinstance(source, Whole) else {}
        if isinstance(source, Stored):
            outputs = {"result": source.ref}
        return ev.Gathered(node_id, item, outputs)

    def _begin(self, run: NodeRun, item: int) -> ev.Event:
        node = run.node
        body: Body | None = None
        args: dict[str, ex.Expr] = {}
        if isinstance(node.special, Grow):
            body = placed(body_from_json(json.loads(self._value(self._argument(node, "nodes", item)))), node.id)
            if error := next(filter(None, map(self._misfit, body.nodes.values())), None):
                raise error
        elif isinstance(node.special, Reduce):
            body = self._tree(node, node.special.width)
        elif isinstance(node.special, Loop):
            args = {self._slot(node.id): self._argument(node, "start", item)}
        else:
            args = {
                slot: self._argument(node, slot.partition("@")[0], item) for slot in self._state.bodies[node.id].slots
            }
        return ev.Expanded(node.id, item, 1, args, body)

    def _value(self, expr: ex.Expr) -> Any:
        return self._resolver.value(self._resolver.source(expr))

    def _slot(self, node_id: str) -> str:
        return self._state.bodies[node_id].slots[0]

    def _argument(self, node: Node, name: str, item: int) -> ex.Expr:
        """What one item is given for a parameter."""
        binding = node.bindings[name]
        if node.map is None or name not in node.map.names:
            return binding
        return self._element(binding, self._index(node, name, item))

    def _element(self, binding: ex.Expr, index: int) -> ex.Expr:
        if follows(self._state.node_of, binding) and isinstance(binding, ex.Ref):
            if self._state.nodes[binding.node].outputs[index] is None:
                return ex.constant(None)  # it has failed, which is tolerated
            return ex.Ref(binding.node, (("item", index), *binding.path))
        return ex.part(binding, (("item", index),))

    def _index(self, node: Node, name: str, item: int) -> int:
        """Where in the list for `name` an item is found."""
        if node.map is None or node.map.mode == "zip":
            return item
        for other in reversed(node.map.names):
            if (node.id, other) not in self._lengths:
                self._lengths[node.id, other] = self._length(node.bindings[other])
            item, index = divmod(item, self._lengths[node.id, other])
            if other == name:
                return index
        raise LookupError(name)

    def _length(self, binding: ex.Expr) -> int:
        if follows(self._state.node_of, binding) and isinstance(binding, ex.Ref):
            return self._state.nodes[binding.node].length
        return len(self._resolver.elements(self._resolver.source(binding)))

    def _tree(self, node: Node, width: int) -> Body:
        """Calls of the task on up to `width` results at a time, until one is left."""
        first, *_ = self._state.tasks[node.task].inputs
        binding = node.bindings[first[0]]
        level = [self._element(binding, index) for index in range(self._length(binding))]
        nodes: dict[str, Node] = {}
        depth = 0
        while len(level) > 1 or depth == 0:
            depth += 1
            above: list[ex.Expr] = []
            for start in range(0, max(len(level), 1), width):
                made = f"{node.id}{TEMPLATE}{depth}.{start // width}"
                several = ex.Build("list", (), tuple(level[start : start + width]))
                others = {name: b for name, b in node.bindings.items() if name != first[0]}
                nodes[made] = Node(
                    made, node.task, {first[0]: several, **others}, node.policy, file=node.file, line=node.line
                )
                above.append(ex.Ref(made))
            level = above
        return Body(nodes, level[0])

    def _is_over(self, run: NodeRun, parts: Parts) -> bool:
        special = run.node.special
        if not isinstance(special, Loop) or parts.turn >= special.at_most:
            return True
        if parts.until is None:
            return False
        try:
            return bool(self._value(parts.until))
        except Unavailable:
            raise
        except Exception as error:
            raise ExecutionError(
                f"`until` cannot be worked out after turn {parts.turn}: {type(error).__name__}: {error}",
                code="P318", help=["decide in a task that returns bool: loop(step, start, until=is_done, at_most=20)"],
            ) from error  # fmt: skip

    def _failed(self, run: NodeRun, item: int, parts: Parts) -> ev.Event:
        """What becomes of a task run of which a part has no result."""
        runs = [self._state.nodes[part] for part in parts.nodes]
        if bad := [r.node.id for r in runs if failed_too_much(r)]:
            failure = Failure(PART, f"`{bad[0]}` failed", retryable=False)
            return ev.AttemptFailed(run.node.id, item, 0, failure)
        if any(r.counts[CANCELLED] for r in runs):
            return ev.Cancelled(run.node.id, (item,))
        return ev.Skipped(run.node.id, (item,), "what it returns was skipped")
