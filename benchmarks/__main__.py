"""`python -m benchmarks COMMAND`: what Ropewalk costs, side by side with other tools and with plain Python."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main() -> int:
    given = _parser().parse_args()
    command = {
        "run": run, "list": listing, "report": report, "targets": targets, "check": check, "install": install,
    }[given.command]  # fmt: skip
    return command(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    one = commands.add_parser("run", help="measure us, the floors and other tools, interleaved")
    one.add_argument(
        "--peers", default="", help="prefect,ray; all: whatever is installed; nothing: only us and the floors"
    )
    one.add_argument("--workloads", default="", help="chain,fanout; nothing: all")
    one.add_argument("--sizes", default="small", help="small, full, quick, or fanout=100+1000,chain=50")
    one.add_argument("--repeat", type=int, default=3, help="repetitions")
    one.add_argument("--quick", action="store_true", help="tiny sizes, once: does it work at all?")
    one.add_argument("--timeout", type=float, default=120.0, help="seconds for each run")
    one.add_argument("--json", type=Path, help="where the figures go (benchmarks/results/latest.json)")
    commands.add_parser("list", help="peers: version, configuration, what survives")
    one = commands.add_parser("report", help="Markdown and a chart from the figures of a run")
    one.add_argument("results", type=Path, nargs="*", help="benchmarks/results/latest.json; several are put together")
    one.add_argument("--docs", action="store_true", help="write docs/reference/benchmark.md and its charts")
    one = commands.add_parser("targets", help="our targets, us beside the floors: `make bench`")
    one.add_argument("--quick", action="store_true", help="small sizes, once")
    one.add_argument("--repeat", type=int, default=3, help="repetitions of what is quick")
    one.add_argument("--json", type=Path, help="write the lines to this file")
    one.add_argument("--page", type=Path, help="put the table into this page, where it says `targets`")
    one = commands.add_parser("check", help="our ratios to the floors beside the accepted ones: `make bench-check`")
    one.add_argument("--accept", action="store_true", help="accept the ratios that are measured now")
    one = commands.add_parser("install", help="make the environments of peers: `make bench-peers`")
    one.add_argument("peers", nargs="?", default="", help="ray,dask; nothing: all")
    return parser


def run(given: argparse.Namespace) -> int:
    from benchmarks import report, runner

    size, repeat = ("quick", 1) if given.quick else (given.sizes, given.repeat)
    results = runner.run(runner.request_from(given.peers, given.workloads, size, repeat, given.timeout))
    path = given.json or runner.newest()
    results.save(path)
    print(report.text(results))
    print(f"\nkept in {path}; python -m benchmarks report {path}", file=sys.stderr)
    return 0


def listing(_: argparse.Namespace) -> int:
    from benchmarks import catalogue

    print(catalogue.listing())
    return 0


def report(given: argparse.Namespace) -> int:
    from benchmarks import report, runner
    from benchmarks.results import merged, read

    paths = given.results or [runner.newest()]
    results = merged([read(path) for path in paths]) if len(paths) > 1 else read(paths[0])
    for written in report.write(results, paths[0], docs=given.docs):
        print(written)
    return 0


def targets(given: argparse.Namespace) -> int:
    from benchmarks import targets

    repeat, scale = (1, 10) if given.quick else (given.repeat, 1)
    return targets.main(repeat=repeat, scale=scale, path=given.json, page=given.page)


def check(given: argparse.Namespace) -> int:
    from benchmarks import regressions

    return regressions.accept() if given.accept else regressions.check()


def install(given: argparse.Namespace) -> int:
    from benchmarks import environments

    return environments.install(given.peers)


if __name__ == "__main__":
    sys.exit(main())
