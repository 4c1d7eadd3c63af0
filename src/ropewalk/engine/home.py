"""Where a project keeps its state: the folder `.ropewalk`, found upward like `.git`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ropewalk.core.errors import StoreError

FOLDER = ".ropewalk"
_MARKS = (FOLDER, ".git", "pyproject.toml", "ropewalk.toml")


@dataclass(frozen=True, slots=True)
class Home:
    """The folders of one project's state."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "store.db"

    @property
    def blobs(self) -> Path:
        return self.root / "blobs"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def checkpoints(self) -> Path:
        """What tasks have saved of work that is not finished (see `engine.checkpoint`)."""
        return self.root / "checkpoints"

    def log(self, run: int, node: str, item: int, attempt: int) -> Path:
        """The log of one attempt."""
        return self.logs / str(run) / f"{node.replace('/', '~')}.{item}.{attempt}.log"

    def spool(self, worker: str) -> Path:
        """Where a worker's present attempt is logged until it ends."""
        return self.logs / f"{worker}.spool"

    def prepare(self) -> None:
        """Make the folders.

        Raises:
            StoreError: they cannot be made or written to.
        """
        try:
            for folder in (self.root, self.blobs, self.logs):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            ignore = self.root / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")
            if not os.access(self.root, os.W_OK):
                raise PermissionError(13, "Permission denied", str(self.root))
        except OSError as error:
            raise StoreError(
                f"cannot write to `{self.root}`: {error.strerror or error}",
                code="P520" if error.errno == 28 else "P530",
                help=["check its permissions and the space on its disk", "or use another folder: ROPEWALK_HOME=…"],
            ) from error


def find_home(start: Path | None = None) -> Home:
    """The project's state folder: ROPEWALK_HOME, else the nearest `.ropewalk` upward, else in the project's root.

    The root is the nearest folder upward that holds `.git`, `pyproject.toml` or `ropewalk.toml`, else the start itself.
    """
    if given := os.environ.get("ROPEWALK_HOME"):
        return Home(Path(given).expanduser().absolute())
    here = (start or Path.cwd()).absolute()
    folders = [here, *here.parents]
    for folder in folders:
        if (folder / FOLDER).is_dir():
            return Home(folder / FOLDER)
    for folder in folders:
        if any((folder / mark).exists() for mark in _MARKS):
            return Home(folder / FOLDER)
    return Home(here / FOLDER)
