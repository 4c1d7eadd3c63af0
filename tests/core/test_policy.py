"""Retry, Cache, Resources and Policy: what they accept and what they decide."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.core.artifact import Failure
from ropewalk.core.cache import Cache
from ropewalk.core.errors import DefinitionError
from ropewalk.core.options import with_options
from ropewalk.core.policy import Policy
from ropewalk.core.resources import Resources
from ropewalk.core.retry import Retry

VALUE_ERROR = Failure("exception", "no", "builtins.ValueError", ("builtins.Exception",))
OS_ERROR = Failure("exception", "no", "builtins.FileNotFoundError", ("builtins.OSError", "builtins.Exception"))
TIMEOUT, OOM, LOST = (Failure(kind, kind) for kind in ("timeout", "oom", "lost"))
RETRIES = st.builds(
    Retry, st.integers(0, 100), delay=st.floats(0, 1e5), backoff=st.floats(1, 1000), jitter=st.booleans(),
    cap=st.floats(0, 1e6), on=st.lists(st.sampled_from(["OSError", "lost"]), max_size=2),
)  # fmt: skip


@pytest.mark.parametrize("count", [-1, 101, 1.5, "3", 10**9, True, None])
def test_a_count_of_retries_is_a_small_integer(count: Any) -> None:
    with pytest.raises(DefinitionError, match="retries must be an integer from 0 to 100"):
        Retry(count)


@pytest.mark.parametrize("backoff", [0, 0.5, 1001, "2", True, float("nan")])
def test_a_backoff_does_not_shrink_the_pause(backoff: Any) -> None:
    with pytest.raises(DefinitionError, match="`backoff` must be a number from 1 to 1000"):
        Retry(1, backoff=backoff)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"on": [3]}, "`on` takes exceptions"),
        ({"not_on": 3}, "`not_on` takes exceptions"),
        ({"on": [int]}, "not <class 'int'>"),
        ({"on": ["no name"]}, "not 'no name'"),
        ({"on": ["timeuot"]}, "not 'timeuot'"),
        ({"on": [OSError], "not_on": [OSError]}, "both name `builtins.OSError`"),
    ],
)
def test_what_is_no_exception_and_no_reason_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=message) as refused:
        Retry(3, **wrong)

    assert refused.value.code == "P223"
    assert refused.value.help


def test_names_of_classes_that_look_like_reasons_are_taken() -> None:
    assert Retry(3, on=["socket.timeout", "ostrich", KeyError]).on == ("socket.timeout", "ostrich", "builtins.KeyError")


@pytest.mark.parametrize(
    ("retry", "retried"),
    [
        (Retry(3), [VALUE_ERROR, OS_ERROR, TIMEOUT, LOST]),
        (Retry(3, on=[OSError]), [OS_ERROR]),
        (Retry(3, on="OSError"), [OS_ERROR]),
        (Retry(3, on=["FileNotFoundError", "oom"]), [OS_ERROR, OOM]),
        (Retry(3, on=[Exception]), [VALUE_ERROR, OS_ERROR]),
        (Retry(3, not_on=[OSError]), [VALUE_ERROR, TIMEOUT, LOST]),
        (Retry(3, on=[Exception], not_on=["FileNotFoundError"]), [VALUE_ERROR]),
        (Retry(3, not_on=["lost", "timeout"]), [VALUE_ERROR, OS_ERROR]),
        (Retry(0), []),
    ],
)
def test_on_and_not_on_choose_which_failures_are_retried(retry: Retry, retried: list[Failure]) -> None:
    every = [VALUE_ERROR, OS_ERROR, TIMEOUT, OOM, LOST]

    assert [f for f in every if retry.allows(f, 0)] == retried


def test_no_more_retries_than_the_count() -> None:
    assert [Retry(2).allows(VALUE_ERROR, k) for k in range(4)] == [True, True, False, False]


def test_what_cannot_get_better_is_not_retried() -> None:
    assert not Retry(3).allows(Failure("unstorable", "no", retryable=False), 0)


def test_pauses_grow_to_the_cap() -> None:
    retry = Retry(5, delay=1, backoff=3, cap=10)

    assert [retry.pause_s(k, "seed") for k in range(4)] == [1, 3, 9, 10]


def test_a_pause_beyond_all_numbers_is_the_cap() -> None:
    assert Retry(100, delay=1e9, backoff=1000, cap="1h").pause_s(99, "seed") == 3600


@given(retry=RETRIES, retries=st.integers(0, 10_000), seed=st.text(max_size=5))
def test_a_pause_is_at_least_half_of_its_length_and_at_most_the_cap(retry: Retry, retries: int, seed: str) -> None:
    full = Retry(retry.count, delay=retry.delay_s, backoff=retry.backoff, cap=retry.cap_s).pause_s(retries, seed)

    pause = retry.pause_s(retries, seed)

    assert full / 2 <= pause <= full <= retry.cap_s <= 86_400
    assert pause == retry.pause_s(retries, seed)


def test_jitter_differs_from_task_run_to_task_run() -> None:
    retry = Retry(3, delay=10, jitter=True)

    assert len({retry.pause_s(0, f"train[{item}]") for item in range(50)}) == 50


@given(retry=RETRIES, timeout=st.one_of(st.none(), st.floats(0.1, 1e6)), cache=st.booleans())
def test_a_policy_is_read_back_as_it_was_written(retry: Retry, timeout: float | None, cache: bool) -> None:
    policy = Policy(
        retry, Cache(cache, ttl="7d", ignore=["verbose"], env=["X"]), Resources(cpu=2, memory="4Gi"), timeout
    )

    assert Policy.from_json(policy.to_json()) == policy


def test_options_replace_parts_of_a_policy() -> None:
    policy = with_options(
        Policy(),
        {"retry": 3, "cache": False, "timeout": "2h", "run_if": "always", "resources": Resources(cpu="500m")},
    )

    assert (policy.retry.count, policy.cache.enabled, policy.timeout_s, policy.run_if) == (3, False, 7200.0, "always")
    assert policy.resources.cpu == 0.5
    assert with_options(policy, {"timeout": None}).timeout_s is None


@pytest.mark.parametrize(
    ("options", "message", "help_"),
    [
        ({"retries": 3}, "unknown option `retries`", "did you mean `retry`?"),
        ({"cache": "no"}, "`cache` must be True, False or Cache", None),
        ({"resources": {"cpu": 2}}, "`resources` must be Resources", 'Resources(cpu=2, memory="4Gi")'),
        ({"timeout": 0}, "`timeout` must be longer than 0", 'timeout="10m"'),
        ({"timeout": "soon"}, "`timeout` is not a duration: 'soon'", 'timeout="90s"   or   timeout="1h30m"'),
        ({"run_if": "all_succeed"}, "`run_if` must be one of", 'did you mean run_if="all_succeeded"?'),
        ({"retry": "3"}, "retries must be an integer", "Retry(3)"),
    ],
)
def test_a_wrong_option_is_named_with_what_was_meant(options: dict[str, Any], message: str, help_: str | None) -> None:
    with pytest.raises(DefinitionError, match=message) as caught:
        with_options(Policy(), options)

    assert caught.value.help == ((help_,) if help_ else ())
