"""Plans, reasons, comparisons, lineage, debugging and replays as people see them; and drawings of graphs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.cli.graph import draw
from tests.e2e.cli_runner import PIPELINE, masked, on_terminal, plain, project, ropewalk


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two runs that differ in a parameter, and a third that failed."""
    made = project(tmp_path_factory.mktemp("project"), PIPELINE)
    for c in ("1", "0.5", "0"):
        ropewalk("run", "demo", "-p", f"train.c={c}", cwd=made)
    return made


def test_a_plan_says_what_would_run_and_why(folder: Path) -> None:
    text = masked(ropewalk("plan", "demo", "-p", "train.c=2", cwd=folder).out)

    assert text.startswith(
        "demo — changed since run 3: train.c 0.0 → 2.0\n"
        "  = load    cached    from run 1\n"
        "  = double  cached    from run 1\n"
        "  ▸ train   will run  parameter changed: train.c 0.5 → 2.0 0.00s\n"
        "  ? report  may run   input may change: train 0.00s\n"
        "1 to run, 1 perhaps to run, 5 cached"
    )
    assert "\n  order: critical-path, about 0.00s on " in text
    assert text.endswith("  longest chain: train → report\n")


def test_a_plan_with_force_and_without_cache_says_so(folder: Path) -> None:
    assert "▸ load    will run" in ropewalk("plan", "demo", "--force", "load", cwd=folder).out
    assert "7 to run" in ropewalk("plan", "demo", "--no-cache", cwd=folder).out


def test_why_gives_the_reason_and_the_parts_of_the_key(folder: Path) -> None:
    text = masked(ropewalk("why", "2/train", cwd=folder).out)

    assert text.startswith("`train` was executed in run 2: parameter changed: train.c 1.0 → 0.5\n  code     train")
    assert re.search(r"^  params +c=0\.5 +changed$", text, re.MULTILINE)


def test_why_follows_a_skipped_task_to_the_one_that_failed(folder: Path) -> None:
    assert ropewalk("why", "3/report", cwd=folder).out == (
        "`report` was skipped, because `train` failed: ZeroDivisionError: float division by zero\n"
        "  help: ropewalk why 3/train\n"
    )


def test_diff_shows_parameters_metrics_and_the_first_difference(folder: Path) -> None:
    text = masked(ropewalk("diff", "1", "2", cwd=folder).out)

    assert text.startswith(
        "run 1 → run 2\n"
        "  parameters\n"
        "    train.c 1.0 → 0.5\n"
        "  metrics\n"
        "    train.accuracy  0.967  →  0.947  (−0.020)\n"
        "  results\n"
        "    =  load    executed → reused      same result\n"
    )
    assert "first difference: train\n" in text


def test_lineage_is_a_tree_from_the_result_to_its_sources(folder: Path) -> None:
    lines = [text.partition(", code")[0] for text in ropewalk("lineage", "last/load", cwd=folder).out.splitlines()]
    tree = [text.split("  c")[0] for text in ropewalk("lineage", "2/report", cwd=folder).out.splitlines()]

    assert lines[1:3] == ["  made by", "    1/load  size=3"]
    assert [text for text in tree if "/" in text][:2] == ["    2/report", "      2/train"]
    assert any(text.startswith("        1/load") for text in tree)
    assert any(text.startswith("      1/double[*]") for text in tree)


def test_debug_without_a_terminal_calls_the_task_again_and_shows_the_error(folder: Path) -> None:
    done = ropewalk("debug", "3", cwd=folder)

    assert done.code == 1
    assert done.out.endswith("ZeroDivisionError: float division by zero\n")
    assert done.err.startswith("debugging 3/train with the inputs of run 3\n")


def test_debug_on_a_terminal_stops_where_the_error_is(folder: Path) -> None:
    done = on_terminal("debug", "3/train", cwd=folder, when=lambda text: "(Pdb)" in text, send=b"p c\nq\n")

    assert "(Pdb) p c" in plain(done.out)
    assert "\n0.0\n" in done.out


def test_debug_of_a_task_that_does_not_fail_any_more_ends_with_0(folder: Path) -> None:
    done = ropewalk("debug", "1/train", cwd=folder)

    assert done.code == 0
    assert "it did not fail this time: {'c': 1.0, 'loss': 1.0}\n" in done.out


def test_a_replay_that_repeats_a_run_exactly_ends_with_0(folder: Path) -> None:
    done = ropewalk("replay", "1", "-q", cwd=folder)

    assert done.code == 0
    assert done.out.splitlines()[0] == "  = load    identical"
    assert "repeated run 1 exactly" in done.out


