"""Running the real command line: as a process, with pipes or on a terminal of its own."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

SRC = Path(__file__).resolve().parents[2] / "src"
COMMAND = [sys.executable, "-m", "ropewalk"]
_FOREIGN = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "COLUMNS", "LINES", "LC_", "LANG", "ROPEWALK_", "PYTHONIOENCODING")

PIPELINE = """
import sys
from ropewalk import context, each, pipeline, task

@task
def load(size: int = 3) -> list[int]:
    print("loading", size)
    return list(range(size))

@task
def train(rows: list[int], c: float = 1.0) -> dict:
    print("training")
    context().log_metric("accuracy", 0.967 if c >= 1 else 0.947)
    return {"c": c, "loss": 1 / c}

@task
def double(x: int) -> int:
    return 2 * x

@task
def report(model: dict, doubled: list[int]) -> str:
    return f"{model['c']} {sum(doubled)}"

@pipeline
def demo(items: int = 4):
    return report(train(load()), double(each(list(range(items)))))

@pipeline(name="other-one")
def other():
    return load(size=5)
"""

# Its second task is held up by two named pipes: it says that it is under way, and goes on when the test lets it.
WAITS = """
from pathlib import Path
from ropewalk import pipeline, task

@task
def first(start: int) -> int:
    return start

@task
def wait(x: int) -> int:
    print("begun", flush=True)
    Path("under-way").write_text("")
    Path("go").read_text()
    print("ended")
    return x

@task
def after(x: int) -> int:
    print("after")
    return x

@pipeline
def waits(start: int = 1):
    return after(wait(first(start)))
"""


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str = ""


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of a plain shell with a UTF-8 locale, and those of the test."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return {**kept, "PYTHONPATH": str(SRC), "LANG": "C.UTF-8", "TERM": "xterm-256color", **(extra or {})}


def ropewalk(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None, text: str = "") -> Done:
    """Run a command with pipes for its streams."""
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, env=environment(env), input=text, capture_output=True, text=True,
        encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def on_terminal(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    rows: int = 24,
    columns: int = 100,
    when: Callable[[str], bool] | None = None,
    send: bytes = b"\x03",
) -> Done:
    """Run a command on a terminal of its own; `send` is typed once `when` holds for what was written so far."""
    variables = environment(env)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execvpe(COMMAND[0], [*COMMAND, *arguments], variables)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    written = b""
    give_up_at = time.monotonic() + 60
    while time.monotonic() < give_up_at:
        if select.select([terminal], [], [], 1.0)[0]:
            try:
                chunk = os.read(terminal, 65536)
            except OSError:
                break
            if not chunk:
                break
            written += chunk
        if when is not None and when(written.decode("utf-8", "replace")):
            os.write(terminal, send)
            when = None
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return Done(code, written.decode("utf-8", "replace").replace("\r\n", "\n"))


def plain(text: str) -> str:
    """Text without colours."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def masked(text: str) -> str:
    """Text without what differs from run to run: names of runs, moments, and durations with the spaces before them."""
    text = re.sub(r" \(saved [\d.]+s\)", "", plain(text))
    text = re.sub(r" +\d+\.\d+s\b", " 0.00s", text)
    text = re.sub(r"duration=\d+\.\d+", "duration=0.000", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d\d:\d\d", "2000-01-01 00:00:00 +00:00", text)
    return re.sub(r"(run \d+)  [a-z]+-[a-z]+", r"\1  two-words", text)


def waiting_project(folder: Path) -> Path:
    """A project whose pipeline is WAITS."""
    project(folder, WAITS)
    os.mkfifo(folder / "under-way")
    os.mkfifo(folder / "go")
    return folder


def begin(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a run of WAITS; returns once its second task is under way."""
    process = subprocess.Popen(
        [*COMMAND, "run", *arguments], cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    (folder / "under-way").read_text()
    return process


def ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process; its exit code."""
    process.communicate(timeout=30)
    return process.returncode


def no_waiting(folder: Path) -> None:
    """From now on nothing holds the second task of WAITS up."""
    for name in ("under-way", "go"):
        (folder / name).unlink()
        (folder / name).touch()


def project(folder: Path, source: str = PIPELINE) -> Path:
    """A folder with a pipeline and a state of its own."""
    (folder / ".ropewalk").mkdir(parents=True, exist_ok=True)
    (folder / "pipeline.py").write_text(source, encoding="utf-8")
    return folder
