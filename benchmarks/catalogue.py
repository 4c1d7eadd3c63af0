"""Which peers there are, whether they are installed, and in which environment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import benchmarks.peers
from benchmarks.host import ROOT, load
from benchmarks.peer import Peer
from benchmarks.results import Subject

VENVS = ROOT / "benchmarks/.venvs"
ALWAYS = ("floors", "ropewalk")  # they run in the project's own environment
SURVIVES = {"nothing": "nothing", "process": "kill -9, not a power cut", "power": "kill -9 and a power cut"}


def names() -> list[str]:
    """Of all peers: a file, and its pins beside it, for those that have an environment of their own."""
    files = [path for folder in benchmarks.peers.__path__ for path in Path(folder).glob("*.py")]
    return sorted(path.stem for path in files if path.stem in ALWAYS or path.with_suffix(".txt").exists())


def pins(name: str) -> Path | None:
    """The file that says what is installed for a peer; None: it needs nothing."""
    places = [Path(folder) / f"{name}.txt" for folder in benchmarks.peers.__path__]
    return next((place for place in places if place.exists()), None)


def python(name: str) -> str:
    """The interpreter that runs a peer; that of this process for those that need no environment."""
    found = pins(name)
    if name in ALWAYS or (found is not None and not found.read_text().strip()):
        return sys.executable
    return str(VENVS / name / "bin/python")


def is_installed(name: str) -> bool:
    """Whether its environment was finished."""
    return python(name) == sys.executable or (VENVS / name / ".stamp").exists()


def chosen(wanted: str) -> list[Peer]:
    """The floors, us, and the named peers: `prefect,ray`, `all` that are installed, or none.

    Raises:
        SystemExit: one is not there, or not installed.
    """
    known = [name for name in names() if name not in ALWAYS]
    asked = [name for name in wanted.split(",") if name]
    if asked == ["all"]:
        asked = [name for name in known if is_installed(name)]
    for name in asked:
        if name not in known:
            raise SystemExit(f"no peer `{name}`; there are {', '.join(known)}")
        if not is_installed(name):
            raise SystemExit(f"`{name}` is not installed; make bench-peers PEERS={name}")
    return [load(name) for name in (*ALWAYS, *asked)]


def version(name: str, package: str) -> str:
    """Of a package in the environment of a peer; empty: there is none."""
    if not package:
        return ""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    done = subprocess.run([python(name), "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def subjects(peers: Iterable[Peer]) -> list[Subject]:
    """All variants, as the report names them."""
    return [
        Subject(
            variant.name, peer.name, peer.package, number, variant.configuration, variant.keeps, variant.records,
            tuple(variant.jobs), bool(variant.module) and variant == peer.variants[0],
        )
        for peer in peers
        for number in [version(peer.name, peer.package)]
        for variant in peer.variants
    ]  # fmt: skip


def listing() -> str:
    """What `python -m benchmarks list` prints."""
    lines = []
    for name in names():
        peer = load(name)
        state = f"version {version(name, peer.package) or '–'}" if is_installed(name) else "not installed"
        lines.append(f"{name} ({state})")
        for variant in peer.variants:
            lines.append(f"  {variant.name}: {variant.configuration}")
            lines.append(f"    survives: {SURVIVES[variant.keeps]}; records: {variant.records}")
            lines.append(f"    does: {', '.join(variant.jobs)}")
    return "\n".join(lines)
