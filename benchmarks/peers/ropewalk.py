"""Ropewalk itself, as its users get it: pipelines that are traced, run and looked at through the public classes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peer import Job, Keeps, Peer, Variant

if TYPE_CHECKING:
    from ropewalk import Client
    from ropewalk.engine.client import Options

WORKERS = 2
PIPELINES = Path(__file__).parent.parent / "pipelines.py"

_client: Client | None = None


@contextmanager
def project(folder: Path) -> Iterator[None]:
    """A client, with its modules and its store; and the pipelines."""
    global _client
    import ropewalk.engine.driving  # noqa: F401  # loaded by now, as the modules of the others are
    from benchmarks import pipelines  # noqa: F401
    from ropewalk import Client

    with Client(folder / "home") as _client:
        _client.db  # noqa: B018  # made when it is first needed
        yield


@dataclass(frozen=True, slots=True)
class Way:
    """How it runs."""

    executor: str
    durability: str = "power"

    def options(self) -> Options:
        from ropewalk.engine.client import Options

        return Options(self.executor, WORKERS, durability=self.durability)

    def run(self, name: str) -> Callable[[int, Path], Any]:
        """A job: trace a pipeline and run it."""

        def job(n: int, _: Path) -> Any:
            assert _client is not None
            result = _client.run(work(name, n), self.options())
            return added_up(result.output)

        return job

    def resume(self, n: int, _: Path) -> Any:
        """What `ropewalk resume` does."""
        from ropewalk.store import runs

        assert _client is not None
        interrupted = next(iter(runs.all_runs(_client.db)))
        return _client.resume(interrupted, work("crash", n), self.options()).output

    def hello(self, _: int, folder: Path) -> str:
        """`ropewalk run`, as a command."""
        command = [str(Path(sys.executable).with_name("ropewalk")), "run", f"{PIPELINES}:hello", "--json"]
        done = subprocess.run(
            [*command, "--executor", self.executor, "--workers", str(WORKERS)],
            cwd=folder, stdout=subprocess.PIPE, check=True, env={**os.environ, "ROPEWALK_HOME": str(folder / "home")},
        )  # fmt: skip
        return str(json.loads(done.stdout)["tasks"][0]["outputs"]["result"]["preview"])

    def jobs(self) -> dict[str, Job]:
        run = {name: self.run(name) for name in ("chain", "fanout", "layered", "frame", "cpu", "log", "crash")}
        again: dict[str, Job] = {"rerun": self.run("fanout"), "resume": self.resume, "plan": build, "plan+lookup": plan}
        command: dict[str, Job] = {"hello": self.hello} if self.durability == "power" else {}
        return {**command, **run, **again}


def work(name: str, n: int) -> Any:
    """A pipeline of `benchmarks.pipelines`, traced."""
    from benchmarks import pipelines
    from ropewalk.author.pipeline import trace

    return trace(getattr(pipelines, name), {"n": n})


def added_up(value: Any) -> Any:
    return sum(value) if isinstance(value, list) else value


def build(n: int, _: Path) -> int:
    """Trace it, and check the graph."""
    return len(work("layered", n).graph.nodes)


def plan(n: int, _: Path) -> int:
    """What `ropewalk plan` does: trace it, look each task up in the store, and say what would be done and why."""
    assert _client is not None
    return len(_client.plan(work("layered", n)).rows)


def variant(name: str, way: Way, keeps: Keeps, configuration: str) -> Variant:
    return Variant(
        name, configuration, keeps, "states, attempts, results, cache keys, logs", way.jobs(), start=project,
        module="ropewalk",
    )  # fmt: skip


PEER = Peer(
    "ropewalk",
    "ropewalk",
    (
        variant(
            "ropewalk", Way("processes"), "power",
            "executor `processes`, 2 workers, started within the run; each outcome is fsynced before it counts",
        ),
        variant(
            "ropewalk-inline", Way("inline"), "power", "executor `inline`; each outcome is fsynced before it counts",
        ),
        variant(
            "ropewalk-process", Way("processes", "process"), "process",
            'executor `processes`, 2 workers, started within the run; durability="process", without fsync',
        ),
        variant(
            "ropewalk-inline-process", Way("inline", "process"), "process",
            'executor `inline`; durability="process", without fsync',
        ),
    ),
)  # fmt: skip
