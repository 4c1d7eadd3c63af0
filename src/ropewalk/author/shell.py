"""`shell`: a task that is a command."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import threading
import types
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import IO, Any, Unpack

from ropewalk.author.callsite import here
from ropewalk.author.constants import parameter_of, plain
from ropewalk.author.names import check_name, is_name
from ropewalk.author.refs import is_reference
from ropewalk.author.task import Task, TaskOptions
from ropewalk.author.trace import current
from ropewalk.core.errors import DefinitionError, ExecutionError
from ropewalk.core.graph import OutputSpec

_NEEDS_SHELL = re.compile(r"[|&;<>()$`*?\[\]{}~#\n]|^\s*\w+=")  # what only a shell gives a meaning to
_LAUNCHERS = ("python", "python3", "bash", "sh", "uv", "poetry", "env", "run", "Rscript", "node", "julia")
LAST_LINES = 20


def shell(
    command: str | Sequence[Any],
    *,
    inputs: Sequence[Any] = (),
    outputs: Sequence[str | PurePath] = (),
    env: Mapping[str, Any] | None = None,
    cwd: str | PurePath | None = None,
    **options: Unpack[TaskOptions],
) -> Any:
    """A task that is a command: `shell("python prepare.py", inputs=["raw.csv"], outputs=["clean.csv"])`.

    Values reach it as arguments, `shell(["prepare", "--month", month])`, or as environment variables,
    `shell("prepare --month $MONTH", env={"MONTH": month})`; they are never pasted into a text that a shell reads.

    Args:
        command: a program with its arguments, as a list or as one text; a text with `|`, `>`, `$` and the like is
            given to /bin/sh.
        inputs: files that it reads, as paths or as results of tasks that are paths; their content counts for reuse.
        outputs: files that it writes.
        env: environment variables, besides those of the process.
        cwd: the folder where it runs, and to which `outputs` are relative.
        options: `name`, and what `@task` takes.

    Returns:
        The path of the output, a tuple of paths where there are several, None where there are none.

    Raises:
        DefinitionError: the command is empty, cannot be split into words, or has a value in braces.
    """
    made = _checked(command)
    site = here()
    options.setdefault("name", _program(made))
    check_name(options["name"], "task", site.where(), 'shell(…, name="prepare")')
    task = Task(run_command, outputs=_output_spec(len(outputs)), **options)
    task.declared = site
    task.hints = {**task.hints, "return": _returned(len(outputs))}
    call: Any = task
    return call(
        made,
        inputs=[_input(i) for i in inputs],
        outputs=[str(o) for o in outputs],
        env=dict(env or {}),
        cwd=None if cwd is None else str(cwd),
    )


def run_command(
    command: str | list[Any],
    inputs: list[Any],
    outputs: list[str],
    env: dict[str, Any],
    cwd: str | None,
) -> Any:
    """Run a command, and return the paths of what it wrote.

    Raises:
        ExecutionError: an input is missing, the command cannot be started or ends with another code than 0, or an
            output is missing.
    """
    folder = Path(cwd or ".")
    for path in inputs:
        if not Path(path).exists():
            raise ExecutionError(f"input `{path}` of the command does not exist", code="P314", facts=[_line(command)])
    words = [_word(part, "argument") for part in _words(command)]
    code, last = _run(words, {**os.environ, **{k: _word(v, k) for k, v in env.items()}}, folder)
    if code != 0:
        ended = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise ExecutionError(f"`{_line(command)}` {ended}", code="P313", facts=last or ["it wrote nothing to stderr"])
    paths = tuple(folder / output for output in outputs)
    for path in paths:
        if not path.exists():
            raise ExecutionError(
                f"`{_line(command)}` did not write its output `{path}`",
                code="P314", facts=[f"it ended with exit code 0, in {folder.resolve()}"],
                help=["correct `outputs`, or let the command write there"],
            )  # fmt: skip
    return None if not paths else paths[0] if len(paths) == 1 else paths


def _checked(command: Any) -> str | list[Any]:
    if isinstance(command, str):
        text: str = plain(command)
        _refuse_braces(text)
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise _wrong(f"the command cannot be split into words: {error}", "close the quote") from None
        if not words:
            raise _wrong("the command is empty", 'shell("python prepare.py")')
        return text
    if not isinstance(command, (list, tuple)) or not command:
        raise _wrong("a command is a text or a list of arguments", 'shell(["python", "prepare.py"])')
    for part in command:
        if not is_reference(part) and not parameter_of(part) and not isinstance(part, (str, int, float, PurePath)):
            raise _wrong(f"an argument of a command cannot be {part!r:.60}", "give texts, numbers, paths or results")
    return list(command)


def _refuse_braces(text: str) -> None:
    """`{month}` was meant to become the value of `month`, which is done in other ways."""
    trace = current()
    names = trace.parameters if trace is not None else ()
    for name in re.findall(r"(?<!\$)\{(\w+)\}", text):
        if name in names:
            raise _wrong(
                f"`{{{name}}}` in a command is not replaced by the value of `{name}`",
                f'shell("… ${name.upper()}", env={{"{name.upper()}": {name}}})   or   shell(["…", {name}])',
            )


def _wrong(title: str, fix: str) -> DefinitionError:
    return DefinitionError(title, code="P225", where=here().where(), help=[fix])


def _program(command: str | list[Any]) -> str:
    """A name for the task: of the first word that is a program of one's own, without folder and ending."""
    words = shlex.split(command) if isinstance(command, str) else [plain(p) for p in command if not is_reference(p)]
    stems = [PurePath(w).stem for w in map(str, words) if not w.startswith("-") and "=" not in w]
    own = [s for s in stems if s not in _LAUNCHERS and is_name(s)]
    return own[0] if own else "shell"


