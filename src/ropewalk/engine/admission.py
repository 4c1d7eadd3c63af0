"""Whether attempts may start now: resources, pools, and guards each have a say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from ropewalk.engine.ledger import Given, Ledger


class Gate(Protocol):
    """Something that may hold task runs back. All calls come from the scheduler's thread.

    `room`, `take` and `commit` are called inside the transaction that grants leases, so what a gate writes to the
    store there is written together with them.
    """

    def room(self, node: str, item: int, worker: str, wanted: int) -> int:
        """How many of `wanted` orders of a node, the first of which is `item`, may start on a worker now."""

    def take(self, node: str, items: Sequence[int], token: int, worker: str) -> None:
        """These start now, under one lease."""

    def end(self, node: str, item: int, token: int, failed: bool | None) -> None:
        """One of them has ended or was given back; `failed` is None when that says nothing about what it used."""

    def next_s(self, now: float) -> float:
        """Seconds until a gate that is shut may open by itself; infinite: only when something ends."""


class Admission:
    """All gates together; the ledger, where there is one, is asked last."""

    def __init__(self, gates: Sequence[Gate] = (), ledger: Ledger | None = None) -> None:
        self._gates = tuple(gates) if ledger is None else (*gates, ledger)
        self._ledger = ledger

    def room(self, node: str, item: int, worker: str, wanted: int) -> int:
        for gate in self._gates:
            if wanted == 0:
                break
            wanted = min(wanted, gate.room(node, item, worker, wanted))
        return wanted

    def take(self, node: str, items: Sequence[int], token: int, worker: str) -> None:
        for gate in self._gates:
            gate.take(node, items, token, worker)

    def given(self, token: int) -> Given:
        """What each attempt under a lease gets of the machine."""
        return Given() if self._ledger is None else self._ledger.given(token)

    def end(self, node: str, item: int, token: int, failed: bool | None) -> None:
        for gate in self._gates:
            gate.end(node, item, token, failed)

    def next_s(self, now: float) -> float:
        return min((gate.next_s(now) for gate in self._gates), default=math.inf)
