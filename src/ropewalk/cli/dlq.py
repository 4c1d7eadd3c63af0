"""`dlq`: dead letters, which are task runs that have failed for good, and how they are tried again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from ropewalk.cli.complete import complete_run
from ropewalk.cli.console import fit, table
from ropewalk.cli.declare import argument, command, group, option, verbosity
from ropewalk.cli.numbers import show_age, show_count, show_moment
from ropewalk.cli.places import existing_store, find_place, find_run
from ropewalk.cli.rows import headline
from ropewalk.cli.session import Session
from ropewalk.cli.taskruns import show_task_run
from ropewalk.cli.wishes import takes_workers
from ropewalk.core.errors import NotFoundError, UsageError
from ropewalk.core.graph import Graph
from ropewalk.engine.client import Client
from ropewalk.store import deadletters, runs
from ropewalk.store.deadletters import DeadLetter, Group

_MOST = 20
_GROUP_CELLS = 6  # of a group's name, as far as it is shown in lists
_NONE = "Nothing is parked here: what fails for good is, until it succeeds."


@command(name="list", examples=["ropewalk dlq", "ropewalk dlq list --run 7 --json"])
@option("--run", "run_text", metavar="RUN", shell_complete=complete_run, help="List those of this run only.")
def list_(session: Session, run_text: str | None) -> None:
    """List what has failed for good, grouped by what went wrong: the same error at the same place is one group."""
    run = find_run(session.client, run_text).number if run_text and session.has_store else None
    found = deadletters.groups(session.client.db, run) if session.has_store else []
    if session.as_json:
        session.emit([one.to_json() for one in found])
    elif found:
        now = time.time()
        head = ("GROUP", "TASK RUNS", "TASK", "RUN", "FIRST", "LAST", "ERROR")
        lines = table([head, *(_row(one, now) for one in found)], width=session.out.width, right=(1,))
        session.out.write("\n".join([session.out.paint(lines[0], "dim"), *lines[1:]]))
    else:
        session.note(_NONE)


def _row(one: Group, now: float) -> tuple[str, ...]:
    return (
        one.id[:_GROUP_CELLS], f"{one.number:,}", _few(one.nodes), _few(map(str, one.runs)),
        show_age(one.first_at, now), show_age(one.last_at, now), headline(one.failure),
    )  # fmt: skip


def _few(names: Iterable[str]) -> str:
    several = list(names)
    return ", ".join(several[:3]) + (f" +{len(several) - 3}" if len(several) > 3 else "")


@command(examples=["ropewalk dlq show 20fec5", "ropewalk dlq show 7/work[3]"])
@argument("what", metavar="GROUP|RUN/TASK[ITEM]", shell_complete=complete_run)
def show(session: Session, what: str) -> None:
    """Show a group: what went wrong, where and since when. Or one task run: its inputs, attempts and traceback."""
    existing_store(session)
    if "/" in what:
        _show_letter(session, _at(session, what)[0])
    else:
        _show_group(session, _in_group(session, what))


def _show_letter(session: Session, letter: DeadLetter) -> None:
    if session.as_json:
        session.emit(letter.to_json())
        return
    at = _Names(session.client)(letter)
    with suppress(NotFoundError):  # a node that is not in the graph any more
        show_task_run(session, find_place(session.client, at))
    for text in _about(letter, at):
        session.out.write(text)


def _about(letter: DeadLetter, at: str) -> Iterator[str]:
    yield f"  parked {show_moment(letter.at)}, group {letter.group[:_GROUP_CELLS]}"
    if letter.key:
        yield f"    cache key {letter.key[:16]}"
    for name, identity in letter.inputs.items():
        kind, _, digest = identity.partition(":")
        yield f"    {name}  {kind} {digest[:16]}"
    yield from _commands([
        (f"ropewalk dlq retry {at}", "tries it again"),
        (f"ropewalk dlq retry --group {letter.group[:_GROUP_CELLS]}", "and whatever failed in the same way"),
        (f"ropewalk dlq drop {at}", "forgets it"),
    ])  # fmt: skip


def _show_group(session: Session, letters: list[DeadLetter]) -> None:
    if session.as_json:
        session.emit([letter.to_json() for letter in letters])
        return
    out, first, at = session.out, letters[0], _Names(session.client)
    name = first.group[:_GROUP_CELLS]
    out.write(f"{out.paint(name, 'bold')}  {show_count(len(letters), 'task run')}     {headline(first.failure)}")
    if first.failure.file:
        out.write(f"  {first.failure.file}:{first.failure.line} in {first.failure.function}()")
    rows = [(at(x), show_moment(x.at), _tries(x), fit(headline(x.failure), 80)) for x in letters[:_MOST]]
    for line in table(rows, width=out.width):
        out.write("  " + line)
    if len(letters) > _MOST:
        out.write(f"  … {len(letters) - _MOST:,} more: ropewalk dlq show {name} --json")
    for text in _commands([
        (f"ropewalk dlq show {at(first)}", "the story of one of them"),
        (f"ropewalk dlq retry --group {name}", "tries them again"),
        (f"ropewalk dlq drop --group {name}", "forgets them"),
    ]):  # fmt: skip
        out.write(text)


def _tries(letter: DeadLetter) -> str:
    return show_count(letter.attempts, "attempt") if letter.attempts else "not started"


def _commands(lines: list[tuple[str, str]]) -> Iterator[str]:
    width = max(len(text) for text, _ in lines)
    yield from (f"  {text:<{width}}     {note}" for text, note in lines)


def _selection(function: Any) -> Any:
    """Give a command `places`, `groups` and `everything`."""
    for decorate in (
        option("--all", "everything", is_flag=True, help="All that is parked."),
        option("--group", "groups", multiple=True, metavar="GROUP", help="All with this error, in all runs."),
        argument("places", nargs=-1, metavar="[GROUP|RUN[/TASK[ITEM]]]...", shell_complete=complete_run),
    ):
        function = decorate(function)
    return function


@command(examples=["ropewalk dlq retry --group 20fec5", "ropewalk dlq retry 7/work[3] --with-new-code"])
@option("--with-new-code", is_flag=True, help="Use the pipeline as it is now, though it has changed since.")
@takes_workers
@_selection
@verbosity
def retry(
    session: Session,
    places: tuple[str, ...],
    groups: tuple[str, ...],
    everything: bool,
    executor: str,
    workers: int | None,
    with_new_code: bool,
) -> int:
    """Try again what is parked, and compute what depends on it. A success repairs the run that it belongs to.

    The runs are continued one after another; with --json each tells how it ended as an object of its own.
    """
    from ropewalk.cli.drive import try_again
    from ropewalk.cli.target import work_of_run
    from ropewalk.engine.changed import check_unchanged
    from ropewalk.engine.client import Options

    letters = _chosen(session, places, groups, everything)
    client, todo = session.client, []
    for number in dict.fromkeys(letter.run for letter in letters):
        run = runs.get(client.db, number)
        client.check_resumable(run, tolerated=True)
        work = work_of_run(run)
        if not with_new_code:
            check_unchanged(number, client.graph(run.graph), work.graph)
        todo.append((run, work, _items(letter for letter in letters if letter.run == number)))
    return max(try_again(session, run, work, Options(executor, workers), only) for run, work, only in todo)


def _items(letters: Iterable[DeadLetter]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for letter in letters:
        found.setdefault(letter.node, []).append(letter.item)
    return found


@command(examples=["ropewalk dlq drop --group 20fec5", "ropewalk dlq drop 7/work[3]"])
@_selection
def drop(session: Session, places: tuple[str, ...], groups: tuple[str, ...], everything: bool) -> None:
    """Forget what is parked. What has failed stays failed, and `ropewalk retry RUN` tries it again all the same."""
    letters = _chosen(session, places, groups, everything)
    deadletters.drop(session.client.db, letters)
    if session.as_json:
        session.emit({"dropped": len(letters)})
    else:
        session.out.write(f"Dropped {show_count(len(letters), 'dead letter')}.")


def _chosen(session: Session, places: tuple[str, ...], groups: tuple[str, ...], everything: bool) -> list[DeadLetter]:
    """What a command is to work on.

    Raises:
        UsageError: nothing is named.
        NotFoundError: nothing of what is named is parked.
    """
    existing_store(session)
    if not (places or groups or everything):
        raise UsageError(
            "say what is meant: GROUP, RUN, RUN/TASK, RUN/TASK[ITEM], --group or --all", help=["ropewalk dlq"]
        )
    found = deadletters.listing(session.client.db) if everything else []
    for name in groups:
        found += _in_group(session, name)
    for place in places:
        is_group = (
            place.isalnum() and not place.isdigit() and deadletters.listing(session.client.db, group=place.lower())
        )
        found += _in_group(session, place) if is_group else _at(session, place)
    if not found:
        raise NotFoundError("nothing is parked", code="P605", help=["ropewalk runs"])
    return list({(letter.run, letter.node, letter.item): letter for letter in found}.values())


def _in_group(session: Session, name: str) -> list[DeadLetter]:
    found = deadletters.listing(session.client.db, group=name.lower()) if name.isalnum() else []
    known = sorted({letter.group for letter in found})
    if not found:
        raise NotFoundError(f"there is no group `{name[:80]}` of dead letters", code="P605", help=["ropewalk dlq"])
    if len(known) > 1:
        raise UsageError(f"{len(known)} groups begin with `{name}`", facts=[", ".join(known[:8])])
    return found


def _at(session: Session, text: str) -> list[DeadLetter]:
    """What is parked of a run, of a task, or of a task run; of one with tasks of its own what of these is."""
    run_text, _, rest = text.partition("/")
    run = find_run(session.client, run_text)
    letters = deadletters.listing(session.client.db, run=run.number)
    found = [letter for letter in letters if not rest or rest in _names(letter) or letter.node.startswith(f"{rest}/")]
    if not found:
        lacking = (
            f"`{rest[:80]}` of run {run.number} is not parked" if rest else f"nothing is parked of run {run.number}"
        )
        raise NotFoundError(lacking, code="P605", help=[f"ropewalk dlq list --run {run.number}"])
    return found


def _names(letter: DeadLetter) -> tuple[str, str, str]:
    return letter.node, f"{letter.node}/{letter.item}", f"{letter.node}[{letter.item}]"


class _Names:
    """Names dead letters as a person would type them: the item only where the node is mapped."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._graphs: dict[int, Graph] = {}

    def __call__(self, letter: DeadLetter) -> str:
        if letter.run not in self._graphs:
            self._graphs[letter.run] = self._client.run_graph(runs.get(self._client.db, letter.run))
        node = self._graphs[letter.run].nodes.get(letter.node)
        return f"{letter.run}/{letter.node}" + ("" if node is None or node.map is None else f"/{letter.item}")


@group(list_, show, retry, drop, examples=["ropewalk dlq", "ropewalk dlq retry --group 20fec5"])
def dlq() -> None:
    """List what has failed for good, and try it again; `ropewalk dlq` alone lists."""
