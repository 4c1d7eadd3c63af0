"""Task runs whose key was looked up in vain: they have to be executed as soon as an executor has room."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from typing import TypeAlias

from ropewalk.engine.attempt import Order
from ropewalk.engine.executors.base import NOBODY, Executor
from ropewalk.engine.turns import Turns

REFUSALS = 8  # nodes that an executor refuses before no other is offered to it: it has no room

Room: TypeAlias = Callable[[str, int, str, int], int]


class Startable:
    """Orders without a lease: node by node in turn, orders of one node in the order in which they came.

    Args:
        turns: which node goes first; None: which came first.
        task_of: the task that a node calls.
        is_guarded: whether a node shares no worker with what starts at the same time, so that a gate which looks at
            how attempts end does not see that too late.
    """

    def __init__(
        self,
        turns: Turns | None = None,
        task_of: Callable[[str], str] = lambda _: "",
        is_guarded: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self.turns = Turns() if turns is None else turns  # nodes with orders
        self._task_of = task_of
        self._is_guarded = is_guarded
        self._orders: dict[str, deque[Order]] = {}
        self._items: set[tuple[str, int]] = set()
        self._shut_out: set[str] = set()  # nodes for which there was no room when they were last offered

    def __len__(self) -> int:
        return len(self._items)

    @property
    def open(self) -> int:
        """How many there are for which there may be room."""
        return len(self._items) - sum(len(self._orders[node]) for node in self._shut_out)

    def add(self, node: str, order: Order) -> None:
        if node not in self._orders:
            self._orders[node] = deque()
            self.turns.join(node)
        self._orders[node].append(order)
        self._items.add((node, order.item))

    def __contains__(self, place: tuple[str, int]) -> bool:
        return place in self._items

    def waiting(self) -> Iterator[tuple[str, str]]:
        """Node and cache key of each order."""
        return ((node, order.key) for node, orders in self._orders.items() for order in orders)

    def has_room(self, executor: Executor) -> bool:
        """Whether the executor would take something."""
        some = islice(self._orders.items(), REFUSALS)
        offers = (executor.offer(node, len(orders), NOBODY, self._task_of(node)) for node, orders in some)
        return any(offer is not None and offer.most for offer in offers)

    def assign(
        self, executor: Executor, is_due: Callable[[str, Order], bool], room: Room = lambda _node, _item, _worker, n: n
    ) -> Iterator[tuple[str, str, list[Order]]]:
        """Worker, node and orders, as many as the executor takes now; orders that are not due any more are dropped.

        Args:
            room: how many orders of a node, the first of which is for an item, may start on a worker now.
        """
        taken: dict[str, float] = {}
        refusals = 0
        for node in self.turns.order():
            if refusals == REFUSALS:
                break
            orders, task = self._orders[node], self._task_of(node)
            given = dict.fromkeys(taken, 1.0) if (guarded := self._is_guarded(node)) else taken
            while orders and (offer := executor.offer(node, len(orders), given, task)) is not None:
                worker, most, load = offer
                if most == 0:  # it is kept free for this one
                    taken[worker] = given[worker] = 1.0
                    refusals += 1
                    break
                if not is_due(node, orders[0]):
                    self._items.remove((node, orders.popleft().item))
                    continue
                most = room(node, orders[0].item, worker, most)
                if most == 0:
                    self._shut_out.add(node)
                    break
                self._shut_out.discard(node)
                due = self._take(node, most, is_due)
                taken[worker] = 1.0 if guarded else taken.get(worker, 0.0) + load * len(due)
                given[worker] = taken[worker]
                self.turns.served(node)
                yield worker, node, due
            else:
                refusals += bool(orders)
            self._settle(node)

    def _take(self, node: str, most: int, is_due: Callable[[str, Order], bool]) -> list[Order]:
        due: list[Order] = []
        orders = self._orders[node]
        while orders and len(due) < most:
            order = orders.popleft()
            self._items.remove((node, order.item))
            if is_due(node, order):
                due.append(order)
        return due

    def _settle(self, node: str) -> None:
        if not self._orders[node]:
            del self._orders[node]
            self._shut_out.discard(node)
            self.turns.leave(node)

    def withdraw(self, node: str) -> list[Order]:
        """Take all orders of a node out."""
        if node not in self._orders:
            return []
        orders = list(self._orders.pop(node))
        self._shut_out.discard(node)
        self.turns.leave(node)
        self._items.difference_update((node, order.item) for order in orders)
        return orders

    def withdraw_keys(self, keys: Collection[str]) -> list[tuple[str, Order]]:
        """Take the orders with these keys out."""
        if not keys:
            return []
        found = [(node, order) for node, orders in self._orders.items() for order in orders if order.key in keys]
        for node, order in found:
            self._orders[node].remove(order)
            self._items.remove((node, order.item))
        for node in {node for node, _ in found}:
            self._settle(node)
        return found
