"""Snakemake: rules whose jobs are commands that read and write files."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.peer import Peer, Variant

ROOT = Path(__file__).parents[2]
TASK = f"{sys.executable} {ROOT}/benchmarks/task.py"

CHAIN = """
rule all:
    input: "chain/$N"
rule step:
    input: lambda job: f"chain/{int(job.i) - 1}"
    output: "chain/{i}"
    shell: "$TASK step {output} {input}"
"""
FANOUT = """
rule sum_up:
    input: expand("squares/{i}", i=range($N))
    output: "total"
    shell: "$TASK total {output} squares"
rule square:
    input: "numbers"
    output: "squares/{i}"
    shell: "$TASK $BODY {output} {input}:{wildcards.i}"
rule numbers:
    output: "numbers"
    shell: "$TASK numbers {output} $N"
"""
LAYERED = """
from benchmarks.bodies import layers
PARENTS = layers($N)
rule all:
    input: expand("nodes{depth}/{i}", depth=range(10), i=range($N // 10))
rule source:
    output: "nodes0/{i}"
    shell: "$TASK source {output} {wildcards.i}"
rule mix:
    input: lambda job: [f"nodes{int(job.depth) - 1}/{i}" for i in PARENTS[int(job.depth)][int(job.i)]]
    output: "nodes{depth,[1-9]}/{i}"
    shell: "$TASK mix {output} {input}"
"""
FRAME = """
rule digest:
    input: "frames/5"
    output: "digest"
    shell: "$TASK digest_frame {output} {input}"
rule touch:
    input: lambda job: f"frames/{int(job.i) - 1}"
    output: "frames/{i,[1-9]}"
    shell: "$TASK touch_frame {output} {input}"
rule make:
    output: "frames/0"
    shell: "$TASK make_frame {output} $N"
"""
CPU = """
rule all:
    input: expand("spun/{i}", i=range($N))
rule spin:
    output: "spun/{i}"
    shell: "$TASK spin {output} {wildcards.i}"
"""
ONE = """
rule $BODY:
    output: "value"
    shell: "$TASK $BODY {output} $GIVEN"
"""


def snakemake(folder: Path, *options: str) -> str:
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--scheduler", "greedy", *options]
    return subprocess.run(command, cwd=folder, check=True, text=True, stdout=subprocess.PIPE).stdout


def write(folder: Path, snakefile: str, **values: Any) -> None:
    for name, value in {"TASK": TASK, **values}.items():
        snakefile = snakefile.replace(f"${name}", str(value))
    (folder / "Snakefile").write_text(snakefile)


def run(folder: Path, *results: str, options: tuple[str, ...] = ()) -> list[Any]:
    """Ask for what the first rule asks for, and read some files."""
    snakemake(folder, "--quiet", "all", *options)
    return [pickle.loads((folder / result).read_bytes()) for result in results]


def one(given: int, folder: Path, *, body: str) -> Any:
    write(folder, ONE, BODY=body, GIVEN=given if body == "talk" else "")
    return run(folder, "value")[0]


def chain(n: int, folder: Path) -> Any:
    write(folder, CHAIN, N=n)
    (folder / "chain").mkdir()
    (folder / "chain/0").write_bytes(pickle.dumps(0))
    return run(folder, f"chain/{n}")[0]


def fanout(n: int, folder: Path, *, body: str = "square", options: tuple[str, ...] = ()) -> Any:
    write(folder, FANOUT, N=n, BODY=body)
    return run(folder, "total", options=options)[0]


def resume(n: int, folder: Path) -> Any:
    snakemake(folder, "--unlock")
    return fanout(n, folder, body="nap", options=("--rerun-incomplete",))


def layered(n: int, folder: Path) -> int:
    write(folder, LAYERED, N=n)
    return sum(run(folder, *(f"nodes9/{i}" for i in range(n // 10))))


def frame(megabytes: int, folder: Path) -> Any:
    write(folder, FRAME, N=megabytes)
    return run(folder, "digest")[0]


def cpu(n: int, folder: Path) -> int:
    write(folder, CPU, N=n)
    return sum(run(folder, *(f"spun/{i}" for i in range(n))))


def plan(n: int, folder: Path) -> int:
    write(folder, FANOUT, N=n - 2, BODY="square")
    *_, nodes = re.findall(r"^total +(\d+)$", snakemake(folder, "--dry-run", "--quiet", "rules"), re.MULTILINE)
    return int(nodes)


PEER = Peer(
    name="snakemake",
    package="snakemake",
    variants=(
        Variant(
            name="snakemake",
            configuration="snakemake --cores 2 --scheduler greedy (tuned) --quiet all; a job is a shell command that"
            " starts one small Python script; after the kill: --unlock, then --rerun-incomplete",
            keeps="process",
            records="result in a file, metadata of its job in .snakemake, not fsynced",
            jobs={
                "hello": partial(one, body="hello"),
                "chain": chain,
                "fanout": fanout,
                "layered": layered,
                "rerun": fanout,
                "frame": frame,
                "cpu": cpu,
                "log": partial(one, body="talk"),
                "plan": plan,
                "crash": partial(fanout, body="nap"),
                "resume": resume,
            },
            limits={"chain": 200, "fanout": 1000, "layered": 500, "rerun": 1000, "plan": 1000},
        ),
    ),
)
