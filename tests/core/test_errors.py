"""The error tree: one block for every surface, and nothing lost on the way between processes."""

from __future__ import annotations

import json
import pickle

import pytest

from ropewalk.core import errors
from ropewalk.core.errors import (
    CorruptBlobError,
    DefinitionError,
    MisuseError,
    RopewalkError,
    StoreError,
    UsageError,
    Where,
    did_you_mean,
    render,
)

FULL = UsageError(
    "parameter `month` must be from 1 to 12, not 13",
    code="P104",
    where=Where("command line", text="ropewalk run flights --month 13"),
    facts=["declared at pipeline.py:12"],
    help=["ropewalk run flights --month 12", "ropewalk run flights --help"],
)


def subclasses(kind: type[RopewalkError]) -> list[type[RopewalkError]]:
    return [kind, *(found for sub in kind.__subclasses__() for found in subclasses(sub))]


KINDS = [kind for kind in subclasses(RopewalkError) if kind.__module__ == errors.__name__]


def test_an_error_is_one_block_that_says_what_where_why_and_what_to_type() -> None:
    assert str(FULL).splitlines() == [
        "error[P104]: parameter `month` must be from 1 to 12, not 13",
        "  --> command line",
        " |",
        " | ropewalk run flights --month 13",
        " |",
        "  = declared at pipeline.py:12",
        "  help: ropewalk run flights --month 12",
        "        ropewalk run flights --help",
    ]


def test_a_place_shows_its_line() -> None:
    where = Where("pipeline.py", 19, "  models = train(each(x))", "in flights()")

    assert render(DefinitionError("wrong", where=where)).splitlines()[1:] == [
        "  --> pipeline.py:19 in flights()",
        "   |",
        "19 |   models = train(each(x))",
        "   |",
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_survives_the_way_between_processes(kind: type[RopewalkError]) -> None:
    error = kind("a" * 64, "is missing") if kind is CorruptBlobError else kind("wrong", facts=["f"], help=["h"])

    again = pickle.loads(pickle.dumps(error))

    assert type(again) is kind
    assert str(again) == str(error)
    assert again.to_json() == error.to_json()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_has_an_exit_code_and_stands_in_the_drawn_tree(kind: type[RopewalkError]) -> None:
    assert kind.exit_code == (2 if issubclass(kind, (UsageError, DefinitionError)) else 1)
    assert kind.__name__ in (errors.__doc__ or "")


def test_an_error_is_json_for_programs() -> None:
    data = json.loads(json.dumps(FULL.to_json()))

    assert data["code"] == "P104"
    assert data["where"] == "command line"
    assert data["retryable"] is False


def test_what_the_disk_did_may_be_tried_again_and_what_a_person_wrote_may_not() -> None:
    assert StoreError.retryable
    assert not UsageError.retryable


def test_a_misused_reference_is_a_type_error_too() -> None:
    assert issubclass(MisuseError, TypeError)


def test_a_corrupt_blob_knows_its_digest() -> None:
    error = pickle.loads(pickle.dumps(CorruptBlobError("ab" * 32, "is missing")))

    assert error.digest == "ab" * 32
    assert "`abababababab` is missing" in error.title


def test_a_suggestion_is_made_only_for_what_is_near() -> None:
    assert did_you_mean("trian", ["train", "test"]) == "train"
    assert did_you_mean("zzz", ["train", "test"]) is None
