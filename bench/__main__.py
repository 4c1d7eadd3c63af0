"""Run the benchmark: `python -m bench [--quick] [--json FILE]`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import decisions, floors, workloads
from ropewalk.engine.client import Client, Options, Work

WORKERS = 2


@dataclass(frozen=True, slots=True)
class Line:
    """One figure beside its budget."""

    workload: str
    measured: str
    floor: str
    budget: str
    ok: bool


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder on the disk of the current folder, since durability is what costs."""
    folder = Path(tempfile.mkdtemp(prefix=".bench-", dir="."))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def timed_run(work: Work, executor: str, *, home: Path, seed: int = 0) -> float:
    """Seconds of one run, from its creation to its end."""
    with Client(home) as client:
        started = time.perf_counter()
        result = client.run(work, Options(executor=executor, workers=WORKERS, seed=seed))
        took = time.perf_counter() - started
    if result.state != "succeeded":
        raise AssertionError(result)
    return took


def median(measure: Callable[[], float], repeat: int) -> float:
    return statistics.median(measure() for _ in range(repeat))


def fan_outs(n: int, repeat: int) -> Iterator[Line]:
    pool = median(lambda: floors.process_pool(n, WORKERS), repeat)
    for executor, least in (("processes", 5_000), ("inline", 15_000)):
        times, again = [], []
        for _ in range(repeat):
            with scratch() as home:
                times.append(timed_run(workloads.fan_out(n), executor, home=home))
                again.append(timed_run(workloads.fan_out(n), executor, home=home))
        rate = n / statistics.median(times)
        share = pool / statistics.median(times)
        beside = f"{share:.2f} × process pool ({n / pool:,.0f}/s)"
        ok = rate >= least and (executor == "inline" or share >= 0.5)
        yield Line(
            f"fan-out {n:,}, {executor}, durable", f"{rate:,.0f} tasks/s", beside,
            f"≥ {least:,}/s" + (", ≥ 0.5 ×" if executor == "processes" else ""), ok,
        )  # fmt: skip
        reused = statistics.median(again)
        yield Line(f"rerun {n:,}, {executor}, all reused", f"{reused:.2f} s", "", "≤ 1.0 s", reused <= 1.0)


def chains(n: int, repeat: int) -> Iterator[Line]:
    ratios, ours = [], []
    for turn in range(repeat):
        with scratch() as home:
            floor = floors.commit_and_round_trip(n, home)
            took = timed_run(workloads.chain(n), "processes", home=home / "h", seed=turn)
        ratios.append(took / floor)
        ours.append(took)
    ratio, took = statistics.median(ratios), statistics.median(ours)
    yield Line(
        f"chain {n:,}, processes, durable", f"{took / n * 1000:.2f} ms/task", f"{ratio:.2f} × commit + round trip",
        "≤ 1.5 ×", ratio <= 1.5,
    )  # fmt: skip


def large(n: int) -> Iterator[Line]:
    """The scheduler's memory is measured in a process of its own."""
    code = (
        "import sys; from pathlib import Path; from bench.__main__ import timed_run;"
        "from bench.workloads import fan_out; home = Path(sys.argv[1]);"
        "small = timed_run(fan_out(int(sys.argv[2]) // 10), 'processes', home=home / 'a');"
        "big = timed_run(fan_out(int(sys.argv[2])), 'processes', home=home / 'b');"
        "peak = next(l for l in open('/proc/self/status') if l.startswith('VmHWM'));"  # not inherited, as ru_maxrss is
        "print(small, big, int(peak.split()[1]) / 1024)"
    )
    with scratch() as home:
        done = subprocess.run(
            [sys.executable, "-c", code, str(home), str(n)], capture_output=True, text=True, check=True
        )
    small, big, megabytes = map(float, done.stdout.split())
    growth = big / (10 * small)
    beside = f"{growth:.2f} × linear from {n // 10:,}"
    yield Line(
        f"fan-out {n:,}, processes", f"{n / big:,.0f} tasks/s, {megabytes:.0f} MB", beside,
        "linear, ≤ 600 MB", growth <= 1.3 and megabytes <= 600,
    )  # fmt: skip


