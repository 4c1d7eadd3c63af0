"""Very many task runs at once, and a restart in the middle of them."""

from __future__ import annotations

import time
from pathlib import Path

from tests.faults.campaign.oracle import judge
from tests.faults.campaign.row import Row
from tests.faults.campaign.subject import Subject, kill, until_more

MIB = 1 << 20


def burst(place: Path, quick: bool) -> Row:
    """Ten thousand task runs that are ready at the same moment."""
    items = 2000 if quick else 10_000
    row = Row(f"{items:,} task runs at once")
    subject = Subject(place, params={"n": items, "task_s": 0.0})
    told = subject.finish(subject.start())
    moments = [float(line[-1]) for line in subject.lines("acks")]
    row.repetitions += 1
    judge(row, subject)
    took_s = moments[-1] - moments[0]
    row.remark = f"all noted and acknowledged in {took_s:.1f} s; scheduler at most {told['peak_bytes'] // MIB} MiB"
    return row


def restart_with_many_open(place: Path, quick: bool) -> Row:
    """Kill -9 of a scheduler whose run has ten thousand task runs to do, and `resume`."""
    items = 2000 if quick else 10_000
    row = Row(f"restart with {items:,} open task runs")
    subject = Subject(place, params={"n": items, "task_s": 0.0 if quick else 0.001})
    process = subject.start()
    for _ in range(1 if quick else 5):
        until_more(subject, "begun", items // 10, process)
        kill(process)
        started_at, before = time.monotonic(), subject.count("begun")
        process = subject.start("resume")
        until_more(subject, "begun", 1, process)
        row.recover_s.append(float(subject.lines("begun")[before][-1]) - started_at)
        row.repetitions += 1
    subject.finish(process)
    judge(row, subject)
    row.remark = "going on: from the start of `resume`, Python's own included, to the first task"
    return row
