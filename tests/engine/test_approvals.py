"""Approvals: a question costs nothing, survives everything, and is answered once, by somebody who may."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from ropewalk import Answer, approval, each, pipeline, task, when
from ropewalk.author.pipeline import trace
from ropewalk.core import events as ev
from ropewalk.core.errors import ExecutionError, NotFoundError, UsageError
from ropewalk.engine.client import Client, Options
from ropewalk.engine.owner import whoami
from ropewalk.engine.result import RunResult
from ropewalk.store import approvals, runs
from ropewalk.store import events as log
from ropewalk.testing import lab
from ropewalk.testing.invariants import problems
from tests.engine.live import Live, both_executors

DAY_S = 86400.0


@task
def train() -> float:
    return 0.9


@task
def deploy(auc: float, by: str) -> str:
    return f"{auc} by {by}"


@pipeline
def release(exclude_author: bool = False):
    auc = train()
    ok = approval("Deploy it?", role="boss", expires="7d", exclude_author=exclude_author).after(auc)
    with when(ok):
        done = deploy(auc, ok.by)
    return done, ok


class Project:
    """A project whose time stands still."""

    def __init__(self, folder: Path) -> None:
        self.now = 1e9
        self.client = Client(folder / ".ropewalk", lambda: self.now)

    @property
    def run(self) -> runs.Run:
        return runs.find(self.client.db, "last")

    @property
    def question(self) -> approvals.Approval:
        (question,) = approvals.of_run(self.client.db, self.run.number)
        return question

    def start(self, made: Any = release, **params: Any) -> RunResult:
        return self.client.run(trace(made, params), Options("inline"))

    def resume(self, made: Any = release) -> RunResult:
        return self.client.resume(self.run, trace(made, self.run.params), Options("inline"))

    def answer(self, verdict: str = "approved", by: str = "ann", reason: str = "fine") -> None:
        approvals.answer(self.client.db, self.question, verdict, by, reason, self.now)

    def events(self, kind: type) -> list[Any]:
        return [e for batch in log.read(self.client.db, self.run.number) for e in batch.events if isinstance(e, kind)]


@pytest.fixture
def project(tmp_path: Path) -> Any:
    made = Project(tmp_path)
    yield made
    assert problems(made.client.db, made.run.number) == []
    made.client.close()


# asking


@both_executors
def test_a_run_that_asks_rests_until_it_is_answered(tmp_path: Path, executor: str) -> None:
    live = Live(tmp_path)

    result = live.run(release, executor)

    with live.client() as client:
        run = runs.get(client.db, 1)
        (question,) = approvals.listing(client.db)
    assert (result.state, run.state, run.owner) == ("paused", "paused", {})
    assert (question.node, question.message, question.role, question.verdict) == ("approval", "Deploy it?", "boss", "")


def test_the_output_of_a_run_that_rests_is_refused_with_what_it_waits_for(project: Project) -> None:
    with pytest.raises(ExecutionError) as caught:
        _ = project.start().output

    assert caught.value.title == "its output was not computed in run 1, which is paused"
    assert caught.value.facts == ("it waits: approval of approval",)
    assert caught.value.help == ("ropewalk show 1", "ropewalk resume 1")


def test_resuming_without_an_answer_asks_nobody_anew(project: Project) -> None:
    project.start()
    project.now += DAY_S

    assert [project.resume().state, project.resume().state] == ["paused", "paused"]
    assert project.question.asked_at == 1e9
    assert len(project.events(ev.Asked)) == 1


# answers


def test_who_approved_when_and_why_is_the_result(project: Project) -> None:
    project.start()
    project.now += 60
    project.answer()

    result = project.resume()

    assert result.output == ("0.9 by ann", Answer(True, "ann", "fine", 1e9 + 60))
    assert project.events(ev.Answered) == [ev.Answered("approval", 0, "approved", "ann", "fine", 1e9 + 60)]


def test_a_rejection_fails_the_node_and_skips_what_depends_on_it(project: Project) -> None:
    project.start()
    project.answer("rejected", reason="AUC fell")

    result = project.resume()

    assert result.nodes == {"train": {"succeeded": 1}, "approval": {"failed": 1}, "deploy": {"skipped": 1}}
    assert result.failures["approval"].message == "rejected by ann: AUC fell"


def test_what_was_rejected_is_asked_again_when_the_run_is_retried(project: Project) -> None:
    project.start()
    project.answer("rejected")
    project.resume()
    project.now += 60

    assert project.resume().state == "paused"
    assert (project.question.asked_at, project.question.verdict) == (1e9 + 60, "")
    project.answer()
    assert project.resume().state == "succeeded"
    assert [event.verdict for event in project.events(ev.Answered)] == ["rejected", "approved"]


def test_of_two_who_answer_at_once_one_wins_and_the_other_is_told(project: Project, tmp_path: Path) -> None:
    project.start()
    question, start, told = project.question, threading.Barrier(2), list[str]()

    def answer(by: str, verdict: str) -> None:
        with Client(tmp_path / ".ropewalk") as client:
            runs.get(client.db, 1)  # the store is open
            start.wait()
            try:
                approvals.answer(client.db, question, verdict, by, "", project.now)
                told.append(f"{verdict} by {by}")
            except UsageError as error:
                told.append(error.title)

    people = [threading.Thread(target=answer, args=pair) for pair in (("ann", "approved"), ("bob", "rejected"))]
    for person in people:
        person.start()
    for person in people:
        person.join()

    now = project.question
    won = f"{now.verdict} by {now.by}"
    assert sorted(told) == sorted([won, f"`1/approval` was {won} already"])


def test_the_author_of_a_run_may_be_excluded_by_name(project: Project) -> None:
    project.start(exclude_author=True)

    with pytest.raises(UsageError) as caught:
        project.answer(by=whoami())
    project.answer(by="somebody-else")

    assert caught.value.code == "P331"
    assert project.resume().output[1].by == "somebody-else"


def test_an_author_who_is_not_excluded_may_answer(project: Project) -> None:
    project.start()
    project.answer(by=whoami())

    assert project.resume().state == "succeeded"


# time


def test_a_question_expires_although_nobody_runs_anything(project: Project) -> None:
    project.start()
    project.now += 7 * DAY_S

    with pytest.raises(UsageError) as caught:
        project.answer()
    result = project.resume()

    assert (caught.value.code, caught.value.title) == ("P332", "the time to answer `1/approval` is over")
    assert result.failures["approval"].message == "expired: nobody answered in time"
    assert project.question.verdict == "expired"


def test_an_answer_in_time_counts_however_late_the_run_goes_on(project: Project) -> None:
    project.start()
    project.now += 6 * DAY_S
    project.answer()
    project.now += 30 * DAY_S

    assert project.resume().state == "succeeded"


@pipeline
def meanwhile():
    train()
    approval("Deploy it?", expires="1h")


def test_a_question_expires_while_other_work_goes_on() -> None:
    with lab(durations={"train": "2h"}) as w:
        result = w.run(meanwhile)

        assert result.nodes == {"train": {"succeeded": 1}, "approval": {"failed": 1}}
        (expired,) = [moment for moment in w.history if "expired" in moment.what and "Answered" in moment.what]
        assert 3600 <= (expired.at - w.history[0].at).total_seconds() < 7200


def test_who_answers_while_a_scheduler_crashes_again_and_again_is_heard() -> None:
    with lab(crashes=0.05, losses=0.1, seed=5) as w:
        assert w.run(release).state == "paused"

        assert w.approve("approval", by="ann").output[0] == "0.9 by ann"


# while the run goes on, changes, or ends


@task
def answers_itself(folder: str) -> int:
    with Client(Path(folder) / ".ropewalk") as client:
        (question,) = approvals.listing(client.db)
        approvals.answer(client.db, question, "approved", "ann", "", question.asked_at)
    return 1


@pipeline
def at_the_last_moment(folder: str):
    ok = approval("Deploy it?")
    answers_itself(folder)
    return ok.by


def test_an_answer_that_comes_as_the_run_is_about_to_rest_is_not_missed(project: Project, tmp_path: Path) -> None:
    """The clock stands still, so that the store is not looked at again before the run rests."""
    result = project.start(at_the_last_moment, folder=str(tmp_path))

    assert (result.state, result.output) == ("succeeded", "ann")


@task
def deploy_better(auc: float, by: str) -> str:
    return f"{auc:.2f} by {by}"


@pipeline(name="release")
def repaired(exclude_author: bool = False):
    auc = train()
    ok = approval("Deploy it?", role="boss", expires="7d", exclude_author=exclude_author).after(auc)
    with when(ok):
        done = deploy_better.options(name="deploy")(auc, ok.by)
    return done, ok


@pipeline(name="release")
def reworded(exclude_author: bool = False):
    auc = train()
    ok = approval("Deploy it to all?", role="boss", exclude_author=exclude_author).after(auc)
    with when(ok):
        done = deploy(auc, ok.by)
    return done, ok


def test_an_answer_is_kept_when_the_code_after_it_is_repaired_before_the_run_goes_on(project: Project) -> None:
    project.start()
    project.answer()

    assert project.resume(repaired).output[0] == "0.90 by ann"


def test_an_answer_to_another_question_does_not_count(project: Project) -> None:
    project.start()
    project.answer()

    assert project.resume(reworded).state == "paused"
    assert (project.question.message, project.question.verdict) == ("Deploy it to all?", "")


def test_a_question_of_a_run_that_is_cancelled_is_no_question_any_more(project: Project) -> None:
    project.start()
    question = project.question

    assert project.client.cancel(project.run, "ann")

    assert project.run.state == "cancelled"
    assert approvals.listing(project.client.db, everything=True) == []
    with pytest.raises(NotFoundError) as caught:
        approvals.answer(project.client.db, question, "approved", "ann", "", project.now)
    assert caught.value.code == "P333"


@pipeline
def two_questions():
    first, second = approval("First?"), approval("Second?")
    return [first.by, second.by]


def test_several_questions_are_answered_one_by_one(project: Project) -> None:
    project.start(two_questions)
    states = []

    for question in approvals.listing(project.client.db):
        approvals.answer(project.client.db, question, "approved", "ann", "", project.now)
        states.append(project.resume(two_questions).state)

    assert states == ["paused", "succeeded"]


@pipeline
def one(model: int) -> str:
    return approval("Keep it?").after(train()).by


@pipeline
def each_model():
    return one(each([1, 2]))


def test_each_item_of_a_mapped_pipeline_asks_for_itself(project: Project) -> None:
    project.start(each_model)

    asked = approvals.listing(project.client.db)
    for question in asked:
        approvals.answer(project.client.db, question, "approved", f"by {question.node}", "", project.now)
    result = project.resume(each_model)

    assert [question.node for question in asked] == ["one/0/approval", "one/1/approval"]
    assert result.output == ["by one/0/approval", "by one/1/approval"]
