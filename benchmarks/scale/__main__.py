"""Measure it: `python -m benchmarks.scale`, or with `--quick` a small one in a few seconds.

Time on the clock plays no part in it, but for `writers`: the rest runs in virtual time and counts CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.scale.parts import PARTS, QUICK, Plan, jobs
from benchmarks.scale.report import filled, markdown


def measure(plan: Plan, parts: tuple[str, ...], root: Path, disk: Path) -> dict[str, list[dict[str, Any]]]:
    """Measure parts, each job in a process of its own, so that the memory of one is not counted for the next.

    Args:
        root: where the stores are, most of which nobody needs to be durable.
        disk: where that of `writers` is, who wait for it.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for part in parts:
        for function, arguments in jobs(plan, part):
            place = disk if part == "writers" else root
            with tempfile.TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as folder:
                found.setdefault(part, []).append(_alone(function, plan, Path(folder) / "home", *arguments))
            told = ", ".join(f"{name} {_short(value)}" for name, value in found[part][-1].items())
            sys.stderr.write(f"{part} {' '.join(map(str, arguments))}: {told}\n")
    return found


def _alone(function: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main(arguments: list[str]) -> int:
    """Measure what the command line names; prints tables in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--tasks", type=int, help="of the largest run")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--runs", type=int, help="that share the workers")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--shrink", type=int, help="fairness: so many times fewer task runs and workers")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--parts", default=",".join(PARTS), help="of " + ", ".join(PARTS))
    parser.add_argument("--disk", default=".", help="a folder on the disk on which many processes write")
    parser.add_argument("--json", metavar="FILE", help="keep what was measured")
    parser.add_argument("--page", metavar="FILE", help="put the tables into the places that a page has for them")
    given = parser.parse_args(arguments)
    usual = asdict(QUICK if given.quick else Plan())
    plan = Plan(**{name: usual[name] if getattr(given, name, None) is None else getattr(given, name) for name in usual})
    memory = Path("/dev/shm")  # nothing there has to survive
    root = memory if memory.is_dir() else Path(tempfile.gettempdir())
    parts = tuple(given.parts.split(","))
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    found = measure(plan, parts, root, Path(given.disk))
    if given.json:
        told = {"plan": asdict(plan), "cores": len(os.sched_getaffinity(0)), "found": found}
        Path(given.json).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    if given.page:
        page = Path(given.page)
        page.write_text(filled(page.read_text(encoding="utf-8"), found), encoding="utf-8")
    sys.stdout.write(markdown(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
