"""The entry point. `--version` is answered before anything else is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from ropewalk import __version__

CLOSED_PIPE = 141  # what a shell reports for a program that SIGPIPE has ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code.

    Args:
        arguments: without the name of the program; None: those of this process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if given in (["--version"], ["-V"]):
            print(f"ropewalk {__version__}", flush=True)
            return 0
        from ropewalk.cli.invoke import invoke

        return invoke(given)
    except BrokenPipeError:
        return closed_pipe()


def closed_pipe() -> int:
    """End quietly because nobody reads the output any more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # what is still in its buffer must not fail again when Python ends
            os.dup2(nowhere, stream.fileno())
    return CLOSED_PIPE


def __getattr__(name: str) -> Any:
    """The click group, for documentation and tests; loading it costs what `--version` need not pay."""
    if name == "cli":
        from ropewalk.cli.root import cli

        return cli
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
