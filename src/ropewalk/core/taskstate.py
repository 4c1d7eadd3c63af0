"""Where a task run can stand, and the legal moves between."""

from __future__ import annotations

from enum import IntEnum


class TaskState(IntEnum):
    """Where a task run stands."""

    WAITING = 0
    READY = 1
    RUNNING = 2
    SUCCEEDED = 3
    FAILED = 4
    SKIPPED = 5
    CANCELLED = 6

    @property
    def label(self) -> str:
        return self.name.lower()


WAITING, READY, RUNNING, SUCCEEDED, FAILED, SKIPPED, CANCELLED = TaskState
FINAL = frozenset({SUCCEEDED, FAILED, SKIPPED, CANCELLED})

TRANSITIONS: frozenset[tuple[TaskState, TaskState]] = frozenset({
    (WAITING, READY),  # its inputs are there
    (WAITING, FAILED),  # its condition or its list cannot be worked out
    (WAITING, SKIPPED),  # a needed task did not succeed
    (WAITING, CANCELLED),
    (READY, RUNNING),  # claimed under a lease
    (READY, SUCCEEDED),  # reused
    (READY, FAILED),  # its inputs cannot be had
    (READY, READY),  # its inputs could not be had yet
    (READY, WAITING),  # it has got nodes of its own, or a person is asked
    (READY, SKIPPED),
    (READY, CANCELLED),
    (RUNNING, SUCCEEDED),
    (RUNNING, FAILED),
    (RUNNING, READY),  # another attempt follows
    (RUNNING, CANCELLED),
    (SUCCEEDED, READY),  # the result was lost and is computed again
    (SUCCEEDED, WAITING),  # reopened by a person
    (FAILED, WAITING),
    (SKIPPED, WAITING),
    (CANCELLED, WAITING),
})  # fmt: skip
