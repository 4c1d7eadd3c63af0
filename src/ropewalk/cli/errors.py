"""Errors as people see them: one block in colour, or one JSON object; and the report of a mistake of our own."""

from __future__ import annotations

import os
import platform
import re
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path

from ropewalk import __version__
from ropewalk.cli.console import Terminal
from ropewalk.cli.session import Session
from ropewalk.core.errors import RopewalkError, render

BUG = 70
_HEAD = re.compile(r"(error\[P\d+\]:)(.*)", re.DOTALL)


def show_error(error: RopewalkError, session: Session) -> None:
    """Show an error: on stderr for people, and with `--json` on stdout as well."""
    session.err.write(error_block(error, session.err))
    if session.as_json:
        session.emit({"error": error.to_json()})


def error_block(error: RopewalkError, terminal: Terminal) -> str:
    """The block that every surface shows, with colours where there are any."""
    return "\n".join(_painted(line, terminal) for line in render(error).split("\n"))


def _painted(line: str, terminal: Terminal) -> str:
    if head := _HEAD.fullmatch(line):
        return terminal.paint(head[1], "red") + terminal.paint(head[2], "bold")
    for mark, style in (("  --> ", "cyan"), ("  = ", "cyan"), ("  help: ", "green")):
        if line.startswith(mark):
            return terminal.paint(mark.rstrip(), style) + line[len(mark.rstrip()) :]
    return line


def report_bug(error: BaseException, arguments: list[str], session: Session) -> int:
    """Tell of a mistake in Ropewalk itself; the traceback goes into a file and nowhere else."""
    place = _write_report(error, arguments, session)
    title = f"this is a mistake in Ropewalk itself: {type(error).__name__}: {str(error)[:300]}"
    facts = ["what was recorded is safe: `ropewalk runs` shows it"]
    help_lines = [f"report it with the file {place}   (it was sent to nobody)"] if place else []
    show_error(RopewalkError(title.replace("\n", " "), code="P900", facts=facts, help=help_lines), session)
    return BUG


def _write_report(error: BaseException, arguments: list[str], session: Session) -> str:
    """Write the report where the project keeps its state; its place, or "" where it cannot be written."""
    folder = session.client.home.root / "crash"
    name = f"{datetime.fromtimestamp(time.time(), UTC):%Y-%m-%dT%H-%M-%S}-{os.getpid()}.txt"
    about = [
        f"ropewalk {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"command: {' '.join(_without_values(arguments))}",
        "",
        *traceback.format_exception(error),
    ]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignore = folder.parent / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
        path = folder / name
        path.write_text("\n".join(about), encoding="utf-8", errors="backslashreplace")
    except OSError:
        sys.stderr.writelines(traceback.format_exception(error))
        return ""
    return _shown(path)


def _without_values(arguments: list[str]) -> list[str]:
    """The command and the names of its options: what they were given may be secret."""
    return [*arguments[:1], *(word.partition("=")[0] for word in arguments[1:] if word.startswith("--"))]


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
