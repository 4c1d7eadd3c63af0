"""Questions, their answers, pauses and waits, as people meet them in a shell."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.cli_runner import COMMAND, environment, masked, on_terminal, project, ropewalk

RELEASE = """
from ropewalk import approval, pipeline, task, when

@task
def train() -> float:
    return 0.9

@task
def deploy(auc: float, by: str) -> str:
    return f"deployed for {by}"

@pipeline
def release(exclude_author: bool = False):
    auc = train()
    ok = approval("Deploy it?", role="release-manager", expires="7d", exclude_author=exclude_author).after(auc)
    with when(ok):
        done = deploy(auc, ok.by)
    return done

@task
def fails() -> int:
    with open("tries", "a") as file:
        file.write("x")
    raise ValueError("no")

@pipeline
def half():
    fails()
    return approval("Go on?").by

@pipeline
def two():
    return approval("First?", name="first").by, approval("Second?", name="second").by
"""

SENSOR = """
from pathlib import Path
from ropewalk import approval, pipeline, task, wait_for

@task
def has_arrived(path: str) -> str | None:
    with open("checks", "a") as file:
        file.write("x")
    return path if Path(path).exists() else None

@pipeline
def sensor(path: str = "data.csv", every: str = "100ms", timeout: str = "1m"):
    return wait_for(has_arrived, path, every=every, timeout=timeout)

@pipeline
def both(path: str = "data.csv"):
    wait_for(has_arrived, path, every="100ms", timeout="1m")
    return approval("Go on?").by
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path, RELEASE)


