"""The order of nodes, and the cycle that keeps them from having one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeAlias

from ropewalk.core.errors import DefinitionError

Users: TypeAlias = Mapping[str, tuple[str, ...]]


class Placed(Protocol):
    """A node, as far as its order goes."""

    @property
    def id(self) -> str: ...
    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def upstream(self) -> tuple[str, ...]: ...


def downstream(upstream: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """For each node those that need it."""
    found: dict[str, list[str]] = {name: [] for name in upstream}
    for name, needs in upstream.items():
        for need in needs:
            found[need].append(name)
    return {name: tuple(users) for name, users in found.items()}


def topological(nodes: Mapping[str, Placed]) -> list[str]:
    """The nodes, each after all that it needs, else in the order given; needs that are not among them do not count.

    Raises:
        DefinitionError: some of them wait for each other.
    """
    upstream = {node_id: [up for up in node.upstream if up in nodes] for node_id, node in nodes.items()}
    users = downstream(upstream)
    pending = {node_id: len(needs) for node_id, needs in upstream.items()}
    ready = [node_id for node_id, count in pending.items() if count == 0]
    order: list[str] = []
    for node_id in ready:  # grows while we walk
        order.append(node_id)
        for user in users[node_id]:
            pending[user] -= 1
            if pending[user] == 0:
                ready.append(user)
    if len(order) < len(nodes):
        raise _cycle_error(nodes, users, {n for n, count in pending.items() if count > 0})
    return order


def _cycle_error(nodes: Mapping[str, Placed], users: Users, stuck: set[str]) -> DefinitionError:
    cycle = _shortest_cycle(users, stuck)
    if len(cycle) == 1:
        return DefinitionError(f"task `{cycle[0]}` depends on itself", code="P210")
    return DefinitionError(
        f"these tasks wait for each other, so none can start: {' → '.join([*cycle, cycle[0]])}",
        code="P210",
        facts=[f"{n.file}:{n.line} {n.id}" for n in (nodes[c] for c in cycle) if n.file],
        help=["remove one of these dependencies (arguments, .after(...) or >>)"],
    )


def _shortest_cycle(users: Users, stuck: set[str]) -> list[str]:
    best: list[str] = []
    for start in sorted(stuck):
        parents: dict[str, str] = {}
        frontier = [start]
        while frontier and start not in parents:
            nexts = []
            for node in frontier:
                for user in users[node]:
                    if user in stuck and user not in parents:
                        parents[user] = node
                        nexts.append(user)
            frontier = nexts
        if start in parents:
            cycle, node = [start], parents[start]
            while node != start:
                cycle.append(node)
                node = parents[node]
            if not best or len(cycle) < len(best):
                best = cycle[::-1]
    return best
