"""Which installed distributions count, and which code is the user's own."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ropewalk.author.packages import Owners, distributions_of, in_own_tree
from ropewalk.author.source import clear_cache, fingerprint
from ropewalk.author.values import external
from tests.author.reuse_modules import SOURCES, Load, loader, names_of


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    with loader(tmp_path) as load:
        yield load


def test_packages_count_where_reached_code_uses_them(load: Load) -> None:
    flow = load(
        flow="""
        import numpy as np, pandas as pd
        from sklearn.metrics import roc_auc_score as auc
        def helper(x): return np.abs(x)
        def f(x): return helper(x)
        def g(x): return auc(x, x)
        def h(frame: pd.DataFrame): return frame.mean()
        def k():
            import PIL.Image
            return PIL.Image.new
        """
    )

    assert [name for name, _ in fingerprint(flow.f).packages] == ["numpy"]
    assert [name for name, _ in fingerprint(flow.g).packages] == ["scikit-learn"]
    assert [name for name, _ in fingerprint(flow.h).packages] == ["pandas"]
    assert [name for name, _ in fingerprint(flow.k).packages] == ["pillow"]


def test_versions_are_those_that_are_installed() -> None:
    assert distributions_of("numpy.linalg") == (("numpy", np.__version__),)
    assert distributions_of("pandas") == (("pandas", pd.__version__),)
    assert distributions_of("no_such_package") == ()


def test_packages_are_found_without_importing_them_or_importlib_metadata(load: Load) -> None:
    flow = load(flow="def f():\n    from sklearn.svm import SVC\n    return SVC\n")
    text = (
        "import sys, flow; from ropewalk.author.source import fingerprint; print(fingerprint(flow.f).packages[0][0], "
        "'sklearn' in sys.modules, 'importlib.metadata' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=Path(flow.__file__).parent,
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == ["scikit-learn", "False", "False"]


def test_packages_that_share_a_namespace_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "site-packages"
    for name in ("one", "two"):
        (folder / "shared" / name).mkdir(parents=True)
        (folder / "shared" / name / "__init__.py").write_text("def g(): pass\n")
        (folder / f"shared_{name}-1.0.dist-info").mkdir()
        (folder / f"shared_{name}-1.0.dist-info" / "RECORD").write_text(f"shared/{name}/__init__.py,,\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])

    importlib.import_module("shared.two")

    assert distributions_of("shared.two") == (("shared-two", "1.0"),)
    for name in ("shared", "shared.two"):
        del sys.modules[name]
    clear_cache()


def test_the_caller_may_say_what_is_first_party(load: Load) -> None:
    flow = load(flow="from helpers import g\ndef f(): return g()\n", helpers="def g(): return 1\n")

    strict = fingerprint(flow.f, first_party=lambda module, _: module == "flow")

    assert names_of(strict) == ["flow:f"]
    assert names_of(fingerprint(flow.f)) == ["flow:f", "helpers:g"]


def test_the_package_of_the_task_is_its_own_code_even_when_it_is_installed(tmp_path: Path, load: Load) -> None:
    load(start="")
    folder = tmp_path / "site-packages" / "product"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("from product.helpers import g\ndef f(): return g()\n")
    (folder / "helpers.py").write_text("def g(): return 1\n")
    sys.path.insert(0, str(folder.parent))

    assert names_of(fingerprint(importlib.import_module("product").f)) == ["product:f", "product.helpers:g"]


def test_blocks_that_ropewalk_ships_are_read_like_helpers(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
        from planted import auc
        def f(): return auc()
        """
    flow = load(flow=text, planted="def auc(): return helper()\ndef helper(): return 1\n")
    monkeypatch.setitem(flow.auc.__globals__, "__name__", "ropewalk.ml.planted")

    assert names_of(fingerprint(flow.f)) == ["flow:f", "ropewalk.ml.planted:auc", "ropewalk.ml.planted:helper"]


def test_own_compiled_modules_count_by_their_file(load: Load) -> None:
    flow = load(flow="import fast\ndef f(): return fast.mean\n", fast="mean = len\n")
    file = Path(flow.__file__).parent / "fast.so"
    flow.fast.__file__ = str(file)
    owners = Owners(in_own_tree, "flow")

    texts = []
    for content in (b"one", b"two", b"one"):
        file.write_bytes(content)
        texts.append(external("fast", "mean", owners).text)

    assert texts[0] == texts[2] != texts[1]
