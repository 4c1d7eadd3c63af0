"""Deadlines that were missed: how they are told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ropewalk.cli.numbers import show_moment
from ropewalk.core.state import RunState
from ropewalk.store.runs import Run


def late_notes(state: RunState) -> Iterator[str]:
    """One line for each deadline that was missed."""
    for node_id, at in state.missed.items():
        whose = f"of `{node_id}`" if node_id else "of the run"
        yield f"missed: the deadline {whose}, {show_moment(at)}"


def late_json(state: RunState) -> dict[str, Any]:
    """What `--json` tells of them."""
    return {"missed": [{"task": node_id or None, "deadline": at} for node_id, at in state.missed.items()]}


def how_to_go_on(run: Run, state: RunState) -> str:
    """What to type after a run was cancelled: one that is too late would be cancelled again."""
    command = f"ropewalk resume {run.number}"
    return f"allow more time, then {command}" if any(_cancels(state, node_id) for node_id in state.missed) else command


def _cancels(state: RunState, node_id: str) -> bool:
    graph = state.graph
    own = node_id in graph.nodes and graph.nodes[node_id].policy.timing
    return (own.on_miss if own else graph.policy.on_miss) == "cancel"
