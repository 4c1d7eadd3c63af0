"""A pipeline that is run makes what the same pipeline makes when it is called as a function, whatever its graph is."""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest.mock import patch

from hypothesis import given, settings

from ropewalk.author import interpret
from ropewalk.core.graph import Graph
from ropewalk.engine import provenance
from ropewalk.engine.client import Client, Options, Work
from ropewalk.testing.graphs import FUNCTIONS, Shape, graphs

MEMORY = Path("/dev/shm")


def in_memory(graph: Graph) -> dict[str, object]:
    """What each node made; of those that did not succeed their state."""
    run = interpret._Run(graph, FUNCTIONS, {})
    for node in graph.nodes.values():
        run.do(node)
    return {node_id: run.results.get(node_id, run.states[node_id]) for node_id in graph.nodes}


def run_durably(graph: Graph) -> dict[str, object]:
    with (
        tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder,
        Client(folder) as client,
        patch.object(provenance, "collect", lambda *_: {}),
    ):
        result = client.run(Work(graph, FUNCTIONS, {}, {}), Options("inline"))
        return {
            node_id: result[node_id] if set(states) <= {"succeeded"} else next(iter(states))
            for node_id, states in result.nodes.items()
        }


@given(graph=graphs(shape=Shape(lenient=0.0)))
@settings(max_examples=100)
def test_a_run_makes_what_a_call_makes(graph: Graph) -> None:
    assert run_durably(graph) == in_memory(graph)
