"""A run that tests kill: `python killable.py FOLDER run|resume [plant]`, in a process of its own.

Tasks write what they do to a ledger, and the listener writes what was acknowledged, both outside the store: the
oracle that the store is judged by.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from ropewalk import each, pipeline, task
from ropewalk.author.pipeline import trace
from ropewalk.core import events as ev
from ropewalk.engine.client import Client, Options
from ropewalk.engine.scheduler import Scheduler, Step
from ropewalk.store import runs

FOLDER = Path(os.environ.get("KILLABLE_FOLDER", "."))
ITEMS = int(os.environ.get("KILLABLE_ITEMS", "300"))
TASK_S = float(os.environ.get("KILLABLE_TASK_S", "0.01"))
DURABILITY = os.environ.get("KILLABLE_DURABILITY", "power")


def note(name: str, line: str) -> None:
    """Append a line in one write, which is whole or not there whatever is killed."""
    fd = os.open(FOLDER / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, f"{line}\n".encode())
    os.close(fd)


@task
def numbers(n: int) -> list[int]:
    return list(range(n))


@task
def payload(x: int) -> bytes:
    note("ledger", f"begin {x} {os.getpid()}")
    time.sleep(TASK_S)
    note("ledger", f"end {x} {os.getpid()}")
    return bytes([x % 256]) * (8000 if x % 7 == 0 else 10)  # some lie in files, some in rows


@task
def total(parts: list[bytes]) -> int:
    return sum(part[0] * len(part) for part in parts)


@pipeline
def killable(n: int = ITEMS) -> int:
    return total(payload(each(numbers(n))))


def acknowledge(step: Step) -> None:
    for event in step.events:
        if isinstance(event, ev.Succeeded) and event.node == "payload":
            note("acks", str(event.item))


class TellsTooEarly(Scheduler):
    """A planted bug: what happened is acknowledged before it is committed."""

    def _commit(self):  # type: ignore[no-untyped-def]  # as its parent's
        if self._listener is not None:
            self._listener(Step([*self._batch, *self._decider.events], [], self._state, self._run.number))
        quiet, self._listener = self._listener, None
        try:
            return super()._commit()
        finally:
            self._listener = quiet


def main() -> None:
    if "acknowledge-early" in sys.argv:
        import ropewalk.engine.scheduler

        ropewalk.engine.scheduler.Scheduler = TellsTooEarly  # the client takes it from there when it drives a run
    work = trace(killable)
    with Client(FOLDER / "home") as client:
        if sys.argv[1] == "run":
            result = client.run(work, Options(workers=2, durability=DURABILITY), acknowledge)
        else:
            last = runs.find(client.db, "last")
            if last.is_open:
                result = client.resume(last, work, Options(workers=2), acknowledge)
            else:
                result = client.result(last)  # it was killed while it was leaving
        digests = [outputs["result"].digest for node in result.nodes for outputs in result.artifacts(node)]
        told = {"state": result.state, "output": result.output, "digests": digests}
        sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
