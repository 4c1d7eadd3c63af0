"""Several processes in one project: runs side by side, and what two of them want is computed once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.engine.live import Live, lines

PROGRAM = """
import json, os, sys, time
from pathlib import Path
from ropewalk import each, pipeline, task
from ropewalk.author.pipeline import trace
from ropewalk.engine.client import Client, Options

HERE = Path(sys.argv[1])

@task
def shared(x: int) -> int:
    with open(HERE / "ledger", "a") as ledger:
        ledger.write(f"shared {x}\\n")
    time.sleep(0.3)
    if (HERE / "dies").exists() and x == 0:
        (HERE / "dies").unlink()
        os._exit(1)
    if (HERE / "fails").exists() and x == 0:
        (HERE / "fails").unlink()
        raise ValueError("once")
    return x * 10

@task
def own(x: list[int], who: str) -> str:
    return f"{who} {sum(x)}"

@pipeline
def both(who: str):
    return own(shared(each(range(4))), who)

print("ready", flush=True)
sys.stdin.readline()
with Client(HERE / ".ropewalk") as client:
    result = client.run(trace(both, {"who": sys.argv[2]}), Options(sys.argv[3], 2))
    output = result.output if result.state == "succeeded" else None
    print(json.dumps([result.number, result.name, result.state, output]))
"""


def side_by_side(folder: Path, executor: str, count: int = 2) -> list[tuple[int, str, str, str | None]]:
    """What as many runs tell that begin at the same moment."""
    (folder / "program.py").write_text(PROGRAM)
    started = [
        subprocess.Popen(
            [sys.executable, str(folder / "program.py"), str(folder), str(number), executor],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ),
        )
        for number in range(count)
    ]  # fmt: skip
    for process in started:
        assert process.stdout.readline() == "ready\n"
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [process.communicate(timeout=60)[0] for process in started]
    assert [process.returncode for process in started] == [0] * count
    return [json.loads(text) for text in told]


def check(told: list[tuple[int, str, str, str | None]]) -> None:
    assert [(state, output) for _, _, state, output in told] == [("succeeded", f"{who} 60") for who in range(len(told))]
    assert len({number for number, *_ in told}) == len(told)
    assert len({name for _, name, *_ in told}) == len(told)


def test_what_runs_in_two_processes_want_is_computed_once(tmp_path: Path) -> None:
    check(side_by_side(tmp_path, "processes"))

    assert sorted(lines(tmp_path / "ledger")) == [f"shared {x}" for x in range(4)]
    assert Live(tmp_path).leases() == []


def test_what_four_runs_want_at_once_is_computed_once(tmp_path: Path) -> None:
    check(side_by_side(tmp_path, "inline", count=4))

    assert sorted(lines(tmp_path / "ledger")) == [f"shared {x}" for x in range(4)]


def test_who_waits_for_a_worker_that_dies_gets_the_result_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "dies").touch()

    check(side_by_side(tmp_path, "processes"))

    assert sorted(lines(tmp_path / "ledger")) == [f"shared {x}" for x in (0, 0, 1, 2, 3)]


def test_who_waits_for_a_task_that_fails_computes_it_itself(tmp_path: Path) -> None:
    (tmp_path / "fails").touch()

    told = side_by_side(tmp_path, "processes")

    assert sorted(state for _, _, state, _ in told) == ["failed", "succeeded"]
    assert sorted(lines(tmp_path / "ledger")) == [f"shared {x}" for x in (0, 0, 1, 2, 3)]
