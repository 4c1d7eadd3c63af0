"""Failures that a run put up with: how they are told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ropewalk.cli.numbers import show_count
from ropewalk.core.graph import Node
from ropewalk.core.tolerance import may_fail
from ropewalk.engine.client import Client
from ropewalk.store import deadletters
from ropewalk.store.runs import Run
from ropewalk.store.tasks import Count

TOLERATED = "tolerated"


def parked_note(client: Client, run: Run) -> str:
    """What there is to say of the failures that a run has succeeded in spite of; empty: there are none."""
    number = deadletters.count(client.db, run.number) if run.state == "succeeded" else 0
    return f"{show_count(number, 'tolerated failure')} parked: ropewalk dlq list --run {run.number}" if number else ""


def judged(node: Node, counts: Iterable[Count], length: int | None) -> list[Count]:
    """How many task runs of a node are in which state, with failures that are tolerated called so."""
    several = list(counts)
    failed = sum(count.number for count in several if count.state == "failed")
    if not failed or length is None or failed > may_fail(node.policy.partial_ok, length):
        return several
    return [replace(count, state=TOLERATED) if count.state == "failed" else count for count in several]


def extent(length: int, tolerated: int) -> str:
    """How many items a mapped node has, and of how many there are results."""
    return f"{length - tolerated:,} of {show_count(length, 'item')}" if tolerated else show_count(length, "item")
