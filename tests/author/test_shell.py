"""A task that is a command."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ropewalk import RopewalkError, pipeline, shell
from ropewalk.author.shell import run_command
from ropewalk.core.errors import ExecutionError
from ropewalk.core.expr import Build, Const, Param, Ref
from ropewalk.core.values import encode
from tests.author.steps import add, anything, of_path


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def node(function, node_id):
    return pipeline(function).graph().nodes[node_id]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("prepare --all", "prepare"),
        ("python prepare.py", "prepare"),
        ("/usr/bin/python3 -u scripts/make_data.py x", "make_data"),
        ("A=1 prepare", "prepare"),
        (["Rscript", "fit.R"], "fit"),
        ("python -c 'print(1)'", "shell"),
    ],
)
def test_a_command_is_named_after_its_program(command, name):
    def wired():
        shell(command)

    assert list(pipeline(wired).graph().nodes) == [name]


def test_a_command_can_be_named():
    def wired():
        shell("true", name="nothing")

    assert list(pipeline(wired).graph().nodes) == ["nothing"]


def test_parameters_and_results_reach_a_command_as_arguments():
    @pipeline
    def wired(month: int = 6):
        shell(["prepare", "--month", month, add(1)])

    assert wired.graph().nodes["prepare"].bindings["command"] == Build(
        "list", (), (Const("prepare"), Const("--month"), Param("month"), Ref("add"))
    )


def test_input_files_are_paths_and_outputs_are_names():
    def wired():
        shell("prepare", inputs=["raw.csv"], outputs=["clean.csv", Path("log.txt")])

    made = node(wired, "prepare")

    assert made.bindings["inputs"] == Const(encode([Path("raw.csv")]))
    assert made.bindings["outputs"] == Const(["clean.csv", "log.txt"])


def test_outputs_are_results():
    @pipeline
    def wired():
        first, second = shell("touch a.txt b.txt", outputs=["a.txt", "b.txt"])
        return [of_path(first), of_path(second)]

    graph = wired.graph()

    assert graph.tasks["touch"].outputs.names == ("0", "1")
    assert wired() == ["a.txt", "b.txt"]


def test_one_output_is_a_path_and_none_is_none():
    assert shell("touch a.txt", outputs=["a.txt"]) == Path("a.txt")
    assert shell("true") is None


def test_a_text_with_signs_for_a_shell_is_given_to_one():
    shell('printf "%s" "$WORD" | tr a-z A-Z > out.txt', outputs=["out.txt"], env={"WORD": "it's; rm -rf /"})

    assert Path("out.txt").read_text() == "IT'S; RM -RF /"


def test_values_are_never_read_by_a_shell():
    made = shell([sys.executable, "-c", "import sys; open('o', 'w').write(sys.argv[1])", "$(id); `id`"], outputs=["o"])

    assert made.read_text() == "$(id); `id`"


def test_a_command_runs_in_its_folder():
    Path("sub").mkdir()

    assert shell("touch a.txt", outputs=["a.txt"], cwd="sub") == Path("sub/a.txt")
    assert Path("sub/a.txt").exists()


def test_a_failing_command_tells_its_code_and_last_lines():
    with pytest.raises(ExecutionError) as caught:
        shell("echo 1 >&2; echo broken >&2; exit 3")

    assert caught.value.code == "P313"
    assert "ended with exit code 3" in caught.value.title
    assert caught.value.facts == ("1", "broken")


def test_what_a_command_says_can_be_seen(capfd):
    shell("echo to-out; echo to-err >&2")

    seen = capfd.readouterr()
    assert seen.out == "to-out\n"
    assert seen.err == "to-err\n"


def test_a_killed_command_tells_the_signal():
    with pytest.raises(ExecutionError, match="was killed by signal 9"):
        shell("kill -9 $$")


def test_a_program_that_is_not_there_is_named():
    with pytest.raises(ExecutionError, match="`no-such-program` cannot be started"):
        shell("no-such-program")


def test_an_output_that_was_not_written_is_named():
    with pytest.raises(ExecutionError, match=r"did not write its output `a\.txt`"):
        shell("true", outputs=["a.txt"])


def test_an_input_that_is_not_there_is_named():
    with pytest.raises(ExecutionError, match=r"input `raw\.csv` of the command does not exist"):
        shell("true", inputs=["raw.csv"])


@pytest.mark.parametrize("value", [True, None, [1], 1j], ids=str)
def test_what_has_no_plain_text_is_no_argument(value):
    with pytest.raises(ExecutionError, match="must be a text, a number or a path"):
        run_command(["echo", value], [], [], {}, None)


def test_two_commands_of_one_program_with_different_outputs_are_two_tasks():
    @pipeline
    def wired():
        shell("prepare a", outputs=["a"])
        shell("prepare b c", outputs=["b", "c"])
        shell("prepare d", outputs=["d"])

    graph = wired.graph()

    assert {n.id: n.task for n in graph.nodes.values()} == {
        "prepare:1": "prepare", "prepare:2": "prepare-2", "prepare:3": "prepare",
    }  # fmt: skip


def test_a_command_takes_policies_and_can_wait():
    def wired():
        first = anything()
        shell("true", retry=2, timeout="1m", name="last").after(first)

    made = node(wired, "last")

    assert (made.policy.retry.count, made.policy.timeout_s, made.after) == (2, 60, ("anything",))


def test_a_wrong_name_points_to_the_call():
    def wired():
        shell("true", name="a/b")  # here

    with pytest.raises(RopewalkError, match="cannot be the name of a task") as caught:
        pipeline(wired).graph()

    assert caught.value.where.text.strip().endswith("# here")
