"""Run the campaign: `python -m tests.faults.campaign [--quick] [--only WORD] [--json FILE] [--page FILE]`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from tests.faults.campaign.experiments import EXPERIMENTS, Experiment
from tests.faults.campaign.row import Row, markdown
from tests.faults.campaign.subject import kill_what_is_left

PLACE = re.compile(r"(<!-- campaign: begin -->\n).*?(<!-- campaign: end -->)", re.DOTALL)


def machine() -> str:
    """What the figures were measured on."""
    memory_gb = psutil.virtual_memory().total / 2**30
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    return (
        f"{os.cpu_count()} CPUs with a load of {os.getloadavg()[2]:.1f} (the campaign and whatever else ran), "
        f"{memory_gb:.0f} GiB of memory, {system}, Python {platform.python_version()}"
    )


def campaign(words: list[str], quick: bool) -> list[Row]:
    rows = []
    for name, experiment in EXPERIMENTS.items():
        if words and not any(word in name for word in words):
            continue
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
            row = _do(name, experiment, Path(folder) / "place", quick)
        said = "ok" if row.is_clean else "; ".join(row.problems)
        sys.stderr.write(f"{name}: {said}, {time.monotonic() - started:.1f} s\n")
        rows.append(row)
    return rows


def _do(name: str, experiment: Experiment, place: Path, quick: bool) -> Row:
    """An experiment that comes to nothing is a row too: it shows that nothing was measured."""
    try:
        return experiment(place, quick)
    except pytest.skip.Exception as reason:
        return Row(name, remark=f"left out: {reason}")
    except Exception as error:  # noqa: BLE001
        return Row(name, remark="did not come to its end", problems=[str(error)])
    finally:
        kill_what_is_left()


def write_page(page: Path, table: str, where: str) -> None:
    """Put the table between the two marks of a page."""
    text = page.read_text(encoding="utf-8")
    new = PLACE.sub(lambda m: f"{m[1]}Measured on {where}.\n\n{table}{m[2]}", text)
    page.write_text(new, encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.campaign")
    parser.add_argument("--quick", action="store_true", help="as few repetitions as the test suite does")
    parser.add_argument("--only", nargs="*", default=[], metavar="WORD", help="experiments with this in their name")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report here, with every single time")
    parser.add_argument("--page", type=Path, metavar="FILE", help="put the table into this page, between its marks")
    given = parser.parse_args()
    rows, where = campaign(given.only, given.quick), machine()
    table = markdown(rows)
    sys.stdout.write(f"\n{where}\n\n{table}")
    if given.json:
        report = {"machine": where, "rows": [row.to_json() for row in rows]}
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if given.page:
        write_page(given.page, table, where)
    return 0 if all(row.is_clean for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
