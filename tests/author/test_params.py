"""Arguments of a pipeline are its parameters: parsed strictly, and all that is wrong is said at once."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk import Doc, Range, pipeline
from ropewalk.core.errors import DefinitionError, UsageError
from tests.author.steps import Kind, Settings, anything


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclass(frozen=True)
class Nested:
    settings: Settings
    names: list[str] = field(default_factory=list)
    when: date | None = None

    def __post_init__(self):
        if "bad" in self.names:
            raise ValueError("no bad names, please")


def with_parameter(annotation: Any, *default: Any):
    """A pipeline with one parameter `x`."""

    def flow(x):
        anything(x)

    flow.__annotations__["x"] = annotation
    flow.__defaults__ = default or None
    return pipeline(flow)


def parsed(annotation: Any, text: str) -> Any:
    return with_parameter(annotation).bind({"x": text}, text=True)["x"]


def taken(annotation: Any, value: Any) -> Any:
    return with_parameter(annotation).bind({"x": value})["x"]


def same(a: Any, b: Any) -> bool:
    return a == b and type(a) is type(b)


TEXTS = [
    (int, "7", 7),
    (int, "-7", -7),
    (int, "+7", 7),
    (float, "0.5", 0.5),
    (float, "1", 1.0),
    (float, "-1e-3", -0.001),
    (bool, "yes", True),
    (bool, "TRUE", True),
    (bool, "1", True),
    (bool, "no", False),
    (bool, "false", False),
    (bool, "0", False),
    (str, "", ""),
    (str, "7", "7"),
    (str, "a=b", "a=b"),
    (Path, "a/b.csv", Path("a/b.csv")),
    (date, "2026-01-31", date(2026, 1, 31)),
    (datetime, "2026-01-31T08:30:00+00:00", datetime(2026, 1, 31, 8, 30, tzinfo=UTC)),
    (Kind, "FOREST", Kind.FOREST),
    (Kind, "rf", Kind.FOREST),
    (Level, "HIGH", Level.HIGH),
    (Literal["rf", "gb"], "gb", "gb"),
    (Literal[4, 8], "8", 8),
    (int | None, "7", 7),
    (int | None, "none", None),
    (Optional[float], "null", None),  # noqa: UP045
    (str | None, "none", "none"),
    (int | str, "7", 7),
    (int | str, "x", "x"),
    (list[int], "[1, 2]", [1, 2]),
    (list[float], "[1, 2.5]", [1.0, 2.5]),
    (Sequence[str], '["a"]', ["a"]),
    (tuple[int, ...], "[1, 2]", (1, 2)),
    (tuple[int, str], '[1, "a"]', (1, "a")),
    (set[int], "[1, 1]", {1}),
    (list, '[1, "a", null]', [1, "a", None]),
    (dict[str, int], '{"a": 1}', {"a": 1}),
    (dict[int, float], '{"1": 2}', {1: 2.0}),
    (Mapping[str, list[date]], '{"a": ["2026-01-31"]}', {"a": [date(2026, 1, 31)]}),
    (list[Kind], '["FOREST"]', [Kind.FOREST]),
    (list[Path], '["a"]', [Path("a")]),
    (list[int] | None, "null", None),
    (Settings, '{"depth": 4}', Settings(4)),
    (Settings, '{"rates": [0.1, 1]}', Settings(rates=(0.1, 1.0))),
    (Nested, '{"settings": {}, "when": "2026-01-31"}', Nested(Settings(), [], date(2026, 1, 31))),
    (Annotated[int, Range(1, 12)], "12", 12),
    (Any, "[1]", "[1]"),
]

MISFITS = [
    (int, "1.5", "a whole number (int)"),
    (int, "1.0", "a whole number (int)"),
    (int, "1_000", "a whole number (int)"),
    (int, " 1", "a whole number (int)"),
    (int, "٣", "a whole number (int)"),
    (int, "", "a whole number (int)"),
    (int, "true", "a whole number (int)"),
    (int, "9" * 5000, "more than 4000 digits"),
    (float, "abc", "a number (float)"),
    (float, "nan", "a number (float)"),
    (float, "inf", "a number (float)"),
    (float, "1e400", "a number (float)"),
    (float, "1_0", "a number (float)"),
    (bool, "on", "true or false (bool)"),
    (bool, "2", "true or false (bool)"),
    (Path, "", "a path is not empty"),
    (Path, "a\0b", "holds no NUL"),
    (date, "2026-02-30", "a date is written 2026-01-31"),
    (date, "31.1.2026", "a date is written 2026-01-31"),
    (datetime, "soon", "a time is written"),
    (Kind, "forrest", "one of FOREST, BOOSTED"),
    (Literal["rf", "gb"], "rg", "one of rf, gb"),
    (int | None, "x", "a whole number (int | None)"),
    (list[int], "1,2", "not valid JSON: Extra data at character 2"),
    (list[int], "[1,]", "not valid JSON"),
    (list[int], "[1, true]", "value[1] is True, not int"),
    (list[int], "[1.0]", "value[0] is 1.0, not int"),
    (list[int], '{"a": 1}', "(list[int])"),
    (list[float], "[NaN]", "NaN is not a number that JSON has"),
    (list[float], "[1e400]", "1e400 is too large"),
    (list[str], "[1]", "value[0] is 1, not str"),
    (list[date], '["x"]', "value[0] a date is written"),
    (tuple[int, str], "[1]", "has 1 items instead of 2"),
    (dict[str, int], '{"a": 1, "a": 2}', "the key 'a' is given twice"),
    (dict[str, int], '{"a": "1"}', "value['a'] is '1', not int"),
    (dict[int, int], '{"a": 1}', "value['a']"),
    (dict[str, int], "[" * 100_000, "nested too deeply"),
    (list[int], "[" + "1," * 200_000 + "1]", "longer than 256 KiB"),
    (Settings, '{"depht": 4}', "has no field 'depht'; the fields are depth, rates"),
    (Settings, '{"depth": "4"}', "value.depth is '4', not int"),
    (Nested, "{}", "lacks the field 'settings'"),
    (Nested, '{"settings": {}, "names": ["bad"]}', "no bad names, please"),
    (Annotated[int, Range(1, 12)], "13", "a whole number from 1 to 12 (int)"),
    (Annotated[float, Range(minimum=0)], "-0.1", "a number of at least 0 (float)"),
    (Annotated[float, Range(maximum=1)], "1.1", "a number of at most 1 (float)"),
]


@pytest.mark.parametrize(("annotation", "text", "value"), TEXTS, ids=[f"{a}-{t}" for a, t, _ in TEXTS])
def test_texts_are_parsed_by_annotation(annotation, text, value):
    assert same(parsed(annotation, text), value)


@pytest.mark.parametrize(("annotation", "text", "words"), MISFITS, ids=[f"{i}" for i in range(len(MISFITS))])
def test_texts_that_do_not_fit_are_refused_with_what_is_expected(annotation, text, words):
    with pytest.raises(UsageError) as caught:
        parsed(annotation, text)

    assert caught.value.code == "P104"
    assert words in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (int, 7, 7),
        (float, 1, 1.0),
        (Path, "a", Path("a")),
        (Path, Path("a"), Path("a")),
        (Kind, Kind.FOREST, Kind.FOREST),
        (list[float], [1, 2.5], [1.0, 2.5]),
        (tuple[int, ...], [1, 2], (1, 2)),
        (list[int], range(2), [0, 1]),
        (dict[str, float], {"a": 1}, {"a": 1.0}),
        (Settings, Settings(3), Settings(3)),
        (int | None, None, None),
        (Any, object, object),
    ],
)
def test_python_values_are_taken_as_they_are(annotation, value, expected):
    assert same(taken(annotation, value), expected)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, True),
        (float, True),
        (int, "7"),
        (int, 7.0),
        (float, float("nan")),
        (float, float("inf")),
        (bool, 1),
        (str, 7),
        (str, None),
        (date, datetime(2026, 1, 1, tzinfo=UTC)),
        (Kind, "FOREST"),
        (list[int], [1, "2"]),
        (list[int], "12"),
        (dict[str, int], [("a", 1)]),
        (Settings, {"depth": 3}),
        (Literal["a"], "b"),
    ],
)
def test_python_values_of_another_type_are_refused(annotation, value):
    with pytest.raises(UsageError):
        taken(annotation, value)


@given(
    value=st.one_of(
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.booleans(),
        st.text(),
        st.dates(),
        st.datetimes(),
        st.lists(st.integers()),
        st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False)),
    )
)
def test_what_is_written_is_what_is_read(value):
    annotation = {list: list[int], dict: dict[str, float]}.get(type(value), type(value))
    text = json.dumps(value) if isinstance(value, (list, dict)) else str(value)

    assert same(parsed(annotation, text), value)


@given(
    text=st.text(),
    annotation=st.sampled_from([int, float, bool, Path, date, Kind, list[int], dict[str, int], Settings, int | None]),
)
def test_any_text_is_parsed_or_refused(text, annotation):
    with suppress(UsageError):
        parsed(annotation, text)


@pipeline
def churn(
    path: Path,
    month: Annotated[int, Range(1, 12), Doc("month to test on")] = 6,
    least: float = 0.7,
    kind: Literal["rf", "gb"] = "rf",
    depths: tuple[int, ...] = (4, 6),
):
    anything(path)


def test_defaults_fill_what_is_not_given():
    assert churn.bind({"path": "a.csv", "least": "1"}, text=True) == {
        "path": Path("a.csv"), "month": 6, "least": 1.0, "kind": "rf", "depths": (4, 6),
    }  # fmt: skip


def test_binding_what_was_bound_changes_nothing():
    once = churn.bind({"path": "a.csv"}, text=True)

    assert churn.bind(once) == once


def test_a_default_of_none_may_be_given_again():
    flow = with_parameter(int, None)

    assert flow.bind(flow.bind({})) == {"x": None}


def test_all_problems_are_told_at_once():
    with pytest.raises(UsageError) as caught:
        churn.bind([("month", "13"), ("leats", "1"), ("kind", "rg"), ("kind", "gb"), ("depths", "4")], text=True)

    error = caught.value
    assert error.code == "P104"
    assert error.exit_code == 2
    assert error.title == "5 problems with the parameters of `churn`"
    lines = {line.split()[0]: line for line in error.facts}
    assert set(lines) == {"kind", "leats=1", "month=13", "depths=4", "path"}
    assert "is given 2 times" in lines["kind"]
    assert "unknown; did you mean `least`?" in lines["leats=1"]
    assert "expects a whole number from 1 to 12 (int), tests/author/test_params.py:" in lines["month=13"]
    assert "required, and has no default" in lines["path"]
    assert "ropewalk run -p path=data.csv" in error.help


def test_one_unknown_parameter_shows_those_that_exist():
    with pytest.raises(UsageError) as caught:
        churn.bind({"path": "a", "mnth": "6"}, text=True)

    assert str(caught.value).splitlines() == [
        "error[P104]: unknown parameter `mnth`",
        "  --> command line, -p mnth=6",
        "  = churn has: depths, kind, least, month, path",
        "  help: did you mean `month`?",
        "        ropewalk run -p month=6",
    ]


def test_a_wrong_choice_suggests_the_nearest():
    with pytest.raises(UsageError) as caught:
        churn.bind({"path": "a", "kind": "rff"}, text=True)

    assert caught.value.title == "parameter `kind` of `churn` expects one of rf, gb, not `rff`"
    assert caught.value.help == ("did you mean `rf`?", "ropewalk run -p kind=rf")


def test_in_python_the_help_is_python():
    with pytest.raises(UsageError) as caught:
        churn.graph("a.csv", month=13)

    assert caught.value.help == ("month=6",)
    assert caught.value.where.file == "tests/author/test_params.py"


def test_values_in_messages_are_short_and_harmless():
    with pytest.raises(UsageError) as caught:
        churn.bind({"path": "a", "month": "\x1b[31m" + "x" * 500}, text=True)

    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_the_specification_is_data():
    month, kind = churn.parameters[1].spec, churn.parameters[3].spec

    assert (month.name, month.type, month.required, month.default) == ("month", "int", False, 6)
    assert (month.minimum, month.maximum, month.doc) == (1, 12, "month to test on")
    assert (kind.type, kind.choices) == ("str", ("rf", "gb"))
    assert [p.spec.type for p in churn.parameters] == ["path", "int", "float", "str", "json"]


@pytest.mark.parametrize(
    ("annotation", "default", "kind"),
    [
        (Any, 6, "int"),
        (Any, "x", "str"),
        (int | None, None, "int"),
        (Settings, Settings(), "json"),
        (Kind, Kind.FOREST, "str"),
    ],
)
def test_the_kind_follows_from_annotation_or_default(annotation, default, kind):
    assert with_parameter(annotation, default).parameters[0].spec.type == kind


@pytest.mark.parametrize(
    ("annotation", "default"),
    [(int, "six"), (Annotated[int, Range(1, 12)], 13), (Literal["a"], "b"), (Any, object())],
    ids=["type", "range", "choice", "odd"],
)
def test_a_default_that_does_not_fit_is_refused(annotation, default):
    with pytest.raises(DefinitionError) as caught:
        with_parameter(annotation, default).graph()

    assert caught.value.code == "P226"
    assert caught.value.where.line


def test_a_pipeline_without_parameters_says_so():
    @pipeline
    def wired():
        anything()

    with pytest.raises(UsageError, match="unknown parameter `x`") as caught:
        wired.bind({"x": "1"}, text=True)

    assert caught.value.facts == ("wired has: no parameters",)


def test_parameters_become_a_json_schema():
    schema = churn.schema()

    assert schema["required"] == ["path"]
    assert schema["additionalProperties"] is False
    assert schema["properties"] == {
        "path": {"type": "string", "format": "path"},
        "month": {"type": "integer", "minimum": 1, "maximum": 12, "description": "month to test on", "default": 6},
        "least": {"type": "number", "default": 0.7},
        "kind": {"enum": ["rf", "gb"], "default": "rf"},
        "depths": {"type": "array", "items": {"type": "integer"}, "default": [4, 6]},
    }
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (bool, {"type": "boolean"}),
        (date, {"type": "string", "format": "date"}),
        (datetime, {"type": "string", "format": "date-time"}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (Kind, {"enum": ["FOREST", "BOOSTED"]}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (set[str], {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
        (tuple[int, str], {
            "type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2, "items": False,
        }),
        (list, {"type": "array"}),
        (Any, {}),
        (Settings, {
            "type": "object", "title": "Settings", "required": [], "additionalProperties": False,
            "properties": {"depth": {"type": "integer"}, "rates": {"type": "array", "items": {"type": "number"}}},
        }),
    ],
    ids=str,
)  # fmt: skip
def test_each_annotation_has_a_schema(annotation, schema):
    assert with_parameter(annotation).schema()["properties"]["x"] == schema
