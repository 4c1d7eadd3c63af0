"""Worker processes die in every way there is: it is noticed at once, and costs nothing but the attempt."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from ropewalk import Retry, context, each, pipeline, task
from ropewalk.core import events as ev
from ropewalk.core.errors import StoreError
from ropewalk.core.settle import MAX_LOST
from tests.engine.live import Live, Watch, gone, hang, lines, note, only_child, tell


@task
def fragile(x: int, ledger: str) -> int:
    """Item 0 waits to be killed in its first attempt."""
    note(ledger, f"{x} {context().attempt}")
    if x == 0 and context().attempt == 1:
        tell(os.getpid())
        hang()
    return x * 10


@pipeline
def four(ledger: str) -> list[int]:
    return fragile(each([0, 1, 2, 3]), ledger)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_killed_worker_is_noticed_at_once_and_costs_only_its_own_attempt(
    tmp_path: Path, number: signal.Signals, record_property
) -> None:
    killed_at = []
    live = Live(tmp_path)

    def kill(pid: int) -> None:
        killed_at.append(time.perf_counter())
        os.kill(pid, number)

    watch = Watch(kill)
    result = live.run(four, ledger=live.ledger, listener=watch)

    assert (result.state, result.output) == ("succeeded", [0, 10, 20, 30])
    assert sorted(live.done()) == ["0 1", "0 2", "1 1", "2 1", "3 1"]
    assert [f.kind for f in live.failures(result.number, "fragile")] == ["lost"]
    assert number.name in live.failures(result.number, "fragile")[0].message
    assert live.leases() == []
    noticed_at = next(at for at, e in watch.times if isinstance(e, ev.AttemptFailed) and e.failure.kind == "lost")
    record_property("noticed_after_s", noticed_at - killed_at[0])
    assert noticed_at - killed_at[0] < 5


def leave(how: str) -> None:
    if how == "exit":
        os._exit(3)
    if how == "abort":
        os.abort()
    if how == "crash":
        ctypes.string_at(0)
    if how == "close every file":
        os.closerange(3, 256)
        hang()


@task
def leaving_once(how: str) -> str:
    if context().attempt == 1:
        sys.stdout.write("about to leave\n")
        leave(how)
    return "stayed"


@pipeline
def leaves_once(how: str) -> str:
    return leaving_once(how)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("exit", "exited with code 3"),
        ("abort", "SIGABRT"),
        ("crash", "SIGSEGV"),
        ("close every file", "the worker process"),
    ],
)
def test_a_task_that_takes_its_worker_down_is_tried_again(tmp_path: Path, how: str, said: str) -> None:
    live = Live(tmp_path)

    result = live.run(leaves_once, how=how)

    assert (result.state, result.output) == ("succeeded", "stayed")
    (failure,) = live.failures(result.number, "leaving_once")
    assert failure.kind == "lost"
    assert said in failure.message
    assert "about to leave" in live.log(result.number, "leaving_once").read_text(), "its log is kept"


@task
def leaving_always(ledger: str) -> None:
    note(ledger, context().attempt)
    os._exit(1)


@pipeline
def leaves_always(ledger: str) -> None:
    leaving_always(ledger)


def test_a_task_whose_worker_always_dies_is_given_up(tmp_path: Path) -> None:
    live = Live(tmp_path)

    result = live.run(leaves_always, ledger=live.ledger)

    assert result.state == "failed"
    assert live.done() == [str(attempt) for attempt in range(1, MAX_LOST + 2)]
    (row,) = live.rows(result.number, "leaving_always")
    assert (row.state, row.failure.kind) == ("failed", "lost")


@task(retry=Retry(not_on=["lost"]))
def leaving_at_most_once(ledger: str) -> None:
    note(ledger, context().attempt)
    os._exit(1)


@pipeline
def leaves_at_most_once(ledger: str) -> None:
    leaving_at_most_once(ledger)


def test_a_task_that_asks_for_at_most_once_is_not_begun_again_when_its_worker_dies(tmp_path: Path) -> None:
    live = Live(tmp_path)

    result = live.run(leaves_at_most_once, ledger=live.ledger)

    assert (result.state, live.done()) == ("failed", ["1"])


@task
def raising(how: str) -> None:
    if how == "sys.exit":
        sys.exit(7)
    if how == "memory":
        raise MemoryError("no room for the matrix")
    raise KeyboardInterrupt


@pipeline
def raises(how: str) -> None:
    raising(how)


@pytest.mark.parametrize(
    ("how", "kind", "said"),
    [
        ("sys.exit", "exception", "SystemExit: 7"),
        ("memory", "oom", "no room"),
        ("keyboard", "exception", "KeyboardInterrupt"),
    ],
)
def test_what_a_task_raises_is_its_own_failure_even_if_it_would_end_a_program(
    tmp_path: Path, how: str, kind: str, said: str
) -> None:
    live = Live(tmp_path)

    result = live.run(raises, how=how)

    assert result.state == "failed"
    (failure,) = live.failures(result.number, "raising")
    assert (failure.kind, said in failure.message) == (kind, True), failure.message


@task
def forking(how: str, ledger: str) -> str:
    child = os.fork()
    if child == 0:
        note(ledger, "child")
        if how == "exit":
            sys.exit(0)
        if how == "raise":
            raise ValueError("in the child")
        return "from the child"
    os.waitpid(child, 0)
    note(ledger, "parent")
    return "from the parent"


@pipeline
def forks(how: str, ledger: str) -> str:
    return forking(how, ledger)


@pytest.mark.parametrize("executor", ["inline", "processes"])
@pytest.mark.parametrize("how", ["exit", "raise", "return"])
def test_a_task_that_forks_is_answered_for_by_its_own_process_only(tmp_path: Path, how: str, executor: str) -> None:
    live = Live(tmp_path)

    result = live.run(forks, executor, how=how, ledger=live.ledger)

    assert (result.state, result.output) == ("succeeded", "from the parent")
    assert live.done() == ["child", "parent"]


def test_the_end_of_the_nursery_is_one_clear_error_and_the_run_can_go_on(tmp_path: Path) -> None:
    live = Live(tmp_path)
    workers: list[int] = []

    def kill_nursery(pid: int) -> None:
        nursery = only_child()
        workers.extend(child.pid for child in nursery.children())
        nursery.send_signal(signal.SIGKILL)

    with pytest.raises(StoreError) as caught:
        live.run(four, ledger=live.ledger, listener=Watch(kill_nursery))
    assert caught.value.code == "P350"
    assert len(workers) == 2
    assert gone(workers)

    result = live.resume(four, ledger=live.ledger)

    assert (result.state, result.output) == ("succeeded", [0, 10, 20, 30])


def test_a_run_leaves_no_process_behind(tmp_path: Path) -> None:
    live = Live(tmp_path)

    live.run(four, ledger=live.ledger, listener=Watch(lambda pid: os.kill(pid, signal.SIGKILL)))

    assert psutil.Process().children(recursive=True) == []
    assert list((live.home / "logs").glob("*.spool")) == []
    assert len(lines(live.ledger)) == 5


@task(timeout=20)
def blocked(x: int, pipe: str) -> int:
    """Item 1 waits until somebody writes to the pipe."""
    if x == 1:
        with open(pipe) as file:
            file.read()
    return x


@task(timeout=20)
def unblocking(x: int, pipe: str) -> int:
    if x == 0:
        with open(pipe, "w") as file:
            file.write("go on")
    return x + 1


@pipeline
def item_by_item(pipe: str) -> list[int]:
    return unblocking(each(blocked(each([0, 1]), pipe)), pipe)


def test_items_that_follow_items_do_not_wait_for_the_others(tmp_path: Path) -> None:
    """The second step of item 0 lets the first step of item 1 end."""
    os.mkfifo(tmp_path / "pipe")

    result = Live(tmp_path).run(item_by_item, pipe=str(tmp_path / "pipe"))

    assert (result.state, result.output) == ("succeeded", [1, 2])
