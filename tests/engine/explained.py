"""A project in a folder whose files tests edit, and random edits of random graphs."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from ropewalk.author.load import find_pipeline
from ropewalk.author.override import override
from ropewalk.author.pipeline import trace
from ropewalk.author.source import clear_cache
from ropewalk.core import expr as ex
from ropewalk.core.cache import Cache
from ropewalk.core.code import CodeFingerprint
from ropewalk.core.graph import Graph, Node, TaskSpec, make_graph
from ropewalk.engine.client import Client, Options, Work
from ropewalk.engine.explain.planning import make_plan
from ropewalk.engine.result import RunResult
from ropewalk.plan.plan import Plan
from ropewalk.store import tasks
from ropewalk.store.runs import Run
from ropewalk.testing.graphs import FUNCTIONS

INLINE = Options(executor="inline")
HEAD = """from __future__ import annotations
from typing import Any, NamedTuple
from ropewalk.author.each import each
from ropewalk.author.flow import first_of, otherwise, when
from ropewalk.author.pipeline import pipeline
from ropewalk.author.task import task
from ropewalk.core.cache import Cache
from ropewalk.engine.context import context
"""


@dataclass
class Project:
    """A folder with a `flow.py` that has the pipeline `flow`."""

    folder: Path
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = Client(self.folder / ".ropewalk")

    def write(self, body: str, **others: str) -> None:
        """Write `flow.py` under the usual imports, and other modules."""
        for name, text in {"flow": HEAD + body, **others}.items():
            path = self.folder / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def edit(self, old: str, new: str, module: str = "flow") -> None:
        path = self.folder / f"{module}.py"
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {module}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def work(self, overrides: dict[str, str] | None = None, **params: Any) -> Work:
        """The pipeline as the files say now, as a new process would load it."""
        self.forget()
        traced = trace(find_pipeline(f"{self.folder / 'flow.py'}:flow"), params)
        graph = override(traced.graph, overrides or {}, traced.functions)
        return Work(graph, traced.functions, traced.params, overrides or {}, "flow.py:flow")

    def forget(self) -> None:
        """Forget modules of this folder."""
        clear_cache()
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", "") or "").startswith(str(self.folder)):
                del sys.modules[name]

    def run(self, options: Options = INLINE, **given: Any) -> RunResult:
        return self.client.run(self.work(**given), options)

    def plan(self, options: Options = INLINE, now: float | None = None, **given: Any) -> Plan:
        return make_plan(self.client, self.work(**given), options, now)

    def executed(self, run: RunResult) -> set[str]:
        return executed(self.client, run.run)


@contextmanager
def project_in(folder: Path) -> Iterator[Project]:
    """A project whose modules and store are let go at the end."""
    path, cached = list(sys.path), sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # an edit within a second that keeps the length would go unnoticed
    project = Project(folder)
    try:
        yield project
    finally:
        project.client.close()
        project.forget()
        sys.path[:], sys.dont_write_bytecode = path, cached


def executed(client: Client, run: Run) -> set[str]:
    """Nodes of which some task run was executed, and not reused."""
    return {row.node for row in tasks.listing(client.db, run.number) if row.started_at or row.attempts}


def executed_items(client: Client, run: Run) -> set[tuple[str, int]]:
    """Task runs that were executed, and not reused."""
    return {(row.node, row.item) for row in tasks.listing(client.db, run.number) if row.started_at or row.attempts}


def salted(function: Callable[..., Any], salt: int) -> Callable[..., Any]:
    """The function with another result for equal inputs."""

    def other(**inputs: Any) -> Any:
        return function(**inputs, salt=salt)

    return other


def random_edit(rng: Random, work: Work) -> Work:
    """The work with one thing changed: a constant, some code, a policy, or nothing."""
    node = work.graph.nodes[rng.choice(sorted(work.graph.nodes))]
    kind = rng.choice(("constant", "constant", "code", "refactoring", "policy", "nothing"))
    if kind == "constant":
        changed = replace(node, bindings={**node.bindings, "own": ex.constant(rng.choice(("x", "y", node.id)))})
        return _with(work, changed)
    if kind in ("code", "refactoring"):
        return _with_code(work, node, rng.randint(1, 3), same_results=kind == "refactoring")
    if kind == "policy":
        cache = rng.choice((Cache(False), Cache(), Cache(version="2")))
        return _with(work, replace(node, policy=replace(node.policy, cache=cache)))
    return work


def _with(work: Work, node: Node) -> Work:
    nodes = {**work.graph.nodes, node.id: node}
    return replace(work, graph=_remade(work.graph, nodes, work.graph.tasks))


def _with_code(work: Work, node: Node, salt: int, *, same_results: bool) -> Work:
    """A node with new code; a refactoring gives the same results, so what follows must be reused."""
    base = node.task.partition("~")[0]
    name = f"{base}~{'r' if same_results else 's'}{salt}"
    code = CodeFingerprint(hashlib.sha256(name.encode()).hexdigest())
    spec = TaskSpec(name, f"tests:{base}", code=code)
    function = FUNCTIONS[base] if same_results else salted(FUNCTIONS[base], salt)
    graph = _remade(
        work.graph, {**work.graph.nodes, node.id: replace(node, task=name)}, {**work.graph.tasks, name: spec}
    )
    return replace(work, graph=graph, functions={**work.functions, name: function})


def _remade(graph: Graph, nodes: dict[str, Node], tasks_: Any) -> Graph:
    return make_graph(graph.name, tasks_, nodes, output=graph.output)
