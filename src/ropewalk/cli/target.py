"""From what a person names to a graph that can be run."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ropewalk.author.load import find_pipeline
from ropewalk.author.override import override
from ropewalk.author.pipeline import Pipeline, Traced, trace
from ropewalk.cli.arguments import Wish, suggest_option
from ropewalk.cli.session import Session
from ropewalk.core.cache import Cache
from ropewalk.core.errors import DefinitionError, RopewalkError, UsageError, Where, did_you_mean
from ropewalk.core.graph import Graph, Node
from ropewalk.core.grow import TEMPLATE
from ropewalk.core.nesting import as_written
from ropewalk.engine.client import Work
from ropewalk.store.runs import Run

DEFAULT_FILE = "pipeline.py"
RUN_OPTIONS = (
    "--executor",
    "--workers",
    "--seed",
    "--no-cache",
    "--durability",
    "--force",
    "--json",
    "--quiet",
    "--verbose",
    "--param",
)


def make_work(session: Session, wish: Wish) -> Work:
    """The work that a command line asks for.

    Raises:
        DefinitionError: there is no such pipeline, or it is written wrongly.
        UsageError: parameters are wrong; all of them are named.
    """
    pipeline, place = _find(session, wish.target)
    own, overrides = _sorted_out(wish.pairs)
    values, problem = _bind(pipeline, own)
    traced = None if values is None else trace(pipeline, values)
    graph = None if traced is None else _override(traced, overrides)
    problems = [p for p in (problem, _repeated(overrides), graph if isinstance(graph, UsageError) else None) if p]
    if problems:
        raise _with_options(_merged(pipeline.name, problems), wish, pipeline)
    assert traced is not None
    assert isinstance(graph, Graph)
    return Work(graph, traced.functions, traced.params, dict(overrides), f"{place}:{pipeline.name}")


def work_of_run(run: Run) -> Work:
    """The work of an earlier run as its file says it now.

    Raises:
        UsageError: it was started from Python, so there is no file to look into, or its parameters do not fit any more.
    """
    if not run.target:
        raise UsageError(
            f"run {run.number} was started from Python, so its pipeline cannot be found again from here",
            help=["continue it from Python, or run the pipeline from its file: what is known is reused"],
        )
    file, colon, name = run.target.rpartition(":")
    folder = Path(run.provenance.get("folder", ""))
    if not Path(file).exists() and (folder / file).exists():
        file = str(folder / file)
    elif not file.endswith(".py") and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))  # a module, which was found from there
    pipeline = find_pipeline(f"{file}{colon}{name}")
    traced = trace(pipeline, pipeline.bind(run.params))
    graph = override(traced.graph, run.overrides, traced.functions)
    return Work(graph, traced.functions, traced.params, run.overrides, run.target)


def forced(work: Work, names: Iterable[str]) -> Work:
    """The same work, with tasks that are to be executed whatever is known.

    Raises:
        UsageError: there is no such task.
    """
    graph, wanted = work.graph, set[str]()
    written = as_written(graph)
    for name in names:
        chosen = [n.id for n in written.values() if name in (n.id, graph.tasks[n.task].name)]
        if not chosen:
            guess = did_you_mean(name, graph.nodes)
            raise UsageError(
                f"`{graph.name}` has no task `{name[:80]}`",
                facts=[f"it has: {', '.join(graph.nodes)}"],
                help=[f"did you mean: --force {guess}"] if guess else [],
            )
        inside = tuple(f"{node_id}{TEMPLATE}" for node_id in chosen)
        wanted |= {node_id for node_id in written if node_id in chosen or node_id.startswith(inside)}
    bodies = {owner: replace(body, nodes=_executed(body.nodes, wanted)) for owner, body in graph.bodies.items()}
    return replace(work, graph=replace(graph, nodes=_executed(graph.nodes, wanted), bodies=bodies))


def _executed(nodes: Mapping[str, Node], wanted: set[str]) -> dict[str, Node]:
    """The nodes, those that are wanted without reuse."""
    made = dict(nodes)
    for node_id in nodes.keys() & wanted:
        policy = replace(nodes[node_id].policy, cache=_without_reuse(nodes[node_id].policy.cache))
        made[node_id] = replace(nodes[node_id], policy=policy)
    return made


def _without_reuse(cache: Cache) -> Cache:
    return Cache(False, ttl=cache.ttl_s, version=cache.version, ignore=cache.ignore, env=cache.env)


def _find(session: Session, target: str) -> tuple[Pipeline[..., Any], str]:
    """The pipeline, and the file or module that it is in."""
    if not target or target.isidentifier() or ("/" not in target and ":" not in target and "." not in target):
        return _find_by_name(session, target)
    place, colon, name = target.rpartition(":")
    return find_pipeline(target), place if colon and not name.endswith(".py") else target


def _find_by_name(session: Session, name: str) -> tuple[Pipeline[..., Any], str]:
    """A pipeline of `pipeline.py`, here or in the project's root; failing that, a module of this name."""
    folders = [Path(), Path(os.path.relpath(session.client.home.root.parent))]
    file = next((folder / DEFAULT_FILE for folder in folders if (folder / DEFAULT_FILE).exists()), None)
    if file is not None:
        place = str(file)
        try:
            return find_pipeline(f"{place}:{name}" if name else place), place
        except DefinitionError as error:
            if error.code != "P232" or not _is_module(name):
                raise
    if _is_module(name):
        return find_pipeline(name), name
    raise DefinitionError(
        f"there is no pipeline `{name[:80]}` here" if name else f"there is no {DEFAULT_FILE} here",
        code="P230",
        facts=[f"without a file, `{DEFAULT_FILE}` of this folder or of the project is meant"],
        help=[
            "ropewalk init               writes a small pipeline",
            "ropewalk run FILE.py:NAME    runs the one you mean",
        ],
    )


