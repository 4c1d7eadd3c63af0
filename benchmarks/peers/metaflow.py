"""Metaflow: a flow is a class in a script that runs itself, each step in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.peer import Peer, Variant

FRAME_STEPS = 5
HEAD = """
import json
from pathlib import Path

from metaflow import FlowSpec, step

from benchmarks import bodies


class Bench(FlowSpec):
"""
STEP = """
    @step
    def {name}({arguments}):
        {statement}
        {after}
"""
LAST = 'Path(__file__).with_name("value.json").write_text(json.dumps(self.value))'
FOOT = """

if __name__ == "__main__":
    Bench()
"""


def step(name: str, statement: str, after: str = LAST, arguments: str = "self") -> str:
    return STEP.format(name=name, arguments=arguments, statement=statement, after=after)


def line(*statements: str) -> str:
    """The steps of a flow, one after another."""
    names = ["start", *(f"step{i}" for i in range(1, len(statements) - 1)), "end"]
    nexts = [*(f"self.next(self.{name})" for name in names[1:]), LAST]
    return "".join(map(step, names, statements, nexts))


def mapped(items: str, body: str, total: str) -> str:
    """A step for each item, and one that joins them."""
    return (
        step("start", f"self.items = {items}", "self.next(self.each, foreach='items')")
        + step("each", f"self.y = {body}(self.input)", "self.next(self.join)")
        + step("join", f"self.value = {total}([each.y for each in inputs])", "self.next(self.end)", "self, inputs")
        + step("end", "pass")
    )


def run(steps: str, n: int, folder: Path, command: str = "run") -> Any:
    flow = folder / "flow.py"
    flow.write_text(HEAD + steps + FOOT)
    environment = {"METAFLOW_USER": "bench", "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder)}
    before = ["--no-pylint", "--quiet", "--datastore=local", "--metadata=local"]
    after = ["--max-workers", "2", "--max-num-splits", str(n)]
    called = [sys.executable, str(flow), *before, command, *after]
    subprocess.run(called, check=True, cwd=folder, env=os.environ | environment)
    return json.loads((folder / "value.json").read_text())


def hello(n: int, folder: Path) -> Any:
    return run(line("self.value = bodies.hello()", "pass"), 1, folder)


def chain(n: int, folder: Path) -> Any:
    return run(line("self.value = bodies.step(0)", *["self.value = bodies.step(self.value)"] * (n - 1)), 1, folder)


def fanout(n: int, folder: Path) -> Any:
    return run(mapped(f"bodies.numbers({n})", "bodies.square", "bodies.total"), n, folder)


def frame(megabytes: int, folder: Path) -> Any:
    touched = ["self.frame = bodies.touch_frame(self.frame)"] * FRAME_STEPS
    made, digest = f"self.frame = bodies.make_frame({megabytes})", "self.value = bodies.digest_frame(self.frame)"
    return run(line(made, *touched, digest), 1, folder)


def cpu(n: int, folder: Path) -> Any:
    return run(mapped(f"list(range({n}))", "bodies.spin", "sum"), n, folder)


def log(lines: int, folder: Path) -> Any:
    return run(line(f"self.value = bodies.talk({lines})", "pass"), 1, folder)


def crash(n: int, folder: Path, command: str = "run") -> Any:
    return run(mapped(f"bodies.numbers({n})", "bodies.nap", "bodies.total"), n, folder, command)


def resume(n: int, folder: Path) -> Any:
    return crash(n, folder, "resume")


PEER = Peer(
    name="metaflow",
    package="metaflow",
    variants=(
        Variant(
            name="metaflow",
            module="metaflow",
            configuration="`python flow.py run` with --max-workers 2 --quiet --no-pylint (tuned), local datastore and"
            " metadata; fan-out: foreach and join; resume: `python flow.py resume`; there is no cache across runs",
            keeps="process",
            records="values and output of each step in files, not fsynced",
            jobs={
                "hello": hello, "chain": chain, "fanout": fanout, "frame": frame, "cpu": cpu, "log": log,
                "crash": crash, "resume": resume,
            },
            limits={"chain": 50, "fanout": 100},
        ),
    ),
)  # fmt: skip
