"""A run whose disk loses power: `begin` drives it and says what was committed; tests go on with it afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ropewalk import each, pipeline, task
from ropewalk.author.pipeline import trace
from ropewalk.core import events as ev
from ropewalk.engine.client import Client, Options
from ropewalk.engine.scheduler import Step

ITEMS = 400


@task
def payload(x: int) -> bytes:
    return bytes([x % 256]) * (8000 if x % 7 == 0 else 10)  # some lie in files, some in rows


@task
def total(parts: list[bytes]) -> int:
    return sum(part[0] * len(part) for part in parts)


@pipeline
def unplugged() -> int:
    return total(payload(each(list(range(ITEMS)))))


EXPECTED = total([payload(x) for x in range(ITEMS)])  # called here, they are plain functions


def begin(home: str, durability: str, write_back: str) -> None:
    """Drive a run in this process, with a line to stdout for each item that is said to be recorded, and a last one.

    Args:
        write_back: after so many items the kernel writes back what the store has handed to it, as it may at any moment.
    """
    told = 0

    def tell(step: Step) -> None:
        nonlocal told
        for event in step.events:
            if isinstance(event, ev.Succeeded) and event.node == "payload":
                if told == int(write_back):
                    sync(Path(home) / "store.db-wal")
                print(event.item, flush=True)  # noqa: T201  # its test reads that
                told += 1

    with Client(Path(home)) as client:
        client.run(trace(unplugged), Options("inline", durability=durability), tell)
    print("closed", flush=True)  # noqa: T201


def sync(path: Path, fsync: Callable[[int], None] = os.fsync) -> None:
    """Write a file back; with the `fsync` of the beginning, since tests take that from others."""
    fd = os.open(path, os.O_RDWR)
    fsync(fd)
    os.close(fd)
