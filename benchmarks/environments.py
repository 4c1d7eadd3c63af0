"""`make bench-peers`: a virtual environment for each peer, from its pins; made anew when these have changed."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks import catalogue
from benchmarks.host import ROOT


def install(wanted: str) -> int:
    """Make what is not there yet; what fails is named, and the others are made nevertheless."""
    known = [name for name in catalogue.names() if name not in catalogue.ALWAYS]
    names = [name for name in wanted.split(",") if name] or known
    for name in names:
        if name not in known:
            raise SystemExit(f"no peer `{name}`; there are {', '.join(known)}")
    failed = [name for name in names if not _install(name)]
    if failed:
        print(f"bench-peers: not installed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _install(name: str) -> bool:
    pins = catalogue.pins(name)
    assert pins is not None
    if not pins.read_text().strip():
        return True  # it runs in the project's own environment
    venv = catalogue.VENVS / name
    stamp, wanted = venv / ".stamp", hashlib.sha256(pins.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        print(f"bench-peers: {name} is there")
        return True
    packages = {_plain(line) for line in pins.read_text().splitlines() if line.strip()}
    if packages <= _installed(venv):
        print(f"bench-peers: {name} is there, as pinned")
    else:
        print(f"bench-peers: {name}: {len(packages)} packages into {venv.relative_to(ROOT)}", flush=True)
        if not _make(venv, pins):
            return False
    stamp.write_text(wanted)
    return True


def _installed(venv: Path) -> set[str]:
    """The pins of what an environment has; none where there is no environment."""
    code = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()), sep='\\n')"
    try:
        done = subprocess.run([str(venv / "bin/python"), "-c", code], capture_output=True, text=True, check=False)
    except OSError:
        return set()
    return {_plain(line) for line in done.stdout.splitlines()}


def _plain(pin: str) -> str:
    """In the one spelling that all names of packages have."""
    return re.sub(r"[-_.]+", "-", pin.strip().partition("==")[0]).lower() + "==" + pin.strip().partition("==")[2]


def _make(venv: Path, pins: Path) -> bool:
    shutil.rmtree(venv, ignore_errors=True)
    pip = [str(venv / "bin/python"), "-m", "pip", "install", "-qq", "--no-input", "--disable-pip-version-check"]
    for command in ([sys.executable, "-m", "venv", str(venv)], [*pip, "--no-deps", "-r", str(pins)]):
        if subprocess.run(command, check=False).returncode != 0:
            return False
    return True
