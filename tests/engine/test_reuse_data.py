"""Edits to data, parameters and surroundings, each with what reuse must make of it; the real engine decides.

The values are also given to simpler keys, which other tools use: each of them is convicted by some edit of the table.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from ropewalk.core.state import RunState
from ropewalk.engine.client import Options
from ropewalk.engine.driving import make_executor
from ropewalk.engine.explain.planning import make_plan
from ropewalk.engine.owner import this_process
from ropewalk.engine.prepare import Preparer
from ropewalk.engine.reuse import Reuse
from ropewalk.engine.scheduler import Scheduler
from ropewalk.engine.supply import Means
from ropewalk.store import runs
from tests.engine.explained import INLINE, Project, executed, project_in

IMPORTS = "import datetime as dt\nimport decimal\nfrom pathlib import Path\n"
CONSUMER = """
@task
def use(x: Any) -> str:
    return repr(x)

@task
def after(text: str) -> str:
    return text.upper()
"""

RERUN: list[tuple[str, str, str]] = [
    ("integer to float", "1", "1.0"),
    ("integer to boolean", "1", "True"),
    ("integer to text", "1", "'1'"),
    ("float to boolean", "1.0", "True"),
    ("zero to false", "0", "False"),
    ("nothing to zero", "None", "0"),
    ("nothing to false", "None", "False"),
    ("nothing to empty text", "None", "''"),
    ("nothing to the word", "None", "'None'"),
    ("empty list to nothing", "[]", "None"),
    ("list to tuple", "[1, 2]", "(1, 2)"),
    ("order of a list", "[1, 2]", "[2, 1]"),
    ("order of a dict", "{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}"),
    ("key of a dict becomes a text", "{1: 'a'}", "{'1': 'a'}"),
    ("set to list", "{1, 2}", "[1, 2]"),
    ("set to frozenset", "{1, 2}", "frozenset({1, 2})"),
    ("sign of zero", "-0.0", "0.0"),
    ("missing number to nothing", "float('nan')", "None"),
    ("infinity to its sign", "float('inf')", "float('-inf')"),
    ("last bit of a float", "0.1 + 0.2", "0.3"),
    ("large integer to float", "10**30", "1e30"),
    ("integers beyond floats", "2**53", "2**53 + 1"),
    ("text to bytes", "'a'", "b'a'"),
    ("bytes to bytearray", "b'a'", "bytearray(b'a')"),
    ("composed to decomposed accent", "'\\u00e9'", "'e\\u0301'"),
    ("space at the end", "'a'", "'a '"),
    ("deep inside", "{'a': [1, {'b': (1,)}]}", "{'a': [1, {'b': [1]}]}"),
    ("boundary between items", "['a,b']", "['a', 'b']"),
    ("text that looks like a tag", "{'$': 'tuple', 'v': [1]}", "(1,)"),
    ("text to path", "'/nowhere/data'", "Path('/nowhere/data')"),
    ("digits of a decimal", "decimal.Decimal('1.0')", "decimal.Decimal('1.00')"),
    ("date to date and time", "dt.date(2026, 1, 1)", "dt.datetime(2026, 1, 1)"),
    ("time zone, same moment", "dt.datetime(2026, 1, 1, 0, tzinfo=dt.timezone.utc)",
     "dt.datetime(2026, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))"),
    ("range to list", "range(3)", "[0, 1, 2]"),
]  # fmt: skip

SAME: list[tuple[str, str, str]] = [
    ("notation of a float", "1000.0", "1e3"),
    ("notation of an integer", "16", "0x10"),
    ("order of a set", "{'a', 'b', 'c'}", "{'c', 'b', 'a'}"),
    ("missing number stays one", "float('nan')", "float('nan')"),
    ("missing number with another sign", "float('nan')", "-float('nan')"),
    ("computed in another way", "0.30000000000000004", "0.1 + 0.2"),
    ("quotes", "'a'", '"a"'),
    ("list comprehension", "[0, 1, 2]", "[n for n in range(3)]"),
    ("dict by another route", "{'a': 1}", "dict(a=1)"),
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with project_in(folder) as made:
        yield made


def flow(call: str, before: str = CONSUMER, signature: str = "") -> str:
    return f"{IMPORTS}{before}\n@pipeline\ndef flow({signature}):\n    return {call}\n"


def rerun(project: Project, before: str, after: str) -> set[str]:
    """What the second of two runs executes."""
    project.write(before)
    project.run()
    project.write(after)
    return ran(project)


def ran(project: Project, options: Options = INLINE, **given: Any) -> set[str]:
    """What a run executes; the plan must have said so."""
    plan = project.plan(options, **given)
    run = project.run(options, **given)
    done = executed(project.client, run.run)
    assert run.state == "succeeded"
    assert not done & {row.node for row in plan.rows if row.action in ("reuse", "skip")}
    assert done >= {row.node for row in plan.rows if row.action == "run"}
    return done


@pytest.mark.parametrize(("before", "after"), [e[1:] for e in RERUN], ids=[e[0] for e in RERUN])
def test_another_value_is_never_mistaken_for_the_one_before(project: Project, before: str, after: str) -> None:
    done = rerun(project, flow(f"after(use({before}))"), flow(f"after(use({after}))"))

    assert done == {"use", "after"}


@pytest.mark.parametrize(("before", "after"), [e[1:] for e in SAME], ids=[e[0] for e in SAME])
def test_the_same_value_in_other_words_is_reused(project: Project, before: str, after: str) -> None:
    assert rerun(project, flow(f"after(use({before}))"), flow(f"after(use({after}))")) == set()


SIMPLER: dict[str, Callable[[Any], Any]] = {
    "equality": lambda value: value,
    "its text": str,
    "JSON": lambda value: json.dumps(value, sort_keys=True, default=str),
}


@pytest.mark.parametrize("name", SIMPLER)
def test_simpler_keys_are_convicted_by_the_same_table(name: str) -> None:
    """Negative control."""
    key = SIMPLER[name]
    names = {"dt": dt, "decimal": decimal, "Path": PurePosixPath}

    missed = [label for label, a, b in RERUN if _key(key, eval(a, names)) == _key(key, eval(b, names))]

    assert missed


def _key(key: Callable[[Any], Any], value: Any) -> Any:
    try:
        return key(value)
    except TypeError:
        return object()


FRAME_HEAD = """
import pandas as pd

