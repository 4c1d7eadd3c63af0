"""What came of a simulation."""

from __future__ import annotations

from dataclasses import dataclass, field


class Broken(AssertionError):
    """Something has happened that never must."""


@dataclass
class Report:
    """What happened in a simulation, and what must not have."""

    seed: int
    turns: int = 0
    virtual_s: float = 0.0
    commits: int = 0
    crashes: int = 0
    cancels: int = 0
    lost_blobs: int = 0
    full_disks: int = 0
    trace: str = ""  # digest of all that happened: equal seeds have equal ones
    problems: list[str] = field(default_factory=list)

    @property
    def replay(self) -> str:
        """What to type to see it again."""
        return f"python -m ropewalk.testing.simulator {self.seed}"

    def __str__(self) -> str:
        told = f"seed {self.seed}: {self.turns} turns, {self.virtual_s:.0f} virtual seconds, {self.commits} commits, "
        told += f"{self.crashes} crashes, {self.cancels} cancels, {self.lost_blobs} lost blobs"
        return "\n".join([told, *self.problems, *([f"replay: {self.replay}"] if self.problems else [])])
