"""What completion offers beyond the commands themselves; it imports nothing of the user's and makes no store."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ropewalk.cli.declare import Context, session_of
from ropewalk.cli.session import Session
from ropewalk.core.errors import RopewalkError
from ropewalk.core.nesting import spot_of

_MOST_RUNS = 30


def complete_run(context: Context, _parameter: object, incomplete: str) -> list[str]:
    """Numbers and names of recent runs, and after a slash the tasks of one."""
    with suppress(RopewalkError):
        return list(_runs(session_of(context), incomplete))
    return []


def complete_question(context: Context, _parameter: object, incomplete: str) -> list[str]:
    """The questions that nobody has answered."""
    with suppress(RopewalkError):
        session = session_of(context)
        if session.has_store:
            from ropewalk.cli.awaiting import place_of
            from ropewalk.store import approvals

            names = map(place_of, approvals.listing(session.client.db))
            return [name for name in names if name.startswith(incomplete)]
    return []


def _runs(session: Session, incomplete: str) -> Iterator[str]:
    if not session.has_store:
        return
    from ropewalk.cli.places import find_run
    from ropewalk.store import runs

    client = session.client
    run_text, slash, task = incomplete.partition("/")
    if slash:
        nodes = client.run_graph(find_run(client, run_text)).nodes
        for node in nodes:  # those inside of others once these are named
            spot = spot_of(node, nodes) if node.startswith(task) else None
            if node.startswith(task) and (spot is None or task.startswith(f"{spot.owner}/")):
                yield f"{run_text}/{node}"
        return
    for run in runs.listing(client.db, most=_MOST_RUNS):
        yield from (text for text in (str(run.number), run.name) if text.startswith(incomplete))


def complete_target(_context: Context, _parameter: object, incomplete: str) -> list[str]:
    """Pipelines of `pipeline.py`, files with pipelines, and the pipelines of a file that is named already."""
    file, colon, name = incomplete.partition(":")
    if colon:
        return [f"{file}:{found}" for found in pipelines_in(Path(file)) if found.startswith(name)]
    own = [found for found in pipelines_in(Path("pipeline.py")) if found.startswith(incomplete)]
    folder = Path(incomplete).parent if not incomplete.endswith("/") else Path(incomplete)
    files = [path for path in sorted(folder.glob("*")) if str(path).startswith(incomplete) and path.name[0] != "."]
    offered = [str(p) if p.is_file() else f"{p}/" for p in files if p.suffix == ".py" or p.is_dir()]
    return [*own, *offered]


def pipelines_in(path: Path) -> list[str]:
    """The names of the pipelines that a file defines, read from its syntax: importing it might do anything."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return []
    return [
        _given_name(decorator) or node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if _name_of(decorator) == "pipeline"
    ]


def _name_of(decorator: ast.expr) -> str:
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    return target.attr if isinstance(target, ast.Attribute) else target.id if isinstance(target, ast.Name) else ""


def _given_name(decorator: ast.expr) -> str:
    keywords = decorator.keywords if isinstance(decorator, ast.Call) else []
    values = (k.value for k in keywords if k.arg == "name")
    return next((str(v.value) for v in values if isinstance(v, ast.Constant)), "")