@task
def make() -> pd.DataFrame:
    return {frame}

@task
def use(frame: pd.DataFrame) -> int:
    return len(frame)
"""
BASE = "pd.DataFrame({'a': [1, 2], 'b': ['x', 'y']})"
WHEN = "pd.to_datetime(['2026-01-01', '2026-01-02'])"

FRAMES_DIFFER: list[tuple[str, str, str]] = [
    ("order of columns", BASE, "pd.DataFrame({'b': ['x', 'y'], 'a': [1, 2]})"),
    ("name of a column", BASE, "pd.DataFrame({'a': [1, 2], 'c': ['x', 'y']})"),
    ("order of rows", BASE, "pd.DataFrame({'a': [2, 1], 'b': ['y', 'x']})"),
    ("one cell", BASE, "pd.DataFrame({'a': [1, 3], 'b': ['x', 'y']})"),
    ("labels of rows", BASE, f"{BASE}.set_axis([1, 2])"),
    ("name of the index", BASE, f"{BASE}.rename_axis('id')"),
    ("index becomes a column", f"{BASE}.set_index('a')", BASE),
    ("integer to float", BASE, f"{BASE}.astype({{'a': 'float64'}})"),
    ("width of integers", BASE, f"{BASE}.astype({{'a': 'int32'}})"),
    ("integer to nullable integer", BASE, f"{BASE}.astype({{'a': 'Int64'}})"),
    ("width of floats", "pd.DataFrame({'a': [0.5]}, dtype='float64')", "pd.DataFrame({'a': [0.5]}, dtype='float32')"),
    ("text to category", BASE, f"{BASE}.astype({{'b': 'category'}})"),
    ("order of categories", f"{BASE}.assign(b=pd.Categorical(['x', 'y'], categories=['x', 'y']))",
     f"{BASE}.assign(b=pd.Categorical(['x', 'y'], categories=['y', 'x']))"),
    ("category that no row has", f"{BASE}.assign(b=pd.Categorical(['x', 'y'], categories=['x', 'y']))",
     f"{BASE}.assign(b=pd.Categorical(['x', 'y'], categories=['x', 'y', 'z']))"),
    ("text to object", f"{BASE}.astype({{'b': 'str'}})", f"{BASE}.astype({{'b': 'object'}})"),
    ("time zone added", f"pd.DataFrame({{'t': {WHEN}}})", f"pd.DataFrame({{'t': {WHEN}.tz_localize('UTC')}})"),
    ("time zone, same moments", f"pd.DataFrame({{'t': {WHEN}.tz_localize('UTC')}})",
     f"pd.DataFrame({{'t': {WHEN}.tz_localize('UTC').tz_convert('Europe/Berlin')}})"),
    ("unit of times", f"pd.DataFrame({{'t': {WHEN}.as_unit('s')}})", f"pd.DataFrame({{'t': {WHEN}.as_unit('ns')}})"),
    ("sign of zero", "pd.DataFrame({'a': [0.0]})", "pd.DataFrame({'a': [-0.0]})"),
    ("missing cell", "pd.DataFrame({'a': [1.0, float('nan')]})", "pd.DataFrame({'a': [1.0, 0.0]})"),
    ("missing text to the word", "pd.DataFrame({'b': ['x', None]})", "pd.DataFrame({'b': ['x', 'None']})"),
    ("frame of no rows loses its columns", f"{BASE}.head(0)", "pd.DataFrame()"),
    ("series to frame", "pd.Series([1, 2], name='a')", "pd.DataFrame({'a': [1, 2]})"),
    ("array: width", "pd.array([1, 2]).to_numpy('int64')", "pd.array([1, 2]).to_numpy('int32')"),
    ("array: shape", "pd.array([1, 2]).to_numpy('int64')", "pd.array([1, 2]).to_numpy('int64').reshape(1, 2)"),
    ("list to tuple", "[1, 2]", "(1, 2)"),
    ("text to bytes", "'ab'", "b'ab'"),
]  # fmt: skip

FRAMES_SAME: list[tuple[str, str, str]] = [
    ("made in two parts", BASE, f"pd.concat([{BASE}.head(1), {BASE}.tail(1)])"),
    ("filtered and back", BASE, "pd.DataFrame({'a': [1, 2, 9], 'b': ['x', 'y', 'z']}).query('a < 5')"),
    ("columns selected in order", BASE, "pd.DataFrame({'a': [1, 2], 'z': [0, 0], 'b': ['x', 'y']})[['a', 'b']]"),
    ("types given", BASE, "pd.DataFrame({'a': pd.Series([1, 2], dtype='int64'), 'b': ['x', 'y']})"),
    ("categories given as they are found", f"{BASE}.astype({{'b': 'category'}})",
     f"{BASE}.assign(b=pd.Categorical(['x', 'y']))"),
    ("strided array", "pd.array([1, 2]).to_numpy('int64')", "pd.array([1, 9, 2, 9]).to_numpy('int64')[::2]"),
    ("list by another route", "[1, 2]", "sorted([2, 1])"),
]  # fmt: skip


def frames(before: str, after: str) -> tuple[str, str]:
    return tuple(flow("use(make())", FRAME_HEAD.format(frame=text)) for text in (before, after))  # type: ignore[return-value]


@pytest.mark.parametrize(("before", "after"), [e[1:] for e in FRAMES_DIFFER], ids=[e[0] for e in FRAMES_DIFFER])
def test_a_table_that_differs_in_one_respect_is_another_input(project: Project, before: str, after: str) -> None:
    assert rerun(project, *frames(before, after)) == {"make", "use"}


@pytest.mark.parametrize(("before", "after"), [e[1:] for e in FRAMES_SAME], ids=[e[0] for e in FRAMES_SAME])
def test_early_cut_off_when_other_code_makes_the_same_table(project: Project, before: str, after: str) -> None:
    assert rerun(project, *frames(before, after)) == {"make"}


FILE = "@task\ndef use(path: Path) -> str:\n    return path.name if path.is_dir() else path.read_text()\n"


def with_file(project: Project, name: str = "table.csv") -> Path:
    path = project.folder / name
    path.write_text("1,2")
    project.write(flow("use(path)", FILE, "path: Path"))
    project.run(path=path)
    return path


def test_a_file_counts_by_its_content(project: Project) -> None:
    path = with_file(project)

    path.write_text("1,3")

    assert ran(project, path=path) == {"use"}


def test_a_file_does_not_count_by_its_times_and_rights(project: Project) -> None:
    path = with_file(project)

    os.utime(path, (0, 0))
    path.chmod(0o600)

    assert ran(project, path=path) == set()


def test_a_file_that_was_written_again_with_the_same_content_is_reused(project: Project) -> None:
    path = with_file(project)

    path.unlink()
    path.write_text("1,2")

    assert ran(project, path=path) == set()


def test_a_file_counts_by_its_name_which_the_task_can_see(project: Project) -> None:
    path = with_file(project)

    moved = path.rename(path.with_name("other.csv"))

    assert ran(project, path=moved) == {"use"}


def test_a_file_that_appears_counts(project: Project) -> None:
    project.write(flow("use(path)", FILE.replace("path.read_text()", "str(path.exists())"), "path: Path"))
    path = project.folder / "late.csv"
    project.run(path=path)

    path.write_text("")

    assert ran(project, path=path) == {"use"}


@pytest.mark.parametrize("change", ["content", "new", "gone", "renamed"])
def test_a_folder_counts_by_all_files_in_it(project: Project, change: str) -> None:
    folder = project.folder / "data"
    (folder / "deep").mkdir(parents=True)
    inner = folder / "deep" / "a.csv"
    inner.write_text("1")
    project.write(flow("use(path)", FILE, "path: Path"))
    project.run(path=folder)

    if change == "content":
        inner.write_text("2")
    elif change == "new":
        (folder / "b.csv").write_text("1")
    elif change == "gone":
        inner.unlink()
    else:
        inner.rename(folder / "deep" / "b.csv")

    assert ran(project, path=folder) == {"use"}


def test_an_ignored_parameter_does_not_count(project: Project) -> None:
    task = "@task(cache=Cache(ignore=['verbose']))\ndef use(x: int, verbose: bool) -> int:\n    return x\n"

    done = rerun(project, flow("use(1, verbose=False)", task), flow("use(1, verbose=True)", task))

    assert done == set()


def test_a_parameter_that_is_ignored_no_longer_counts_again(project: Project) -> None:
    task = "@task(cache=Cache(ignore=['verbose']))\ndef use(x: int, verbose: bool) -> int:\n    return x\n"
    counted = task.replace("(cache=Cache(ignore=['verbose']))", "")

    assert rerun(project, flow("use(1, verbose=False)", task), flow("use(1, verbose=True)", counted)) == {"use"}


@pytest.mark.parametrize(("declared", "done"), [(["REGION"], {"use"}), ([], set())])
def test_an_environment_variable_counts_if_it_is_declared(
    project: Project, monkeypatch: pytest.MonkeyPatch, declared: list[str], done: set[str]
) -> None:
    project.write(flow("use()", f"@task(cache=Cache(env={declared}))\ndef use() -> int:\n    return 1\n"))
    monkeypatch.setenv("REGION", "north")
    project.run()

    monkeypatch.setenv("REGION", "south")

    assert ran(project) == done


def test_a_declared_variable_that_is_unset_is_not_an_empty_one(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(flow("use()", "@task(cache=Cache(env=['REGION']))\ndef use() -> int:\n    return 1\n"))
    monkeypatch.delenv("REGION", raising=False)
    project.run()

    monkeypatch.setenv("REGION", "")

    assert ran(project) == {"use"}


@pytest.mark.parametrize(("days", "done"), [(6.9, set()), (7.1, {"use"})])
def test_a_result_is_reused_until_it_expires(project: Project, days: float, done: set[str]) -> None:
    project.write(flow("use()", "@task(cache=Cache(ttl='7d'))\ndef use() -> int:\n    return 1\n"))
    project.run()

    assert ran_at(project, time.time() + days * 86400) == done


def ran_at(project: Project, now: float) -> set[str]:
    """What a run executes at another time; the plan for that time must have said so."""
    client, work = project.client, project.work()
    plan = make_plan(client, work, INLINE, now)
    executor = make_executor(work.functions, client.home, INLINE)
    run = runs.create(client.db, runs.NewRun(work.graph, dict(work.params), {}, "", 0, this_process(), {}), now)
    state = RunState(work.graph)
    preparer = Preparer(run.number, state, work.params, 0, client.load)
    reuse = Reuse(client.db, client.blobs)
    Scheduler(client.db, run, state, executor, Means(preparer, reuse), clock=lambda: now).drive()
    done = executed(client, run)
    assert done == {row.node for row in plan.rows if row.action == "run"}
    return done


@pytest.mark.parametrize(
    ("before", "after", "done"),
    [
        ("@task", "@task(cache=Cache(version='2'))", {"use"}),
        ("@task", "@task(cache=False)", {"use"}),
        ("@task", "@task(cache=Cache(ttl='1h'))", set()),
        ("@task", "@task(retry=3, timeout='1h')", set()),
        ("@task", "@task(run_if='all_done')", set()),
    ],
    ids=["version", "cache off", "life time added", "retries and time limit", "rule"],
)
def test_a_policy_counts_only_if_it_says_so(project: Project, before: str, after: str, done: set[str]) -> None:
    task = "\ndef use() -> int:\n    return 1\n"

    assert rerun(project, flow("use()", before + task), flow("use()", after + task)) == done


def test_runs_with_other_seeds_share_no_results(project: Project) -> None:
    project.write(flow("after(use(1))"))
    project.run()

    assert ran(project, replace(INLINE, seed=1)) == {"use"} | {"after"}


def test_the_executor_does_not_count(project: Project) -> None:
    project.write(flow("after(use(1))"))
    project.run()

    assert ran(project, Options(executor="processes", workers=1)) == set()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("use(1)", "use(x=1)"),
        ("use(1)", "use.options(name='renamed')(1)"),
        ("use(1)", "use.options(retry=2)(1)"),
        ("after(use(1))", "after(use(1)), use(1)"),
    ],
    ids=["keyword", "renamed node", "policy of one call", "called once more"],
)
def test_the_wiring_does_not_count_where_the_values_are_the_same(project: Project, before: str, after: str) -> None:
    assert rerun(project, flow(before), flow(after)) == set()


def test_a_parameter_of_the_pipeline_counts_by_its_value_only(project: Project) -> None:
    assert rerun(project, flow("use(n)", signature="n: int = 1"), flow("use(1)")) == set()


def test_a_control_dependency_does_not_count(project: Project) -> None:
    before, after = flow("[use(1), after('x')]"), flow("[use(1).after(after('x'))]")

    assert rerun(project, before, after) == set()


def test_a_new_task_beside_others_is_all_that_runs(project: Project) -> None:
    assert rerun(project, flow("use(1)"), flow("[use(1), after('new')]")) == {"after"}


def test_a_project_that_was_moved_keeps_its_results(project: Project, tmp_path: Path) -> None:
    project.write(flow("after(use(1))"))
    project.run()
    moved = tmp_path / "elsewhere"
    shutil.copytree(project.folder, moved)

    with project_in(moved) as other:
        assert ran(other) == set()


def test_only_the_items_that_are_new_run(project: Project) -> None:
    project.write(flow("use(each([1, 2, 3]))"))
    project.run()
    project.write(flow("use(each([3, 2.0, 1, 4]))"))

    run = project.run()

    assert [row.source is None for row in run_rows(project, run.number)] == [False, True, False, True]


def run_rows(project: Project, number: int) -> list[Any]:
    from ropewalk.store import tasks

    return tasks.listing(project.client.db, number, "use")


def test_a_result_whose_file_is_gone_is_computed_again_and_what_follows_is_reused(project: Project) -> None:
    big = (
        "@task\ndef use(x: int) -> str:\n    return 'x' * 10_000\n\n@task\ndef after(text: str) -> int:\n    return 1\n"
    )
    project.write(flow("after(use(1))", big))
    run = project.run()
    project.client.blobs.delete(run.artifacts("use")[0]["result"].digest)

    assert ran(project) == {"use"}
