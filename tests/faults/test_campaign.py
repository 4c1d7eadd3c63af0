"""Each experiment of the fault campaign, as short as it gets, and the judge that all of them trust.

`python -m tests.faults.campaign` repeats each as often as a night allows.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from tests.faults.campaign.__main__ import write_page
from tests.faults.campaign.experiments import EXPERIMENTS
from tests.faults.campaign.oracle import judge
from tests.faults.campaign.row import Row, markdown
from tests.faults.campaign.subject import Subject, kill_what_is_left

pytestmark = [pytest.mark.slow]

NOTICED_S = {"worker-killed": 1, "child-killed": 1}  # hundreds of times what it takes


@pytest.fixture(autouse=True)
def nobody_is_left() -> Iterator[None]:
    yield
    kill_what_is_left()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_nothing_is_lost_doubled_corrupted_or_leaked_by(tmp_path: Path, name: str) -> None:
    row = EXPERIMENTS[name](tmp_path / "place", True)

    assert row.problems == []
    assert row.is_clean
    assert row.repetitions > 0
    assert statistics.median(row.detect_s or [0]) < NOTICED_S.get(name, 60)
    assert statistics.median(row.recover_s or [0]) < 10


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run that nothing was done to has left."""
    subject = Subject(tmp_path_factory.mktemp("subject"), params={"n": 20, "task_s": 0.0})
    subject.finish(subject.start())
    return subject.folder


@pytest.fixture
def subject(tmp_path: Path, undisturbed: Path) -> Subject:
    shutil.copytree(undisturbed, tmp_path / "subject")
    return Subject(tmp_path / "subject", params={"n": 20, "task_s": 0.0})


def change(subject: Subject, statement: str) -> None:
    with apsw.Connection(str(subject.home / "store.db")) as connection:
        connection.execute(statement)


def blob(subject: Subject) -> Path:
    return next(path for path in (subject.home / "blobs").glob("??/*") if path.is_file())


def acknowledge_what_is_not_there(subject: Subject) -> None:
    with (subject.folder / "acks").open("a") as file:
        file.write(f"work 3 {'0' * 64} 1.0\n")


def execute_again(subject: Subject) -> None:
    with (subject.folder / "begun").open("a") as file:
        file.write("work 3 1 1e12\n")


def leave_unfinished(subject: Subject) -> None:
    change(subject, "UPDATE runs SET state = 'running', finished_at = NULL")


def record_an_outcome_twice(subject: Subject) -> None:
    """As a scheduler would that does not look who holds the lease."""
    ((run, seq, at, body),) = apsw.Connection(str(subject.home / "store.db")).execute(
        "SELECT run, seq, at, body FROM events WHERE body LIKE '%uccee%' ORDER BY seq LIMIT 1"
    )
    both = json.dumps(json.loads(body) * 2).replace("'", "''")
    change(subject, f"UPDATE events SET body = '{both}' WHERE run = {run} AND seq = {seq} AND at = {at!r}")


def flip_a_byte(subject: Subject) -> None:
    path = blob(subject)
    path.chmod(0o600)
    path.write_bytes(b"?" + path.read_bytes()[1:])


def remove_a_file(subject: Subject) -> None:
    blob(subject).unlink()


def change_a_row(subject: Subject) -> None:
    change(subject, "UPDATE task_runs SET attempts = 7 WHERE node = 'work' AND item = 1")


def leave_a_lease(subject: Subject) -> None:
    columns = "run, token, node, items, keys, worker, at"
    change(subject, f"INSERT INTO leases ({columns}) VALUES (1, 99, 'work', '[1]', '[]', 'w', 1.0)")


def leave_a_process(subject: Subject) -> None:
    with (subject.folder / "strays").open("a") as file:
        file.write(f"{os.getpid()} 1.0\n")


def leave_a_file_open(subject: Subject) -> None:
    subject.told.append({"left_open": 1})


PLANTED: dict[Callable[[Subject], None], str] = {
    acknowledge_what_is_not_there: "lost",
    execute_again: "lost",
    leave_unfinished: "lost",
    record_an_outcome_twice: "duplicated",
    flip_a_byte: "corrupt",
    remove_a_file: "corrupt",
    change_a_row: "corrupt",
    leave_a_lease: "leaked",
    leave_a_process: "leaked",
    leave_a_file_open: "leaked",
}


@pytest.mark.parametrize(("plant", "measure"), PLANTED.items(), ids=lambda x: getattr(x, "__name__", ""))
def test_the_judge_sees_a_planted(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, plant: Callable[[Subject], None], measure: str
) -> None:
    monkeypatch.setattr("tests.faults.campaign.oracle.PATIENCE_S", 0.01)
    row = Row("planted")
    plant(subject)

    judge(row, subject)

    assert getattr(row, measure) > 0, row.problems


def test_the_judge_finds_nothing_wrong_with_what_is_undisturbed(subject: Subject) -> None:
    row = Row("undisturbed")

    judge(row, subject)

    assert row.problems == []
    assert row.is_clean


def test_the_table_goes_between_the_marks_of_its_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- campaign: begin -->\nold\n<!-- campaign: end -->\nafter\n")

    write_page(page, markdown([Row("kill", 3, detect_s=[0.002, 1.5], recover_s=[0.25])]), "a machine")

    text = page.read_text()
    assert text.startswith("before\n<!-- campaign: begin -->\nMeasured on a machine.\n\n| fault |")
    assert "| kill | 3 | 0 | 0 | 0 | 0 | 751 ms (1.5 s) | 250 ms |  |\n" in text
    assert text.endswith("<!-- campaign: end -->\nafter\n")
