"""A run that tests kill: `python stubborn.py FOLDER`; each task starts a program that wants to outlive everything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ropewalk import each, pipeline, task
from ropewalk.author.pipeline import trace
from ropewalk.engine.client import Client, Options

PROGRAM = """
import os, signal, sys, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(600)
"""


@task
def start(folder: str, x: int) -> None:
    subprocess.run([sys.executable, "-c", PROGRAM, f"{folder}/pids"], check=True)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(f"{folder}/pids", "a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(600)


@pipeline
def stubborn(folder: str) -> None:
    start(folder, each([1, 2]))


def main() -> None:
    folder = Path(sys.argv[1])
    with Client(folder / "home") as client:
        client.run(trace(stubborn, {"folder": str(folder)}), Options(workers=2))


if __name__ == "__main__":
    main()
