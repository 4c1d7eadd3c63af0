"""`durability`: what the results that a run records are to survive, kept for as long as the run goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from ropewalk import each, pipeline, task
from ropewalk.author.pipeline import trace
from ropewalk.core import events as ev
from ropewalk.core.errors import UsageError
from ropewalk.engine.client import Client, Options
from ropewalk.engine.scheduler import Step
from ropewalk.store import runs

FULL, NORMAL = 2, 1  # as SQLite numbers what it calls "synchronous"


@task
def double(x: int) -> int:
    return 2 * x


@task
def total(parts: list[int]) -> int:
    return sum(parts)


@pipeline
def adds() -> int:
    return total(double(each([1, 2, 3])))


class Stopped(Exception):
    """What a listener raises, for the process that is gone."""


def how(client: Client) -> int:
    """How the connection commits at this moment."""
    return int(client.db._connection.pragma("synchronous"))


class Look:
    """A listener that notes how each commit was made, and may stop the run after the first result."""

    def __init__(self, client: Client, *, stop: bool = False) -> None:
        self.seen: set[int] = set()
        self._client = client
        self._stop = stop

    def __call__(self, step: Step) -> None:
        self.seen.add(how(self._client))
        if self._stop and any(isinstance(event, ev.Succeeded) for event in step.events):
            raise Stopped


@pytest.mark.parametrize(("durability", "expected"), [("power", {FULL}), ("process", {NORMAL})])
def test_a_run_commits_as_it_was_asked_to_and_nothing_after_it_does(
    tmp_path: Path, durability: str, expected: set[int]
) -> None:
    with Client(tmp_path / "home") as client:
        look = Look(client)

        result = client.run(trace(adds), Options("inline", durability=durability), look)

        assert result.output == 12
        assert look.seen == expected
        assert how(client) == FULL


def test_a_run_that_raises_leaves_the_store_committing_durably(tmp_path: Path) -> None:
    with Client(tmp_path / "home") as client:
        look = Look(client, stop=True)

        with pytest.raises(Stopped):
            client.run(trace(adds), Options("inline", durability="process"), look)

        assert look.seen == {NORMAL}
        assert how(client) == FULL


@pytest.mark.parametrize(("begun", "expected"), [("power", {FULL}), ("process", {NORMAL})])
def test_a_run_that_is_continued_keeps_what_it_was_begun_with(tmp_path: Path, begun: str, expected: set[int]) -> None:
    """Whatever the options say that it is continued with."""
    other = {"power": "process", "process": "power"}[begun]
    with Client(tmp_path / "home") as client, pytest.raises(Stopped):
        client.run(trace(adds), Options("inline", durability=begun), Look(client, stop=True))

    with Client(tmp_path / "home") as client:
        look = Look(client)
        result = client.resume(runs.find(client.db, "last"), trace(adds), Options("inline", durability=other), look)

        assert result.output == 12
        assert result.run.provenance["durability"] == begun
        assert look.seen == expected


def test_a_durability_that_there_is_not_is_refused_by_name() -> None:
    with pytest.raises(UsageError) as caught:
        Options(durability="none")

    assert caught.value.title == "durability is power or process, not `none`"
    assert "--durability process" in caught.value.help[0]
