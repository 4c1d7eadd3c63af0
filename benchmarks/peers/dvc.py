"""DVC: stages whose commands read and write files, and `dvc repro`, which has no parallel mode."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import bodies
from benchmarks.peer import Peer, Variant

ROOT = Path(__file__).parents[2]
FRAME_STEPS = 5
CONFIG = """
[core]
    no_scm = true
    analytics = false
    check_update = false
[cache]
    type = hardlink,copy
"""


def stage(body: str, out: str, *given: Any, deps: Iterable[str] = ()) -> dict[str, Any]:
    command = [sys.executable, f"{ROOT}/benchmarks/task.py", body, out, *map(str, given)]
    return {"cmd": " ".join(command), "deps": list(dict.fromkeys(deps)), "outs": [out]}


def dvc(folder: Path, stages: dict[str, Any], *arguments: str) -> str:
    """Use DVC in a folder that is a project already."""
    (folder / ".dvc").mkdir(exist_ok=True)
    (folder / ".dvc/config").write_text(CONFIG)
    (folder / "dvc.yaml").write_text(json.dumps({"stages": stages}))
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(folder / ".dvc/site")}
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, check=True, text=True, stdout=subprocess.PIPE).stdout


def run(folder: Path, stages: dict[str, Any], *results: str) -> list[Any]:
    dvc(folder, stages, "repro", "--quiet")
    return [pickle.loads((folder / result).read_bytes()) for result in results]


def hello(n: int, folder: Path) -> Any:
    return run(folder, {"hello": stage("hello", "hello.out")}, "hello.out")[0]


def chained(n: int, folder: Path) -> dict[str, Any]:
    (folder / "x0").write_bytes(pickle.dumps(0))
    return {f"step{i}": stage("step", f"x{i}", f"x{i - 1}", deps=[f"x{i - 1}"]) for i in range(1, n + 1)}


def chain(n: int, folder: Path) -> Any:
    return run(folder, chained(n, folder), f"x{n}")[0]


def fanout(n: int, folder: Path, *, body: str = "square") -> Any:
    (folder / "squares").mkdir(exist_ok=True)
    stages = {
        "numbers": stage("numbers", "numbers.out", n),
        "square": {
            "foreach": list(range(n)),
            "do": stage(body, "squares/${item}", "numbers.out:${item}", deps=["numbers.out"]),
        },
        "total": stage("total", "total.out", "squares", deps=(f"squares/{i}" for i in range(n))),
    }
    return run(folder, stages, "total.out")[0]


def layered(n: int, folder: Path) -> int:
    first, *later = bodies.layers(n)
    stages = {f"node0_{i}": stage("source", f"node0_{i}.out", i) for i in range(len(first))}
    for depth, layer in enumerate(later, 1):
        for i, parents in enumerate(layer):
            given = [f"node{depth - 1}_{p}.out" for p in parents]
            stages[f"node{depth}_{i}"] = stage("mix", f"node{depth}_{i}.out", *given, deps=given)
    return sum(run(folder, stages, *(f"node{len(later)}_{i}.out" for i in range(len(first)))))


def frame(megabytes: int, folder: Path) -> Any:
    stages = {"make": stage("make_frame", "frame0", megabytes)}
    for i in range(FRAME_STEPS):
        stages[f"touch{i}"] = stage("touch_frame", f"frame{i + 1}", f"frame{i}", deps=[f"frame{i}"])
    last = f"frame{FRAME_STEPS}"
    return run(folder, stages | {"digest": stage("digest_frame", "digest.out", last, deps=[last])}, "digest.out")[0]


def cpu(n: int, folder: Path) -> int:
    stages = {f"spin{i}": stage("spin", f"spun{i}", i) for i in range(n)}
    return sum(run(folder, stages, *(f"spun{i}" for i in range(n))))


def log(lines: int, folder: Path) -> Any:
    return run(folder, {"talk": stage("talk", "lines.out", lines)}, "lines.out")[0]


def plan(n: int, folder: Path) -> int:
    nodes = re.findall(r'^"\w+";$', dvc(folder, chained(n, folder), "dag", "--dot"), re.MULTILINE)
    return len(nodes)


PEER = Peer(
    name="dvc",
    package="dvc",
    variants=(
        Variant(
            name="dvc",
            configuration="dvc repro --quiet, one stage after the other (there is no parallel mode); core.no_scm and"
            " cache.type=hardlink (tuned); the command of a stage starts one small Python script",
            keeps="process",
            records="hashes of inputs and results in dvc.lock, results in files linked from the cache, not fsynced",
            jobs={
                "hello": hello,
                "chain": chain,
                "fanout": fanout,
                "layered": layered,
                "rerun": fanout,
                "frame": frame,
                "cpu": cpu,
                "log": log,
                "plan": plan,
                "crash": partial(fanout, body="nap"),
                "resume": partial(fanout, body="nap"),
            },
            limits={"chain": 200, "fanout": 100, "layered": 200, "rerun": 100, "plan": 1000},
        ),
    ),
)
