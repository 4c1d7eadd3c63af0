"""Where the scheduler's time goes: `python -m benchmarks.where`, a table of wall time by kind of work.

A timer interrupts the scheduler's process twice a millisecond. The time since the last interruption counts for the
function that is found at work, so a long call into C counts as a whole, and nothing is slowed down as by a tracer.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Self

from benchmarks import pages
from benchmarks.peers.ropewalk import Way, added_up, project, work

EVERY_S = 0.0005
RULES = (  # part of a path, name of a function or nothing, kind; the innermost frame that fits counts
    ("benchmarks/bodies", "", "tasks"),
    ("executors/processes", "_wait", "waiting for workers"),
    ("executors/channel", "waits", "waiting for workers"),
    ("store/database", "transaction", "commits"),
    ("store/database", "", "SQL"),
    ("json/", "", "serialising"),
    ("core/pickling", "", "serialising"),
    ("executors/channel", "", "serialising"),
    ("store/stretch", "", "serialising"),
    ("store/", "", "rows and events"),
    ("core/events", "", "rows and events"),
    ("core/cachekey", "", "keys and inputs"),
    ("engine/inputs", "", "keys and inputs"),
    ("engine/prepare", "", "keys and inputs"),
    ("engine/reuse", "", "keys and inputs"),
    ("artifacts/", "", "artifacts"),
    ("engine/attempt", "", "tasks"),
    ("executors/", "", "executor"),
    ("core/", "", "deciding"),
    ("plan/", "", "deciding"),
    ("engine/", "", "scheduling"),
)
KINDS = (*dict.fromkeys(kind for _, _, kind in RULES), "the rest")
DEFAULT = "chain=1000 inline:chain=1000 fanout=10000 inline:fanout=10000 layered=5000 rerun=10000 frame=200".split()


class Sampler:
    """Counts seconds by kind while it is entered."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(KINDS, 0.0)
        self._last = 0.0

    def __enter__(self) -> Self:
        self._last = time.perf_counter()
        signal.signal(signal.SIGALRM, self._sample)
        signal.setitimer(signal.ITIMER_REAL, EVERY_S, EVERY_S)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _sample(self, _: int, frame: FrameType | None) -> None:
        now = time.perf_counter()
        self.seconds[kind_of(frame)] += now - self._last
        self._last = now


def kind_of(frame: FrameType | None) -> str:
    """What the innermost function that a rule knows is doing."""
    while frame is not None:
        path, name = frame.f_code.co_filename, frame.f_code.co_name
        for part, function, kind in RULES:
            if part in path and function in ("", name):
                return kind
        frame = frame.f_back
    return "the rest"


def profile(workload: str, n: int, executor: str) -> dict[str, float]:
    """Seconds by kind of one run, from its graph to its result."""
    way = Way(executor)
    name = "fanout" if workload == "rerun" else workload
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=".") as folder, project(Path(folder)):
        run = way.run(name)
        if workload == "rerun":
            run(n, Path(folder))
        work(name, n)  # imports and traces once, so that the table shows the run
        with Sampler() as sampler:
            added_up(run(n, Path(folder)))
    return sampler.seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workloads", nargs="*", default=DEFAULT, help="chain=1000 inline:fanout=10000")
    parser.add_argument("--page", type=Path, help="put the table into this page, where it says `where`")
    given = parser.parse_args()
    table: list[tuple[str, int, dict[str, float]]] = []
    for text in given.workloads:
        executor, _, rest = text.rpartition(":")
        name, _, size = rest.partition("=")
        print(f"  {text}", file=sys.stderr)
        table.append((text, int(size), profile(name, int(size), executor or "processes")))
    print(markdown(table))
    if given.page:
        pages.fill(given.page, "where", markdown(table))
    return 0


def markdown(table: list[tuple[str, int, dict[str, float]]]) -> str:
    """Microseconds a task, or milliseconds where there are few, with a column for each kind that occurs."""
    kinds = [kind for kind in KINDS if any(seconds[kind] / sum(seconds.values()) > 0.005 for _, _, seconds in table)]
    lines = [f"| workload | all | {' | '.join(kinds)} |", "|---|--:|" + "--:|" * len(kinds)]
    for name, n, seconds in table:
        per, unit = (n / 1e6, "µs") if n >= 500 else (1e-3, "ms")
        cells = [_cell(seconds[kind] / per, seconds[kind] / sum(seconds.values())) for kind in kinds]
        lines.append(f"| `{name}` | {sum(seconds.values()) / per:,.0f} {unit} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(amount: float, share: float) -> str:
    return "–" if share < 0.005 else f"{amount:,.0f} ({share:.0%})"


if __name__ == "__main__":
    sys.exit(main())
