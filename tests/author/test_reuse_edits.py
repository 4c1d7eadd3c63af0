"""Edits to a project, each with what reuse must make of it.

Every edited project is loaded for itself. What its task returns is compared as well, so that the label "reused" is
proved and not only claimed. The same table convicts three simpler fingerprints, such as other tools use.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.author.reuse_project import FILES

RUNNER = Path(__file__).parent / "reuse_runner.py"
SOURCES = Path(__file__).parents[2] / "src"
F, H, C, D = "flow.py", "helpers.py", "config.py", "deco.py"
LIB = "venv/site-packages/"


@dataclass(frozen=True)
class Edit:
    name: str
    changes: tuple[tuple[str, str, str], ...] = ()  # (file, old text, new text); "" appends
    moved: Mapping[str, str] = field(default_factory=dict)
    added: Mapping[str, str] = field(default_factory=dict)

    def apply(self, files: Mapping[str, str]) -> dict[str, str]:
        edited = {**files, **self.added}
        for file, old, new in self.changes:
            assert not old or edited[file].count(old) == 1, f"{self.name}: {old!r} is not in {file} exactly once"
            edited[file] = edited[file].replace(old, new) if old else edited[file] + new
        return {self.moved.get(name, name): text for name, text in edited.items()}


def edit(name: str, file: str, old: str, new: str, *more: tuple[str, str, str]) -> Edit:
    return Edit(name, ((file, old, new), *more))


MUST_RERUN = [
    edit("literal in the task", F, "inner_offset = 7", "inner_offset = 8"),
    edit("integer becomes float", F, '"a" + "b", 10', '"a" + "b", 1e1'),
    edit("text in the task", F, '"a" + "b"', '"a" + "c"'),
    edit("text of an f-string", F, "trained on", "fitted on"),
    edit("conversion in an f-string", F, "{x!r}", "{x!s}"),
    edit("format in an f-string", F, "{x!r}", "{x:>3}"),
    edit("operator", F, "x**power", "x*power"),
    edit("== becomes is", F, "x == 3", "x is 3"),
    edit("and becomes or", F, "x > 2 and x", "x > 2 or x"),
    edit("comparison", F, "x < 9", "x <= 9"),
    edit("filter of a comprehension", F, "if v != 1]", "if v != 2]"),
    edit("body of a nested function", F, "return y - inner_offset", "return y + inner_offset"),
    edit("default of a parameter", F, "x: int = 3", "x: int = 4"),
    edit("default of a keyword", F, "power: float = 2.0", "power: float = 3.0"),
    edit("type of a default", F, "power: float = 2.0", "power: float = 2"),
    edit("declared result", F, "-> Split:", "-> Settings:"),
    edit("other helper called", F, "helpers.scale(v)", "helpers.shift(v)"),
    edit("argument added", F, "helpers.scale(v)", "helpers.scale(v, 1)"),
    edit("local renamed", H, "result: int = value * FACTOR  # by the factor\n    return shift(result)",
         "product: int = value * FACTOR\n    return shift(product)"),
    edit("body of a helper", H, "shift(result) + offset", "shift(result) - offset"),
    edit("helper of a helper", H, "return value + 1", "return value + 2"),
    edit("default of a helper", H, "offset: int = 0", "offset: int = 1"),
    edit("keyword default of a helper", H, "default=None", "default=0"),
    edit("constant", H, "FACTOR = 3", "FACTOR = 4"),
    edit("constant int to float", C, "LIMIT = 1", "LIMIT = 1.0"),
    edit("constant int to bool", C, "LIMIT = 1", "LIMIT = True"),
    edit("constant int to text", C, "LIMIT = 1", 'LIMIT = "1"'),
    edit("constant set again elsewhere", H, "", "\nimport config\n\nconfig.LIMIT = 2\n"),
    edit("constant by star import", C, 'STAR = "*"', 'STAR = "+"'),
    edit("value in a global dict", H, '"b": [1, 2]}', '"b": [1, 3]}'),
    edit("list to tuple in a global dict", H, '"b": [1, 2]}', '"b": (1, 2)}'),
    edit("key of a global dict", H, '"b": ("y", 2)', '"c": ("y", 2)'),
    edit("order of a global dict", H, '"a": ("x", 1), "b": ("y", 2)', '"b": ("y", 2), "a": ("x", 1)'),
    edit("regular expression", H, '"[0-9]+"', '"[0-8]+"'),
    edit("flag of a regular expression", H, '"[0-9]+")', '"[0-9]+", re.ASCII)'),
    edit("how a lock is made", H, "LOCK = Lock()", "LOCK = Lock() or Lock()"),
    edit("lambda", F, "x * x; cube", "x + x; cube"),
    edit("value of a closure", F, "make_scaler(2)", "make_scaler(3)"),
    edit("body of a closure", H, "return value * by", "return value * by * 1"),
    edit("argument of a partial", F, "by=2)", "by=4)"),
    edit("function of a partial", H, "return value / by", "return value // by"),
    edit("function in a dispatch table", H, "text.upper()", "text.title()"),
    edit("other function in a dispatch table", H, "text.lower()", "text.casefold()"),
    edit("dispatch table", F, '"up": helpers.upper', '"up": helpers.lower'),
    edit("registered function", F, "return x + 10", "return x + 11"),
    edit("name of a registration", F, '@register("first")', '@register("f" "irst1"[:-1])'),
    edit("decorator removed", F, "@counted\n", ""),
    edit("decorator added", F, "def local_imports", "@counted\ndef local_imports"),
    edit("body of a decorator", D, "return function(*args) + 0", "return function(*args) + 1"),
    edit("decorated function", F, "return x + 20", "return x + 21"),
    edit("cached function", H, "value + 0.5", "value + 0.25"),
    edit("cache of another size", H, "maxsize=8", "maxsize=9"),
    edit("cache removed", H, "@lru_cache(maxsize=8)\n", ""),
    edit("constant of another helper", D, 'PREFIX = "!"', 'PREFIX = "?"'),
    edit("class attribute", C, "rounds = 10", "rounds = 11"),
    edit("other class attribute", C, "seed = 0", "seed = 1"),
    edit("class attribute set elsewhere", D, "", "\nimport config\n\nconfig.Settings.rounds = 2\n"),
    edit("attribute of a base class", H, "offset = 4", "offset = 5"),
    edit("method of a base class", H, "value + self.offset", "value - self.offset"),
    edit("other base class", H, "class Model(Base)", "class Model(Base, dict)"),
    edit("method", H, "* self.strength)", "+ self.strength)"),
    edit("property", H, "self.depth * 2", "self.depth * 3"),
    edit("static method", H, "round(value, 3)", "round(value, 4)"),
    edit("class method", H, 'return ["a", "b"]', 'return ["a"]'),
    edit("static to class method", H, "@staticmethod\n    def rounded(", "@classmethod\n    def rounded(cls, "),
    edit("default of a field", H, 'name: str = "m"', 'name: str = "n"'),
    edit("type of a field", H, "depth: int = 2", "depth: float = 2"),
    edit("new field", H, 'name: str = "m"', 'name: str = "m"\n    more: int = 0'),
    edit("option of a dataclass", H, "@dataclass\n", "@dataclass(order=True)\n"),
    edit("state of a global object", F, "Model(depth=3)", "Model(depth=4)"),
    edit("member of an enum", C, "RED = 1", "RED = 3"),
    edit("new member of an enum", C, "BLUE = 2", "BLUE = 2\n    GREEN = 3"),
    edit("field of the result", C, "    text: str", "    text: bytes"),
    edit("import in a function", "lazy.py", "x + 30", "x + 31"),
    edit("conditional import", "rare.py", "return 42", "return 43"),
    edit("helper in a sub-package", "pkg/sub/deep.py", "x - constants", "x + constants"),
    edit("constant in a sub-package", "pkg/sub/constants.py", "BONUS = 8", "BONUS = 7"),
    edit("helper that a package exports", "pkg/impl.py", "x + BONUS", "x * BONUS"),
    edit("other function under a name", "pkg/__init__.py", "exported, hidden", "hidden as exported"),
    edit("other module under an alias", F, "import helpers as tools", "import tools",),
    edit("name in the text of a query", F, "BORDER = 5", "BORDER = 6"),
    edit("task called in a task", F, "return x * 100", "return x * 101"),
    edit("global hides a builtin", F, "class Frame:", "def sum(values):\n    return 0\n\n\nclass Frame:"),
    Edit("version of a package", moved={f"{LIB}fakelib-1.0.dist-info/RECORD": f"{LIB}fakelib-1.1.dist-info/RECORD"}),
    edit("other package under an alias", F, "import fakelib\n", "import otherlib as fakelib\n"),
    edit("types of a decorated function", F, "def noisy(x)", "def noisy(x: int)"),
]  # fmt: skip

MUST_REUSE = [
    Edit("nothing"),
    edit("comment", F, "# the parts that count", "# something else"),
    edit("comment on top", F, '"""Flights."""', '# -*- coding: utf-8 -*-\n# A comment.\n"""Flights."""'),
    edit("comment in a helper", H, "  # by the factor", ""),
    edit("docstring", F, '"""Trains."""', '"""Trains a model."""'),
    edit("docstring removed", F, '"""Nested."""\n', "\n"),
    edit("docstring of a helper", H, "Slowly.", "Quickly."),
    edit("docstring of a class", H, '"""A model."""\n', "\n"),
    edit("docstring of a module", H, '"""Helpers."""', '"""Helpers for flights."""'),
    edit("blank lines", F, "    label = f", "\n\n    label = f"),
    edit("spaces", F, "[helpers.scale(v) for v", "[ helpers.scale( v )   for v"),
    edit("indentation", F, "        import rare\n\n        return rare", "         import rare\n         return rare"),
    edit("quotes", H, '"[0-9]+"', "'[0-9]+'"),
    edit("quotes of an f-string", F, 'f"trained on {x!r} rows"', "f'trained on {x!r} rows'"),
    edit("parentheses", F, "x > 2 and x < 9", "((x > 2) and (x < 9))"),
    edit("trailing comma", F, "(x == 3, x is None, x > 2 and x < 9)", "(x == 3, x is None, x > 2 and x < 9,)"),
    edit("text in two halves", F, '"a" + "b"', '"" "a" + "b"'),
    edit("number in hexadecimal", F, "10, 0.5", "0xA, 5e-1"),
    edit("underscore in a number", F, "10, 0.5", "1_0, 0.5"),
    edit("prefix of a text", F, '"word"', 'u"word"'),
    edit("statements on one line", H, "shift(value):\n    return", "shift(value): return"),
    edit("pass", F, "    inner_offset = 7", "    pass\n    inner_offset = 7"),
    edit("statement without effect", F, "    inner_offset = 7", "    'just a text'\n    inner_offset = 7"),
    edit("order of functions", H, "def lower(text):\n    return text.lower()\n\n\n", "",
         (H, "def make_scaler", "def lower(text):\n    return text.lower()\n\n\ndef make_scaler")),
    edit("unrelated function changed", F, "return x + 1\n", "return x + 2\n"),
    edit("unrelated function added", F, "def unrelated(x)", "def more():\n    return 1\n\n\ndef unrelated(x)"),
    edit("unrelated function removed", F, "def unrelated(x):\n    return x + 1\n", ""),
    edit("unrelated lambda on the same line", F, "x * x * x", "x * x + x"),
    edit("unrelated module", "unrelated.py", "return 1", "return 2"),
    edit("unrelated constant", H, "UNUSED = 1", "UNUSED = 2"),
    edit("unrelated constant of a star import", C, "NOT_USED = 0", "NOT_USED = 1"),
    edit("unrelated constant in a sub-package", "pkg/sub/constants.py", "OTHER = 9", "OTHER = 10"),
    edit("unrelated export", "pkg/impl.py", "return 1", "return 2"),
    edit("global with the name of a local", F, "def unrelated(x)", "label = 5\n\n\ndef unrelated(x)"),
    edit("global with the name of a parameter", H, "FACTOR = 3", "FACTOR = 3\nvalue = 5\noffset = 6"),
    edit("global with the name of an attribute", H, "FACTOR = 3", "FACTOR = 3\nstrength = 5"),
    edit("order of imports", F, "import math\nimport string\nimport sys\n", "import sys\nimport string\nimport math\n"),
    edit("unused import", F, "import string\n", "import string\nimport json\n"),
    edit("unused import removed", F, "import string\n", ""),
    edit("import of the future", H, '"""Helpers."""', '"""Helpers."""\nfrom __future__ import annotations'),
    edit("star import made explicit", F, "from config import *", "from config import STAR"),
    edit("helper's source made explicit", F, "from pkg import exported", "from pkg.impl import exported"),
    edit("types of a helper", H, "value: int, offset: int = 0) -> int", "value: Any, offset: float = 0) -> Any"),
    edit("types of a helper removed", H, "value: int, offset: int = 0) -> int", "value, offset=0)"),
    edit("type of a local", H, "result: int = value", "result = value"),
    edit("types added to a helper", H, "def shift(value)", "def shift(value: int) -> int"),
    edit("types added to a method", H, "def predict(self, value)", "def predict(self, value: float) -> float"),
    edit("types added to a cached function", H, "def cached(value)", "def cached(value: float) -> float"),
    edit("type of a parameter", F, "x: int = 3", "x: float = 3"),
    edit("type alias", F, "Vector = list[float]", "Vector = list[int]"),
    edit("result as text", F, "-> Split:", '-> "Split":'),
    edit("policy", F, "@task(retry=2)", '@task(retry=5, timeout="1h")'),
    edit("policy removed", F, "@task(retry=2)", "@task"),
    edit("policy of a task that is called", F, "@task\ndef prepare", "@task(timeout=5)\ndef prepare"),
    edit("name of the decorator", F, "import task\n", "import task as work, task\n",
         (F, "@task(retry=2)", "@work(retry=2)")),
    edit("script at the end", F, "", '\nif __name__ == "__main__":\n    print(train())\n'),
    edit("line endings", H, "", "", (H, "FACTOR = 3\nPATTERN", "FACTOR = 3\r\nPATTERN")),
    Edit("new module", added={"more.py": "X = 1\n"}),
    Edit("module renamed", (("pkg/__init__.py", "from .impl", "from .inner"),), moved={"pkg/impl.py": "pkg/inner.py"}),
    Edit("version of an unused package", moved={
        f"{LIB}other_lib-2.0.dist-info/RECORD": f"{LIB}other_lib-3.0.dist-info/RECORD"}),
    Edit("file of an unused package", added={f"{LIB}otherlib.py": "X = 1\n"}),
]  # fmt: skip

EDITS = [*MUST_RERUN, *MUST_REUSE]
EXTRA = {"tools.py": FILES[H].replace("sub(", "subn(").replace(".strip()", "[0]")}  # for "other module under an alias"


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())


def load(folders: list[Path], seed: str) -> list[dict[str, str]]:
    """The fingerprints and the result of the task of each project."""
    done = subprocess.run(
        [sys.executable, "-B", RUNNER],
        input=json.dumps([str(f) for f in folders]),
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    folders = []
    for number, item in enumerate(EDITS):
        folders.append(tmp_path_factory.mktemp("edits") / str(number))
        write(folders[-1], item.apply({**FILES, **EXTRA}))
    return dict(zip([item.name for item in EDITS], load(folders, "1"), strict=True))


def wrongly_judged(loaded: Mapping[str, Mapping[str, str]], scheme: str) -> tuple[set[str], set[str]]:
    """Names of edits for which a fingerprint reuses an old result, and for which it reruns in vain."""
    base = loaded["nothing"][scheme]
    stale = {item.name for item in MUST_RERUN if loaded[item.name][scheme] == base}
    vain = {item.name for item in MUST_REUSE if loaded[item.name][scheme] != base}
    return stale, vain


def test_the_table_is_long_and_has_no_edit_twice() -> None:
    assert len(MUST_RERUN) >= 60
    assert len(MUST_REUSE) >= 40
    assert len({item.name for item in EDITS}) == len(EDITS)


@pytest.mark.parametrize("name", [item.name for item in MUST_RERUN])
def test_an_edit_to_what_the_task_does_makes_it_rerun(name: str, loaded: dict[str, dict[str, str]]) -> None:
    assert loaded[name]["ropewalk"] != loaded["nothing"]["ropewalk"]


@pytest.mark.parametrize("name", [item.name for item in MUST_REUSE])
def test_an_edit_to_anything_else_lets_it_be_reused(name: str, loaded: dict[str, dict[str, str]]) -> None:
    assert loaded[name]["ropewalk"] == loaded["nothing"]["ropewalk"], loaded[name]["changes"]
    assert loaded[name]["result"] == loaded["nothing"]["result"]


def test_every_edit_whose_result_differs_makes_the_task_rerun(loaded: dict[str, dict[str, str]]) -> None:
    """The oracle that needs no labels."""
    base = loaded["nothing"]
    assert "Split" in base["result"]

    differing = [name for name, found in loaded.items() if found["result"] != base["result"]]

    assert len(differing) >= 50
    assert [name for name in differing if loaded[name]["ropewalk"] == base["ropewalk"]] == []


def test_the_fingerprint_depends_neither_on_the_hash_seed_nor_on_the_folder(
    tmp_path: Path, loaded: dict[str, dict[str, str]]
) -> None:
    folders = [tmp_path / "a" / "deeper", tmp_path / "b c"]
    for folder in folders:
        write(folder, {**FILES, **EXTRA})

    found = load(folders, "12345")

    assert {one["ropewalk"] for one in found} == {loaded["nothing"]["ropewalk"]}


def test_the_table_convicts_a_fingerprint_of_the_task_alone(loaded: dict[str, dict[str, str]]) -> None:
    """The planted bug: only the text of the task's own function."""
    stale, vain = wrongly_judged(loaded, "own text")

    assert {"body of a helper", "constant", "method", "version of a package"} <= stale
    assert {"comment", "docstring", "policy"} <= vain


def test_the_table_convicts_a_fingerprint_of_bytecode(loaded: dict[str, dict[str, str]]) -> None:
    stale, vain = wrongly_judged(loaded, "own bytecode")

    assert {"body of a helper", "constant", "default of a keyword", "version of a package"} <= stale
    assert "docstring" in vain


def test_the_table_convicts_a_fingerprint_of_all_text(loaded: dict[str, dict[str, str]]) -> None:
    stale, vain = wrongly_judged(loaded, "all text")

    assert stale == {"version of a package"}
    assert {"comment", "unrelated module", "order of functions", "policy"} <= vain
