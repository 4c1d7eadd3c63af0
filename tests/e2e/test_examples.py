"""The examples do what their pages say, on the real data."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from ropewalk.author.pipeline import Pipeline, trace
from ropewalk.core.taskstate import SKIPPED
from ropewalk.engine.client import Client, Options
from ropewalk.engine.result import RunResult

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(folder: Path, pipeline: Pipeline[..., Any], **params: Any) -> tuple[RunResult, list[str]]:
    """The result, and the tasks that were skipped."""
    with Client(folder / ".ropewalk") as client:
        result = client.run(trace(pipeline, params), Options("inline"))
        nodes = client.state(result.run).nodes
    assert result.state == "succeeded", result.failures
    return result, [node_id for node_id, node in nodes.items() if node.counts[SKIPPED]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROPEWALK_HOME", str(tmp_path / ".ropewalk"))
    return tmp_path


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> Pipeline[..., Any]:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / name / "pipeline.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)  # classes of it are pickled by name
    spec.loader.exec_module(module)
    pipeline: Pipeline[..., Any] = getattr(module, name)
    return pipeline


def test_three_trainings_and_an_ensemble(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, _ = run(project, load("branching_ensemble", monkeypatch), trees=50)

    scores = result.output
    assert set(scores) == {"logistic", "forest", "boosting", "ensemble"}
    assert min(scores.values()) > 0.95


def test_a_model_is_trained_again_until_it_is_good_enough(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = load("conditional_retrain", monkeypatch)

    taken = [run(project, pipeline, batch=batch)[1] for batch in (1, 2, 3, 4)]

    assert taken == [["keep"], ["keep"], ["keep"], ["retrain", "deploy"]]


def test_a_search_ends_when_nothing_better_is_found(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = load("hyperparameter_loop", monkeypatch)

    result, _ = run(project, pipeline, count=3)

    search = result.output["search"]
    assert search.stale == 2
    assert search.score > 0.95
    turns = {node_id.split("/")[1] for node_id in result.nodes if node_id.startswith("one_round/")}
    assert 3 <= len(turns) < 12
