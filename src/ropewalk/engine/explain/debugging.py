"""A task run again in this process, with the inputs and the seed that it had, and a debugger at the error."""

from __future__ import annotations

import bdb
import functools
import inspect
import os
import pdb  # noqa: T100  # opening a debugger is what this file is for
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ropewalk.author.packages import in_own_tree
from ropewalk.author.source import describe_change
from ropewalk.core.artifact import Failure
from ropewalk.core.cachekey import seed_of
from ropewalk.core.errors import ExecutionError, NotFoundError
from ropewalk.core.expr import Unavailable
from ropewalk.engine.attempt import Job, Order, call, load_inputs, set_seeds
from ropewalk.engine.client import Client, Work
from ropewalk.engine.context import Context, enter
from ropewalk.engine.explain.keyparts import key_parts
from ropewalk.engine.explain.recorded import Recorded
from ropewalk.engine.story import describe
from ropewalk.store.runs import Run

_OWN = str(Path(__file__).parents[2]) + os.sep
_SKIPPED = ("ropewalk.*", "asyncio.*", "selectors", "contextvars")  # modules that a debugger does not stop in


@dataclass(frozen=True, slots=True)
class Debugged:
    """What came of debugging a task run; nothing of it is recorded.

    Attributes:
        inputs: what it was given, one line each.
        notes: what is not as it was in the run, such as code that changed.
        failure: how it failed this time; None: it did not.
        result: what it returned, where it did not fail.
    """

    run: int
    node: str
    item: int
    inputs: tuple[str, ...]
    notes: tuple[str, ...]
    failure: Failure | None = None
    result: Any = None

    def to_json(self) -> dict[str, Any]:
        shown = {name: getattr(self, name) for name in ("run", "node", "item", "inputs", "notes")}
        return shown | {"failure": None if self.failure is None else asdict(self.failure)}


def debug(
    client: Client,
    run: Run,
    node: str,
    item: int,
    work: Work,
    *,
    interactive: bool = True,
    stop_first: bool = False,
    say: Callable[[str], None] | None = None,
) -> Debugged:
    """Call a task with the inputs and the seed that it had in a run, in this process; nothing is recorded.

    The code is the present one. What the task does to the outside world, it does again.

    Args:
        interactive: open a debugger where it fails, in the innermost frame of the user's own code.
        stop_first: open the debugger at the first line already.
        say: takes what a person should read before; None: it goes to stderr.

    Raises:
        NotFoundError: there is no such task run, or the pipeline has no such task any more.
        ExecutionError: its inputs were not computed in that run.
        CorruptBlobError: an input is not in the store any more.
    """
    recorded = Recorded(client, run)
    job, order = _order(recorded, node, item)
    function = _function(recorded, node, work)
    shown = Debugged(run.number, node, item, tuple(_inputs(recorded, node, item)), tuple(_notes(recorded, node, work)))
    say = _to_stderr if say is None else say
    say(_banner(shown, order))
    arguments = load_inputs(job, order, client.blobs)
    set_seeds(seed_of(order.key))
    if stop_first:
        function = _stopping(function)
    enter(_context(client, recorded, node, order))
    try:
        return _replaced(shown, result=call(function, arguments))
    except bdb.BdbQuit:
        return shown
    except BaseException as error:  # noqa: BLE001  # as in a run: whatever the task raises is its failure
        failure = describe(error)
        if interactive:
            say(f"{failure.message}    (q leaves the debugger)")
            pdb.post_mortem(_to_user_frame(error.__traceback__))
        return _replaced(shown, failure=failure)
    finally:
        enter(None)


def _context(client: Client, recorded: Recorded, node: str, order: Order) -> Context:
    return Context(
        run=recorded.run.number, node=node, item=order.item, attempt=order.attempt, seed=seed_of(order.key),
        key=order.key, home=str(client.home.root),
    )  # fmt: skip


def _order(recorded: Recorded, node_id: str, item: int) -> tuple[Job, Order]:
    """The attempt as the scheduler would make it."""
    node, row = recorded.node(node_id), recorded.row(node_id, item)
    recorded.fill(recorded.graph.upstream[node.id])
    preparer = recorded.reader.preparer
    try:
        prepared = preparer.prepare(node_id)
        sources = preparer.sources(prepared, item)
        key = preparer.key(prepared, sources)
    except (Unavailable, IndexError) as error:
        raise ExecutionError(
            f"`{node_id}` cannot be debugged: its inputs were not computed in run {recorded.run.number}",
            help=[f"ropewalk why {recorded.run.number}/{node_id}"],
        ) from error
    return prepared.job, Order(prepared.job.id, item, row.attempts if row else 1, 0, key, sources)


def _function(recorded: Recorded, node_id: str, work: Work) -> Callable[..., Any]:
    task = recorded.graph.nodes[node_id].task
    if task not in work.functions:
        raise NotFoundError(
            f"the pipeline has no task `{task}` any more, which run {recorded.run.number} had", help=["ropewalk plan"]
        )
    return work.functions[task]


def _inputs(recorded: Recorded, node_id: str, item: int) -> Iterator[str]:
    parts = recorded.parts(node_id, item)
    for part in key_parts(recorded, node_id, item, parts, None):
        if part.kind in ("inputs", "params"):
            yield f"{part.kind}: {part.text}"


def _notes(recorded: Recorded, node_id: str, work: Work) -> Iterator[str]:
    node = recorded.graph.nodes[node_id]
    if node.task in work.graph.tasks:
        old, new = recorded.graph.tasks[node.task].code, work.graph.tasks[node.task].code
        changed = describe_change(old, new)
        if changed:
            yield f"not the code of run {recorded.run.number}: {'; '.join(changed)}"
    if not node.policy.cache.enabled:
        yield "cache=False: if it has effects, they happen again"


def _banner(shown: Debugged, order: Order) -> str:
    head = f"debugging {shown.run}/{shown.node}[{shown.item}] with the inputs of run {shown.run}"
    lines = [head.replace("[0]", ""), *shown.inputs, f"seed: {seed_of(order.key)}"]
    return "\n  ".join([*lines, *(f"note: {note}" for note in shown.notes)])


def _stopping(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with a debugger that stops at its first line."""

    @functools.wraps(function)
    def stopping(*args: Any, **kwargs: Any) -> Any:
        debugger = pdb.Pdb(skip=_SKIPPED)
        if inspect.iscoroutinefunction(function):
            import asyncio  # slow to load, and rarely needed

            return debugger.runcall(asyncio.run, function(*args, **kwargs))
        return debugger.runcall(function, *args, **kwargs)

    return stopping


def _to_user_frame(start: TracebackType | None) -> TracebackType | None:
    """The traceback from the user's first frame to the innermost one of the user's own code, and no deeper."""
    frames = []
    while start is not None:
        frames.append(start)
        start = start.tb_next
    own = [index for index, tb in enumerate(frames) if _is_users(tb.tb_frame.f_code.co_filename)]
    made: TracebackType | None = None
    for tb in reversed(frames[own[0] : own[-1] + 1] if own else frames):
        made = TracebackType(made, tb.tb_frame, tb.tb_lasti, tb.tb_lineno)
    return made


def _is_users(file: str) -> bool:
    return in_own_tree("", file) and not file.startswith(("<", _OWN))


def _replaced(shown: Debugged, failure: Failure | None = None, result: Any = None) -> Debugged:
    return Debugged(shown.run, shown.node, shown.item, shown.inputs, shown.notes, failure, result)


def _to_stderr(text: str) -> None:
    sys.stderr.write(text + "\n")
