"""What faults are done to: `python program.py PIPELINE run|resume`, a real run in a process of its own.

Tasks and the listener write to a ledger outside the store, so that the store can be judged by it. Settings come from
the environment: CAMPAIGN_FOLDER (ledger), CAMPAIGN_HOME, CAMPAIGN_PARAMS (JSON), CAMPAIGN_WORKERS, CAMPAIGN_GRACE_S
and CAMPAIGN_PLANT (a bug).
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("CAMPAIGN_FOLDER", "."))


def follow_clock_file() -> None:
    """From here on `time.time` is off by as many seconds as the file `clock` says; no other clock is touched."""
    if not (FOLDER / "clock").exists():
        return
    with open(FOLDER / "clock", "rb") as file:
        offset, real = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ), time.time
    time.time = lambda: real() + struct.unpack("d", offset[:8])[0]


follow_clock_file()  # before anything takes the clock for itself

from ropewalk import Resources, Retry, context, each, pipeline, task  # noqa: E402
from ropewalk.author.pipeline import trace  # noqa: E402
from ropewalk.core import events as ev  # noqa: E402
from ropewalk.core.errors import RopewalkError  # noqa: E402
from ropewalk.engine import pools  # noqa: E402
from ropewalk.engine.client import Client, Options  # noqa: E402
from ropewalk.engine.executors import processes  # noqa: E402
from ropewalk.engine.scheduler import Step  # noqa: E402
from ropewalk.store import runs  # noqa: E402


def note(name: str, *words: object) -> None:
    """Append a line in one write, which is whole or not there whatever is killed."""
    fd = os.open(FOLDER / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, " ".join(map(str, (*words, time.monotonic(), "\n"))).encode())
    os.close(fd)


def begin(item: int) -> None:
    note("begun", context().node, item, os.getpid())


@task
def numbers(n: int) -> list[int]:
    return list(range(n))


@task(retry=Retry(50))
def work(x: int, task_s: float, size_bytes: int) -> bytes:
    begin(x)
    time.sleep(task_s)
    note("ended", x)
    return x.to_bytes(4, "big") * (size_bytes // 4 * (2500 if x % 7 == 0 else 1))  # some in files, some in rows


@task
def total(parts: list[bytes]) -> int:
    return sum(int.from_bytes(part[:4], "big") for part in parts)


@pipeline
def spread(n: int = 300, task_s: float = 0.01, size_bytes: int = 4, timeout_s: float | None = None) -> int:
    return total(work.options(timeout=timeout_s)(each(numbers(n)), task_s, size_bytes))


@task
def noise(x: int, size_bytes: int) -> bytes:
    begin(x)
    return os.urandom(size_bytes)


@task
def sizes(parts: list[bytes]) -> int:
    return sum(map(len, parts))


@pipeline
def noises(n: int, size_bytes: int) -> int:
    return sizes(noise(each(numbers(n)), size_bytes))


@task(retry=Retry(50))
def parent(x: int, task_s: float) -> int:
    """Waits for a program that it has started."""
    begin(x)
    program = subprocess.Popen(["sleep", str(task_s)])
    note("children", x, program.pid)
    if program.wait() != 0:
        raise ChildProcessError(f"the program ended with {program.returncode}")
    return x


@pipeline
def parents(n: int, task_s: float) -> int:
    return total_of(parent(each(numbers(n)), task_s))


@task
def total_of(parts: list[int]) -> int:
    return sum(parts)


def stay() -> None:
    """Go on for ever, whatever one is asked."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(600)


@task
def hang(x: int) -> int:
    """Ignores SIGTERM, as does the daemon that it leaves."""
    begin(x)
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        note("strays", os.getpid())
        stay()
    os.waitpid(child, 0)
    stay()
    return x


@pipeline
def hangs(timeout_s: float | None = None) -> int:
    return hang.options(timeout=timeout_s)(0)


@task(timeout=1)
def bomb(most: int) -> None:
    """Processes that start processes, all in sessions of their own, until there are `most`."""
    begin(0)
    shared = mmap.mmap(-1, 8)
    while (count := struct.unpack("q", shared[:8])[0]) < most:
        shared[:8] = struct.pack("q", count + 1)
        if os.fork() == 0:
            os.setsid()
            note("strays", os.getpid())
        time.sleep(0.001)
    stay()


@pipeline
def bombs(most: int) -> None:
    bomb(most)


@task
def chat(size_bytes: int) -> int:
    """Log lines without an end."""
    begin(0)
    piece = b"x" * (1 << 20)
    for _ in range(size_bytes >> 20):
        os.write(1, piece)
    return size_bytes


@pipeline
def chats(size_bytes: int) -> int:
    return chat(size_bytes)


@task
def huge(size_bytes: int) -> bytes:
    begin(0)
    return bytes(size_bytes)


@task
def length(value: bytes) -> int:
    return len(value)


@pipeline
def huges(size_bytes: int) -> int:
    return length(huge(size_bytes))


@task(retry=Retry(3, delay="200ms"), timeout="1m")
def fail_once(x: int) -> int:
    begin(x)
    time.sleep(0.02)
    if context().attempt == 1:
        raise ValueError("once")
    return x


@pipeline
def fails_once(n: int) -> int:
    return total_of(fail_once(each(numbers(n))))


@task(cache=False, resources=Resources(pools={"campaign": 1}))
def occupy(x: int, task_s: float) -> int:
    """Holds a slot."""
    note("occupied", x, os.getpid())
    time.sleep(task_s)
    note("freed", x, os.getpid())
    return x


@pipeline
def occupies(n: int, task_s: float) -> int:
    return total_of(occupy(each(numbers(n)), task_s))


def acknowledge(step: Step) -> None:
    for event in step.events:
        if isinstance(event, ev.Succeeded):
            note("acks", event.node, event.item, event.outputs["result"].digest)
        elif isinstance(event, ev.AttemptFailed) and event.failure.kind != "returned":
            note("failures", event.node, event.item, event.failure.kind)


def drive(client: Client, name: str, mode: str) -> dict[str, Any]:
    params = json.loads(os.environ.get("CAMPAIGN_PARAMS", "{}"))
    options = Options(workers=int(os.environ.get("CAMPAIGN_WORKERS", "2")))
    traced = trace(globals()[name], params)
    if mode == "run":
        result = client.run(traced, options, acknowledge)
    else:
        unfinished = runs.unfinished(client.db)
        run = unfinished[0] if unfinished else runs.find(client.db, "last")
        result = client.resume(run, traced, options, acknowledge)
    return {"run": result.number, "state": result.state, "output": result.output if result.state == "succeeded" else 0}


def main() -> None:
    if grace_s := os.environ.get("CAMPAIGN_GRACE_S"):
        processes.GRACE_S = float(grace_s)
    if os.environ.get("CAMPAIGN_PLANT") == "counter":
        pools.is_alive = lambda _: True  # what is held is given back by whoever took it, or never: a counter
    note("opened", os.getpid())
    open_before = len(os.listdir("/proc/self/fd"))
    try:
        with Client(os.environ["CAMPAIGN_HOME"]) as client:
            told = drive(client, sys.argv[1], sys.argv[2])
    except RopewalkError as error:
        told = {"error": error.code, "title": error.title}
    told["left_open"] = len(os.listdir("/proc/self/fd")) - open_before
    told["peak_bytes"] = peak_bytes()
    sys.stdout.write(json.dumps(told) + "\n")


def peak_bytes() -> int:
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("VmHWM:")).split()[1]) * 1024


if __name__ == "__main__":
    main()
