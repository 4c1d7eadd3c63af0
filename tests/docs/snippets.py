"""Running the snippets of a page as a reader would: top to bottom, in one fresh folder.

    ```python            saved and run in a fresh interpreter
    ```python file=a.py  saved as a.py, so that later snippets can use it
    ```console           each line after `$ ` is run; the lines below it must appear in what it prints, in order;
                         `…` stands for anything. The command must succeed
    ```console exit=2    … or end as said (the last command of the block)
    ```bash              run as one script
    `part` after any     a fragment: Python must parse, commands are only shown

Other languages are only shown.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.docs.pages import Block, blocks

TIMEOUT_S = 100


class SnippetError(AssertionError):
    """A snippet does not do what its page says."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command line of a transcript and what is shown below it."""

    line: str
    shown: tuple[str, ...]


def run_page(text: str, folder: Path) -> int:
    """Run every snippet of a page and return how many ran.

    Raises:
        SnippetError: one does not parse, fails, or prints something else; the message names its line.
    """
    ran = 0
    for block in blocks(text):
        try:
            ran += _run(block, folder)
        except SnippetError as problem:
            raise SnippetError(f"snippet at line {block.line}: {problem}") from None
    return ran


def transcript(text: str) -> list[Command]:
    """A console block as commands; a backslash at a line's end continues it."""
    joined = text.replace("\\\n", "")
    chunks = re.split(r"^\$ ", joined, flags=re.MULTILINE)
    if chunks[0].strip():
        raise SnippetError(f"a console block begins with `$ `, not with `{chunks[0].splitlines()[0]}`")
    lines = [chunk.splitlines() for chunk in chunks[1:]]
    return [Command(first, tuple(line for line in rest if line.strip())) for first, *rest in lines]


def missing_line(shown: tuple[str, ...], printed: str) -> str | None:
    """The first shown line that does not appear, in order, in what was printed."""
    rest = iter(printed.splitlines())
    for line in shown:
        pattern = ".*".join(re.escape(part) for part in line.rstrip().split("…"))
        if line.strip() != "…" and not any(re.fullmatch(pattern, actual.rstrip()) for actual in rest):
            return line
    return None


def _run(block: Block, folder: Path) -> int:
    if block.language == "python":
        return _run_python(block, folder)
    if "part" in block.options or block.language not in {"console", "bash"}:
        return 0
    if block.language == "bash":
        _check(_execute(["bash", "-euo", "pipefail", "-c", block.text], folder), 0)
        return 1
    return _run_console(block, folder)


def _run_python(block: Block, folder: Path) -> int:
    try:
        compile(block.text, "snippet", "exec")
    except SyntaxError as problem:
        raise SnippetError(f"does not parse: {problem}") from None
    if "part" in block.options:
        return 0
    path = folder / block.options.get("file", f"snippet_{block.line}.py")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, encoding="utf-8")
    if "file" not in block.options:
        _check(_execute([sys.executable, path.name], folder), 0)
    return 1


def _run_console(block: Block, folder: Path) -> int:
    commands = transcript(block.text)
    for command in commands:
        last = command is commands[-1]
        printed = _check(
            _execute(["bash", "-c", command.line], folder), int(block.options.get("exit", 0)) if last else 0
        )
        if (line := missing_line(command.shown, printed)) is not None:
            raise SnippetError(f"`{command.line}` does not print `{line.strip()}` (there); it printed:\n{printed}")
    return len(commands)


def _execute(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("ROPEWALK_", "PYTEST_"))},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "120",
        "NO_COLOR": "1",
    }
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def _check(done: subprocess.CompletedProcess[str], expected: int) -> str:
    if done.returncode != expected:
        raise SnippetError(f"`{done.args[-1].strip()}` ended with {done.returncode}, not {expected}:\n{done.stdout}")
    return done.stdout