def shown(folder: Path, *arguments: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(ropewalk(*arguments, "--json", cwd=folder).out)
    return found


def until(holds: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)  # another process has to get there


def begin(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments], cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip


# questions


def test_a_run_that_asks_ends_well_and_says_what_to_type(folder: Path) -> None:
    done = ropewalk("run", "release", cwd=folder)

    assert done.code == 0
    assert masked(done.out).splitlines()[-2:] == [
        'run=1 task=approval state=waiting asks="Deploy it?" role=release-manager',
        "run=1 event=end state=paused ran=1 cached=0 duration=0.000",
    ]
    assert done.err.splitlines() == [
        "approval asks release-manager: Deploy it? (expires in 7d 00h)",
        "  ropewalk approve 1/approval --reason …",
        "  ropewalk reject 1/approval --reason …",
    ]


def test_on_a_terminal_the_same_stands_below_the_list(folder: Path) -> None:
    done = on_terminal("run", "release", cwd=folder)

    assert done.code == 0
    text = masked(done.out)
    assert "· approval" in text
    assert "asks release-manager: Deploy it?" in text
    assert "● Paused after 0.00s · 1 run, 0 cached\n  approval asks release-manager: Deploy it?" in text
    assert "    ropewalk approve 1/approval --reason …\n" in text


def test_approving_goes_on_with_the_run(folder: Path) -> None:
    ropewalk("run", "release", cwd=folder)

    done = ropewalk("approve", "1/approval", "--by", "ann", "--reason", "figures look right", cwd=folder)

    assert done.code == 0
    assert masked(done.out).splitlines() == [
        "Approved 1/approval.",
        "run=1 pipeline=release event=start",
        'run=1 task=approval state=succeeded answer="approved by ann: figures look right"',
        "run=1 task=deploy state=succeeded duration=0.000",
        "run=1 event=end state=succeeded ran=2 cached=0 duration=0.000",
    ]
    assert "deployed for ann" in ropewalk("show", "1/deploy", cwd=folder).out
    text = masked(ropewalk("show", "1", cwd=folder).out)
    assert "  ✓ approval    approved by ann: figures look right\n" in text
    assert "  3 run, 0 cached\n" in text


def test_rejecting_fails_the_run_with_who_and_why(folder: Path) -> None:
    ropewalk("run", "release", cwd=folder)

    done = ropewalk("reject", "last", "--by", "bob", "--reason", "AUC fell", cwd=folder)

    assert done.code == 1
    assert 'task=deploy state=skipped reason="needs approval"' in done.out
    assert done.err.splitlines()[:2] == [
        "error[P337]: approval `approval` was rejected by bob: AUC fell",
        "  = asked: Deploy it?",
    ]


def test_a_rejection_needs_a_reason(folder: Path) -> None:
    ropewalk("run", "release", cwd=folder)

    done = ropewalk("reject", "1/approval", cwd=folder)

    assert (done.code, "--reason" in done.err) == (2, True)
    assert shown(folder, "show", "1")["state"] == "paused"


def test_approving_does_not_try_again_what_has_failed_meanwhile(folder: Path) -> None:
    ropewalk("run", "half", cwd=folder)

    done = ropewalk("approve", "1", cwd=folder)

    assert (done.code, (folder / "tries").read_text()) == (1, "x")
    assert "task=approval state=succeeded" in done.out
    assert "error[P301]: task `fails` failed: ValueError: no" in done.err
    assert ropewalk("retry", "1", cwd=folder).code == 1
    assert (folder / "tries").read_text() == "xx"


def test_an_answer_can_be_written_down_only(folder: Path) -> None:
    ropewalk("run", "release", cwd=folder)

    done = ropewalk("approve", "1/approval", "--no-resume", cwd=folder)

    assert (done.out, done.err) == ("Approved 1/approval.\n", "go on:  ropewalk resume 1\n")
    assert "its questions are answered; go on:  ropewalk resume 1" in ropewalk("show", "1", cwd=folder).out
    assert ropewalk("resume", cwd=folder).code == 0
    assert shown(folder, "show", "1")["state"] == "succeeded"


def test_open_questions_are_listed_and_with_all_the_answers_too(folder: Path) -> None:
    nothing = ropewalk("approvals", cwd=folder)
    ropewalk("run", "release", cwd=folder)
    ropewalk("run", "two", cwd=folder)
    ropewalk("approve", "1", "--by", "ann", "--no-resume", cwd=folder)

    rows = [line.split() for line in ropewalk("approvals", cwd=folder).out.splitlines()]
    everything = ropewalk("approvals", "--all", cwd=folder).out

    assert (nothing.out, nothing.err) == ("", "Nothing waits for an answer.\n")
    assert rows[0] == ["APPROVAL", "QUESTION", "ROLE", "ASKED", "TIME", "LEFT"]
    assert [row[0] for row in rows[1:]] == ["2/first", "2/second"]
    assert "approved by ann" in everything
    assert [q["node"] for q in json.loads(ropewalk("approvals", "--json", cwd=folder).out)] == ["first", "second"]


def test_who_approved_when_and_why_is_shown(folder: Path) -> None:
    ropewalk("run", "release", cwd=folder)
    waiting = masked(ropewalk("show", "1/approval", cwd=folder).out)
    ropewalk("approve", "1", "--by", "ann", "--reason", "fine", cwd=folder)

    text = masked(ropewalk("show", "1/approval", cwd=folder).out)
    told = shown(folder, "show", "1/approval")["approval"]

    assert "  asked release-manager 2000-01-01 00:00:00 +00:00: Deploy it?\n" in waiting
    assert "  approved by ann 2000-01-01 00:00:00 +00:00: fine\n" in text
    assert isinstance(told, dict)
    assert (told["verdict"], told["by"], told["reason"]) == ("approved", "ann", "fine")
    assert "`approval` was approved by ann at " in ropewalk("why", "1/approval", cwd=folder).out


def test_a_paused_run_is_listed_as_paused_with_its_reason_and_since_when(folder: Path) -> None:
    ropewalk("run", "release", cwd=folder)

    (listed,) = json.loads(ropewalk("runs", "--state", "paused", "--json", cwd=folder).out)["runs"]
    text = masked(ropewalk("show", "1", cwd=folder).out)

    assert listed["state"] == "paused"
    assert listed["paused"]["reason"] == "approval of approval"
    assert listed["paused"]["since"] >= listed["created_at"]
    assert ", paused since 2000-01-01 00:00:00 +00:00\n" in text
    assert "  · approval    asks release-manager: Deploy it?\n" in text
    assert "    ropewalk approve 1/approval --reason …\n" in text
    assert "`approval` waits for release-manager to answer: Deploy it?" in ropewalk("why", "1/approval", cwd=folder).out
    assert "`deploy` waits for `approval` (a person is asked)" in ropewalk("why", "1/deploy", cwd=folder).out
    assert "was interrupted" not in ropewalk("doctor", cwd=folder).out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["approve", "1/aproval"], "P333", "did you mean 1/approval?"),
        (["approve", "1/train"], "P333", "run 1 asks nobody for `train`"),
        (["approve", "7/approval"], "P601", "there is no run 7"),
        (["approve", "1/approval", "--by", " "], "P100", "`--by` must name somebody"),
        (["reject", "2", "--reason", "no"], "P100", "run 2 asks 2 questions"),
        (["pause", "1"], "P100", "run 1 is not running, so it cannot be paused: it is paused"),
    ],
)
def test_what_cannot_be_answered_is_refused(folder: Path, arguments: list[str], code: str, words: str) -> None:
    ropewalk("run", "release", cwd=folder)
    ropewalk("run", "two", cwd=folder)

    done = ropewalk(*arguments, cwd=folder)

    assert done.code in (1, 2)
    assert f"error[{code}]" in done.err
    assert words in done.err


def test_who_started_a_run_may_be_excluded(folder: Path) -> None:
    ropewalk("run", "release", "--exclude-author", "true", cwd=folder)

    own = ropewalk("approve", "1/approval", cwd=folder)

    assert (own.code, "error[P331]" in own.err) == (2, True)
    assert ropewalk("approve", "1/approval", "--by", "somebody-else", cwd=folder).code == 0


