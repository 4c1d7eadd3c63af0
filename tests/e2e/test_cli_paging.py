"""Long lists on the command line: runs page by page and by choice, and the items of a mapped task."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ropewalk.cli.moments import moment
from ropewalk.core import events as ev
from ropewalk.core.errors import UsageError
from ropewalk.core.state import RunState
from ropewalk.engine.client import Client
from ropewalk.engine.owner import this_process
from ropewalk.store import runs
from ropewalk.testing.store_suite import append, new_run, small_graph
from tests.e2e.cli_runner import masked, project, ropewalk

NOW = datetime.fromisoformat("2026-11-21T12:00:00+00:00").timestamp()
MAPPED = """
from ropewalk import each, pipeline, task

@task
def half(x: int) -> float:
    if x in (27, 41):
        raise ValueError(f"no {x}")
    return x / 2

@pipeline
def halves():
    return half(each(list(range(45))))
"""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with fifty runs: each fifth was cancelled, the others were interrupted; bob started the even ones."""
    folder = tmp_path_factory.mktemp("many")
    with Client(folder / ".ropewalk") as client:
        for number in range(1, 51):
            pipeline = "pq"[number % 3 == 0]
            author = "ann" if number % 2 else "bob"
            run = new_run(client.db, small_graph(pipeline), 1_700_000_000 + 86_400.0 * number, author)
            if number % 5 == 0:
                append(client.db, run, 1, RunState(small_graph(pipeline)), ev.RunFinished("cancelled"))
    return folder


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = project(tmp_path_factory.mktemp("mapped"), MAPPED)
    ropewalk("run", "--executor", "inline", cwd=folder)
    return folder


def listed(folder: Path, *arguments: str) -> Any:
    return json.loads(ropewalk("runs", "--json", *arguments, cwd=folder).out)


def test_the_next_page_begins_where_json_says(many: Path) -> None:
    pages, arguments = [], ["--limit", "17"]
    while True:
        page = listed(many, *arguments)
        pages.append([run["run"] for run in page["runs"]])
        if page["next"] is None:
            break
        arguments = ["--limit", "17", "--before", str(page["next"])]

    assert [len(page) for page in pages] == [17, 17, 16]
    assert [number for page in pages for number in page] == list(range(50, 0, -1))


def test_a_person_is_told_what_lists_the_next_page(many: Path) -> None:
    first = ropewalk("runs", "--limit", "2", "--author", "ann", "--since", "2023-11-20", cwd=many)
    second = ropewalk(*first.err.split()[2:], cwd=many)

    assert first.err == "more: ropewalk runs --limit 2 --author ann --since 2023-11-20 --before 47\n"
    assert [line.split()[0] for line in second.out.splitlines()] == ["RUN", "45", "43"]
    assert ropewalk("runs", "--before", "21", cwd=many).err == ""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--state", "cancelled"], range(50, 0, -5)),
        (["--state", "interrupted", "--limit", "3"], [49, 48, 47]),
        (["--state", "interrupted", "--before", "6"], [4, 3, 2, 1]),
        (["--state", "running"], []),
        (["--author", "bob", "--before", "7"], [6, 4, 2]),
        (["--pipeline", "q", "--author", "bob", "--before", "13"], [12, 6]),
        (["--pipeline", "q", "--state", "cancelled"], [45, 30, 15]),
        (["--since", "2024-01-03T12:00"], [50]),
        (["--since", "2024-01-03", "--author", "ann"], []),
        (["--since", "1m"], []),
        (["--before", "1"], []),
    ],
)
def test_runs_are_chosen_by_state_author_pipeline_and_age(
    arguments: list[str], expected: list[int], many: Path
) -> None:
    assert [run["run"] for run in listed(many, *arguments)["runs"]] == list(expected)


def test_what_is_under_way_is_told_from_what_was_interrupted(tmp_path: Path) -> None:
    with Client(tmp_path / ".ropewalk") as client:
        dead, live = new_run(client.db), new_run(client.db)
        runs.take_over(client.db, live, this_process())

        running, interrupted = (listed(tmp_path, "--state", state)["runs"] for state in ("running", "interrupted"))

    assert [run["run"] for run in running] == [live.number]
    assert [run["run"] for run in interrupted] == [dead.number]


def test_a_list_without_such_runs_does_not_say_that_nothing_was_run(many: Path) -> None:
    assert ropewalk("runs", "--author", "eve", cwd=many).err == "There are no such runs.\n"
    assert ropewalk("runs", "--before", "1", cwd=many).err == "There are no such runs.\n"


def test_doctor_names_some_interrupted_runs_and_counts_the_others(many: Path) -> None:
    text = ropewalk("doctor", cwd=many).out

    assert text.count("was interrupted: its scheduler is gone") == 5
    assert "35 more were interrupted\n    fix: ropewalk runs --state interrupted\n" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90s", NOW - 90), ("7d", NOW - 7 * 86_400), ("2026-11-21T14:00+02:00", NOW), ("2026-11-21T12:00Z", NOW)],
)
def test_a_moment_is_an_age_or_a_date(text: str, expected: float) -> None:
    assert moment(text, NOW, "--since") == expected


def test_a_date_is_meant_in_the_zone_of_the_viewer() -> None:
    assert moment("2026-11-21", NOW, "--since") == datetime(2026, 11, 21).astimezone().timestamp()


@pytest.mark.parametrize("text", ["", "yesterday", "7 days ago", "2026-13-01", "-1d"])
def test_what_is_no_moment_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(UsageError, match="`--since` is no moment") as refused:
        moment(text, NOW, "--since")

    assert "--since 7d" in refused.value.help


def test_items_that_failed_come_first_and_the_others_can_be_paged_through(mapped: Path) -> None:
    first = masked(ropewalk("show", "1/half", cwd=mapped).out).splitlines()
    then = masked(ropewalk(*first[-1].split("ropewalk ")[1].split(), cwd=mapped).out).splitlines()
    last = masked(ropewalk("show", "1/half", "--from", "40", "--limit", "4", cwd=mapped).out).splitlines()

    assert [line.split()[0] for line in first[1:4]] == ["[27]", "[41]", "[0]"]
    assert first[-1] == "  … 25 more: ropewalk show 1/half --from 0"
    assert [line.split()[0] for line in then[1:-1]] == [f"[{item}]" for item in range(20)]
    assert then[-1] == "  … 25 more: ropewalk show 1/half --from 20"
    assert [line.split()[0] for line in last[1:-1]] == ["[40]", "[41]", "[42]", "[43]"]
    assert last[-1] == "  … 1 more: ropewalk show 1/half --from 44 --limit 4"


def test_items_are_paged_through_as_json(mapped: Path) -> None:
    found, arguments = [], ["--from", "0"]
    while arguments:
        page = json.loads(ropewalk("show", "1/half", "--json", "--limit", "20", *arguments, cwd=mapped).out)
        found += [row["item"] for row in page["task_runs"]]
        arguments = [] if page["next"] is None else ["--from", str(page["next"])]

    assert found == list(range(45))
