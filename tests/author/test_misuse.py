"""What is written wrongly is refused when the graph is made: with a code, the line, and what to write instead."""

from __future__ import annotations

import inspect

import pytest

from ropewalk import RopewalkError, pipeline
from ropewalk.core.errors import DefinitionError, MisuseError
from tests.author import misuses

CASES = {
    name: function
    for name, function in vars(misuses).items()
    if inspect.isfunction(function) and function.__module__ == misuses.__name__ and (function.__doc__ or "")[:1] == "P"
}


def expected(function):
    code, _, texts = function.__doc__.partition(": ")
    lines, first = inspect.getsourcelines(function)
    marked = [first + i for i, line in enumerate(lines) if line.rstrip().endswith("# here")]
    return code, [text.strip() for text in texts.split(" | ")], marked


def refusal(function):
    with pytest.raises(RopewalkError) as caught:
        pipeline(function).graph()
    return caught.value


@pytest.mark.parametrize("name", CASES)
def test_a_misuse_is_refused_with_its_code_and_the_fix(name):
    code, texts, _ = expected(CASES[name])

    error = refusal(CASES[name])

    assert error.code == code
    assert isinstance(error, DefinitionError)
    for text in texts:
        assert text in str(error)


@pytest.mark.parametrize("name", [name for name in CASES if expected(CASES[name])[2]])
def test_a_misuse_points_to_the_authors_line(name):
    _, _, marked = expected(CASES[name])

    error = refusal(CASES[name])

    assert error.where is not None
    assert (error.where.file, error.where.line) == ("tests/author/misuses.py", marked[0])


@pytest.mark.parametrize("name", [name for name in CASES if expected(CASES[name])[2]])
def test_a_misuse_shows_the_authors_line(name):
    error = refusal(CASES[name])

    assert error.where.text.strip() in inspect.getsource(CASES[name])
    assert error.where.text.strip()


def test_there_are_many_kinds_of_misuse():
    assert len(CASES) >= 100


def test_a_misuse_of_a_reference_is_a_type_error_too():
    """So that code which asks `try: len(x) except TypeError` goes on."""
    assert isinstance(refusal(misuses.length), (MisuseError, TypeError))


def test_a_pipeline_that_calls_itself_is_refused_where_it_does():
    error = refusal(misuses.pipeline_that_calls_itself)

    assert error.where.text.strip() == "again()  # other"


def test_what_is_written_rightly_is_not_refused():
    def fine():
        parts = misuses.split(misuses.numbers())
        misuses.train(parts.train)

    assert list(pipeline(fine).graph().nodes) == ["numbers", "split", "train"]
