"""Writes the two reference pages that repeat what the code says: `cli.md` and `api.md`.

`make fix` runs it; a test compares the pages with what it would write, so they cannot drift.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import click

REFERENCE = Path(__file__).resolve().parent / "reference"
LINE = 80
SECTIONS = ("Args", "Attributes", "Returns", "Yields", "Raises")


def pages() -> dict[Path, str]:
    """Text of each generated page by its place."""
    import ropewalk
    from ropewalk.author.pipeline import Pipeline
    from ropewalk.author.task import Task
    from ropewalk.cli.main import cli
    from ropewalk.engine.checkpoint import Checkpoint, Timer
    from ropewalk.engine.context import Context
    from ropewalk.engine.result import RunResult

    names = {name: getattr(ropewalk, name) for name in ropewalk.__all__ if name != "__version__"}
    returned = {kind.__name__: kind for kind in (Checkpoint, Context, Pipeline, RunResult, Task, Timer)}
    return {REFERENCE / "cli.md": cli_page(cli), REFERENCE / "api.md": api_page(names, returned)}


# --- the command line ---


def cli_page(root: click.Command) -> str:
    """Every visible command with its usage, help and options."""
    intro = "Every command takes `--help`. Written by `docs/build.py` from the commands themselves.\n"
    return "\n".join(["# Commands\n", intro, *(_command(path, command) for path, command in commands(root))])


def commands(command: click.Command, path: str = "ropewalk") -> Iterator[tuple[str, click.Command]]:
    """Every visible command with its full name, groups included."""
    import click

    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from commands(below, f"{path} {name}")


def _command(path: str, command: click.Command) -> str:
    import click

    context = click.Context(command, info_name=path)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    paragraphs = inspect.cleandoc(command.help or "").split("\f", maxsplit=1)[0].strip().split("\n\n")
    help_text = "\n\n".join(f"```text\n{p[2:]}\n```" if p.startswith("\b\n") else p for p in paragraphs)
    rows = [row for p in command.params if isinstance(p, click.Option) and (row := p.get_help_record(context))]
    table = ["| option | what it does |", "|---|---|", *(f"| `{_cell(a)}` | {_cell(b)} |" for a, b in rows)]
    return "\n".join([f"## `{path}`\n", f"```text\n{usage}\n```\n", f"{help_text}\n", *([*table, ""] if rows else [])])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# --- Python ---


def api_page(names: Mapping[str, object], returned: Mapping[str, type]) -> str:
    """Every public name with its signature, its contract and, for classes, its public members.

    Args:
        names: what can be imported.
        returned: classes of the objects that those hand out; users call their methods without importing them.
    """
    intro = "What `from ropewalk import …` offers. Written by `docs/build.py` from the docstrings.\n"
    return "\n".join(
        ["# Python\n", intro, *_entries(names), "# Objects that these return\n", *_entries(returned, made=False)]
    )


def _entries(named: Mapping[str, object], *, made: bool = True) -> list[str]:
    """The sections, by name; `made` says whether users call the classes among them."""
    return [_entry(name, value, made) for name, value in sorted(named.items(), key=lambda item: item[0].lower())]


def _entry(name: str, value: object, made: bool) -> str:
    if not inspect.isclass(value):
        return _described("##", name, value, _signature(value))
    head = _described("##", name, value, _signature(value) if made else "")
    members = {k: v for k, v in vars(value).items() if not k.startswith("_")}
    functions = {k: getattr(v, "__func__", v) for k, v in members.items()}
    shown = {k: v for k, v in functions.items() if (inspect.isfunction(v) or isinstance(v, property)) and v.__doc__}
    return "\n".join([head, *(_described("###", f"{name}.{k}", v, _signature(v)) for k, v in shown.items())])


def _described(level: str, name: str, value: object, signature: str) -> str:
    """A heading, the signature where there is one, and the docstring as Markdown."""
    code = f"```text\n{name.rpartition('.')[2]}{signature}\n```\n" if signature else ""
    documented = inspect.isclass(value) or callable(value) or isinstance(value, property)
    text = markdown(inspect.getdoc(value) or "") if documented else f"`{_readable(repr(value))}`"
    return "\n".join(part for part in (f"{level} `{name}`\n", code, f"{text}\n") if part)


def _signature(value: Any) -> str:
    """The signature as it is written; a parameter a line where one line would be too long."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):  # no callable, or one without a signature
        return ""
    kept = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
    whole = signature.replace(parameters=kept)
    if inspect.isclass(value):
        whole = whole.replace(return_annotation=inspect.Signature.empty)
    text = _readable(str(whole))
    if len(text) <= LINE or not kept:
        return text
    end = text[len(_readable(str(whole.replace(return_annotation=inspect.Signature.empty)))) :]
    return "(\n" + "".join(f"    {line},\n" for line in _parameters(kept)) + ")" + end


def _parameters(kept: list[inspect.Parameter]) -> Iterator[str]:
    starred = False
    for parameter in kept:
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            yield "*"
        starred |= parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        yield _readable(str(parameter))


def _readable(text: str) -> str:
    """Postponed annotations without quotes, and defaults that mean "not given" as an ellipsis."""
    without_address = re.sub(r"<[^<>]* at 0x[0-9a-f]+>", "…", text)
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", without_address)


def markdown(docstring: str) -> str:
    """A docstring with `Args:` and its kind turned into lists."""
    out: list[str] = []
    inside = False
    for line in docstring.splitlines():
        if line.rstrip(":") in SECTIONS and line.endswith(":"):
            inside = True
            out += [f"**{line.rstrip(':')}**", ""]
        elif inside and (item := re.match(r" {4}(\*{0,2}[\w.]+(?:, \*{0,2}[\w.]+)*): (.*)", line)):
            out.append(f"- `{item[1]}`: {item[2]}")
        elif inside and line.startswith("    "):
            out.append(f"{'  ' if out[-1].startswith(('-', '  ')) else ''}{line.strip()}")
        else:
            inside = inside and not line.strip()
            out.append(line)
    return "\n".join(out).strip()


def main() -> None:
    """Write the pages that differ, and say which."""
    for path, text in pages().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"docs: wrote {path.relative_to(REFERENCE.parent.parent)}")


if __name__ == "__main__":
    main()
