"""Help: quick, with examples that are right, on every command; and completion."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from docs.build import commands
from ropewalk.cli.complete import complete_target, pipelines_in
from ropewalk.cli.main import cli
from ropewalk.cli.root import COMMANDS
from tests.e2e.cli_runner import PIPELINE, project, ropewalk

ALL = dict(commands(cli))


def examples(command: click.Command) -> list[str]:
    _, _, text = (command.help or "").partition("\n\n\b\nExamples:\n")
    return [line.strip() for line in text.splitlines()]


@pytest.mark.parametrize("path", ALL)
def test_every_command_has_help_with_two_examples(path: str) -> None:
    command = ALL[path]

    assert re.match(r"[A-Z].*\.", command.help or "", re.DOTALL)
    assert len(examples(command)) == 2
    assert {"-h", "--help"} <= set(command.get_help_option_names(click.Context(command, **command.context_settings)))


@pytest.mark.parametrize("example", sorted({e for command in ALL.values() for e in examples(command)}))
def test_every_example_is_a_command_line_that_is_understood(example: str) -> None:
    for part in example.replace('eval "$(', "").replace(')"', "").split("&&"):
        first, *words = shlex.split(part.partition(" #")[0].partition(" > ")[0])
        command = ALL[f"ropewalk {words.pop(0)}"]
        if isinstance(command, click.Group):
            command = command.commands[words.pop(0) if words and words[0] in command.commands else "list"]

        command.make_context("ropewalk", words)

        assert first == "ropewalk"


def test_a_wrong_example_would_be_found() -> None:
    with pytest.raises(click.UsageError):
        ALL["ropewalk runs"].make_context("ropewalk", ["--nosuch"])


def test_the_list_of_commands_needs_none_of_them() -> None:
    assert set(COMMANDS) == set(cli.commands) | set(cli.list_commands(click.Context(cli)))
    for name in COMMANDS:
        assert f"ropewalk {name}" in ALL


@pytest.mark.parametrize(
    "arguments", [["-h"], ["--help"], ["run", "-h"], ["artifacts", "-h"], ["artifacts", "show", "-h"]]
)
def test_h_is_help(arguments: list[str], tmp_path: Path) -> None:
    done = ropewalk(*arguments, cwd=tmp_path)

    assert done.code == 0
    assert done.out.startswith(f"Usage: ropewalk {' '.join(arguments[:-1])}".rstrip())
    assert "Examples:" in done.out


def test_without_a_command_there_is_help(tmp_path: Path) -> None:
    done = ropewalk(cwd=tmp_path)

    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Usage: ropewalk")


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_is_one_line(option: str, tmp_path: Path) -> None:
    assert re.fullmatch(r"ropewalk \d+\.\d+\.\d+\n", ropewalk(option, cwd=tmp_path).out)
    assert ropewalk("--color", "never", option, cwd=tmp_path).out == ropewalk(option, cwd=tmp_path).out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_completion_script_for_each_shell(shell: str, tmp_path: Path) -> None:
    assert "_ROPEWALK_COMPLETE" in ropewalk("completion", shell, cwd=tmp_path).out


def completed(words: str, folder: Path) -> list[str]:
    variables = {
        "_ROPEWALK_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    return [line.split(",")[1] for line in ropewalk(cwd=folder, env=variables).out.split()]


def test_commands_runs_tasks_and_pipelines_are_completed(tmp_path: Path) -> None:
    project(tmp_path)
    ropewalk("run", "demo", cwd=tmp_path)

    assert completed("ropewalk re", tmp_path) == ["resume", "retry", "reject", "replay"]
    assert completed("ropewalk show ", tmp_path)[0] == "1"
    assert completed("ropewalk show 1/d", tmp_path) == ["1/double"]
    assert completed("ropewalk run d", tmp_path) == ["demo"]
    assert completed("ropewalk run pipeline.py:", tmp_path) == ["pipeline.py:demo", "pipeline.py:other-one"]


def test_completion_in_an_empty_folder_makes_nothing(tmp_path: Path) -> None:
    assert completed("ropewalk show ", tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_pipelines_are_found_without_importing_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "danger.py").write_text("raise SystemExit('imported')\n" + PIPELINE)
    monkeypatch.chdir(tmp_path)

    assert pipelines_in(Path("danger.py")) == ["demo", "other-one"]
    assert pipelines_in(Path("missing.py")) == []
    assert complete_target(click.Context(cli), None, "dan") == ["danger.py"]
