"""Containers of heavy values: each part keeps its own format, and the whole comes back exactly."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.figures import Image
from ropewalk.artifacts.materialize import digests_of, load, load_preview, save
from ropewalk.artifacts.tree import TREE
from ropewalk.testing.format_suite import FormatSuite

FRAME = pd.DataFrame({"a": np.arange(2000.0)})


class Split(NamedTuple):
    train: Any
    test: Any


@dataclass(frozen=True)
class Trained:
    model: Any
    auc: Any
    notes: list[Any] = field(default_factory=list)


class Own:
    def __init__(self, value: Any) -> None:
        self.value = value


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def same(read: Any, written: Any) -> bool:
    if type(read) is not type(written):
        return False
    if isinstance(written, pd.DataFrame):
        return read.equals(written)
    if isinstance(written, np.ndarray):
        return np.array_equal(read, written)
    if isinstance(written, dict):
        return list(read) == list(written) and all(map(same, read.values(), written.values()))
    if isinstance(written, list | tuple):
        return len(read) == len(written) and all(map(same, read, written))
    if isinstance(written, Trained | Own):
        return same(vars(read), vars(written))
    if isinstance(written, LogisticRegression):
        return read.get_params() == written.get_params()
    return read == written


class TestTree(FormatSuite):
    format = TREE

    def examples(self):
        return [
            {"frame": FRAME, "auc": np.float64(0.9)}, [FRAME, [FRAME[:3], (1, {2: FRAME})]], Split(FRAME, FRAME[:5]),
            Trained(LogisticRegression(), np.float32(0.5)), {"$": FRAME, 1: "$"}, [Own(1), Own(2)],
            Trained({"a": b"x" * 5000, "b": b"y"}, None, [np.arange(3), np.int64(3), np.bool_(True)]), [np.ones(1)] * 3,
            {"set": {1, 2}, "frame": FRAME, "own": Own([1])}, {"image": Image(b"\x89PNG" + b"0" * 30)},
        ]  # fmt: skip

    def same(self, read, written):
        return same(read, written)


def test_each_heavy_part_is_an_artifact_of_its_own_in_its_own_format(blobs, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    value = {"frame": FRAME, "model": LogisticRegression(), "notes": tmp_path / "notes.txt", "auc": 0.9}

    ref = save(value, blobs)

    shown = load_preview(ref, blobs)
    assert {part["path"]: part["format"] for part in shown["parts"]} == {
        '["frame"]': "arrow",
        '["model"]': "sklearn",
        '["notes"]': "file",
    }
    assert shown["value"]["auc"] == 0.9
    assert load(ref, blobs)["notes"].read_text() == "hello"


def test_every_blob_below_is_among_the_children(blobs, tmp_path):
    (tmp_path / "big.bin").write_bytes(b"x" * 9000)

    ref = save({"deep": [{"split": Split(FRAME, tmp_path / "big.bin")}], "b": b"x" * 9000}, blobs)

    assert set(blobs.digests()) <= set(digests_of(ref))
    assert len(ref.children) == len(set(ref.children)) == 2


def test_a_change_of_any_part_changes_the_digest(blobs):
    one, other = ({"frame": FRAME + change, "n": 1} for change in (0, 1))

    assert save(one, blobs).digest != save(other, blobs).digest


def test_the_same_frame_twice_is_kept_once(blobs):
    assert len(save([FRAME, FRAME], blobs).children) == 1


def test_objects_of_own_classes_stay_the_same_object_where_they_were(blobs):
    shared = Own(1)

    read = load(save({"a": shared, "b": [shared], "frame": FRAME}, blobs), blobs)

    assert read["a"] is read["b"][0]


def test_many_objects_of_own_classes_are_one_pickle(blobs):
    ref = save([Own(n) for n in range(1000)], blobs)

    assert ref.format == "tree"
    assert len(ref.children) == 1
    assert [own.value for own in load(ref, blobs)] == list(range(1000))


def test_a_container_that_contains_itself_is_pickled(blobs):
    loop: list[Any] = [FRAME]
    loop.append(loop)

    ref = save(loop, blobs)

    assert ref.format == "pickle"
    assert (read := load(ref, blobs))[1] is read


@pytest.mark.parametrize("value", [{Own: FRAME}, defaultdict(list, a=[FRAME])], ids=["odd key", "subclass"])
def test_a_container_that_json_has_no_form_for_is_pickled(blobs, value):
    assert save(value, blobs).format == "pickle"


def test_a_path_that_exists_stands_for_its_content_and_another_is_a_name(blobs, tmp_path):
    (tmp_path / "here.txt").write_text("hello")

    read = load(save({"here": tmp_path / "here.txt", "gone": tmp_path / "gone.txt"}, blobs), blobs)
    (tmp_path / "here.txt").unlink()

    assert read["here"].read_text() == "hello"
    assert read["gone"] == tmp_path / "gone.txt"


def test_an_instance_of_a_class_that_is_defined_in_a_function_is_not_kept_by_its_name(blobs):
    @dataclass
    class Local:
        frame: Any

    from ropewalk.core.errors import UnstorableError

    with pytest.raises(UnstorableError, match="Local"):
        save(Local(FRAME), blobs)


def test_a_dataclass_is_made_without_running_its_init(blobs):
    read = load(save(Picky(1, np.arange(3)), blobs), blobs)

    assert (read.checked, read.array.tolist()) == (1, [0, 1, 2])


@dataclass
class Picky:
    checked: int
    array: Any
    ready: bool = field(default=True, init=False)
    runs = 0

    def __post_init__(self) -> None:
        Picky.runs += 1
        assert Picky.runs == 1


@pytest.mark.parametrize(
    ("value", "preview"),
    [
        ({"frame": FRAME, "n": 1}, "2 items: frame, n"),
        (Split(FRAME, 1), "Split: train, test"),
        (Trained(FRAME, 1), "Trained: model, auc, notes"),
        ([FRAME, 1], "2 items"),
    ],
)
def test_the_preview_names_the_parts(blobs, value, preview):
    assert save(value, blobs).preview == preview


def test_only_the_first_parts_are_shown_with_content(blobs):
    shown = load_preview(save([FRAME.head(n) for n in range(1, 15)], blobs), blobs, rows=1)

    assert sum("rows" in part for part in shown["parts"]) == 10
    assert len(shown["parts"]) == 14
