"""Models, pickles and pictures."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import lightgbm
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.figures import IMAGE, Image
from ropewalk.artifacts.materialize import load, load_preview, save
from ropewalk.artifacts.models import LIGHTGBM, SKLEARN
from ropewalk.artifacts.pickles import PICKLE
from ropewalk.core.artifact import ArtifactRef
from ropewalk.core.errors import ExecutionError, VersionError
from ropewalk.testing.format_suite import FormatSuite

RANDOM = np.random.default_rng(7)
X = RANDOM.random((200, 4))
Y = (X[:, 0] + X[:, 1] > 1).astype(int)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def booster(rounds: int = 5) -> lightgbm.Booster:
    parameters = {"objective": "binary", "verbosity": -1, "num_threads": 1, "seed": 1, "deterministic": True}
    return lightgbm.train(parameters, lightgbm.Dataset(X, Y), num_boost_round=rounds)


def estimators() -> list:
    forest = RandomForestClassifier(10, random_state=1, n_jobs=1)
    boosted = lightgbm.LGBMClassifier(n_estimators=5, verbosity=-1, n_jobs=1, random_state=1, deterministic=True)
    return [
        LogisticRegression().fit(X, Y),
        make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y),
        forest.fit(X, Y),
        boosted.fit(X, Y),
        LogisticRegression(C=0.5),
    ]


class TestLightgbm(FormatSuite):
    format = LIGHTGBM

    def examples(self):
        return [booster(), booster(60)]

    def same(self, read, written):
        return type(read) is type(written) and np.array_equal(read.predict(X), written.predict(X))


class TestSklearn(FormatSuite):
    format = SKLEARN

    def examples(self):
        return estimators()

    def same(self, read, written):
        if not hasattr(written, "n_features_in_"):
            return read.get_params() == written.get_params()
        return type(read) is type(written) and np.array_equal(read.predict_proba(X), written.predict_proba(X))


class Plain:
    def __init__(self, value: object) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return type(other) is Plain and self.value == other.value

    def __hash__(self) -> int:
        return hash(repr(self.value))


class TestPickle(FormatSuite):
    format = PICKLE

    def examples(self):
        return [Plain(1), Plain("x" * 10_000), {Plain((1,)): 2}]

    def test_it_matches_its_own_values_and_no_others(self):
        assert PICKLE.matches(object())


def figure(height: float) -> Figure:
    page = Figure(figsize=(2, height))
    page.add_subplot().plot([0, 1], [0, 1])
    return page


class TestImage(FormatSuite):
    format = IMAGE

    def examples(self):
        return [figure(1), figure(2), Image(figure(3) and _png(figure(3)))]

    def same(self, read, written):
        return type(read) is Image and read.data == (written.data if isinstance(written, Image) else _png(written))


def _png(page: Figure) -> bytes:
    import io

    content = io.BytesIO()
    page.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def test_a_loaded_estimator_can_go_on_learning(blobs):
    """Its arrays are its own, not the read-only file."""
    forest = load(save(RandomForestClassifier(5, warm_start=True, n_jobs=1).fit(X, Y), blobs), blobs)

    forest.set_params(n_estimators=6).fit(X, Y)
    load(save(LogisticRegression().fit(X, Y), blobs), blobs).coef_[:] = 0

    assert len(forest.estimators_) == 6


@pytest.mark.parametrize(
    ("position", "preview"),
    [
        (0, "model LogisticRegression, 4 features (pickle)"),
        (1, "model Pipeline, standardscaler → logisticregression, 4 feat… (pickle)"),
        (2, "model RandomForestClassifier, 10 trees, 4 features (pickle)"),
        (3, "model LGBMClassifier, 5 trees, 4 features (pickle)"),
        (4, "model LogisticRegression, not fitted (pickle)"),
    ],
)
def test_the_preview_of_an_estimator_says_what_it_is_and_that_it_is_a_pickle(blobs, position, preview):
    assert save(estimators()[position], blobs).preview == preview


def test_the_preview_of_a_booster_counts_its_trees(blobs):
    assert save(booster(), blobs).preview == "model LightGBM, 5 trees"


def test_a_booster_that_stopped_early_predicts_with_its_best_iteration(blobs):
    model = booster(30)
    model.best_iteration = 3

    read = load(save(model, blobs), blobs)

    assert np.array_equal(read.predict(X), model.predict(X))
    assert not np.array_equal(read.predict(X), model.predict(X, num_iteration=30))


def test_a_booster_whose_parameters_are_not_plain_is_pickled(blobs):
    model = booster()
    model.params["objective"] = booster

    assert save(model, blobs).format == "pickle"


def test_the_rich_preview_of_a_booster_comes_from_its_text(blobs):
    shown = load_preview(save(booster(), blobs), blobs)

    assert (shown["trees"], shown["features"]) == (5, ["Column_0", "Column_1", "Column_2", "Column_3"])
    assert not shown["unsafe"]


def test_the_rich_preview_of_an_estimator_names_its_versions_and_that_it_is_unsafe(blobs):
    import sklearn

    shown = load_preview(save(estimators()[0], blobs), blobs)

    assert shown["versions"]["sklearn"] == sklearn.__version__
    assert shown["unsafe"]


_TRAIN = """
import sys
from pathlib import Path
from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.materialize import save
from tests.artifacts.test_models import booster, estimators
for model in [booster(), *estimators()]:
    print(save(model, Blobs(Path(sys.argv[1]))).digest)