def _output_spec(count: int) -> OutputSpec:
    if count < 2:
        return OutputSpec(type="Path" if count else "None")
    return OutputSpec("tuple", tuple(map(str, range(count))), f"tuple[{', '.join(['Path'] * count)}]")


def _returned(count: int) -> Any:
    return types.GenericAlias(tuple, (Path,) * count) if count > 1 else Path if count else None


def _input(value: Any) -> Any:
    if is_reference(value) or isinstance(value, PurePath):
        return value
    return Path(plain(value))


def _words(command: str | list[Any]) -> list[Any]:
    if isinstance(command, list):
        return command
    return ["/bin/sh", "-c", command] if _NEEDS_SHELL.search(command) else shlex.split(command)


def _word(value: Any, what: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float, PurePath)):
        raise ExecutionError(
            f"the value for {what} of a command is a `{type(value).__name__}`; it must be a text, a number or a path",
            code="P313",
        )
    return str(value)


def _line(command: str | list[Any]) -> str:
    text = command if isinstance(command, str) else " ".join(map(str, command))
    return text if len(text) <= 80 else text[:79] + "…"


def _run(words: list[str], env: dict[str, str], folder: Path) -> tuple[int, list[str]]:
    """The exit code, and the last lines of stderr, which goes to this process's stderr as well."""
    last: deque[str] = deque(maxlen=LAST_LINES)
    try:
        process = subprocess.Popen(  # noqa: S603  # running the author's command is what this is for
            words, env=env, cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
        )
    except OSError as error:
        raise ExecutionError(f"`{words[0]}` cannot be started: {error.strerror}", code="P313") from error
    assert process.stderr is not None
    reader = threading.Thread(target=_copy, args=(process.stderr, last), daemon=True)
    reader.start()
    try:
        code = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        reader.join(timeout=5)  # a child that the command left behind may hold stderr open
    return code, list(last)


def _copy(stream: IO[str], last: deque[str]) -> None:
    with stream:
        for line in stream:
            last.append(line.rstrip("\n"))
            sys.stderr.write(line)
            sys.stderr.flush()
