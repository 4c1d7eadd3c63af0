"""Whatever is wrong is said in one short block, with exit code 2 or 1, without a traceback and without effect."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ropewalk.cli.main import main
from tests.e2e.cli_runner import PIPELINE, Done, project, ropewalk

FAILS = """
from ropewalk import pipeline, task

@task
def load() -> int:
    raise ValueError("nothing there")

@pipeline
def fails():
    return load()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a run that succeeded and one that failed."""
    made = project(tmp_path_factory.mktemp("project"), PIPELINE)
    (made / "fails.py").write_text(FAILS)
    assert ropewalk("run", "pipeline.py:demo", cwd=made).code == 0
    assert ropewalk("run", "fails.py", cwd=made).code == 1
    return made


@pytest.fixture
def here(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Done]]:
    """Runs commands in this very process, which is quick: nothing of them may stay behind."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(*arguments: str) -> Done:
        code = main(list(arguments))
        written = capsys.readouterr()
        return Done(code, written.out, written.err)

    yield run
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(folder)):
            del sys.modules[name]


def check_block(done: Done, code: int) -> None:
    """One short block on stderr, nothing on stdout, no traceback, no control characters."""
    assert done.code == code, done.err
    assert done.out == ""
    assert done.err.startswith("error[P")
    assert done.err.count("error[") == 1
    assert len(done.err.splitlines()) <= 15
    assert "Traceback" not in done.err
    assert "\x1b" not in done.err


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("rnus", "did you mean: ropewalk runs"),
        ("--nosuch", "no such option `--nosuch`"),
        ("--color blue runs", "`blue` is not one of"),
        ("runs --lmit 3", "did you mean `--limit`?"),
        ("runs --limit 0", "0 is not in the range"),
        ("runs --limit -1", "-1 is not in the range"),
        ("runs --state zzz", "`zzz` is not one of"),
        ("runs extra", "unexpected extra argument"),
        ("show last extra", "unexpected extra argument"),
        ("cancel", "missing argument `RUN`"),
        ("cancel 1", "run 1 has succeeded already"),
        ("retry 1", "run 1 has succeeded: there is nothing to continue"),
        ("diff 1", "missing argument `AFTER`"),
        ("why 1", "is a run: name a task of it"),
        ("artifacts show 1", "is a run: name a task of it"),
        ("artifacts export 1/demo", "missing argument `FILE`"),
        ("logs 1 --tail -1", "-1 is not in the range"),
        ("gc --older-than soon", "--older-than 30d"),
        ("gc --keep-runs -1", "-1 is not in the range"),
        ("lineage zzz", "names no artifact"),
        ("completion tcsh", "`tcsh` is not one of"),
        ("graph --format png", "`png` is not one of"),
        ("init", "exists already"),
        ("run", "say which: pipeline.py:demo"),
        ("run nosuch.py", "there is no such file"),
        ("run ../../etc/passwd", "cannot read"),
        ("run pipeline.py:dmo", "did you mean pipeline.py:demo?"),
        ("run dem", "did you mean pipeline.py:demo?"),
        ("run 'a b'", "no pipeline `a b`"),
        ("run -", "no pipeline `-`"),
        ("run demo -p", "requires an argument"),
        ("run demo -p x", "is not of the form name=value"),
        ("run demo -p =1", "is not of the form name=value"),
        ("run demo -p items=1 -p items=2", "is given 2 times"),
        ("run demo -p items=1 --items 2", "is given 2 times"),
        ("run demo -p train.c=1 -p train.c=2", "is given 2 times"),
        ("run demo -p items=3.5", "expects a whole number"),
        ("run demo -p train.c=nan", "expects a number"),
        ("run demo -p train.c=1e400", "expects a number"),
        ("run demo -p itms=3", "did you mean `items`?"),
        ("run demo -p train.d=3", "did you mean `train.c`?"),
        ("run demo -p train.rows=3", "cannot be given: it takes load"),
        ("run demo -p double.x='[1,]'", "cannot be given: it is taken apart"),
        ("run demo --itms 3", "did you mean `items`?"),
        ("run demo --worker 3", "did you mean the option --workers?"),
        ("run demo -x 3", "there is no option `-x`"),
        ("run demo other.py", "one pipeline at a time"),
        ("run demo --workers 0", "0 is not in the range"),
        ("run demo --workers 1001", "1001 is not in the range"),
        ("run demo --executor ray", "`ray` is not one of"),
        ("run demo --seed -1", "-1 is not in the range"),
        ("run demo --seed 99999999999999999999", "is not in the range"),
        ("run demo --force tran", "did you mean: --force train"),
        ("plan demo -p itms=3", "did you mean `items`?"),
        ("graph demo -- --itms=3", "did you mean `items`?"),
    ],
)
def test_a_wrong_command_line_ends_with_2(command: str, says: str, folder: Path, here: Callable[..., Done]) -> None:
    before = sorted(folder.rglob("*"))

    done = here(*shlex.split(command))

    check_block(done, 2)
    assert says in done.err
    assert [p for p in sorted(folder.rglob("*")) if p not in before and ".ropewalk" not in p.parts] == []


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("show 99", "there is no run 99"),
        ("show nope", "there is no run `nope`"),
        ("show 1/tran", "did you mean 1/train?"),
        ("show 1/train/9", "`train` has no item 9"),
        ("show 999999999999999999999999", "there is no run"),
        ("logs 1/nope", "has no task `nope`"),
        ("artifacts show 000000", "there is no artifact `000000`"),
        ("artifacts show 1/train --output nope", "there is no artifact"),
        ("lineage 000000", "no artifact has a digest"),
        ("models show nope", "there is no model `nope`"),
        ("debug 1", "has no task that failed"),
        ("resume 99", "there is no run 99"),
    ],
)
def test_what_does_not_exist_ends_with_1(command: str, says: str, here: Callable[..., Done]) -> None:
    done = here(*command.split())

    check_block(done, 1)
    assert says in done.err