def test_a_replay_names_the_task_that_is_not_deterministic(tmp_path: Path) -> None:
    source = PIPELINE.replace("import sys", "import os").replace('"c": c', '"c": c, "noise": os.urandom(4).hex()')
    project(tmp_path, source)
    ropewalk("run", "demo", cwd=tmp_path)

    done = ropewalk("replay", "1", "-q", cwd=tmp_path)

    assert done.code == 1
    assert "  ✗ train   different" in done.out
    assert "✗ `train` is not deterministic" in done.out


# ---- drawings


def drawn(needs: Mapping[str, Sequence[str]]) -> list[str]:
    return [f"{lanes}  {label}".rstrip() for lanes, label in draw(needs, {node: node for node in needs})]


def test_a_chain_is_one_line_down() -> None:
    assert drawn({"a": [], "b": ["a"]}) == ["●  a", "│", "●  b"]


def test_what_parts_flows_together_again() -> None:
    assert drawn({"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}) == [
        "●  a",
        "├─╮",
        "│ ●  b",
        "│ │",
        "● │  c",
        "├─╯",
        "●  d",
    ]


def test_sources_of_their_own_get_lanes_of_their_own() -> None:
    assert drawn({"a": [], "b": [], "c": ["a", "b"]}) == ["●  a", "│ ●  b", "├─╯", "●  c"]


@st.composite
def graphs(draw_: st.DrawFn) -> dict[str, list[str]]:
    count = draw_(st.integers(1, 12))
    names = [f"n{i}" for i in range(count)]
    return {n: sorted(draw_(st.sets(st.sampled_from(names[:i]))) if i else []) for i, n in enumerate(names)}


@given(graphs())
def test_every_task_is_drawn_once_and_lines_join_only_what_belongs_together(needs: dict[str, list[str]]) -> None:
    """The drawing is read back: following the lines upwards from a task leads to exactly what it needs."""
    lines = list(draw(needs, {node: node for node in needs}))

    assert [label for _, label in lines if label] == list(needs)
    assert read_back(lines) == {node: set(ups) for node, ups in needs.items()}


def read_back(lines: Sequence[tuple[str, str]]) -> dict[str, set[str]]:
    """Which nodes a drawing connects: every lane holds the node that it began with."""
    lanes: dict[int, str] = {}
    found: dict[str, set[str]] = {}
    joined: set[str] = set()
    for number, (text, label) in enumerate(lines):
        if label:
            at = text.index("●")
            found[label] = joined
            lanes = {i: lanes[i] for i, c in enumerate(text) if c == "│" and i in lanes} | {at: label}
            joined = set()
            continue
        horizontal = [i for i, c in enumerate(text) if c in "├┤┬┴┼╮╯╰╭"]
        straight = [i for i, c in enumerate(text) if c == "│"]
        inside = [i for i in horizontal if text[i] in "├┤┴┼╯╰" and i in lanes]
        joined = {lanes[i] for i in inside}
        if not horizontal:  # one lane goes straight down to the next node: the line below tells which
            below = lines[number + 1][0]
            joined = {lanes[i] for i in straight if i in lanes and below[i] == "●"}
    return found


def test_a_drawing_that_joins_the_wrong_lanes_would_be_found() -> None:
    lines = [("●", "a"), ("│ ●", "b"), ("├─╯", ""), ("●", "c")]

    assert read_back(lines) == {"a": set(), "b": set(), "c": {"a", "b"}}
    assert read_back([("●", "a"), ("│ ●", "b"), ("│ │", ""), ("● │", "c")])["c"] == {"a"}


def test_a_graph_is_drawn_listed_or_written_as_mermaid(folder: Path) -> None:
    ascii_, mermaid = (ropewalk("graph", "demo", *form, cwd=folder).out for form in ([], ["--format", "mermaid"]))

    assert "●  load" in ascii_
    assert "double[*]" in ascii_
    assert mermaid.startswith("flowchart TD\n")
    assert "n0 --> " in mermaid


def test_a_graph_too_wide_for_the_window_is_a_list(tmp_path: Path) -> None:
    tasks = "\n".join(f"    xs.append(one({i}))" for i in range(40))
    source = (
        "from ropewalk import pipeline, task\n@task\ndef one(i: int) -> int:\n    return i\n"
        "@task\ndef total(xs: list) -> int:\n    return sum(xs)\n"
        f"@pipeline\ndef wide():\n    xs = []\n{tasks}\n    return total(xs)\n"
    )

    text = ropewalk("graph", cwd=project(tmp_path, source)).out

    assert "●" not in text
    assert text.splitlines()[-1].startswith("total  ← one")
