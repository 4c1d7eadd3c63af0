"""`logs`: what tasks printed, also while they run."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ropewalk.cli.complete import complete_run
from ropewalk.cli.declare import Number, argument, command, option
from ropewalk.cli.logfiles import Log, Tail, kept_logs, lines_of, open_logs
from ropewalk.cli.places import Place, existing_store, find_place
from ropewalk.cli.runs import shown_state
from ropewalk.cli.session import Session
from ropewalk.store import runs, tasks

LOOK_S = 0.2  # how often a log that is followed is looked at


@command(examples=["ropewalk logs 3/train", "ropewalk logs last -f --grep loss"])
@argument("run", default="last", metavar="[RUN[/TASK[/ITEM]]]", shell_complete=complete_run)
@option("-f", "--follow", is_flag=True, help="Go on with what comes, until the run ends.")
@option("--tail", type=Number(min=0), metavar="N", help="Only the last N lines.")
@option("--grep", metavar="TEXT", help="Only lines that contain this text.")
def logs(session: Session, run: str, follow: bool, tail: int | None, grep: str | None) -> None:
    """Print what tasks printed, themselves or through libraries and programs that they start.

    Without a task: of a failed run the tasks that failed, else all tasks, in the order of the pipeline. With `--json`
    one JSON object a line.
    """
    existing_store(session)
    place = find_place(session.client, run)
    printer = _Printer(session, place, grep)
    if follow and shown_state(place.run) == "running":
        for log, line in _wanted(_follow(session, place, tail), printer):
            printer.write(log, line)
        return
    chosen = _chosen(session, place)
    lines: Iterable[tuple[Log, str]] = _wanted(lines_of([*chosen, *open_logs(session.client, place)]), printer)
    for log, line in lines if tail is None else deque(lines, maxlen=tail):
        printer.write(log, line)
    if not chosen and not session.as_json:
        session.note(f"{place} has printed nothing")


def _chosen(session: Session, place: Place) -> list[Log]:
    """The logs to show: of a failed run those of the tasks that failed, unless a task is named."""
    found = kept_logs(session.client, place)
    if place.node is not None or place.run.state != "failed":
        return found
    db, number = session.client.db, place.run.number
    failed_nodes = {count.node for count in tasks.counts(db, number) if count.state == "failed"}
    failed = {(r.node, r.item) for n in failed_nodes for r in tasks.listing(db, number, n) if r.state == "failed"}
    return [log for log in found if (log.node, log.item) in failed] or found


class _Printer:
    """Writes lines, each with the task run that it comes from unless there can be only one."""

    def __init__(self, session: Session, place: Place, grep: str | None) -> None:
        self.grep = grep
        self._session = session
        self._mapped = {node_id for node_id, node in place.graph.nodes.items() if node.map is not None}
        several = place.node is None or bool(place.inside)
        self._prefixed = several or (place.node in self._mapped and place.item is None)
        named = [node_id for node_id in place.graph.nodes if place.covers(node_id, place.item)] if several else []
        self._width = max(map(len, named), default=0)

    def write(self, log: Log, line: str) -> None:
        if self._session.as_json:
            self._session.emit_line({"task": log.node, "item": log.item, "attempt": log.attempt or None, "line": line})
            return
        out = self._session.out
        out.write(f"{out.paint(self._prefix(log), 'cyan')} {line}" if self._prefixed else line)

    def _prefix(self, log: Log) -> str:
        name = log.node
        if log.node in self._mapped:
            name += f"[{'…' if log.item is None else log.item}]"
        if log.attempt > 1:
            name += f" #{log.attempt}"
        return f"{name:<{self._width}} |"


def _wanted(lines: Iterable[tuple[Log, str]], printer: _Printer) -> Iterator[tuple[Log, str]]:
    return ((log, line) for log, line in lines if printer.grep is None or printer.grep in line)


def _follow(session: Session, place: Place, tail: int | None) -> Iterator[tuple[Log, str]]:
    """What was printed already, the last `tail` lines of it, then every line as it comes."""
    reader = Tail()
    first = True
    while True:
        now = replace(place, run=runs.get(session.client.db, place.run.number))
        over = shown_state(now.run) != "running"
        # Spools first: one that is renamed in between is then found under its new name, with what is still to come.
        found = [*open_logs(session.client, now), *kept_logs(session.client, now)]
        lines = ((log, line) for log in found for line in reader.read(log, all_of_it=log.attempt > 0))
        yield from lines if not first or tail is None else deque(lines, maxlen=tail)
        first = False
        session.out.flush()
        if over:
            return
        time.sleep(LOOK_S)
