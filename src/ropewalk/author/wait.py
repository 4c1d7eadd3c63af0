"""`wait_for` and `approval`: nodes that wait for something outside, or for a person."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar, cast

from ropewalk.author.bind import bind
from ropewalk.author.builtin import approve
from ropewalk.author.callsite import here
from ropewalk.author.constants import plain
from ropewalk.author.flow import needed_trace
from ropewalk.author.function import located
from ropewalk.author.names import check_name
from ropewalk.author.pipeline import Pipeline
from ropewalk.author.refs import handle_of, is_reference
from ropewalk.author.task import Task
from ropewalk.core.answer import Answer
from ropewalk.core.cache import Cache
from ropewalk.core.errors import DefinitionError
from ropewalk.core.quantity import seconds
from ropewalk.core.special import Approval, Wait

R = TypeVar("R")

MAX_BACKOFF = 1000.0
LAST_CHECK_S = 60.0  # with `hold`: how long the check that is under way at the end may take


def wait_for(
    check: Callable[..., R],
    *args: Any,
    every: float | str = "1m",
    timeout: float | str | None = None,
    backoff: float = 1,
    cap: float | str = "1h",
    soft_fail: bool = False,
    hold: bool = False,
    name: str = "",
    **kwargs: Any,
) -> R:
    """Wait until something is there: `wait_for(has_arrived, path, every="1m", timeout="6h")`.

    The check is made again and again until what it returns is true, and that is the result. No worker is held between
    checks. It is never reused: each run looks for itself.

    Args:
        check: a task, or a plain function, that looks once; it is given `args` and `kwargs`.
        every: the pause between two checks.
        timeout: how long to wait, counted from the first check; restarts do not begin it anew. None: for ever.
        backoff: each pause is so many times longer than the one before.
        cap: no pause is longer than this, or than `every`.
        soft_fail: when the time is over the wait is skipped, with what depends on it, and has not failed.
        hold: keep the worker between checks: for a few checks in short succession.
        name: of the node; that of the check when empty.

    Raises:
        DefinitionError: it is called outside a pipeline, or with something that it cannot use.
    """
    trace = needed_trace("wait_for")
    task = _task(check)
    with located(lambda: here().where()):
        every_s = _positive(every, "every")
        wait = Wait(
            every_s,
            _backoff(backoff),
            max(every_s, _positive(cap, "cap")),
            None if timeout is None else _positive(timeout, "timeout"),
            _flag(soft_fail, "soft_fail"),
            _flag(hold, "hold"),
        )
        made = _pinned(task.options(cache=False), name)
    made.policy = replace(made.policy, timeout_s=_limit_s(wait, made.policy.timeout_s))
    return cast(R, trace.record(made, bind(made, args, kwargs, trace), wait))


def approval(
    message: str, *, role: str = "", expires: float | str | None = None, exclude_author: bool = False, name: str = ""
) -> Answer:
    """Wait for a person to approve: `approval("Deploy it?", role="release-manager", expires="7d")`.

    Nothing runs meanwhile, not even the run itself when it has nothing else to do. A rejection fails the node.

    Args:
        message: what is asked.
        role: who should answer. It is shown and kept; the store does not know who has which role.
        expires: how long an answer is waited for; after that it is as if rejected. None: for ever.
        exclude_author: who started the run must not answer.
        name: of the node; "approval" when empty.

    Returns:
        A reference to an `Answer`: who approved, why, and when.

    Raises:
        DefinitionError: it is called outside a pipeline, or with something that it cannot use.
    """
    trace = needed_trace("approval")
    with located(lambda: here().where()):
        question = Approval(
            _text(message, "message", required=True),
            _text(role, "role"),
            None if expires is None else _positive(expires, "expires"),
            _flag(exclude_author, "exclude_author"),
        )
        made = _pinned(approve.options(), name)
    made.declared = here()
    return cast(Answer, trace.record(made, bind(made, (question.message, question.role), {}, trace), question))


def _task(check: Any) -> Task[..., Any]:
    if isinstance(check, Task):
        return check
    if is_reference(check):
        label = handle_of(check).label
        raise _refusal(f"`wait_for` is given the result of `{label}`, which it is to call itself", f"wait_for({label})")
    if isinstance(check, Pipeline) or not callable(check) or not hasattr(check, "__name__"):
        shown = f"a {type(check).__name__.lower()}" if callable(check) else repr(plain(check))[:60]
        raise _refusal(f"`wait_for` needs a task or a function to check with, not {shown}", "wait_for(has_arrived)")
    if check.__name__ == "<lambda>":
        raise _refusal("`wait_for` needs a check with a name, not a lambda", "def has_arrived() -> bool: …")
    return Task(check, cache=Cache(False))


def _pinned(task: Task[..., Any], name: str) -> Task[..., Any]:
    if name:
        task.pinned = check_name(plain(name), "node", None, 'name="data-is-there"')
    return task


def _limit_s(wait: Wait, check_s: float | None) -> float | None:
    """How long an attempt may take: one check, or with `hold` all of them."""
    if not wait.hold:
        return wait.timeout_s if check_s is None else check_s
    return None if wait.timeout_s is None else wait.timeout_s + (check_s or LAST_CHECK_S)


def _positive(value: Any, what: str) -> float:
    duration_s = seconds(plain(value), what)
    if duration_s == 0:
        raise DefinitionError(f"`{what}` must be longer than 0", code="P220", help=[f'{what}="1m"'])
    return duration_s


def _backoff(value: Any) -> float:
    factor = plain(value)
    if type(factor) in (int, float) and math.isfinite(factor) and 1 <= factor <= MAX_BACKOFF:
        return float(factor)
    raise _refusal(f"`backoff` must be a number from 1 to {MAX_BACKOFF:,.0f}, not {factor!r:.60}", "backoff=2")


def _flag(value: Any, what: str) -> bool:
    if isinstance(value, bool):
        return value
    raise _refusal(f"`{what}` must be True or False, not {value!r:.60}", f"{what}=True")


def _text(value: Any, what: str, *, required: bool = False) -> str:
    text = plain(value)
    if is_reference(value):
        label = handle_of(value).label
        raise _refusal(
            f"`{what}` of `approval` must be a text that is known before the run, not the result of `{label}`",
            f'approval("Deploy it?").after({label})',
        )
    if isinstance(text, str) and (text.strip() or not required):
        return text
    wanted = "say what is asked" if required else "be a text"
    raise _refusal(f"`{what}` of `approval` must {wanted}, not {text!r:.60}", f'{what}="…"')


def _refusal(title: str, fix: str) -> DefinitionError:
    return DefinitionError(title, code="P250", where=here().where(), help=[fix])
