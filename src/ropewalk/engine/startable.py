"""Task runs whose key was looked up in vain: they have to be executed as soon as an executor has room."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator

from ropewalk.engine.attempt import Order
from ropewalk.engine.executors.base import Executor


class Startable:
    """Orders without a lease, by node, first come, first served."""

    def __init__(self) -> None:
        self._orders: dict[str, deque[Order]] = {}
        self._items: set[tuple[str, int]] = set()

    def __len__(self) -> int:
        return sum(map(len, self._orders.values()))

    def add(self, node: str, order: Order) -> None:
        self._orders.setdefault(node, deque()).append(order)
        self._items.add((node, order.item))

    def __contains__(self, place: tuple[str, int]) -> bool:
        return place in self._items

    def waiting(self) -> Iterator[tuple[str, str]]:
        """Node and cache key of each order."""
        return ((node, order.key) for node, orders in self._orders.items() for order in orders)

    def has_room(self, executor: Executor) -> bool:
        """Whether the executor would take something."""
        return any(executor.offer(node, len(orders)) for node, orders in self._orders.items())

    def assign(
        self, executor: Executor, is_due: Callable[[str, Order], bool]
    ) -> Iterator[tuple[str, str, list[Order]]]:
        """Worker, node and orders, as many as the executor takes now; orders that are not due any more are dropped."""
        taken: set[str] = set()
        for node in list(self._orders):
            orders = self._orders[node]
            while orders and (offer := executor.offer(node, len(orders), taken)) is not None:
                worker, most = offer
                due: list[Order] = []
                while orders and len(due) < most:
                    order = orders.popleft()
                    self._items.remove((node, order.item))
                    if is_due(node, order):
                        due.append(order)
                if due:
                    taken.add(worker)
                    yield worker, node, due
            if not orders:
                del self._orders[node]

    def withdraw(self, node: str) -> list[Order]:
        """Take all orders of a node out."""
        orders = list(self._orders.pop(node, ()))
        self._items.difference_update((node, order.item) for order in orders)
        return orders

    def withdraw_keys(self, keys: Collection[str]) -> list[tuple[str, Order]]:
        """Take the orders with these keys out."""
        found = [(node, order) for node, orders in self._orders.items() for order in orders if order.key in keys]
        for node, order in found:
            self._orders[node].remove(order)
            self._items.remove((node, order.item))
        return found
