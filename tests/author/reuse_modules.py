"""Small modules for tests of fingerprints: written to a new folder, imported, and forgotten."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from ropewalk.author.source import clear_cache, fingerprint
from ropewalk.core.code import CodeFingerprint

SOURCES = Path(__file__).parents[2] / "src"
Load = Callable[..., ModuleType]


@contextmanager
def loader(folder: Path) -> Iterator[Load]:
    """Writes modules into a new folder and imports the first: `load(flow="…", **{"pkg/helpers": "…"})`."""
    before, path = set(sys.modules), [*sys.path]
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True

    def forget() -> None:
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
                del sys.modules[name]
        sys.path[:] = path
        clear_cache()

    def load(**sources: str) -> ModuleType:
        forget()
        home = folder / str(len(list(folder.iterdir())))
        for name, text in sources.items():
            file = home / f"{name}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(text))
        sys.path.insert(0, str(home))
        return importlib.import_module(next(iter(sources)).partition("/")[0])

    try:
        yield load
    finally:
        forget()
        sys.dont_write_bytecode = written


def digest_of(load: Load, text: str) -> str:
    """The fingerprint of `f` in a module with this text."""
    return fingerprint(load(flow=text).f).digest


def names_of(found: CodeFingerprint) -> list[str]:
    return [part.name for part in found.parts]
