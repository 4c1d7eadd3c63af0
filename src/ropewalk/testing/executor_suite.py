"""What every executor must do. Subclass `ExecutorSuite` in a test file and give it the fixtures `home` and `start`."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.materialize import load
from ropewalk.core.artifact import Failed, Succeeded
from ropewalk.core.graph import OutputSpec
from ropewalk.core.values import encode
from ropewalk.engine.attempt import Job, Order
from ropewalk.engine.context import context
from ropewalk.engine.executors.base import Done, Ended, Executor, Offer, Progress, Report, Returned
from ropewalk.engine.home import Home
from ropewalk.engine.inputs import Value

PATIENCE_S = 60.0  # no test takes as long, unless an executor forgets to answer
NO_OFFER = Offer("", 0)
Start: TypeAlias = Callable[[Mapping[str, Callable[..., Any]]], Executor]


def square(x: int) -> int:
    return x * x


def fail(x: int) -> int:
    raise ValueError(f"no {x}")


def leave(x: int) -> int:
    sys.exit(3)


def exhaust(x: int) -> int:
    raise MemoryError


def speak(x: int) -> int:
    print(f"out {x}")  # noqa: T201  # what it prints is what is tested
    sys.stderr.write(f"err {x}\n")
    context().logger.info("logged %s", x)
    return x


def tell(x: int) -> int:
    context().progress(1, 2)
    context().log_metric("auc", 0.5)
    context().progress(2, 2)
    return x


def ask(x: int) -> tuple[str, int, int, int]:
    here = context()
    return here.node, here.item, here.attempt, here.seed


def draw(x: int) -> float:
    return random.random()  # noqa: S311  # seeded by the attempt


def unstorable(x: int) -> Any:
    return {"lock": [threading.Lock()]}


def pair(x: int) -> tuple[int, int]:
    return x, x + 1


def hang(x: int) -> int:
    time.sleep(600)
    return x


async def later(x: int) -> int:
    return x + 1


class Hostile(Exception):
    def __str__(self) -> str:
        raise RuntimeError("my message is a secret")


def hostile(x: int) -> int:
    raise Hostile


FUNCTIONS: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (square, fail, leave, exhaust, speak, tell, ask, draw, unstorable, pair, hang, later, hostile)
}


def job(task: str, number: int = 1, *, node: str = "", outputs: OutputSpec = OutputSpec(), **rest: Any) -> Job:
    """A job whose orders give `x`."""
    return Job(number, 1, node or task, task, outputs, (), ("x",), **rest)


def orders(of: Job, *items: int, token: int = 100) -> list[Order]:
    """One order for each item, which is also its `x`."""
    return [Order(of.id, item, 1, token, f"{item:064x}", (Value(encode(item)),)) for item in items]


def submit(executor: Executor, of: Job, wanted: Sequence[Order], most: int | None = None) -> list[Report]:
    """Give all orders to the executor as it has room, and collect what it reports until all are answered."""
    left, reports = list(wanted), list[Report]()
    deadline = time.monotonic() + PATIENCE_S
    while len([r for r in reports if not isinstance(r, Progress)]) < len(wanted):
        while left and (offer := executor.offer(of.node, len(left))) is not None:
            if offer.most == 0:
                break  # the worker is kept free for it
            count = min(offer.most, most or offer.most)
            batch, left = left[:count], left[count:]
            executor.submit(offer.worker, of, batch)
        reports += executor.poll(1.0)
        assert time.monotonic() < deadline, f"answered only {reports}"
    return reports


def answers(reports: Sequence[Report]) -> dict[int, Report]:
    """The one answer for each item."""
    found = [r for r in reports if not isinstance(r, Progress)]
    assert len({r.item for r in found}) == len(found), "an order was answered twice"
    return {r.item: r for r in found}


def failure_of(report: Report) -> Any:
    assert isinstance(report, Done)
    assert isinstance(report.outcome, Failed)
    return report.outcome.failure


class _Values:
    """What all suites need: the value that an attempt returned."""

    def value(self, home: Home, report: Report, name: str = "result") -> Any:
        assert isinstance(report, Done), report
        assert isinstance(report.outcome, Succeeded), report.outcome
        return load(report.outcome.outputs[name], Blobs(home.blobs))


class OutcomeSuite(_Values):
    """What becomes of a task's value or exception."""

    def test_every_order_is_answered_once_with_the_value_of_its_task(self, home: Home, start: Start) -> None:
        of = job("square")

        found = answers(submit(start(FUNCTIONS), of, orders(of, *range(100))))

        assert {item: self.value(home, report) for item, report in found.items()} == {i: i * i for i in range(100)}
        assert all(isinstance(r, Done) and (r.node, r.token) == ("square", 100) for r in found.values())

    def test_an_exception_is_told_by_its_class_and_message(self, start: Start) -> None:
        of = job("fail")

        failure = failure_of(submit(start(FUNCTIONS), of, orders(of, 7))[0])

        assert (failure.kind, failure.message, failure.error_type) == (
            "exception",
            "ValueError: no 7",
            "builtins.ValueError",
        )
        assert failure.retryable

    def test_whatever_a_task_raises_only_its_own_attempt_ends(self, home: Home, start: Start) -> None:
        executor = start(FUNCTIONS)

        kinds = {}
        for number, name in enumerate(("leave", "exhaust", "unstorable", "hostile"), start=1):
            of = job(name, number)
            kinds[name] = failure_of(submit(executor, of, orders(of, 1))[0]).kind
        of = job("square", 9)

        assert kinds == {"leave": "exception", "exhaust": "oom", "unstorable": "unstorable", "hostile": "exception"}
        assert self.value(home, submit(executor, of, orders(of, 3))[0]) == 9

    def test_a_task_that_leaves_is_not_tried_again(self, start: Start) -> None:
        of = job("leave")

        failure = failure_of(submit(start(FUNCTIONS), of, orders(of, 1))[0])

        assert failure.message == "SystemExit: 3"
        assert not failure.retryable

    def test_a_value_that_cannot_be_kept_is_named_by_its_path(self, start: Start) -> None:
        of = job("unstorable")

        failure = failure_of(submit(start(FUNCTIONS), of, orders(of, 1))[0])

        assert "lock" in failure.message
        assert not failure.retryable

    def test_a_task_may_have_several_outputs_or_be_a_coroutine(self, home: Home, start: Start) -> None:
        executor = start(FUNCTIONS)
        both, coroutine = job("pair", 1, outputs=OutputSpec("tuple", ("a", "b"))), job("later", 2)

        report = submit(executor, both, orders(both, 3))[0]

        assert (self.value(home, report, "a"), self.value(home, report, "b")) == (3, 4)
        assert self.value(home, submit(executor, coroutine, orders(coroutine, 3))[0]) == 4

    def test_an_attempt_knows_where_it_is_and_has_the_seed_of_its_key(self, home: Home, start: Start) -> None:
        executor = start(FUNCTIONS)
        of, drawn = job("ask", 1, node="n/ask"), job("draw", 2)

        node, item, attempt, seed = self.value(home, submit(executor, of, orders(of, 5))[0])
        twice = [self.value(home, submit(executor, drawn, orders(drawn, 5))[0]) for _ in range(2)]

        assert (node, item, attempt) == ("n/ask", 5, 1)
        assert isinstance(seed, int)
        assert twice[0] == twice[1]

    def test_progress_metrics_and_usage_are_told(self, start: Start) -> None:
        of = job("tell")

        reports = submit(start(FUNCTIONS), of, orders(of, 0))

        done = reports[-1]
        assert isinstance(done, Done)
        assert isinstance(done.outcome, Succeeded)
        assert done.outcome.metrics == {"auc": 0.5}
        assert 0 < done.outcome.usage.wall_s < PATIENCE_S
        assert done.outcome.usage.started_at > 1e9
        assert all(isinstance(r, Progress) and r.total == 2 for r in reports[:-1])

    def test_what_an_attempt_prints_and_logs_is_kept_with_it(self, home: Home, start: Start) -> None:
        of = job("speak")

        submit(start(FUNCTIONS), of, orders(of, 0, 1))

        for item in (0, 1):
            text = home.log(1, "speak", item, 1).read_text()
            assert f"out {item}\n" in text
            assert f"err {item}\n" in text
            assert f"logged {item}\n" in text
            assert f"out {1 - item}" not in text

    def test_an_attempt_that_is_silent_leaves_no_log(self, home: Home, start: Start) -> None:
        of = job("square")

        submit(start(FUNCTIONS), of, orders(of, 0))

        assert not home.log(1, "square", 0, 1).exists()


