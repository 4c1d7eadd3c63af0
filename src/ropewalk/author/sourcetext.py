"""Reading a file that is said to hold Python, with a reason for each way in which it may not."""

from __future__ import annotations

import io
import stat
import tokenize
from collections.abc import Iterable
from pathlib import Path
from types import CodeType

from ropewalk.author.callsite import show_file
from ropewalk.core.errors import DefinitionError, Where, did_you_mean

MAX_BYTES = 10 * 1024 * 1024


def read_source(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        DefinitionError: it is missing, not a regular file, too large or not readable.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        raise _missing(path) from None
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(getattr(error, "strerror", "") or error)) from None
    if stat.S_ISDIR(found.st_mode):
        names = sorted(p.name for p in path.glob("*.py"))
        example = next((n for n in ("pipeline.py", *names) if n in names), "pipeline.py")
        raise _unreadable(path, "it is a folder", [f"name a file in it: {path / example}"])
    if not stat.S_ISREG(found.st_mode):
        raise _unreadable(path, "it is not a regular file")
    if found.st_size > MAX_BYTES:
        raise _unreadable(path, f"it is larger than {MAX_BYTES // 1024**2} MiB")
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None


def compile_source(path: Path, source: bytes) -> CodeType:
    """The code of a file.

    Raises:
        DefinitionError: it is not text, or not Python.
    """
    if b"\0" in source:
        raise _unreadable(path, "it holds a NUL byte, so it is not text")
    try:
        source.decode(tokenize.detect_encoding(io.BytesIO(source).readline)[0])
    except UnicodeDecodeError as error:
        line = source[: error.start].count(b"\n") + 1
        raise _unreadable(path, f"line {line} is not {error.encoding}", ["save it as UTF-8"]) from None
    except SyntaxError as error:  # its first lines are not UTF-8, or name an encoding that does not exist
        raise _unreadable(path, f"it is not UTF-8: {error.msg}", ["save it as UTF-8"]) from None
    try:
        return compile(source, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        where = Where(show_file(str(path)), error.lineno, (error.text or "").rstrip("\n"))
        raise DefinitionError(f"`{path.name}` is not valid Python: {error.msg}", code="P230", where=where) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise _unreadable(path, f"Python cannot compile it: {error}") from None


def _missing(path: Path) -> DefinitionError:
    folder = path.parent
    if path.is_symlink():
        return _unreadable(path, f"it is a link to {path.readlink()}, which does not exist")
    if not folder.is_dir():
        return _unreadable(path, f"there is no folder {folder}")
    guess = did_you_mean(path.name, _names(folder.glob("*.py")))
    return _unreadable(path, "there is no such file", [f"did you mean {folder / guess}?"] if guess else [])


def _names(paths: Iterable[Path]) -> list[str]:
    return sorted(path.name for path in paths)


def _unreadable(path: Path, reason: str, fixes: Iterable[str] = ()) -> DefinitionError:
    return DefinitionError(f"cannot read `{path}`: {reason}", code="P230", help=fixes)