def frames(megabytes: int) -> Iterator[Line]:
    with scratch() as home:
        floor = floors.write_and_read(megabytes, 5, home)
        took = timed_run(workloads.frames(megabytes), "processes", home=home / "h")
    ratio = took / floor
    yield Line(
        f"frame of {megabytes} MB through five tasks", f"{took:.2f} s", f"{ratio:.2f} × raw write and read",
        "≤ 1.5 ×", ratio <= 1.5,
    )  # fmt: skip


def starts(repeat: int) -> Iterator[Line]:
    bare = median(lambda: _wall([sys.executable, "-c", "pass"]), repeat)
    imported = median(lambda: _wall([sys.executable, "-c", "import ropewalk"]), repeat)
    extra = (imported - bare) * 1000
    yield Line(
        "import ropewalk", f"{extra:.0f} ms over bare Python", f"{imported / bare:.1f} × bare", "≤ 60 ms", extra <= 60
    )
    command = str(Path(sys.executable).with_name("ropewalk"))
    version = median(lambda: _wall([command, "--version"]), repeat)
    yield Line("ropewalk --version", f"{version:.2f} s", f"{version / bare:.1f} × bare", "≤ 0.1 s", version <= 0.1)
    first, again = [], []
    for _ in range(repeat):
        with scratch() as folder:
            _wall([command, "init"], folder)
            first.append(_wall([command, "run"], folder))
            again.append(_wall([command, "run"], folder))
    hello, rerun = statistics.median(first), statistics.median(again)
    yield Line("first run of hello", f"{hello:.2f} s", f"{hello / bare:.0f} × bare", "≤ 0.5 s", hello <= 0.5)
    yield Line("fully reused rerun of hello", f"{rerun:.2f} s", f"{rerun / bare:.0f} × bare", "≤ 0.3 s", rerun <= 0.3)


def _wall(command: list[str], folder: Path | None = None) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=_environment(folder))
    return time.perf_counter() - started


def _environment(folder: Path | None) -> dict[str, str]:
    home = {} if folder is None else {"ROPEWALK_HOME": str(folder.absolute() / "home")}
    return {**os.environ, **home}


def thinking(sizes: tuple[int, ...]) -> Iterator[Line]:
    costs = {n: decisions.cost_s(n) * 1e6 for n in sizes}
    shown = ", ".join(f"{cost:.1f} µs at {n:,}" for n, cost in costs.items())
    growth = costs[sizes[-1]] / costs[sizes[0]]
    ok = costs[sizes[-1]] <= 20 and growth <= 1.5
    yield Line("scheduler decision", shown, f"{growth:.2f} × from first to last", "≤ 20 µs, flat", ok)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller sizes, one repetition")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    repeat, scale = (1, 10) if options.quick else (3, 1)
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, durable (SQLite, FULL), medians of {repeat}\n")
    print(f"{'workload':42} {'measured':34} {'beside it':36} {'budget':18}")
    lines: list[Line] = []
    groups = (
        starts(repeat + 2), thinking((1_000, 10_000 // scale, 100_000 // scale)), fan_outs(10_000 // scale, repeat),
        chains(1_000 // scale, repeat), frames(200 // scale), large(100_000 // scale),
    )  # fmt: skip
    for group in groups:
        for line in group:
            lines.append(line)
            mark = "ok" if line.ok else "MISSED"
            print(f"{line.workload:42} {line.measured:34} {line.floor:36} {line.budget:18} {mark}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{sum(line.ok for line in lines)} of {len(lines)} budgets met; this process peaked at {peak:.0f} MB")
    if options.json:
        options.json.write_text(json.dumps([asdict(line) for line in lines], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