class ControlSuite(_Values):
    """Room, waiting, ending and closing."""

    def test_a_worker_is_offered_while_there_is_room_and_not_one_that_is_taken(self, start: Start) -> None:
        executor = start(FUNCTIONS)

        worker, most, _ = executor.offer("square", 10) or NO_OFFER

        assert most >= 1
        others = [w for w, *_ in [executor.offer("square", 10, {worker: 1.0}) or NO_OFFER] if w]
        assert worker not in others
        assert len(others) <= executor.slots - 1

    def test_asking_for_room_takes_none(self, start: Start) -> None:
        executor = start(FUNCTIONS)

        assert len({executor.offer("square", 10) for _ in range(50)}) == 1

    def test_waiting_ends_in_time_when_nothing_happens(self, start: Start) -> None:
        executor, before = start(FUNCTIONS), time.monotonic()

        assert executor.poll(0.05) == []

        assert time.monotonic() - before < PATIENCE_S

    def test_a_signal_handler_can_end_the_waiting(self, start: Start) -> None:
        executor, before = start(FUNCTIONS), time.monotonic()

        executor.wake()

        assert executor.poll(PATIENCE_S) == []
        assert time.monotonic() - before < PATIENCE_S

    def test_a_task_that_takes_too_long_is_ended_and_said_to_have_timed_out(self, home: Home, start: Start) -> None:
        executor = start(FUNCTIONS)
        slow, fast = job("hang", 1, timeout_s=0.2), job("square", 2, timeout_s=30.0)

        report = submit(executor, slow, orders(slow, 1))[0]

        assert isinstance(report, Ended)
        assert (report.failure.kind, report.failure.message) == ("timeout", "timed out after 0.2 s")
        assert report.failure.retryable
        assert self.value(home, submit(executor, fast, orders(fast, 3))[0]) == 9

    def test_an_order_that_is_killed_before_it_was_begun_is_given_back(self, start: Start) -> None:
        executor = start(FUNCTIONS)
        of = job("square")
        worker, *_ = executor.offer("square", 9) or NO_OFFER
        first, second = orders(of, 0), orders(of, 1, token=200)
        executor.submit(worker, of, [*first, *second])

        executor.kill("square", 1, 200)

        reports: list[Report] = []
        while len(reports) < 2:
            reports += executor.poll(1.0)
        assert all(isinstance(answers(reports)[item], (Returned, Done)) for item in (0, 1))

    def test_killing_what_is_not_there_does_nothing(self, home: Home, start: Start) -> None:
        executor = start(FUNCTIONS)
        of = job("square")
        executor.kill("square", 0, 1)

        assert self.value(home, submit(executor, of, orders(of, 2))[0]) == 4

    def test_closing_twice_does_no_harm_and_with_orders_left_neither(self, start: Start) -> None:
        executor = start(FUNCTIONS)
        of = job("hang")
        worker, *_ = executor.offer("hang", 1) or NO_OFFER
        executor.submit(worker, of, orders(of, 0))

        executor.close()
        executor.close()


class ExecutorSuite(OutcomeSuite, ControlSuite):
    """Conformance of an executor.

    `home` is an empty state folder, and `start` makes an executor in it for some functions; whatever it has made is
    closed when the test ends.
    """
