"""A task is the plain function until a pipeline calls it."""

from __future__ import annotations

import asyncio
import inspect
import pickle

import pytest

from ropewalk import Cache, Resources, Retry, each, pipeline, task
from ropewalk.author.task import Task
from ropewalk.core.errors import DefinitionError
from ropewalk.core.graph import OutputSpec
from tests.author import steps
from tests.author.steps import Scored, Split, add, anything, evaluate, fetch, halves, numbers, split, train


def test_a_task_called_outside_a_pipeline_is_the_plain_function():
    assert train([1, 2], depth=3) == 9
    assert split([1, 2]) == Split([1], [2])


def test_an_async_task_called_outside_a_pipeline_is_the_plain_coroutine():
    assert asyncio.run(fetch("here")) == "<here>"


def test_a_task_looks_like_its_function():
    assert train.__name__ == "train"
    assert train.__module__ == steps.__name__
    assert numbers.__doc__ == numbers.fn.__doc__
    assert str(inspect.signature(add)) == "(a: 'int', b: 'int' = 1) -> 'int'"
    assert inspect.getsource(add) == inspect.getsource(add.fn)


def test_a_task_is_pickled_by_its_import_path():
    data = pickle.dumps(train)

    assert pickle.loads(data) is train
    assert len(data) < 1000


def test_a_task_with_options_is_pickled_with_them():
    changed = train.options(retry=2, name="it")

    back = pickle.loads(pickle.dumps(changed))

    assert back is not train
    assert (back.fn, back.policy, back.pinned) == (train.fn, changed.policy, "it")


def test_a_task_inside_a_function_cannot_be_pickled():
    @task
    def inner(x: int) -> int:
        return x

    with pytest.raises(pickle.PicklingError, match="inner"):
        pickle.dumps(inner)


def test_options_of_the_decorator_become_its_policy():
    @task(name="fit", retry=Retry(3), cache=False, timeout="2h", resources=Resources(cpu=2), run_if="all_done")
    def inner() -> None: ...

    assert inner.name == "fit"
    assert inner.policy.retry == Retry(3)
    assert inner.policy.cache == Cache(False)
    assert inner.policy.timeout_s == 7200
    assert inner.policy.resources == Resources(cpu=2)
    assert inner.policy.run_if == "all_done"


def test_options_for_one_call_leave_the_task_alone():
    changed = train.options(timeout="1h", retry=2)

    assert changed([1], depth=2) == 2
    assert (changed.policy.timeout_s, changed.policy.retry.count) == (3600, 2)
    assert train.policy.timeout_s is None


def test_options_add_up():
    changed = train.options(timeout="1h").options(retry=2)

    assert (changed.policy.timeout_s, changed.policy.retry.count) == (3600, 2)


def test_a_lambda_with_a_name_can_be_a_task():
    double = task(lambda value: value * 2, name="double")

    assert double(3) == 6
    assert double.spec().function.endswith("<lambda>")


def test_a_wrong_option_of_the_decorator_points_to_the_function():
    with pytest.raises(DefinitionError, match="unknown option") as caught:

        @task(retries=3)
        def inner() -> None: ...

    assert caught.value.where.text.strip() == "def inner() -> None: ..."


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (numbers, OutputSpec("single", ("result",), "list[int]")),
        (split, OutputSpec("fields", ("train", "test"), "tests.author.steps:Split")),
        (evaluate, OutputSpec("fields", ("model", "auc", "after"), "tests.author.steps:Scored")),
        (halves, OutputSpec("tuple", ("0", "1"), "tuple[list[int], list[int]]")),
        (anything, OutputSpec("single", ("result",), "")),
    ],
)
def test_the_return_annotation_says_which_artifacts_there_are(made, expected):
    assert made.outputs == expected


def test_a_result_class_that_cannot_be_found_again_is_kept_whole():
    class Local(Split):
        pass

    def inner() -> Local: ...

    inner.__annotations__["return"] = Local

    assert task(inner).outputs.kind == "single"


def test_the_graph_knows_inputs_and_the_first_line_of_the_docstring():
    spec = numbers.spec()

    assert spec.inputs == (("count", "int"),)
    assert spec.doc == "Count up."
    assert spec.function == "tests.author.steps:numbers"
    assert len(spec.code.digest) == 64


def test_a_task_with_open_keyword_arguments_takes_any_name():
    @pipeline
    def wired():
        steps.gather(first=add(1), second=2)

    assert set(wired.graph().nodes["gather"].bindings) == {"first", "second"}
    assert wired() is None


@pytest.mark.parametrize("value", [each([1, 2])])
def test_each_outside_a_pipeline_is_refused(value):
    with pytest.raises(DefinitionError, match="outside a pipeline") as caught:
        add(value)

    assert caught.value.code == "P218"


def test_a_reference_outside_a_pipeline_is_refused():
    kept = []

    @pipeline
    def keeps():
        kept.append(add(1))

    keeps.graph()

    with pytest.raises(DefinitionError, match="outside a pipeline"):
        add(kept[0])


def test_a_task_shows_where_it_is_declared():
    assert repr(add).startswith("<task add at tests/author/steps.py:")


def test_task_and_result_may_be_annotated_with_names_that_are_known_to_checkers_only():
    def odd(frame: pd.DataFrame) -> Model: ...  # noqa: F821

    made = task(odd)

    assert isinstance(made, Task)
    assert made.spec().inputs == (("frame", "pd.DataFrame"),)
    assert made.outputs == OutputSpec("single", ("result",), "Model")


def test_fields_may_be_annotated_in_a_class_below_the_task():
    def early() -> Later: ...  # noqa: F821

    made = task(early)
    early.__globals__["Later"] = Scored
    try:
        assert made.outputs.names == ("model", "auc", "after")
    finally:
        del early.__globals__["Later"]
