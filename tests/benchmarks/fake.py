"""A peer that does what a test asks of it: copied into a folder that BENCH_PEERS names. Standard library only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import bodies
from benchmarks.peer import Peer, Variant


def fan_out(n: int, folder: Path) -> int:
    return bodies.total([bodies.square(x) for x in bodies.numbers(n)])


def count(n: int, folder: Path) -> int:
    return n


def nothing(n: int, folder: Path) -> int:
    return 0


def wrong(n: int, folder: Path) -> int:
    return fan_out(n, folder) + 1


def raising(n: int, folder: Path) -> int:
    raise RuntimeError("there is no reason")


def hanging(n: int, folder: Path) -> int:
    signal.pause()
    return 0


def daemon(n: int, folder: Path) -> int:
    """Leaves a process behind that has lost its parent, and sits in a session of its own."""
    code = "import os, signal; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); signal.pause()"
    subprocess.run([sys.executable, "-c", code, f"left by {folder}"], check=True)
    return fan_out(n, folder)


def busy(n: int, folder: Path) -> int:
    """Uses CPU in a child that nobody waits for."""
    code = "import time\nwhile time.process_time() < 0.5: pass"
    child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    while child.poll() is None:
        time.sleep(0.01)
    return fan_out(n, folder)


def remembered(n: int, folder: Path) -> int:
    kept = folder / "kept"
    if not kept.exists():
        kept.write_text(str(fan_out(n, folder)))
    return int(kept.read_text())


def crash(n: int, folder: Path) -> int:
    """Keeps each square but the last one: when it is killed, that one is lost."""
    known = {int(path.name): int(path.read_text()) for path in folder.glob("[0-9]*")}
    if "half" not in os.environ and len(known) == 0:
        for x in range(n // 2):
            (folder / str(x)).write_text(str(bodies.square(x)))
        (folder / str(n // 2 - 1)).unlink()
        signal.pause()
    for x in bodies.numbers(n):
        if x not in known:
            known[x] = bodies.square(x)
    return bodies.total(list(known.values()))


def variant(name: str, **jobs) -> Variant:
    return Variant(name, f"as a test needs it: {name}", "nothing", "nothing", jobs, limits={"chain": 5}, module="json")


PEER = Peer(
    "fake",
    "",
    (
        variant("right", fanout=fan_out, rerun=fan_out, chain=count),
        variant("wrong", fanout=wrong),
        variant("raising", fanout=raising),
        variant("hanging", fanout=hanging),
        variant("daemon", fanout=daemon),
        variant("busy", fanout=busy),
        variant("keeping", rerun=remembered, crash=crash, resume=crash),
    ),
)
