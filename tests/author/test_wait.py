"""`wait_for` and `approval` in a pipeline: what they record, what they refuse, and what they do in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ropewalk import Answer, approval, each, pipeline, task, wait_for, when
from ropewalk.core import expr as ex
from ropewalk.core.errors import DefinitionError, ExecutionError
from ropewalk.core.graph import Graph, MapSpec
from ropewalk.core.special import Approval, Wait
from ropewalk.testing import answers


@task(retry=2, timeout="30s")
def has_arrived(name: str, least: int = 1) -> list[str]:
    return [name] if name == "there" else []


def plain_check() -> bool:
    return True


@task
def load(files: list[str]) -> int:
    return len(files)


@task
def deploy(count: int, by: str = "") -> str:
    return f"{count} {by}"


@pipeline
def release(name: str = "there", soft_fail: bool = False) -> str:
    count = load(wait_for(has_arrived, name, every="5m", timeout="6h", backoff=2, cap="20m", soft_fail=soft_fail))
    ok = approval("Deploy it?", role="release-manager", expires="7d", exclude_author=True).after(count)
    with when(ok):
        return deploy(count, ok.by)


def test_a_wait_is_a_node_of_its_check_with_its_times_in_seconds():
    node = release.graph().nodes["has_arrived"]

    assert (node.kind, node.task) == ("wait", "has_arrived")
    assert node.special == Wait(300.0, 2.0, 1200.0, 21600.0)
    assert node.bindings == {"name": ex.Param("name"), "least": ex.constant(1)}
    assert (node.policy.retry.count, node.policy.timeout_s) == (2, 30.0)


def test_an_approval_is_a_node_that_carries_its_question():
    node = release.graph().nodes["approval"]

    assert (node.kind, node.after) == ("approval", ("load",))
    assert node.special == Approval("Deploy it?", "release-manager", 604800.0, True)


def test_a_condition_on_an_approval_is_one_on_its_answer():
    assert release.graph().nodes["deploy"].when == ex.Ref("approval", (("attr", "approved"),))


def test_neither_is_ever_reused():
    nodes = release.graph().nodes

    assert not nodes["has_arrived"].policy.cache.enabled
    assert not nodes["approval"].policy.cache.enabled


def test_a_graph_with_both_survives_json():
    graph = release.graph()

    assert Graph.from_json(graph.to_json()).digest == graph.digest


def test_a_plain_function_is_made_a_task():
    @pipeline
    def wired():
        return wait_for(plain_check)

    graph = wired.graph()

    assert graph.nodes["plain_check"].special == Wait()
    assert graph.tasks["plain_check"].function == f"{__name__}:plain_check"


def test_nodes_can_be_named_and_several_are_told_apart():
    @pipeline
    def wired():
        wait_for(plain_check, name="network-is-up")
        first = approval("First?")
        second = approval("Second?")
        approval("Third?", name="board")
        return first, second

    assert list(wired.graph().nodes) == ["network-is-up", "approval:first", "approval:second", "board"]


def test_a_wait_can_be_mapped():
    @pipeline
    def wired():
        return wait_for(has_arrived, each(["there", "there"]))

    assert wired.graph().nodes["has_arrived"].map == MapSpec("zip", ("name",))


def test_no_pause_is_capped_below_the_time_between_two_checks():
    @pipeline
    def wired():
        wait_for(plain_check, every="6h")

    assert wired.graph().nodes["plain_check"].special.cap_s == 6 * 3600


@pytest.mark.parametrize(
    ("timeout", "hold", "check_s", "limit_s"),
    [("10m", False, None, 600.0), ("10m", False, "5s", 5.0), (None, False, None, None), (None, True, "5s", None),
     ("10m", True, "5s", 605.0), ("10m", True, None, 660.0)],
)  # fmt: skip
def test_a_check_that_hangs_ends_with_the_wait_at_the_latest(timeout, hold, check_s, limit_s):
    """With `hold` one attempt makes all checks, so that the limit of one check is added to the time of all."""

    @pipeline
    def wired():
        wait_for(task(plain_check).options(timeout=check_s), timeout=timeout, hold=hold)

    assert wired.graph().nodes["plain_check"].policy.timeout_s == limit_s


BAD = [
    (lambda: wait_for(plain_check, every="0s"), "P220", "`every` must be longer than 0"),
    (lambda: wait_for(plain_check, every=-1), "P220", "`every` is not a duration: -1"),
    (lambda: wait_for(plain_check, every=True), "P220", "`every` is not a duration: True"),
    (lambda: wait_for(plain_check, timeout=0), "P220", "`timeout` must be longer than 0"),
    (lambda: wait_for(plain_check, cap="never"), "P220", "`cap` is not a duration: 'never'"),
    (lambda: wait_for(plain_check, backoff=0.5), "P250", "`backoff` must be a number from 1 to 1,000, not 0.5"),
    (lambda: wait_for(plain_check, backoff="2"), "P250", "`backoff` must be a number from 1 to 1,000, not '2'"),
    (lambda: wait_for(plain_check, backoff=float("nan")), "P250", "`backoff` must be a number"),
    (lambda: wait_for(plain_check, soft_fail=1), "P250", "`soft_fail` must be True or False, not 1"),
    (lambda: wait_for(plain_check, hold="yes"), "P250", "`hold` must be True or False, not 'yes'"),
    (lambda: wait_for(5), "P250", "`wait_for` needs a task or a function to check with, not 5"),
    (lambda: wait_for(release), "P250", "`wait_for` needs a task or a function to check with, not a pipeline"),
    (lambda: wait_for(lambda: True), "P250", "`wait_for` needs a check with a name, not a lambda"),
    (lambda: wait_for(has_arrived("x")), "P250", "`wait_for` is given the result of `has_arrived`"),
    (lambda: wait_for(has_arrived, nme="x"), "P203", "call of `has_arrived`: 2 problems"),
    (lambda: wait_for(plain_check, name="a/b"), "P216", "'a/b' cannot be the name of a node"),
    (lambda: approval(""), "P250", "`message` of `approval` must say what is asked, not ''"),
    (lambda: approval("  "), "P250", "`message` of `approval` must say what is asked"),
    (lambda: approval(7), "P250", "`message` of `approval` must say what is asked, not 7"),
    (lambda: approval(has_arrived("x")), "P250", "a text that is known before the run, not the result"),
    (lambda: approval("Go?", role=3), "P250", "`role` of `approval` must be a text, not 3"),
    (lambda: approval("Go?", expires="10 parsecs"), "P220", "`expires` is not a duration: '10 parsecs'"),
    (lambda: approval("Go?", expires=0), "P220", "`expires` must be longer than 0"),
    (lambda: approval("Go?", exclude_author="me"), "P250", "`exclude_author` must be True or False, not 'me'"),
]


@pytest.mark.parametrize(("write", "code", "words"), BAD, ids=range(len(BAD)))
def test_what_cannot_be_waited_for_is_refused_with_one_clear_message(
    write: Callable[[], Any], code: str, words: str
) -> None:
    @pipeline
    def wired():
        write()
        load(["x"])

    with pytest.raises(DefinitionError) as caught:
        wired.graph()

    assert caught.value.code == code
    assert words in caught.value.title
    assert caught.value.where is not None
    assert caught.value.where.file.endswith("test_wait.py")


@pytest.mark.parametrize(
    "write", [lambda: wait_for(plain_check), lambda: approval("Go?")], ids=["wait_for", "approval"]
)
def test_outside_a_pipeline_both_are_refused(write: Callable[[], Any]) -> None:
    with pytest.raises(DefinitionError) as caught:
        write()

    assert caught.value.code == "P208"


def test_in_memory_a_check_is_made_once_and_answers_are_given_by_the_test():
    with answers(True):
        assert release() == "1 test"


def test_in_memory_an_approval_is_never_given_by_accident():
    with pytest.raises(ExecutionError) as caught:
        release()

    assert (caught.value.code, caught.value.title) == (
        "P334", "approval `Deploy it?` needs a person, and nobody can be asked in memory"
    )  # fmt: skip


def test_a_test_can_reject_one_question_of_several():
    with answers({"Deploy it?": False}), pytest.raises(ExecutionError) as caught:
        release()

    assert caught.value.code == "P335"


def test_answers_end_with_their_block():
    with answers(True):
        pass

    with pytest.raises(ExecutionError):
        release()


def test_in_memory_what_is_not_there_is_said():
    with answers(True), pytest.raises(ExecutionError) as caught:
        release(name="elsewhere")

    assert (caught.value.code, caught.value.title) == (
        "P336", "`has_arrived` is not there yet, and in memory it is looked for once"
    )  # fmt: skip


def test_in_memory_a_soft_wait_is_skipped_with_what_depends_on_it():
    with answers(True):
        assert release(name="elsewhere", soft_fail=True) is None


def test_an_answer_is_a_plain_value():
    assert Answer(by="ann", reason="fine") == Answer(True, "ann", "fine", 0.0)
