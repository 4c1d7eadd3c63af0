"""What a peer is: how somebody else's tool does the same work as Ropewalk. Standard library only, for any venv."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

Keeps: TypeAlias = Literal["nothing", "process", "power"]
"""What survives: nothing; what had finished when it is killed; that, and a power cut (fsync before it counts)."""

Job: TypeAlias = Callable[[int, Path], Any]
"""Does a workload of size n with an empty folder (or the one of the first run), and returns the value to be checked."""


def _nothing(_: Path) -> AbstractContextManager[Any]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of running a peer.

    Args:
        name: as users name it: `prefect`, `dagster-multiprocess`.
        configuration: one sentence, printed beside the figures: how it was set up, and what was tuned.
        keeps: what survives.
        records: in words what it writes down for each task: "state and result in SQLite", "nothing".
        jobs: what it can do: a workload's name to the function that does it. What is missing is not offered by it.
            `chain`, `fanout`, `layered`, `rerun`, `frame`, `cpu`, `log`, `plan`, `hello`; and for `crash` two: `crash`
            is killed half-way, `resume` is what a user does then.
        start: makes ready what a user would have running already (server, cluster, workers); timed apart. What it
            yields is not looked at: keep it in a global.
        limits: a workload's name to the largest size worth waiting for.
        module: what users import; empty: it is a command.
    """

    name: str
    configuration: str
    keeps: Keeps
    records: str
    jobs: Mapping[str, Job]
    start: Callable[[Path], AbstractContextManager[Any]] = _nothing
    limits: Mapping[str, int] = field(default_factory=dict)
    module: str = ""


@dataclass(frozen=True, slots=True)
class Peer:
    """A tool in a virtual environment of its own; `variants` come from one installation."""

    name: str  # of its file in benchmarks/peers, of its pins (NAME.txt beside it) and of its environment
    package: str  # whose version is reported
    variants: tuple[Variant, ...]
