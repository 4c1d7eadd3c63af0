"""What runs at the same time, and whether that is more than there is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ropewalk.core.graph import Node
from ropewalk.testing.report import Broken


@dataclass(slots=True)
class Amounts:
    """Cores and slots of pools, and what the attempts of one run hold of them. A worker executes one at a time."""

    cpu: float = math.inf
    pools: Mapping[str, int] = field(default_factory=dict)
    held: Counter[str] = field(default_factory=Counter)  # slots of pools
    running: Counter[str] = field(default_factory=Counter)  # attempts by node
    workers: dict[tuple[str, int], tuple[str, float]] = field(default_factory=dict)

    def take(self, node: Node, items: tuple[int, ...], worker: str) -> None:
        """These begin.

        Raises:
            Broken: it is too much.
        """
        wanted = node.policy.resources
        self.workers.update({(node.id, item): (worker, wanted.cpu) for item in items})
        self.running[node.id] += len(items)
        self.held.update({pool: slots * len(items) for pool, slots in wanted.pools})
        if node.policy.limit is not None and self.running[node.id] > node.policy.limit:
            raise Broken(f"{self.running[node.id]} of {node.id} run, of at most {node.policy.limit}")
        for pool, slots in self.pools.items():
            if self.held[pool] > slots:
                raise Broken(f"{node.id} has {self.held[pool]} slots of pool {pool} held, of {slots}")
        if math.isfinite(self.cpu) and (used := self._cores()) > self.cpu + 1e-9:
            raise Broken(f"{node.id} has {used} cores held, of {self.cpu}")

    def give_back(self, node: Node, item: int) -> None:
        """One has ended."""
        del self.workers[node.id, item]
        self.running[node.id] -= 1
        self.held.subtract(dict(node.policy.resources.pools))

    def clear(self) -> None:
        """Whoever drove the run is gone, with all that it held."""
        for held in (self.held, self.running, self.workers):
            held.clear()

    def _cores(self) -> float:
        most: dict[str, float] = {}
        for worker, cpu in self.workers.values():
            most[worker] = max(most.get(worker, 0.0), cpu)
        return sum(most.values())