def test_of_two_answers_at_once_one_counts(folder: Path) -> None:
    ropewalk("run", "release", cwd=folder)

    people = [
        begin(folder, verdict, "1/approval", "--by", by, "--reason", "…", "--no-resume")
        for verdict, by in (("approve", "ann"), ("reject", "bob"))
    ]
    texts = [person.communicate(timeout=60)[0] for person in people]

    assert sorted(person.returncode for person in people) == [0, 2]
    (late,) = [text for text in texts if "error" in text]
    assert "error[P332]: `1/approval` was " in late


def test_two_questions_that_are_answered_at_once_end_the_run_once(folder: Path) -> None:
    ropewalk("run", "two", cwd=folder)

    people = [begin(folder, "approve", f"1/{name}", "--by", "ann") for name in ("first", "second")]
    texts = [person.communicate(timeout=60)[0] for person in people]

    assert [person.returncode for person in people] == [0, 0], texts
    assert shown(folder, "show", "1")["state"] == "succeeded", texts


def test_a_plan_says_what_will_be_asked_and_how_often_is_looked(tmp_path: Path) -> None:
    text = ropewalk("plan", "both", cwd=project(tmp_path, SENSOR)).out

    assert "looks every 0.10s" in text
    assert "asks a person: Go on?" in text


# waits, with real processes


@pytest.fixture
def waiting(tmp_path: Path) -> Path:
    return project(tmp_path, SENSOR)


def has_checked(folder: Path, least: int = 1) -> Callable[[], bool]:
    return lambda: (folder / "checks").exists() and len((folder / "checks").read_text()) >= least


def test_a_run_that_waits_is_shown_as_waiting_and_ends_when_it_is_there(waiting: Path) -> None:
    process = begin(waiting, "run", "sensor", "--every", "5s")
    until(lambda: "next check in" in ropewalk("show", "1", cwd=waiting).out)
    text = ropewalk("show", "1", cwd=waiting).out
    why = ropewalk("why", "1/has_arrived", cwd=waiting).out
    (waiting / "data.csv").touch()
    out = process.communicate(timeout=60)[0]

    assert "  · has_arrived    next check in " in text
    assert "`has_arrived` waits: its check has found nothing yet" in why
    assert process.returncode == 0
    assert "run=1 task=has_arrived state=waiting every=5s\n" in out
    assert "checks, the first " in ropewalk("show", "1/has_arrived", cwd=waiting).out


def test_a_run_whose_process_is_killed_between_checks_goes_on_waiting_when_resumed(waiting: Path) -> None:
    process = begin(waiting, "run", "sensor")
    until(has_checked(waiting, 2))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (waiting / "data.csv").touch()

    assert shown(waiting, "show", "1")["state"] == "interrupted"
    assert ropewalk("resume", cwd=waiting).code == 0
    assert shown(waiting, "show", "1")["state"] == "succeeded"


def test_a_run_that_waits_is_paused_from_another_shell_and_resumed(waiting: Path) -> None:
    process = begin(waiting, "run", "sensor")
    until(has_checked(waiting))
    asked = ropewalk("pause", "1", cwd=waiting)
    out = process.communicate(timeout=60)[0]
    (waiting / "data.csv").touch()

    assert asked.out == "Run 1 will rest once what is running has ended.\n"
    assert process.returncode == 0
    assert "state=paused" in out
    assert "; go on:  ropewalk resume 1\n" in out
    assert ropewalk("resume", "1", cwd=waiting).code == 0


def test_an_answer_while_the_run_goes_on_is_heard_by_its_process(waiting: Path) -> None:
    process = begin(waiting, "run", "both")
    until(lambda: "Go on?" in ropewalk("approvals", cwd=waiting).out)
    done = ropewalk("approve", "1", "--by", "ann", cwd=waiting)
    (waiting / "data.csv").touch()
    out = process.communicate(timeout=60)[0]

    assert (done.code, done.out) == (0, "Approved 1/approval.\n")
    assert done.err == f"run 1 goes on in process {process.pid}\n"
    assert process.returncode == 0
    assert 'task=approval state=succeeded answer="approved by ann"' in out


def test_approving_does_not_wake_a_run_that_somebody_has_paused(waiting: Path) -> None:
    process = begin(waiting, "run", "both")
    until(lambda: "Go on?" in ropewalk("approvals", cwd=waiting).out)
    ropewalk("pause", "1", cwd=waiting)
    process.communicate(timeout=60)

    done = ropewalk("approve", "1", cwd=waiting)

    assert (done.code, done.err) == (0, "go on:  ropewalk resume 1\n")
    assert shown(waiting, "show", "1")["state"] == "paused"
