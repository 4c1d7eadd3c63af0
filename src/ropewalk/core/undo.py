"""Nodes that take the effects of finished tasks back, one after another (a saga).

Source: H. Garcia-Molina and K. Salem, "Sagas", SIGMOD 1987.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ropewalk.core import expr as ex
from ropewalk.core.cache import Cache
from ropewalk.core.graph import Node, TaskSpec
from ropewalk.core.policy import Policy
from ropewalk.core.retry import Retry
from ropewalk.core.wiring import NodeOf, follows

NEVER = Cache(False)
SUFFIX = "/undo"  # of the node that takes the effect of another one back
RESULT = "result"  # the parameter of an undo function that takes what the task returned


def undo_nodes(effects: Sequence[tuple[str, int]], node_of: NodeOf, tasks: Mapping[str, TaskSpec]) -> list[Node]:
    """A node for each finished task run, in this order; each waits for the one before, whatever became of it."""
    made: list[Node] = []
    for node_id, item in effects:
        node = node_of(node_id)
        name = (node_id if node.map is None else f"{node_id}/{item}") + SUFFIX
        wanted = [parameter for parameter, _ in tasks[node.policy.undo].inputs]
        bindings = {parameter: _binding(node_of, node, item, parameter) for parameter in wanted}
        policy = Policy(
            retry=_persistent(node.policy.retry), timeout_s=node.policy.timeout_s, run_if="always", cache=NEVER
        )
        after = (made[-1].id,) if made else ()
        made.append(Node(name, node.policy.undo, bindings, policy, after=after, file=node.file, line=node.line))
    return made


def _persistent(retry: Retry) -> Retry:
    """The same policy, but an undo is begun again when its worker or scheduler was killed, whatever the task says."""
    return Retry.from_json({**retry.to_json(), "not_on": [name for name in retry.not_on if name != "lost"]})


def _binding(node_of: NodeOf, node: Node, item: int, parameter: str) -> ex.Expr:
    if parameter == RESULT:
        return ex.Ref(node.id, () if node.map is None else (("item", item),))
    binding = node.bindings[parameter]
    if node.map is not None and parameter in node.map.names:
        if isinstance(binding, ex.Ref) and follows(node_of, binding):
            return ex.Ref(binding.node, (("item", item), *binding.path))
        return ex.part(binding, (("item", item),))
    return binding
