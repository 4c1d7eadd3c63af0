"""Does one workload with one variant, inside its virtual environment. Standard library only.

    python -m benchmarks.host PEER VARIANT --check [WORKLOAD ...]     # every job at a tiny size: is it right?
    python -m benchmarks.host PEER VARIANT WORKLOAD N FOLDER          # started by benchmarks.watch

Sizes: `frame` in MB, `cpu` in calls of `spin(0)` … `spin(n - 1)` whose values are summed up, `log` in lines, `plan` in nodes
(the value is their number; nothing is executed), all others in tasks of the wide part.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import bodies
from benchmarks.peer import Peer, Variant
from benchmarks.watch import Ended, control, watch

ROOT = Path(__file__).parent.parent
CHECKED = {
    "hello": 1, "chain": 5, "fanout": 8, "layered": 20, "rerun": 8, "frame": 1, "cpu": 4, "log": 20, "plan": 50, "crash": 20,
    "plan+lookup": 50,
}  # fmt: skip
FRAME_STEPS = 5


def load(peer: str) -> Peer:
    """A peer, by the name of its file."""
    found: Peer = importlib.import_module(f"benchmarks.peers.{peer}").PEER
    return found


def find(peer: str, variant: str) -> Variant:
    """One way of running a peer, by name."""
    found = load(peer)
    for each in found.variants:
        if each.name == variant:
            return each
    raise SystemExit(f"{peer} has no variant {variant}; it has {', '.join(v.name for v in found.variants)}")


def do(variant: Variant, workload: str, n: int, folder: Path) -> None:
    """One workload, telling the watcher of the moments between which it is timed."""
    send = control()
    if variant.module:
        importlib.import_module(variant.module)
    send("mark loaded")
    with variant.start(folder):
        send("mark started")
        began = time.perf_counter()
        value = variant.jobs[workload](n, folder)
        wall_s = time.perf_counter() - began
        send("mark ended")
    send("mark closed")
    send(json.dumps({"value": value, "wall_s": wall_s}, default=str))


def environment(place: Path, python: str, more: Mapping[str, str]) -> dict[str, str]:
    """Nothing of ours but what a tool cannot do without; its home and its temporary files are in `place`."""
    for name in ("home", "tmp"):
        (place / name).mkdir(exist_ok=True)
    return {
        "PATH": f"{Path(python).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": str(place / "home"), "TMPDIR": str(place / "tmp"), "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "DO_NOT_TRACK": "1",
        "no_proxy": "localhost,127.0.0.1", "NO_PROXY": "localhost,127.0.0.1", **more,
        **{name: os.environ[name] for name in ("BENCH_PEERS",) if name in os.environ},
    }  # fmt: skip


def once(
    python: str, peer: str, variant: str, workload: str, n: int, place: Path, *,
    limit_s: float, ticks: Path | None = None, spins: int = 1000, kill_at: int | None = None,
) -> Ended:  # fmt: skip
    """Run this module for one workload and watch it.

    Args:
        place: holds its home, its temporary files, its output, and the folder of the workload; may be from a first run.
        ticks: the file for a line from each body.
        kill_at: everything is killed once there are so many lines.
    """
    folder = place / "work"
    folder.mkdir(parents=True, exist_ok=True)
    more = {bodies.SPINS: str(spins)} | ({bodies.TICKS: str(ticks)} if ticks else {})

    def enough() -> bool:
        return kill_at is not None and len(read_ticks(ticks)) >= kill_at

    command = [python, "-m", "benchmarks.host", peer, variant, workload, str(n), str(folder)]
    return watch(
        command, environment=environment(place, python, more), folder=folder, output=place / "output.txt", limit_s=limit_s,
        stop=enough,
    )  # fmt: skip


def read_ticks(path: Path | None) -> Counter[int]:
    """How often each body has ended."""
    if path is None or not path.exists():
        return Counter()
    return Counter(map(int, path.read_text().split()))


def executions(workload: str, n: int) -> range:
    """How many bodies a workload executes; fewer than the most, where calls are alike and a tool knows them again."""
    known = {"hello": 1, "log": 1, "plan": 0, "plan+lookup": 0, "frame": FRAME_STEPS + 2, "chain": n, "cpu": n}
    least = most = known.get(workload, n + 2)
    if workload == "layered":
        least, most = n // 10, n
    return range(least, most + 1)


def right(workload: str, n: int, value: Any, spins: int) -> bool:
    """Whether a value is what it has to be; that of a frame is compared with the floor's by the runner."""
    if workload == "cpu":
        os.environ[bodies.SPINS] = str(spins)
        return bool(value == sum(map(bodies.spin, range(n))))
    wanted = bodies.expected(workload, n)
    return value is not None and wanted in (None, value)


