"""Who needs what of a run, and how much of that is not settled yet."""

from __future__ import annotations

from collections.abc import Sequence

from ropewalk.core.state import RunState
from ropewalk.core.taskstate import FINAL
from ropewalk.core.wiring import Wiring, narrow, wire


class Needs:
    """The wiring of all nodes, from both of its ends."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self.wiring: dict[str, Wiring] = {}
        self.pending: dict[str, int] = {}  # barriers and picked items that are not settled
        self.barrier_users: dict[str, list[str]] = {}
        self.aligned_users: dict[str, list[str]] = {}
        self.picked_users: dict[str, dict[int, list[str]]] = {}  # by node and item

    def join(self, node_id: str) -> None:
        """Take a node in, after those that it needs, and after that of which it is a part."""
        nodes = self._state.nodes
        wiring = self.wiring[node_id] = wire_part(self._state, node_id, self.wiring)
        for up in wiring.barriers:
            self.barrier_users.setdefault(up, []).append(node_id)
        for up in wiring.aligned:
            self.aligned_users.setdefault(up, []).append(node_id)
        for up, item in wiring.picked:
            self.picked_users.setdefault(up, {}).setdefault(item, []).append(node_id)
        self.pending[node_id] = sum(not nodes[up].settled for up in wiring.barriers)
        self.pending[node_id] += sum(nodes[up].state(item) not in FINAL for up, item in wiring.picked)

    def users(self, node_id: str) -> Sequence[str]:
        """The nodes that need a node, or an item of it."""
        picking = (user for users in self.picked_users.get(node_id, {}).values() for user in users)
        return [*self.barrier_users.get(node_id, ()), *self.aligned_users.get(node_id, ()), *picking]

    def of_item(self, node_id: str, item: int) -> Sequence[str]:
        """The nodes that need one item, and not the others."""
        picked = self.picked_users.get(node_id)
        return () if picked is None else picked.get(item, ())


def wire_part(state: RunState, node_id: str, known: dict[str, Wiring]) -> Wiring:
    """The wiring of a node, given that of the node of which it is a part, if it is one."""
    node = state.node_of(node_id)
    wiring = wire(state.node_of, node)
    if (owner := state.owners.get(node_id)) is None:
        return wiring
    return narrow(wiring, node, known[owner[0]], owner[1])
