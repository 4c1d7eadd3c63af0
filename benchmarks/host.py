"""Does one workload with one variant, inside its virtual environment. Standard library only.

    python -m benchmarks.host PEER VARIANT --check [WORKLOAD ...]     # every job at a tiny size: is it right?
    python -m benchmarks.host PEER VARIANT WORKLOAD N FOLDER          # started by benchmarks.watch

Sizes: `frame` in MB, `cpu` in calls of `spin(0)` … `spin(n - 1)` whose values are summed up, `log` in lines, `plan` in
nodes (the value is their number; nothing is executed), all others in tasks of the wide part.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import bodies
from benchmarks.peer import Peer, Variant
from benchmarks.watch import Ended, Order, control, watch

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Cell:
    """What is to be run, and by whom.

    Args:
        python: the interpreter of the environment in which the peer is installed.
        module: what its users import.
    """

    peer: str
    variant: str
    workload: str
    n: int
    python: str = sys.executable
    module: str = ""


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
    cell: Cell, place: Path, *, limit_s: float, ticks: Path | None = None, spins: int = 1000, kill_at: int = 0
) -> Ended:
    """Run this module for one workload and watch it.

    Args:
        place: holds its home, its temporary files, its output, and the folder of the workload; may be from a first run.
        ticks: the file for a line from each body.
        kill_at: everything is killed once there are so many lines; 0: it is not.
    """
    folder = place / "work"
    folder.mkdir(parents=True, exist_ok=True)
    more = {bodies.SPINS: str(spins)} | ({bodies.TICKS: str(ticks)} if ticks else {})

    named = [cell.peer, cell.variant, cell.workload, str(cell.n), str(folder)]
    return watch(
        Order(
            [cell.python, "-m", "benchmarks.host", *named], environment(place, cell.python, more), str(folder),
            str(place / "output.txt"), limit_s, str(ticks or ""), kill_at,
        )
    )  # fmt: skip


def read_ticks(path: Path | None) -> Counter[int]:
    """How often each body has ended."""
    if path is None or not path.exists():
        return Counter()
    return Counter(map(int, path.read_text().split()))


def right(workload: str, n: int, value: Any, spins: int) -> bool:
    """Whether a value is what it has to be; that of a frame is compared with the floor's by the runner."""
    if workload == "cpu":
        return bool(value == sum(spun(seed, spins) for seed in range(n)))
    wanted = bodies.expected(workload, n)
    return value is not None and wanted in (None, value)


def spun(seed: int, turns: int) -> int:
    """What `spin` returns, without the loop: a turn is x → ax + b, and so are two, four, … turns."""
    a, b, all_a, all_b, modulus = 1_103_515_245, 12_345, 1, 0, 1 << 31
    while turns:
        if turns & 1:
            all_a, all_b = all_a * a % modulus, (all_b * a + b) % modulus
        a, b, turns = a * a % modulus, (a * b + b) % modulus, turns >> 1
    return (all_a * seed + all_b) % modulus


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
        from benchmarks.checking import check_all  # which is built on this module

        return check_all(given.peer, given.variant, given.rest, given.limit)
    workload, n, folder = given.rest
    do(find(given.peer, given.variant), workload, int(n), Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