def test_all_problems_with_parameters_are_told_at_once(folder: Path) -> None:
    done = ropewalk("run", "demo", "-p", "itms=3", "-p", "train.c=x", "--items", "y", cwd=folder)

    check_block(done, 2)
    assert "3 problems with the parameters of `demo`" in done.err
    assert all(text in done.err for text in ("itms", "expects a number (float)", "expects a whole number (int)"))


def _write(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_write(b"raise ValueError('boom')\n"), "ValueError: boom"),
        (_write(b"import sys; sys.exit(3)\n"), "sys.exit(3)"),
        (_write(b"while True: pass\n"), "takes longer than 0.5 s"),
        (_write(b"import nosuchmodule\n"), "No module named 'nosuchmodule'"),
        (_write(b"def f(:\n"), "is not valid Python"),
        (_write(b"x = 1\n"), "has no pipeline"),
        (_write(b"x = 1  # \xff\n"), "is not UTF-8"),
        (_write(b"x = 1\n\0"), "NUL"),
        (Path.mkdir, "is a folder"),
        (os.mkfifo, "is not a regular file"),
        (lambda path: path.symlink_to("nowhere.py"), "does not exist"),
        (lambda _: None, "there is no such file"),
    ],
    ids=[
        "raises",
        "exits",
        "hangs",
        "imports",
        "syntax",
        "nothing",
        "binary",
        "nul",
        "folder",
        "fifo",
        "link",
        "missing",
    ],
)
def test_a_file_that_cannot_be_loaded_is_named_with_the_reason(
    make: Callable[[Path], object], says: str, tmp_path: Path
) -> None:
    make(tmp_path / "bad.py")

    done = ropewalk("run", "bad.py", cwd=tmp_path, env={"ROPEWALK_IMPORT_TIMEOUT": "0.5"})

    check_block(done, 2)
    assert "bad.py" in done.err
    assert says in done.err
    assert not (tmp_path / ".ropewalk").exists()


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "bom.py").write_bytes(b"\xef\xbb\xbf" + PIPELINE.encode())

    assert ropewalk("graph", "bom.py:demo", cwd=tmp_path).code == 0


def test_control_characters_of_the_command_line_are_not_echoed(tmp_path: Path) -> None:
    done = ropewalk("run", "\x1b]0;title\x07.py", cwd=tmp_path)

    assert done.code == 2
    assert "\x1b" not in done.err
    assert "\x07" not in done.err


@pytest.mark.parametrize("command", ["runs", "models", "gc", "show", "logs", "artifacts", "resume", "why 1/x"])
def test_looking_where_nothing_was_run_makes_nothing(command: str, tmp_path: Path) -> None:
    done = ropewalk(*command.split(), cwd=tmp_path)

    assert done.code in (0, 1)
    assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_of_our_own_is_one_line_and_a_file_without_what_was_typed_as_values(folder: Path) -> None:
    (folder / "secret.py").write_text(FAILS.replace("def fails():", "def fails(secret: str):"))
    done = ropewalk(
        "run", "secret.py", "--secret", "hunter2", cwd=folder, env={"ROPEWALK_FAILPOINTS": "commit.append=raise"}
    )

    check_block_lines = [line for line in done.err.splitlines() if line.startswith("error[")]
    (report,) = (folder / ".ropewalk" / "crash").glob("*.txt")
    assert done.code == 70
    assert check_block_lines == [
        "error[P900]: this is a mistake in Ropewalk itself: RuntimeError: failpoint commit.append"
    ]
    assert "Traceback" not in done.err
    assert f".ropewalk/crash/{report.name}" in done.err
    assert "Traceback (most recent call last)" in report.read_text()
    assert "command: run --secret" in report.read_text()
    assert "hunter2" not in report.read_text()