def check(peer: str, variant: str, workload: str, limit_s: float) -> str:
    """What is wrong with a job at a tiny size; empty: nothing."""
    n, place = CHECKED[workload], Path(tempfile.mkdtemp(prefix=".bench-", dir=ROOT))
    ticks, python = place / "ticks", sys.executable
    try:
        kill_at = n // 2 if workload == "crash" else None
        ended = once(python, peer, variant, workload, n, place, limit_s=limit_s, ticks=ticks, kill_at=kill_at)
        if workload == "crash":
            before = read_ticks(ticks)
            if ended.code is not None:
                return f"it ended, with {len(before)} bodies executed, before it could be killed" + _tail(place)
            ended = once(python, peer, variant, "resume", n, place, limit_s=limit_s, ticks=ticks)
            again = sum((read_ticks(ticks) - before)[item] for item in before)
            print(f"    of {len(before)} that had ended before the kill {again} were executed again", flush=True)
        elif workload == "rerun" and ended.code == 0:
            if read_ticks(ticks).total() != n + 2:
                return f"the first run has executed {read_ticks(ticks).total()} bodies, not {n + 2}"
            ticks.unlink()
            ended = once(python, peer, variant, workload, n, place, limit_s=limit_s, ticks=ticks)
            print(f"    the second run has executed {read_ticks(ticks).total()} bodies", flush=True)
        return _wrong(workload, n, ended, ticks, place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _wrong(workload: str, n: int, ended: Ended, ticks: Path, place: Path) -> str:
    if ended.code is None:
        return "it took too long" + _tail(place)
    if ended.code != 0 or not ended.answer:
        return f"exit code {ended.code}" + _tail(place)
    value = json.loads(ended.answer)["value"]
    if not right(workload, n, value, spins=1000):
        return f"the value is {value!r:.200}, not {bodies.expected(workload, n)!r}" + _tail(place)
    executed = read_ticks(ticks).total()
    wanted = executions(workload, n)
    if workload not in ("rerun", "crash") and executed not in wanted:
        return f"{executed} bodies were executed, not {wanted[-1]}"
    return ""


def _tail(place: Path) -> str:
    text = (place / "output.txt").read_text(errors="replace")[-3000:]
    return f"; its output ended with\n{text}" if text else ""


def _check_all(peer: str, variant: str, workloads: list[str], limit_s: float) -> int:
    jobs = find(peer, variant).jobs
    failed = 0
    for workload in workloads or [w for w in CHECKED if w in jobs]:
        problem = check(peer, variant, workload, limit_s)
        failed += bool(problem)
        print(f"{variant:24} {workload:8} {problem or 'ok'}", flush=True)
    return min(failed, 1)


def main() -> int:
    """Check, or do one workload."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer")
    parser.add_argument("variant")
    parser.add_argument("rest", nargs="*", metavar="WORKLOAD [N FOLDER]")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for each job that is checked")
    given = parser.parse_intermixed_args()
    if given.check:
        return _check_all(given.peer, given.variant, given.rest, given.limit)
    workload, n, folder = given.rest
    do(find(given.peer, given.variant), workload, int(n), Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
