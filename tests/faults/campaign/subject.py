"""A run that faults are done to, as its tormentor sees it: its processes and its ledger, nothing of its inside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil

T = TypeVar("T")

PROGRAM = Path(__file__).with_name("program.py")
PATIENCE_S = 100.0
_STARTED: list[subprocess.Popen[str]] = []


@dataclass
class Subject:
    """One folder with a ledger and a store, and a pipeline that is run and resumed there."""

    folder: Path
    pipeline: str = "spread"
    params: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)  # more of the environment
    home: Path | None = None  # None: beside the ledger
    told: list[dict[str, Any]] = field(default_factory=list)  # what processes said at their end
    void: list[tuple[float, float]] = field(default_factory=list)  # when what was acknowledged does not count

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.home = self.home or self.folder / "home"

    def start(self, mode: str = "run") -> subprocess.Popen[str]:
        env = {
            **os.environ, "CAMPAIGN_FOLDER": str(self.folder), "CAMPAIGN_HOME": str(self.home),
            "CAMPAIGN_PARAMS": json.dumps(self.params), **self.settings,
        }  # fmt: skip
        command = [sys.executable, str(PROGRAM), self.pipeline, mode]
        _STARTED.append(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        return _STARTED[-1]

    def finish(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        """Wait for its end; what it told."""
        out, _ = process.communicate(timeout=PATIENCE_S * 5)
        if process.returncode != 0:
            raise AssertionError(f"{self.pipeline} ended with {process.returncode}: {out[-2000:]}")
        self.told.append(json.loads(out.splitlines()[-1]))
        return self.told[-1]

    def lines(self, name: str) -> list[list[str]]:
        """What was noted under a name so far, the moment last."""
        path = self.folder / name
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def count(self, name: str) -> int:
        path = self.folder / name
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def pids(self) -> set[int]:
        """Every process that has ever told of itself."""
        said = [(name, -2) for name in ("opened", "begun", "strays", "children", "occupied")]
        return {int(words[at]) for name, at in said for words in self.lines(name)}


def kill(process: subprocess.Popen[str]) -> float:
    """Kill -9, and when."""
    process.kill()
    at = time.monotonic()
    process.communicate()
    return at


def kill_what_is_left() -> None:
    """After an experiment that did not come to its end."""
    while _STARTED:
        process = _STARTED.pop()
        if process.poll() is None:
            kill(process)
        elif process.stdout is not None:
            process.stdout.close()


def until(look: Callable[[], T], within_s: float = PATIENCE_S) -> T:
    """Look until something true is seen.

    Raises:
        TimeoutError: it was not seen in time.
    """
    deadline = time.monotonic() + within_s
    while True:
        if seen := look():
            return seen
        if time.monotonic() > deadline:
            raise TimeoutError(f"not seen within {within_s:g} s")
        time.sleep(0.002)


def until_more(subject: Subject, name: str, more: int, process: subprocess.Popen[str]) -> bool:
    """Wait for so many more lines; False: the process has ended before."""
    wanted = subject.count(name) + more
    until(lambda: subject.count(name) >= wanted or process.poll() is not None)
    return process.poll() is None


def alive(pids: set[int], within_s: float = 10.0) -> set[int]:
    """Which of these processes are still there after some patience."""
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, left = psutil.wait_procs(processes, timeout=within_s)
    return {process.pid for process in left if process.is_running() and process.status() != psutil.STATUS_ZOMBIE}