def _is_module(name: str) -> bool:
    if not name.isidentifier():
        return False
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _sorted_out(pairs: Iterable[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Parameters of the pipeline, and those of its tasks, whose names have a dot."""
    own: list[tuple[str, str]] = []
    overrides: list[tuple[str, str]] = []
    for name, value in pairs:
        (overrides if "." in name else own).append((name, value))
    return own, overrides


def _bind(
    pipeline: Pipeline[..., Any], own: list[tuple[str, str]]
) -> tuple[Mapping[str, Any] | None, UsageError | None]:
    """Values for tracing, and what is wrong with those that were given; then the defaults serve to look further."""
    try:
        return pipeline.bind(own, text=True), None
    except UsageError as error:
        try:
            return pipeline.bind({}), error
        except UsageError:
            return None, error


def _override(traced: Traced, overrides: list[tuple[str, str]]) -> Graph | UsageError:
    try:
        return override(traced.graph, overrides, traced.functions)
    except UsageError as error:
        return error


def _repeated(overrides: list[tuple[str, str]]) -> UsageError | None:
    twice = [(name, count) for name, count in Counter(name for name, _ in overrides).items() if count > 1]
    if not twice:
        return None
    where = Where("command line")
    return UsageError(f"parameter `{twice[0][0]}` is given {twice[0][1]} times", code="P104", where=where)


def _merged(owner: str, problems: list[UsageError]) -> UsageError:
    """One block for everything that is wrong with the parameters."""
    if len(problems) == 1:
        return problems[0]
    facts: list[str] = []
    for problem in problems:
        several = problem.title.partition(" ")[0].isdigit()
        facts += problem.facts if several else [problem.title]
    help_lines = dict.fromkeys(line for problem in problems for line in problem.help)
    where = Where("command line")
    return UsageError(
        f"{len(facts)} problems with the parameters of `{owner}`",
        code="P104",
        where=where,
        facts=facts,
        help=help_lines,
    )


def _with_options(error: UsageError, wish: Wish, pipeline: Pipeline[..., Any]) -> RopewalkError:
    """The error, with a hint if an option of the command was mistyped rather than a parameter."""
    known = {p.spec.name for p in pipeline.parameters}
    guess = suggest_option(wish, (name for name, _ in wish.pairs if name not in known), RUN_OPTIONS)
    if guess:
        error.help = (f"did you mean the option {guess}?", *error.help)
    return error
