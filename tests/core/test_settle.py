"""How a failed attempt goes on: another one, when, and whether it counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ropewalk.core import events as ev
from ropewalk.core.artifact import Failure
from ropewalk.core.cache import Cache
from ropewalk.core.cachekey import cache_key, prefix, seed_of
from ropewalk.core.graph import OutputSpec
from ropewalk.core.policy import Policy
from ropewalk.core.retry import Retry
from ropewalk.core.settle import MAX_LOST, settle
from ropewalk.core.state import RunState, fold
from tests.core.builders import LOST, WRONG, graph, node, task


def running(retry: Retry, *failures: tuple[Failure, bool]) -> RunState:
    """A task run whose last attempt is under way, with token 99."""
    events: list[ev.Event] = [ev.Opened("a", 1)]
    for token, (failure, counted) in enumerate(failures, start=1):
        events += [ev.Started("a", (0,), token, "w"), ev.AttemptFailed("a", 0, token, failure, 0.0, counted=counted)]
    return fold(graph(node("a", policy=Policy(retry))), [*events, ev.Started("a", (0,), 99, "w")])


def test_a_failure_is_retried_after_its_pause() -> None:
    event = settle(running(Retry(2, delay=10, backoff=3), (WRONG, True)), "a", 0, 99, WRONG, now=100.0)

    assert (event.retry_at, event.counted) == (130.0, True)


def test_the_last_attempt_is_final() -> None:
    assert settle(running(Retry(1), (WRONG, True)), "a", 0, 99, WRONG, now=1.0).retry_at is None


def test_a_lost_worker_is_not_held_against_the_task() -> None:
    event = settle(running(Retry(0)), "a", 0, 99, LOST, now=7.0)

    assert (event.retry_at, event.counted) == (7.0, False)


def test_a_task_that_takes_its_worker_down_every_time_is_given_up() -> None:
    before = [(LOST, False)] * MAX_LOST

    assert settle(running(Retry(0), *before[1:]), "a", 0, 99, LOST, now=7.0).retry_at == 7.0
    assert settle(running(Retry(0), *before), "a", 0, 99, LOST, now=7.0).retry_at is None
    assert settle(running(Retry(1), *before), "a", 0, 99, LOST, now=7.0).counted


def test_being_given_back_does_not_make_a_task_suspect() -> None:
    returned = (Failure("returned", "it was not begun"), False)

    assert settle(running(Retry(0), *[returned] * 20), "a", 0, 99, LOST, now=7.0).retry_at == 7.0


def test_failures_of_its_own_do_not_use_up_what_a_task_may_lose() -> None:
    before = [(WRONG, True)] * 5

    assert settle(running(Retry(9), *before), "a", 0, 99, LOST, now=7.0).counted is False


def test_a_task_that_must_run_at_most_once_is_not_begun_again() -> None:
    assert settle(running(Retry(5, not_on=["lost"])), "a", 0, 99, LOST, now=7.0).retry_at is None


SPEC = task()


@pytest.mark.parametrize(
    "other",
    [
        prefix(task("other"), Cache(), {}, 0),
        prefix(replace(SPEC, outputs=OutputSpec("tuple", ("a", "b"))), Cache(), {}, 0),
        prefix(SPEC, Cache(version="2"), {}, 0),
        prefix(SPEC, Cache(env=["X"]), {"X": "1"}, 0),
        prefix(SPEC, Cache(env=["X"]), {"X": None}, 0),
        prefix(SPEC, Cache(), {}, 1),
    ],
)
def test_whatever_decides_the_result_makes_another_key(other: bytes) -> None:
    assert cache_key(prefix(SPEC, Cache(), {}, 0), []) != cache_key(other, [])


def test_the_environment_that_a_task_does_not_name_makes_no_other_key() -> None:
    assert prefix(SPEC, Cache(), {"X": "1"}, 0) == prefix(SPEC, Cache(), {"X": "2"}, 0)


def test_inputs_make_the_key_by_name_and_identity() -> None:
    common = prefix(SPEC, Cache(), {}, 0)
    inputs = [[("x", "json:1"), ("y", "json:2")], [("x", "json:2"), ("y", "json:1")], [("x", "json:1")], []]

    assert len({cache_key(common, pairs) for pairs in inputs}) == len(inputs)


def test_equal_work_has_equal_seeds() -> None:
    key = cache_key(prefix(SPEC, Cache(), {}, 0), [])

    assert seed_of(key) == seed_of(key) < 2**32
