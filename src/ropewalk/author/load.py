"""Finding pipelines in files and modules."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import linecache
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from ropewalk.author.failure import author_where
from ropewalk.author.pipeline import Pipeline
from ropewalk.author.sourcetext import compile_source, read_source
from ropewalk.author.watchdog import Hang, time_limit
from ropewalk.core.errors import DefinitionError, RopewalkError, did_you_mean

IMPORT_LIMIT_S = 30.0
_DIGEST = "__ropewalk_source__"  # on a module that was loaded here: of the bytes that it was made from


def find_pipeline(target: str, *, limit_s: float | None = None) -> Pipeline[..., Any]:
    """The pipeline that a command line names: `file.py`, `file.py:name`, `package.module` or `package.module:name`.

    Without a name there must be one pipeline only.

    Raises:
        DefinitionError: the file or module cannot be loaded (P230), takes too long (P231), has no pipeline or none of
            that name (P232), or several (P233).
    """
    place, name = _split(target)
    module = _load(place, limit_s)
    found = _pipelines(module)
    if name:
        return _named(place, name, module, found)
    if not found:
        raise _none(place)
    if len(found) > 1:
        raise DefinitionError(
            f"`{place}` has {len(found)} pipelines",
            code="P233",
            facts=[f"{p.name} at {p.declared}" for p in found],
            help=[f"say which: {place}:{p.name}" for p in found[:5]],
        )
    return found[0]


def load_file(path: str | Path, *, limit_s: float | None = None) -> list[Pipeline[..., Any]]:
    """The pipelines of a file, in the order in which it defines them.

    The file becomes a module under its own name, as `python file.py` would find it: with its folder first on the
    search path. A file that calls `os._exit` while it is imported ends the process.

    Args:
        path: the file.
        limit_s: how long importing may take; None: `ROPEWALK_IMPORT_TIMEOUT`, or 30 s. It holds in the main thread.

    Raises:
        DefinitionError: see `find_pipeline`.
    """
    found = _pipelines(_load(str(path), limit_s))
    if not found:
        raise _none(str(path))
    return found


def _split(target: str) -> tuple[str, str]:
    place, colon, name = target.rpartition(":")
    return (place, name) if colon and "/" not in name and not name.endswith(".py") else (target, "")


def _load(place: str, limit_s: float | None) -> ModuleType:
    if place.endswith(".py") or os.sep in place or Path(place).exists():
        return _module_of_file(Path(place), limit_s)
    if not all(part.isidentifier() for part in place.split(".")):
        raise DefinitionError(
            f"`{place}` is neither a file nor a module", code="P230", help=["pipeline.py:name", "package.module:name"]
        )
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    with _guarded(place, limit_s):
        return importlib.import_module(place)


def _module_of_file(path: Path, limit_s: float | None) -> ModuleType:
    source = read_source(path)
    path = path.resolve()
    digest = hashlib.sha256(source).hexdigest()
    name, own_folder_first = _module_name(path)
    known = sys.modules.get(name)
    if known is not None and getattr(known, _DIGEST, "") == digest:
        return known
    code = compile_source(path, source)
    _search_in(str(path.parent), first=own_folder_first)
    linecache.checkcache(str(path))
    module = ModuleType(name)
    module.__file__ = str(path)
    module.__spec__ = importlib.util.spec_from_file_location(name, path)
    module.__loader__ = module.__spec__.loader if module.__spec__ else None
    setattr(module, _DIGEST, digest)
    sys.modules[name] = module
    try:
        with _guarded(path.name, limit_s):
            exec(code, module.__dict__)  # noqa: S102  # importing the author's file is what this is for
    except BaseException:
        sys.modules.pop(name, None)
        if known is not None:
            sys.modules[name] = known
        raise
    return module


def _module_name(path: Path) -> tuple[str, bool]:
    """The name for the module of a file, and whether its folder may come before all others on the search path.

    The stem, unless that is another module's name; then one that is the same in every process.
    """
    stem = path.stem
    own = f"{stem if stem.isidentifier() else 'pipeline'}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if not stem.isidentifier():
        return own, True
    known = sys.modules.get(stem)
    if known is not None:
        same = getattr(known, "__file__", None) == str(path)
        return (stem, True) if same else (own, hasattr(known, _DIGEST))
    spec = importlib.util.find_spec(stem)
    if spec is None or spec.origin == str(path):
        return stem, True
    return own, False


def _search_in(folder: str, *, first: bool) -> None:
    """Let the file import its neighbours; behind all others where its own name would hide an installed module."""
    if folder not in sys.path:
        sys.path.insert(0 if first else len(sys.path), folder)


@contextmanager
def _guarded(place: str, limit_s: float | None) -> Iterator[None]:
    """Turn whatever importing the author's code raises into an error that points to the author's line."""
    limit_s = _limit_s() if limit_s is None else limit_s
    try:
        with time_limit(limit_s):
            yield
    except RopewalkError as error:
        error.where = error.where or author_where(error)
        raise
    except Hang as error:
        raise DefinitionError(
            f"importing `{place}` takes longer than {limit_s:g} s",
            code="P231", where=author_where(error),
            facts=["the line shown is the one that was being executed"],
            help=["move slow work into a task", "or allow more: ROPEWALK_IMPORT_TIMEOUT=120 ropewalk …"],
        ) from None  # fmt: skip
    except SystemExit as error:
        raise DefinitionError(
            f"importing `{place}` ends the program: sys.exit({error.code!r})",
            code="P230", where=author_where(error),
            help=['put it below `if __name__ == "__main__":`'],
        ) from None  # fmt: skip
    except Exception as error:
        raise DefinitionError(
            f"importing `{place}` failed: {type(error).__name__}: {error}", code="P230", where=author_where(error),
            help=_import_help(error),
        ) from error  # fmt: skip


def _limit_s() -> float:
    try:
        return float(os.environ.get("ROPEWALK_IMPORT_TIMEOUT", IMPORT_LIMIT_S))
    except ValueError:
        return IMPORT_LIMIT_S


def _import_help(error: Exception) -> list[str]:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return [f"pip install {error.name.partition('.')[0]}   if it is a package"]
    if isinstance(error, ImportError) and "relative import" in str(error):
        return ["name the module: package.module:pipeline", "or write the import from the top: from package import …"]
    return []


def _pipelines(module: ModuleType) -> list[Pipeline[..., Any]]:
    """The pipelines that a module defines; where it defines none, those that it imports."""
    found = list({id(v): v for v in vars(module).values() if isinstance(v, Pipeline)}.values())
    own = [p for p in found if p.fn.__module__ == module.__name__]
    return sorted(own, key=lambda p: p.fn.__code__.co_firstlineno) if own else found


def _named(place: str, name: str, module: ModuleType, found: list[Pipeline[..., Any]]) -> Pipeline[..., Any]:
    value = getattr(module, name, None)
    if isinstance(value, Pipeline):
        return value
    for pipeline in found:
        if pipeline.name == name:
            return pipeline
    names = [p.name for p in found]
    guess = did_you_mean(name, names)
    facts = [f"`{name}` is a `{type(value).__name__}`, not a pipeline"] if value is not None else []
    raise DefinitionError(
        f"`{place}` has no pipeline `{name}`",
        code="P232",
        facts=[*facts, f"it has {', '.join(names)}" if names else "it has no pipelines"],
        help=[f"did you mean {place}:{guess}?"] if guess else [],
    )


def _none(place: str) -> DefinitionError:
    return DefinitionError(
        f"`{place}` has no pipeline", code="P232", help=["write @pipeline above the function that calls the tasks"]
    )
