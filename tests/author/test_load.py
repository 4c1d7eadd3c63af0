"""Finding pipelines in files and modules, and saying why when there are none."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading

import pytest

from ropewalk.author.load import find_pipeline, load_file
from ropewalk.author.pipeline import trace
from ropewalk.author.resolve import resolve
from ropewalk.core.errors import DefinitionError
from tests.author.modules import HEAD, as_before, write

FLOW = """
from ropewalk import pipeline, task

@task
def one(a: int = 1) -> int:
    return a

@pipeline
def second():
    one(2)

@pipeline(name="first-flow")
def first():
    return one(1)
"""


@pytest.fixture(autouse=True)
def _clean():
    with as_before():
        yield


def refusal(target, code, **options):
    with pytest.raises(DefinitionError) as caught:
        find_pipeline(str(target), **options)
    assert caught.value.code == code
    assert caught.value.exit_code == 2
    return caught.value


def test_the_pipelines_of_a_file_come_in_its_order(tmp_path):
    assert [p.name for p in load_file(write(tmp_path, FLOW))] == ["second", "first-flow"]


@pytest.mark.parametrize("name", ["first", "first-flow"])
def test_a_pipeline_is_found_by_variable_and_by_name(tmp_path, name):
    path = write(tmp_path, FLOW)

    assert find_pipeline(f"{path}:{name}")() == 1


def test_the_only_pipeline_of_a_file_needs_no_name(tmp_path):
    path = write(tmp_path, HEAD + "@pipeline\ndef flow():\n    one(1)\n")

    assert find_pipeline(str(path)).name == "flow"


def test_a_pipeline_is_found_in_a_module():
    assert find_pipeline("tests.author.steps:prepared").name == "prepared"
    assert find_pipeline("tests.author.steps").name == "prepared"


def test_several_pipelines_and_no_name_are_listed(tmp_path):
    path = write(tmp_path, FLOW)

    error = refusal(path, "P233")

    assert error.help == (f"say which: {path}:second", f"say which: {path}:first-flow")


def test_an_unknown_name_suggests_the_nearest(tmp_path):
    path = write(tmp_path, FLOW)

    error = refusal(f"{path}:secnd", "P232")

    assert error.facts == ("it has second, first-flow",)
    assert error.help == (f"did you mean {path}:second?",)


def test_a_name_of_something_else_is_told(tmp_path):
    assert "`one` is a `Task`, not a pipeline" in refusal(f"{write(tmp_path, FLOW)}:one", "P232").facts


def test_a_file_without_pipelines_says_so(tmp_path):
    path = write(tmp_path, "x = 1\n")

    assert "has no pipeline" in refusal(path, "P232").title
    with pytest.raises(DefinitionError, match="has no pipeline"):
        load_file(path)


def test_a_pipeline_that_is_imported_counts_only_where_there_is_no_other(tmp_path):
    write(tmp_path, HEAD + "@pipeline\ndef inner():\n    one(1)\n", name="generated_inner")
    both = write(tmp_path, HEAD + "from generated_inner import inner\n@pipeline\ndef outer():\n    inner()\n")
    alone = write(tmp_path, "from generated_inner import inner\n")

    assert [p.name for p in load_file(both)] == ["outer"]
    assert [p.name for p in load_file(alone)] == ["inner"]


def test_a_file_can_import_its_neighbours(tmp_path):
    write(tmp_path, "LIMIT = 7\n", name="generated_neighbour")
    path = write(
        tmp_path, HEAD + "from generated_neighbour import LIMIT\n@pipeline\ndef flow():\n    return one(LIMIT)\n"
    )

    assert find_pipeline(str(path))() == 22


def test_functions_of_a_file_are_found_again_by_their_path(tmp_path):
    path = write(tmp_path, HEAD + "@pipeline\ndef flow():\n    return one(1)\n", name="generated_found")
    made = trace(find_pipeline(str(path)))

    assert made.graph.tasks["one"].function == "generated_found:one"
    assert resolve(made.graph) == made.functions


def test_a_task_of_a_file_is_pickled(tmp_path):
    path = write(tmp_path, HEAD + "@pipeline\ndef flow():\n    return one(1)\n")
    find_pipeline(str(path))
    one = sys.modules[path.stem].one

    assert pickle.loads(pickle.dumps(one)) is one


def test_a_function_that_moved_away_is_named(tmp_path):
    path = write(tmp_path, HEAD + "@pipeline\ndef flow():\n    return one(1)\n")
    graph = find_pipeline(str(path)).graph()
    del sys.modules[path.stem].one

    with pytest.raises(DefinitionError, match="task `one` cannot be imported") as caught:
        resolve(graph)

    assert caught.value.code == "P234"


def test_a_function_inside_a_function_cannot_be_found_again():
    from ropewalk import pipeline, task

    @task
    def inner() -> int:
        return 1

    @pipeline
    def flow():
        inner()

    with pytest.raises(DefinitionError, match="is defined inside a function"):
        resolve(flow.graph())


def test_loading_a_file_twice_gives_the_same_pipeline(tmp_path):
    path = write(tmp_path, FLOW)

    assert load_file(path)[0] is load_file(path)[0]


def test_an_edited_file_is_loaded_again(tmp_path):
    path = write(tmp_path, HEAD + "@pipeline\ndef flow():\n    x = one(1)\n    y = one(2)\n")
    before = find_pipeline(str(path)).graph()
    path.write_text(HEAD + "\n\n@pipeline\ndef flow():\n    x = one(1)\n    longer = one(2)\n")

    after = find_pipeline(str(path)).graph()

    assert sorted(before.nodes) == ["one:x", "one:y"]
    assert sorted(after.nodes) == ["one:longer", "one:x"]
    assert after.nodes["one:x"].line == before.nodes["one:x"].line + 2


def test_two_files_of_one_name_are_two_modules(tmp_path):
    files = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        files.append(write(folder, HEAD + f"@pipeline\ndef flow():\n    return one({number})\n", name="generated_twin"))

    pipelines = [find_pipeline(str(path)) for path in files]

    assert [p() for p in pipelines] == [4, 7]
    assert len({p.fn.__module__ for p in pipelines}) == 2


def test_a_file_that_is_named_like_an_installed_module_does_not_hide_it(tmp_path):
    path = write(
        tmp_path, HEAD + "import wave\nassert wave.Wave_read\n@pipeline\ndef flow():\n    one(1)\n", name="wave"
    )
    sys.modules.pop("wave", None)

    made = find_pipeline(str(path))

    assert made.fn.__module__.startswith("wave_")
    assert sys.modules["wave"].__file__ != str(path)


def test_a_file_name_that_is_no_identifier_is_fine(tmp_path):
    path = tmp_path / "my-flow.v2.py"
    path.write_text(FLOW)

    assert len(load_file(path)) == 2


# --- files that cannot be read ---


def test_a_missing_file_suggests_a_near_name(tmp_path):
    (tmp_path / "pipeline.py").write_text(FLOW)

    error = refusal(tmp_path / "pipelin.py", "P230")

    assert "there is no such file" in error.title
    assert error.help == (f"did you mean {tmp_path / 'pipeline.py'}?",)


def test_a_missing_folder_is_told(tmp_path):
    assert "there is no folder" in refusal(tmp_path / "no" / "pipeline.py", "P230").title


def test_a_folder_suggests_a_file_in_it(tmp_path):
    (tmp_path / "flow.py").write_text(FLOW)

    error = refusal(tmp_path, "P230")

    assert "it is a folder" in error.title
    assert error.help == (f"name a file in it: {tmp_path / 'flow.py'}",)


def test_a_dangling_link_is_told(tmp_path):
    (tmp_path / "flow.py").symlink_to(tmp_path / "gone.py")

    assert "it is a link to" in refusal(tmp_path / "flow.py", "P230").title


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "flow.py")

    assert "it is not a regular file" in refusal(tmp_path / "flow.py", "P230").title


def test_a_huge_file_is_not_read(tmp_path):
    with open(tmp_path / "flow.py", "wb") as file:
        file.truncate(100 * 1024 * 1024)

    assert "it is larger than 10 MiB" in refusal(tmp_path / "flow.py", "P230").title


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_told(tmp_path):
    path = write(tmp_path, FLOW)
    path.chmod(0)

    assert "Permission denied" in refusal(path, "P230").title


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"x = 1\ny = '\xff'\n", "line 2 is not utf-8"),
        (b"x = '\xff'\n", "it is not UTF-8"),
        (b"x = 1\0\n", "it holds a NUL byte"),
        (b"# -*- coding: klingon -*-\n", "klingon"),
    ],
)
def test_a_file_that_is_no_text_is_told(tmp_path, content, words):
    path = tmp_path / "generated_bytes.py"
    path.write_bytes(content)

    assert words in str(refusal(path, "P230"))


def test_a_byte_order_mark_is_fine(tmp_path):
    path = tmp_path / "generated_bom.py"
    path.write_bytes(b"\xef\xbb\xbf" + FLOW.encode())

    assert len(load_file(path)) == 2


def test_another_encoding_is_fine_when_the_file_says_so(tmp_path):
    path = tmp_path / "generated_latin.py"
    path.write_bytes(b"# -*- coding: latin-1 -*-\nNAME = '\xe9'\n" + FLOW.encode())

    assert len(load_file(path)) == 2


def test_a_name_that_is_neither_file_nor_module_is_told():
    assert "is neither a file nor a module" in refusal("my flow", "P230").title


def test_a_module_that_is_not_there_is_told():
    assert "No module named 'no_such_module'" in refusal("no_such_module:flow", "P230").title


# --- files that cannot be imported ---


def test_a_syntax_error_points_to_its_line(tmp_path):
    error = refusal(write(tmp_path, "x = 1\ndef (:\n"), "P230")

    assert "is not valid Python" in error.title
    assert (error.where.line, error.where.text) == (2, "def (:")


def test_an_error_at_import_points_to_the_authors_line(tmp_path):
    error = refusal(write(tmp_path, "import json\n\n\ndef read():\n    return json.loads('{')\n\n\nread()\n"), "P230")

    assert "JSONDecodeError" in error.title
    assert (error.where.line, error.where.text, error.where.detail) == (5, "    return json.loads('{')", "in read()")
    assert isinstance(error.__cause__, ValueError)


def test_an_error_in_a_neighbour_points_there(tmp_path):
    write(tmp_path, "1 / 0\n", name="generated_broken")

    error = refusal(write(tmp_path, "import generated_broken\n"), "P230")

    assert error.where.file.endswith("generated_broken.py")


def test_a_missing_package_suggests_to_install_it(tmp_path):
    error = refusal(write(tmp_path, "import no_such_package.part\n"), "P230")

    assert error.help == ("pip install no_such_package   if it is a package",)


def test_a_wrong_option_at_import_points_to_the_authors_line(tmp_path):
    error = refusal(write(tmp_path, "from ropewalk import Retry\n\nRULE = Retry(-1)\n"), "P223")

    assert (error.where.line, error.where.text) == (3, "RULE = Retry(-1)")


@pytest.mark.parametrize("end", ["sys.exit(0)", "sys.exit('bye')", "raise SystemExit"])
def test_a_file_that_ends_the_program_is_told(tmp_path, end):
    error = refusal(write(tmp_path, f"import sys\n\n{end}\n"), "P230")

    assert "ends the program" in error.title
    assert error.where.line == 3


def test_ctrl_c_while_importing_goes_through(tmp_path):
    path = write(tmp_path, "raise KeyboardInterrupt\n")

    with pytest.raises(KeyboardInterrupt):
        load_file(path)

    assert path.stem not in sys.modules


def test_a_file_that_hangs_is_told_with_the_line(tmp_path):
    path = write(tmp_path, "import threading\n\ntry:\n    threading.Event().wait()\nexcept Exception:\n    pass\n")

    error = refusal(path, "P231", limit_s=0.2)

    assert "takes longer than 0.2 s" in error.title
    assert (error.where.line, error.where.text) == (4, "    threading.Event().wait()")


def test_a_file_that_loops_is_told_with_the_line(tmp_path):
    error = refusal(write(tmp_path, "while True:\n    pass\n"), "P231", limit_s=0.2)

    assert error.where.line in (1, 2)


def test_the_limit_comes_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("ROPEWALK_IMPORT_TIMEOUT", "0.1")

    assert "takes longer than 0.1 s" in refusal(write(tmp_path, "while True: pass\n"), "P231").title


def test_a_failed_import_leaves_nothing_behind(tmp_path):
    path = write(tmp_path, "1 / 0\n")
    refusal(path, "P230")

    path.write_text(FLOW)

    assert len(load_file(path)) == 2


def test_other_files_still_load_after_a_broken_one(tmp_path):
    refusal(write(tmp_path, "1 / 0\n"), "P230")

    assert len(load_file(write(tmp_path, FLOW))) == 2


def test_files_load_in_other_threads_too(tmp_path):
    path, found = write(tmp_path, FLOW), []
    thread = threading.Thread(target=lambda: found.extend(load_file(path)))

    thread.start()
    thread.join()

    assert len(found) == 2


def test_the_alarm_is_as_before_afterwards(tmp_path):
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    mine = signal.getsignal(signal.SIGALRM)
    timer = signal.setitimer(signal.ITIMER_REAL, 1000)
    try:
        load_file(write(tmp_path, FLOW))

        assert signal.getsignal(signal.SIGALRM) is mine
        assert 900 < signal.getitimer(signal.ITIMER_REAL)[0] <= 1000
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, before)


def test_a_relative_import_suggests_the_module(tmp_path):
    error = refusal(write(tmp_path, "from .other import x\n"), "P230")

    assert "name the module: package.module:pipeline" in error.help
