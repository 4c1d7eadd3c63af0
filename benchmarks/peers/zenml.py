"""ZenML: pipelines of steps on its local stack, with its records in SQLite and no server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.peer import Peer, Variant

WORKLOADS = ("hello", "chain", "fanout", "layered", "frame", "cpu", "log")


@contextmanager
def start(folder: Path) -> Iterator[None]:
    """No service; its database and its local stack are made."""
    os.environ |= {
        "ZENML_CONFIG_PATH": str(folder / "zenml"),
        "ZENML_LOCAL_STORES_PATH": str(folder / "stores"),
        "ZENML_CUSTOM_SOURCE_ROOT": str(Path(__file__).parents[2]),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "ZENML_ENABLE_REPO_INIT_WARNINGS": "false",
        "ZENML_LOGGING_VERBOSITY": "ERROR",
        "ZENML_DYNAMIC_PIPELINE_WORKER_COUNT": "2",
    }
    from zenml.client import Client

    _ = Client().active_stack
    yield


def run(workload: str, n: int, folder: Path, *, cached: bool = False) -> Any:
    """The value of the step named so, after the pipeline has ended."""
    from benchmarks.peers.pipelines import zenml

    pipeline = getattr(zenml, f"{workload}_pipeline").with_options(
        enable_cache=cached,
        enable_artifact_metadata=False,
        enable_artifact_visualization=False,
        enable_step_logs=workload == "log",
    )
    return pipeline(n).steps["value"].output.load()


PEER = Peer(
    name="zenml",
    package="zenml",
    variants=(
        Variant(
            name="zenml",
            module="zenml",
            configuration="local stack, SQLite as it comes (rollback journal, synchronous=FULL), no server; static"
            " pipelines, for fan-out and layers dynamic ones with 2 worker threads; no metadata, visualisation and step"
            " logs (tuned; logs only in log); cache for rerun and resume only; log level ERROR (tuned)",
            keeps="process",
            records="state of each step in SQLite, fsynced; value in files, not fsynced",
            jobs={
                **{name: partial(run, name) for name in WORKLOADS},
                "rerun": partial(run, "fanout", cached=True),
                "crash": partial(run, "crash", cached=True),
                "resume": partial(run, "crash", cached=True),
            },
            start=start,
            limits={"chain": 200, "fanout": 100, "layered": 500, "rerun": 100},
        ),
    ),
)
