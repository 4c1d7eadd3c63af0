"""What a run was made of: commit, uncommitted changes, interpreter, platform and installed packages."""

from __future__ import annotations

import contextlib
import getpass
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from ropewalk.artifacts.blobs import Blobs
from ropewalk.core.values import digest

MAX_PATCH_BYTES = 5_000_000
_GIT_PATIENCE_S = 3


def collect(folder: Path, blobs: Blobs) -> dict[str, Any]:
    """Provenance of a run that is started in `folder`; what cannot be found out is left out."""
    packages = installed()
    found: dict[str, Any] = {
        "argv": sys.argv,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "packages": digest("\n".join(packages).encode())[:16],
        "lock": blobs.put_bytes("\n".join(packages).encode()),
        "folder": str(folder),
    }
    with contextlib.suppress(Exception):  # no user name in some containers
        found["user"] = getpass.getuser()
    return found | _git(folder, blobs)


def installed() -> list[str]:
    """Every installed distribution as "name==version", sorted; read from folder names, which takes a millisecond."""
    found = set()
    for entry in sys.path:
        folder = Path(entry)
        if folder.name in ("site-packages", "dist-packages") and folder.is_dir():
            for info in folder.glob("*.dist-info"):
                name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
                found.add(f"{name.lower().replace('_', '-')}=={version}")
    return sorted(found)


def _git(folder: Path, blobs: Blobs) -> dict[str, Any]:
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return {}
    commit = _run_git(folder, "rev-parse", "HEAD").decode().strip()
    if not commit:
        return {}
    found: dict[str, Any] = {"commit": commit}
    patch = _run_git(folder, "diff", "HEAD", "--no-ext-diff")
    if patch:
        found["dirty"] = True
        if len(patch) <= MAX_PATCH_BYTES:
            found["patch"] = blobs.put_bytes(patch)
    return found


def _run_git(folder: Path, *args: str) -> bytes:
    command = ["git", "-C", str(folder), *args]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, timeout=_GIT_PATIENCE_S, check=False)  # noqa: S603
        return done.stdout if done.returncode == 0 else b""
    return b""
