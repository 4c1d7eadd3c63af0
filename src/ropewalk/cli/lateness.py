"""Deadlines that were missed: how they are told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ropewalk.cli.numbers import show_moment
from ropewalk.core.graph import Graph
from ropewalk.core.state import RunState
from ropewalk.engine.client import Client
from ropewalk.store.runs import Run


def late_notes(state: RunState) -> Iterator[str]:
    """One line for each deadline that was missed."""
    for node_id, at in state.missed.items():
        whose = f"of `{node_id}`" if node_id else "of the run"
        yield f"missed: the deadline {whose}, {show_moment(at)}"


def late_json(state: RunState) -> dict[str, Any]:
    """What `--json` tells of them."""
    return {"missed": [{"task": node_id or None, "deadline": at} for node_id, at in state.missed.items()]}


def missed_notes(client: Client, run: Run, graph: Graph) -> list[str]:
    """The same of a run in the store; its events are read only where there is a deadline to miss."""
    return list(late_notes(client.past.state(run))) if _may_be_late(graph) else []


def missed_json(client: Client, run: Run, graph: Graph) -> dict[str, Any]:
    """What `--json` tells of them, of a run in the store."""
    return late_json(client.past.state(run)) if _may_be_late(graph) else {"missed": []}


def _may_be_late(graph: Graph) -> bool:
    return bool(graph.policy.deadline) or any(node.policy.timing.deadline for node in graph.nodes.values())


def how_to_go_on(run: Run, state: RunState) -> str:
    """What to type after a run was cancelled: one that is too late would be cancelled again."""
    command = f"ropewalk resume {run.number}"
    return f"allow more time, then {command}" if any(_cancels(state, node_id) for node_id in state.missed) else command


def _cancels(state: RunState, node_id: str) -> bool:
    graph = state.graph
    own = node_id in graph.nodes and graph.nodes[node_id].policy.timing
    return (own.on_miss if own else graph.policy.on_miss) == "cancel"
