"""What came of a simulation."""

from __future__ import annotations

from dataclasses import dataclass, field

from ropewalk.core import events as ev


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
    pauses: int = 0
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
        told += f"{self.crashes} crashes, {self.cancels} cancels, {self.pauses} pauses, {self.lost_blobs} lost blobs"
        return "\n".join([told, *self.problems, *([f"replay: {self.replay}"] if self.problems else [])])


def brief(event: ev.Event) -> str:
    """An event in a few words."""
    place = getattr(event, "node", "")
    items = (event.item,) if hasattr(event, "item") else getattr(event, "items", None)
    if place and items is not None:
        place += f"[{', '.join(map(str, items))}]"
    names = ("token", "turn", "length", "verdict", "reason", "by", "state", "effects")
    told = [f"{name} {getattr(event, name)}" for name in names if getattr(event, name, "") != ""]
    told += [event.failure.message] if isinstance(event, ev.AttemptFailed) else []
    return ", ".join([f"{type(event).__name__} {place}".strip(), *told])
