"""A training loop that tests kill: `python training.py run|resume [forget]`, in a process of its own.

Every epoch is noted in a ledger outside the store, with the process that makes it: the oracle of what was lost.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from ropewalk import Retry, context, pipeline, task
from ropewalk.author.pipeline import trace
from ropewalk.engine.client import Client, Options
from ropewalk.store import runs

FOLDER = Path(os.environ.get("TRAINING_FOLDER", "."))
EPOCH_S = float(os.environ.get("TRAINING_EPOCH_S", "0.002"))
FORGETS = "forget" in sys.argv  # a planted bug: the task saves, but does not load
EPOCHS = 200
INTERVAL = 10  # epochs between two checkpoints


@dataclass
class Model:
    """A line through points, by stochastic descent; its random numbers are part of its state."""

    slope: float = 0.0
    offset: float = 0.0
    rng: random.Random = field(default_factory=lambda: random.Random(1))

    def fit_one(self) -> None:
        x = self.rng.uniform(-1, 1)
        error = self.slope * x + self.offset - (3 * x + 1)
        self.slope -= 0.1 * error * x
        self.offset -= 0.1 * error


def note(line: str) -> None:
    """Append a line in one write, which is whole or not there whatever is killed."""
    fd = os.open(FOLDER / "ledger", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, f"{line}\n".encode())
    os.close(fd)


@task(retry=Retry(100, delay="0s"))
def train(epochs: int) -> list[float]:
    checkpoint = context().checkpoint
    state = None if FORGETS else checkpoint.load()
    start, model = (0, Model()) if state is None else (state["epoch"] + 1, state["model"])
    timer = checkpoint.every(steps=INTERVAL)
    for epoch in range(start, epochs):
        note(f"{epoch} {os.getpid()}")
        time.sleep(EPOCH_S)  # stands for work
        model.fit_one()
        if timer.due():
            checkpoint.save({"epoch": epoch, "model": model, "history": bytes(8000)})
    return [model.slope, model.offset]


@pipeline
def training(epochs: int = EPOCHS) -> list[float]:
    return train(epochs)


def main() -> None:
    work, options = trace(training), Options(workers=1)
    with Client(FOLDER / "home") as client:
        if sys.argv[1] == "run":
            result = client.run(work, options)
        else:
            result = client.resume(runs.find(client.db, "last"), work, options)
        sys.stdout.write(json.dumps({"state": result.state, "output": result.output}) + "\n")


if __name__ == "__main__":
    main()
