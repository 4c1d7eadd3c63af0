"""What people type in a project with very many runs, timed: lists, one large run, one task of it, a new run.

    python -m benchmarks.many_runs                          # 100,000 runs with a million task runs
    python -m benchmarks.many_runs --runs 1000 --large 1 --calls 5 --json many-runs.json

Commands are called in one warm process, so that CPU time says what the store and our code cost; those marked `process`
are whole processes, interpreter included, with the memory that they took.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import pages
from benchmarks.crowd import LARGE, Said, command

SLOW_S = 1.0  # what takes longer is called a few times only
FEW = 3


@dataclass(frozen=True, slots=True)
class Figure:
    """What calls of one command took; times in milliseconds."""

    name: str
    calls: int
    cpu_p50: float
    cpu_p95: float
    wall_p50: float
    wall_p95: float
    wall_max: float
    peak_mb: float = 0.0  # of a whole process


@dataclass(frozen=True, slots=True)
class Case:
    """A command to measure.

    Attributes:
        shown: what it must write, so that a refusal is not taken for a fast answer.
        once: it changes the store, or costs much: it is called once.
    """

    name: str
    arguments: tuple[str, ...]
    shown: str = ""
    once: bool = False


def cases(runs: int) -> Iterator[Case]:
    """Everything that a person types whose time could grow with what has been run before."""
    last, deep = runs + 7, runs // 2
    yield Case("runs: first page", ("runs",), f"{last}  ")
    yield Case("runs: deep page", ("runs", "--before", str(deep)), f"{deep - 1}  ")
    yield Case("runs: one pipeline", ("runs", "--pipeline", "train-c"), "train-c")
    yield Case("runs: a pipeline that there is not", ("runs", "--pipeline", "nosuch"), "no such runs")
    yield Case("runs: failed", ("runs", "--state", "failed"), "✗ failed")
    yield Case("runs: failed of one pipeline", ("runs", "--pipeline", "train-c", "--state", "failed"), "✗ failed")
    yield Case("runs: cancelled, of which there are none", ("runs", "--state", "cancelled"), "no such runs")
    yield Case("runs: interrupted", ("runs", "--state", "interrupted"), "interrupted")
    yield Case("runs: running, of which there are none", ("runs", "--state", "running"), "no such runs")
    yield Case("runs: paused", ("runs", "--state", "paused"), "paused")
    yield Case("runs: one author", ("runs", "--author", "cleo"), "train-")
    yield Case(
        "runs: paused of one author and pipeline",
        ("runs", "--author", "cleo", "--pipeline", "train-c", "--state", "paused"),
        "paused",
    )
    yield Case("runs: since a week", ("runs", "--since", "7d"), f"{last}  ")
    yield Case("runs: failed since a moment", ("runs", "--since", "1ms", "--state", "failed"), "no such runs")
    yield Case("runs: large ones", ("runs", "--pipeline", "fanout"), f"{last}  ")
    yield Case("runs: JSON", ("runs", "--json"), '"run"')
    yield Case("runs: a thousand", ("runs", "--limit", "1000"), f"{last}  ")
    yield Case("show: by name", ("show", f"keen-lark-{deep}"), "run ")
    yield Case("show: no such name", ("show", "nosuch-name"), "there is no run")
    yield Case("show: 10,000 task runs", ("show", str(last)), "10,000 items")
    yield Case("show: 10,000 task runs, JSON", ("show", str(last), "--json"), '"square"')
    yield Case("show: 10,000 task runs, two failed", ("show", str(last - 1)), "is broken")
    yield Case("show: a mapped task", ("show", f"{last}/square"), "10,000 items")
    yield Case("show: one of 10,000", ("show", f"{last}/square/5000"), "25000000")
    yield Case("why: one of 10,000", ("why", f"{last}/square/5000"), "square")
    yield Case("lineage: the last task", ("lineage", f"{last}/total"), "square")
    yield Case("metrics", ("metrics", str(last)), "items")
    yield Case("artifacts", ("artifacts", str(last)), "square")
    yield Case("approvals", ("approvals",), "Go on?")
    yield Case("dlq", ("dlq", "list"), "is broken")
    yield Case("diff of two small runs", ("diff", "1", "2"), "no result differs")
    yield Case("plan: hello", ("plan", "pipeline.py:hello"), "hello")
    yield Case("run: hello, which is new each time", ("run", "hello", "--no-cache", "--executor", "inline"), "hello")
    yield Case("run: 10,000 reused", ("run", *LARGE), "cached", once=True)
    yield Case("run: 10,000 executed", ("run", *LARGE, "--no-cache"), "", once=True)
    yield Case("gc: what would go", ("gc", "--older-than", "330d", "--dry-run"), "Would forget", once=True)
    yield Case("gc", ("gc", "--older-than", "330d"), "Forgot", once=True)
    yield Case("doctor", ("doctor",), "store", once=True)


def processes(runs: int) -> Iterator[Case]:
    """Those that are measured as whole processes."""
    last = runs + 7
    yield Case("process: --version", ("--version",), "ropewalk")
    yield Case("process: runs", ("runs",), f"{last}  ")
    yield Case("process: show of 10,000 task runs", ("show", str(last)), "10,000 items")
    yield Case("process: show of 10,000 task runs, JSON", ("show", str(last), "--json"), '"square"')
    yield Case("process: show of a run that failed", ("show", str(last - 1)), "is broken")
    yield Case("process: completion of a run", (), f"{last}")


def measure(name: str, call: Callable[[], object], calls: int) -> Figure:
    """Call something often, or a few times if it is slow."""
    cpu, wall = [], []
    for number in range(calls):
        cpu_at, wall_at = time.process_time(), time.perf_counter()
        call()
        cpu.append(time.process_time() - cpu_at)
        wall.append(time.perf_counter() - wall_at)
        if number + 1 >= FEW and wall[-1] > SLOW_S:
            break
    return Figure(name, len(cpu), _at(cpu, 0.5), _at(cpu, 0.95), _at(wall, 0.5), _at(wall, 0.95), _at(wall, 1.0))


def _at(values: list[float], share: float) -> float:
    return round(1000 * sorted(values)[min(len(values) - 1, int(share * len(values)))], 2)


def in_this_process(folder: Path, case: Case, calls: int) -> Figure:
    """Measure a command in this process, once it is seen to give the right answer."""
    if not case.once:
        _check(case, command(folder, *case.arguments))
        return measure(case.name, lambda: command(folder, *case.arguments), calls)
    said: list[Said] = []
    figure = measure(case.name, lambda: said.append(command(folder, *case.arguments)), 1)
    _check(case, said[0])
    return figure


def as_a_process(folder: Path, case: Case, calls: int) -> Figure:
    """Measure a command as a process of its own, start of the interpreter included."""
    environment = dict(os.environ)
    if not case.arguments:  # what a shell asks for `ropewalk show <Tab>`
        environment |= {"_ROPEWALK_COMPLETE": "bash_complete", "COMP_WORDS": "ropewalk show ", "COMP_CWORD": "2"}
    cpu, wall, peak_kb = [], [], 0
    for _ in range(calls):
        wall_at = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "ropewalk", *case.arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        with process.stdout:
            text = process.stdout.read().decode()
        _, status, used = os.wait4(process.pid, 0)
        wall.append(time.perf_counter() - wall_at)
        process.returncode = os.waitstatus_to_exitcode(status)
        _check(case, Said(process.returncode, text))
        cpu.append(used.ru_utime + used.ru_stime)
        peak_kb = max(peak_kb, used.ru_maxrss)
    times = (_at(cpu, 0.5), _at(cpu, 0.95), _at(wall, 0.5), _at(wall, 0.95), _at(wall, 1.0))
    return Figure(case.name, calls, *times, round(peak_kb / 1024, 1))


def _check(case: Case, said: Said) -> None:
    if case.shown not in said.text:
        raise SystemExit(f"{case.name}: `ropewalk {' '.join(case.arguments)}` wrote:\n{said.text[:2000]}")


def show(figure: Figure) -> str:
    memory = f"{figure.peak_mb:8.0f} MB" if figure.peak_mb else ""
    return (
        f"{figure.name:44} {figure.calls:4} × cpu {figure.cpu_p50:9.1f} {figure.cpu_p95:9.1f}   "
        f"wall {figure.wall_p50:9.1f} {figure.wall_p95:9.1f} {figure.wall_max:9.1f}{memory}"
    )


def markdown(figures: Sequence[Figure]) -> str:
    """The same as a table."""
    lines = ["| what | CPU, p50 | p95 | wall, p50 | p95 | largest |", "|---|--:|--:|--:|--:|--:|"]
    for one in figures:
        times = (one.cpu_p50, one.cpu_p95, one.wall_p50, one.wall_p95, one.wall_max)
        lines.append(f"| {one.name} | {' | '.join(f'{ms:,.1f} ms' for ms in times)} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_runs", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--large", type=int, default=50, help="so many of the runs have 10,000 task runs")
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--only", default="", help="what begins so")
    parser.add_argument("--folder", type=Path, help="keep the project there, and use it again")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--page", type=Path, help="put the table into this page, where it says `many_runs`")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary) / "project"
        if not folder.exists():
            size = (str(given.runs), str(given.large))
            subprocess.run([sys.executable, "-m", "benchmarks.crowd", str(folder), *size], check=True)
        figures = []
        chosen = [(in_this_process, case) for case in cases(given.runs)]
        print(f"{given.runs:,} runs; milliseconds: p50 and p95, and for wall time the largest", flush=True)
        for how, case in [*((as_a_process, c) for c in processes(given.runs)), *chosen]:
            if case.name.startswith(given.only):
                figures.append(how(folder, case, given.calls if how is in_this_process else min(given.calls, 20)))
                print(show(figures[-1]), flush=True)
    if given.page is not None:
        pages.fill(given.page, "many_runs", markdown(figures))
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
