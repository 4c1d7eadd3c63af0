"""One line of the report for each kind of fault, and the report as text and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Row:
    """What a fault, so many times repeated, has done.

    Attributes:
        lost: results that had been acknowledged, and were executed again or are missing at the end.
        duplicated: task runs whose outcome was recorded more than once, or changed.
        corrupt: files whose bytes are not those of their name, rows that differ from their events, damage in the store.
        leaked: processes, leases, temporary files and open files that are left when all is over.
        detect_s: seconds from each fault until it was acted upon; empty: nothing needs to notice it.
        recover_s: seconds from each fault, or from the restart after it, until work went on.
        problems: in words whatever makes the counts differ from 0.
    """

    fault: str
    repetitions: int = 0
    lost: int = 0
    duplicated: int = 0
    corrupt: int = 0
    leaked: int = 0
    detect_s: list[float] = field(default_factory=list)
    recover_s: list[float] = field(default_factory=list)
    remark: str = ""
    problems: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.duplicated or self.corrupt or self.leaked or self.problems)

    def to_json(self) -> dict[str, Any]:
        return {
            **asdict(self), "detect_s": [round(x, 4) for x in self.detect_s],
            "recover_s": [round(x, 4) for x in self.recover_s],
        }  # fmt: skip


HEAD = ("fault", "times", "lost", "duplicated", "corrupt", "leaked", "noticed after", "going on after", "remark")


def markdown(rows: Iterable[Row]) -> str:
    """The report as a table."""
    lines = [HEAD, ("---", *["--:"] * 7, "---"), *map(_cells, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    counts = (row.repetitions, row.lost, row.duplicated, row.corrupt, row.leaked)
    return (row.fault, *map(str, counts), _spread(row.detect_s), _spread(row.recover_s), row.remark)


def _spread(seconds: Sequence[float]) -> str:
    """The median, and the worst in brackets."""
    if not seconds:
        return "–"
    if len(seconds) == 1:
        return _seconds(seconds[0])
    return f"{_seconds(statistics.median(seconds))} ({_seconds(max(seconds))})"


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
