"""One run of one workload by one variant: in a fresh folder, in processes of its own, with its value checked."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.host import ROOT, Cell, environment, once, read_ticks, right
from benchmarks.results import Measured
from benchmarks.watch import Ended, Order, watch

FOLDER = ".bench-"
_SHOWN = 2000  # characters of the output of what failed


@dataclass(slots=True)
class Terms:
    """What holds for all runs of a session.

    Args:
        limit_s: seconds for the timed part, and as many for what comes before it.
        spins: turns of the loop of `spin`.
        counted: whether the bodies that are executed are counted, which costs a little.
        known: values by workload and size that the first run had, where nothing else says what they must be.
    """

    limit_s: float = 120.0
    spins: int = 1000
    counted: bool = False
    known: dict[tuple[str, int], Any] = field(default_factory=dict)


def measure(cell: Cell, terms: Terms) -> Measured:
    """Run it, and clean up behind it."""
    with scratch() as place:
        try:
            found = _WAYS.get(cell.workload, _plain)(cell, terms, place)
        except OSError as error:
            found = _nothing(cell, "failed", f"{type(error).__name__}: {error}")
        store = place / "work/home/store.db"
        sizes = {"store_bytes": float(store.stat().st_size)} if store.exists() else {}
        return replace(found, facts={**found.facts, **sizes})


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder on the disk of the checkout, since durability is what costs."""
    place = Path(tempfile.mkdtemp(prefix=FOLDER, dir=ROOT))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _once(cell: Cell, terms: Terms, place: Path, **more: Any) -> Ended:
    return once(cell, place, limit_s=terms.limit_s, spins=terms.spins, **more)


def _plain(cell: Cell, terms: Terms, place: Path) -> Measured:
    ticks = place / "ticks" if terms.counted else None
    found = _judged(cell, terms, place, _once(cell, terms, place, ticks=ticks))
    return replace(found, facts={"executed": read_ticks(ticks).total()}) if terms.counted else found


def _hello(cell: Cell, terms: Terms, place: Path) -> Measured:
    """The whole process; what a server takes to start and to stop is left out."""
    ticks = place / "ticks" if terms.counted else None
    ended = _once(cell, terms, place, ticks=ticks)
    found = _judged(cell, terms, place, ended)
    if found.outcome != "ok":
        return found
    spans = [ended.between("exec", "loaded"), ended.between("started", "ended"), ended.between("closed", "exit")]
    wall_s, cpu_s = (sum(span[i] for span in spans) for i in (0, 1))
    command_s, command_cpu_s = ended.between("started", "ended")
    executed = {"executed": float(read_ticks(ticks).total())} if terms.counted else {}
    facts = {"command_s": command_s, "command_cpu_s": command_cpu_s, **executed}
    return replace(found, wall_s=wall_s, cpu_s=cpu_s, facts=facts)


def _rerun(cell: Cell, terms: Terms, place: Path) -> Measured:
    """The same fan-out in a second process: nothing should be executed again."""
    first = _plain(cell, terms, place)
    if first.outcome != "ok":
        return first
    ticks = place / "ticks again"
    found = _judged(cell, terms, place, _once(cell, terms, place, ticks=ticks))
    executed = read_ticks(ticks).total()
    found = replace(found, facts={"executed": executed} | ({"first": first.facts["executed"]} if terms.counted else {}))
    if found.outcome == "ok" and executed:
        return replace(found, outcome="again", why=f"{executed} of {cell.n + 2} tasks were computed again")
    return found


def _crash(cell: Cell, terms: Terms, place: Path) -> Measured:
    """Everything is killed when half of the tasks have ended; then it is resumed."""
    ticks = place / "ticks"
    ended = _once(cell, terms, place, ticks=ticks, kill_at=cell.n // 2)
    before = read_ticks(ticks)
    if ended.code is not None or before.total() < cell.n // 2:
        return _nothing(cell, "failed", f"it was not killed half-way: {before.total()} tasks had ended; {_tail(place)}")
    resumed = replace(cell, workload="resume")
    found = _judged(cell, terms, place, _once(resumed, terms, place, ticks=ticks))
    again = sum((read_ticks(ticks) - before)[item] > 0 for item in before)
    return replace(found, facts={"finished": len(before), "again": again})


def _import(cell: Cell, terms: Terms, place: Path) -> Measured:
    """Of the module users import, over a bare interpreter in the same environment; the least of three."""
    (place / "work").mkdir()
    ended, bare, with_module = Ended(), list[Ended](), list[Ended]()
    for _ in range(3):
        for code, found in (("pass", bare), (f"import {cell.module}", with_module)):
            command, around = [cell.python, "-c", code], environment(place, cell.python, {})
            ended = watch(Order(command, around, str(place / "work"), str(place / "output.txt"), terms.limit_s))
            if ended.code != 0:
                return _nothing(cell, "timeout" if ended.code is None else "failed", _tail(place))
            found.append(ended)
    (bare_s, bare_cpu_s), (wall_s, cpu_s) = (
        tuple(min(ended.between("exec", "exit")[i] for ended in found) for i in (0, 1)) for found in (bare, with_module)
    )
    return Measured(
        cell.variant, cell.workload, cell.n, "ok", "", max(wall_s - bare_s, 0.0), max(cpu_s - bare_cpu_s, 0.0), wall_s,
        0.0, ended.peak_bytes, ended.largest_bytes, {"bare_s": bare_s},
    )  # fmt: skip


_WAYS: Mapping[str, Callable[[Cell, Terms, Path], Measured]] = {
    "hello": _hello, "rerun": _rerun, "crash": _crash, "import": _import,
}  # fmt: skip


def _judged(cell: Cell, terms: Terms, place: Path, ended: Ended) -> Measured:
    """What came of it, with the value compared."""
    if ended.code is None:
        return _nothing(cell, "timeout", f"it took more than {terms.limit_s:g} s; {_tail(place)}")
    if ended.code != 0 or not ended.answer:
        return _nothing(cell, "failed", f"exit code {ended.code}; {_tail(place)}")
    answer = json.loads(ended.answer)
    value, (_, cpu_s) = answer["value"], ended.between("started", "ended")
    is_right = right(cell.workload, cell.n, value, terms.spins) and _as_before(cell, terms, value)
    return Measured(
        cell.variant, cell.workload, cell.n, "ok" if is_right else "wrong",
        "" if is_right else f"its value is {value!r:.200}", answer["wall_s"], cpu_s, ended.marks["exit"].at_s,
        ended.between("loaded", "started")[0], ended.peak_bytes, ended.largest_bytes, value=value,
    )  # fmt: skip


def _as_before(cell: Cell, terms: Terms, value: Any) -> bool:
    """What a frame comes to is not known beforehand, but must be the same for everybody."""
    if cell.workload != "frame":
        return True
    known = terms.known.setdefault((cell.workload, cell.n), value)
    return isinstance(value, float) and math.isclose(known, value, rel_tol=1e-9)


def _nothing(cell: Cell, outcome: Any, why: str) -> Measured:
    return Measured(cell.variant, cell.workload, cell.n, outcome, why.replace(str(ROOT), "."))


def _tail(place: Path) -> str:
    """What it said last, without the name of the folder."""
    output = place / "output.txt"
    text = output.read_text(errors="replace").strip() if output.exists() else ""
    return text.replace(str(place), "…").replace(str(ROOT), "")[-_SHOWN:]
