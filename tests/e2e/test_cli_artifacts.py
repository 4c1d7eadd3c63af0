"""What tasks made: listed, looked at without running any of it, and exported."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.e2e.cli_runner import project, ropewalk

MAKES = """
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ropewalk import context, each, pipeline, task

class Odd:
    def __init__(self) -> None:
        self.f = [1, 2]

class Parts(NamedTuple):
    left: int
    right: str

@task
def frame() -> pd.DataFrame:
    return pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "\\x1b]0;t\\x07"]})

@task
def page() -> Path:
    Path("page.html").write_text("<h1>hi</h1>")
    return Path("page.html")

@task
def folder() -> Path:
    Path("out").mkdir(exist_ok=True)
    Path("out/a.txt").write_text("a")
    return Path("out")

@task
def pickled() -> Odd:
    return Odd()

@task
def parts() -> Parts:
    return Parts(7, "seven")

@task
def squares(x: int) -> int:
    return x * x

@task
def large() -> bytes:
    return b"x" * 10_000

@pipeline
def makes():
    frame(), page(), folder(), pickled(), parts(), large()
    return squares(each([1, 2, 3]))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = project(tmp_path_factory.mktemp("project"), MAKES)
    done = ropewalk("run", "--executor", "inline", cwd=folder)
    assert done.code == 0, done.err
    return folder


def listed(folder: Path, *arguments: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(ropewalk("artifacts", *arguments, "--json", cwd=folder).out)
    return found


def test_every_result_is_listed_with_its_task_type_and_preview(made: Path) -> None:
    rows = {(row["task"], row["item"], row["output"]): row for row in listed(made)}

    assert rows["frame", None, "result"]["preview"] == "3 rows × 2"
    assert rows["parts", None, "left"]["preview"] == "7"
    assert rows["squares", 2, "result"]["preview"] == "9"
    assert len(rows) == 10
    assert [row["output"] for row in listed(made, "1/parts")] == ["left", "right"]
    assert len(ropewalk("artifacts", cwd=made).out.splitlines()) == 11


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["1/frame"], "a  b\n  1  x\n"),
        (["1/page"], "<h1>hi</h1>"),
        (["1/folder"], "a.txt"),
        (["1/pickled"], "stored by pickle, which runs code when it is read; it was not read for this"),
        (["1/parts", "--output", "right"], "seven"),
        (["1/squares/1"], "value: 4"),
    ],
)
def test_an_artifact_is_shown_as_what_it_is(arguments: list[str], shown: str, made: Path) -> None:
    done = ropewalk("artifacts", "show", *arguments, cwd=made)

    assert done.code == 0, done.err
    assert shown in done.out
    assert "\x1b" not in done.out


def test_an_artifact_is_found_by_the_beginning_of_its_digest(made: Path) -> None:
    digest = str(listed(made, "1/large")[0]["digest"])

    assert digest == hashlib.sha256(b"x" * 10_000).hexdigest()
    assert ropewalk("artifacts", "show", digest[:8], cwd=made).out.startswith(f"{digest[:12]}  bytes, 9.8 KiB\n")
    small = str(listed(made, "1/squares/2")[0]["digest"])
    assert "value: 9" in ropewalk("artifacts", "show", small[:12], cwd=made).out


def test_a_task_with_several_results_asks_which(made: Path) -> None:
    done = ropewalk("artifacts", "show", "1/parts", cwd=made)

    assert done.code == 2
    assert "means 2 artifacts" in done.err
    assert "left of 1/parts" in done.err


@pytest.mark.parametrize(
    ("task", "target", "content"),
    [("large", "large.bin", b"x" * 10_000), ("page", "copy.html", b"<h1>hi</h1>"), ("squares/1", "four.json", b"4")],
)
def test_an_artifact_is_exported_byte_for_byte(task: str, target: str, content: bytes, made: Path) -> None:
    done = ropewalk("artifacts", "export", f"1/{task}", target, cwd=made)

    assert done.code == 0, done.err
    assert (made / target).read_bytes() == content


def test_a_folder_is_exported_as_a_folder_that_can_be_changed(made: Path) -> None:
    ropewalk("artifacts", "export", "1/folder", "copy", cwd=made)

    (made / "copy" / "b.txt").write_text("b")
    assert (made / "copy" / "a.txt").read_text() == "a"


def test_an_export_replaces_nothing_unless_forced(made: Path) -> None:
    (made / "mine.bin").write_text("mine")

    refused = ropewalk("artifacts", "export", "1/large", "mine.bin", cwd=made)
    kept = (made / "mine.bin").read_text()
    forced = ropewalk("artifacts", "export", "1/large", "mine.bin", "--force", cwd=made)

    assert (refused.code, "exists already" in refused.err, kept) == (2, True, "mine")
    assert (forced.code, (made / "mine.bin").stat().st_size) == (0, 10_000)


def test_an_export_to_a_place_that_is_not_there_is_refused_by_name(made: Path) -> None:
    done = ropewalk("artifacts", "export", "1/large", "no/such/folder.bin", cwd=made)

    assert done.code == 1
    assert done.err.startswith("error[P530]: `no/such/folder.bin`: No such file or directory\n")