"""


def test_training_again_in_another_process_gives_the_same_bytes(tmp_path):
    """So that nothing after a training that changed nothing has to run again."""
    command = [sys.executable, "-W", "ignore", "-c", _TRAIN, tmp_path / "blobs"]

    first, second = (subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(2))

    assert first == second
    assert len(set(first.split())) == 6


class Marker:
    """Leaves a trace when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_no_preview_ever_runs_what_a_pickle_holds(blobs, tmp_path):
    ref = save({"model": Marker(tmp_path / "ran"), "array": np.array([Marker(tmp_path / "ran")])}, blobs)
    (tmp_path / "ran").unlink()  # saving reads small pickles back

    shown = load_preview(ref, blobs)

    assert not (tmp_path / "ran").exists()
    assert shown["kind"] == "tree"
    load(ref, blobs)
    assert (tmp_path / "ran").exists()


def test_a_pickle_from_other_versions_that_cannot_be_read_names_them(blobs):
    head, _, rest = save(estimators()[0], blobs).inline.partition(b"\n")
    versions = json.loads(head)
    versions["versions"] |= {"sklearn": "0.1", "python": "2.7"}
    content = json.dumps(versions).encode() + b"\n" + rest[:-20]

    with pytest.raises(VersionError) as caught:
        load(ArtifactRef("0" * 64, len(content), "sklearn", "sklearn.LogisticRegression", "", content), blobs)

    assert "written with sklearn 0.1" in str(caught.value)
    assert caught.value.code == "P801"


def test_a_pickle_that_cannot_be_read_for_another_reason_says_which(blobs):
    content = save(Plain(1), blobs).inline.replace(b"Plain", b"Gone_")

    with pytest.raises(ExecutionError, match="Gone_"):
        load(ArtifactRef("0" * 64, len(content), "pickle", "tests.Gone_", "", content), blobs)


def test_a_newer_protocol_is_not_used_than_the_oldest_python_reads(blobs):
    content = save(Plain(1), blobs).inline

    assert pickle.loads(content[content.index(b"\n") + 1 :]) == Plain(1)


def test_a_figure_comes_back_as_a_picture_that_notebooks_show(blobs, tmp_path):
    ref = save(figure(1), blobs)

    image = load(ref, blobs)
    image.save(tmp_path / "page.png")

    assert ref.preview == "picture 200 × 100"
    assert image.size == (200, 100)
    assert image._repr_png_() == (tmp_path / "page.png").read_bytes()
    assert mpl.__version__.encode() not in image.data
    assert load_preview(ref, blobs)["media_type"] == "image/png"


def test_saving_a_figure_does_not_warn(blobs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(figure(1), blobs)
