"""Errors of the author's own code while a file is imported or a graph is made: shown from the author's line."""

from __future__ import annotations

import linecache
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from ropewalk.author.callsite import show_file
from ropewalk.core.errors import DefinitionError, RopewalkError, Where

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LIBRARY = os.path.dirname(os.path.abspath(os.__file__)) + os.sep


def author_where(error: BaseException) -> Where | None:
    """The innermost line of the author's that an error passed through."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        file, name = frame.f_code.co_filename, frame.f_code.co_name
        if _is_authors(file):
            detail = "" if name == "<module>" else f"in {name}()"
            return Where(show_file(file), line, linecache.getline(file, line, frame.f_globals).rstrip("\n"), detail)
    return None


def _is_authors(file: str) -> bool:
    return not (file.startswith((_PACKAGE, _LIBRARY, "<frozen")) or f"{os.sep}site-packages{os.sep}" in file)


@contextmanager
def author_errors(name: str) -> Iterator[None]:
    """Say of an error that a pipeline's own function raised that the graph could not be made, and where.

    Raises:
        DefinitionError: with the error as its cause.
    """
    try:
        yield
    except RopewalkError as error:
        error.where = error.where or author_where(error)
        raise
    except (Exception, SystemExit) as error:
        raise DefinitionError(
            f"making the graph of `{name}` failed: {type(error).__name__}: {error}",
            code="P229",
            where=author_where(error),
            facts=["the function of a pipeline runs once to see how it wires tasks; the tasks themselves run later"],
            help=["move what needs values into a task"],
        ) from error
