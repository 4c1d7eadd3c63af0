"""`each`, `cross`, `when`, `otherwise` and `first_of`."""

from __future__ import annotations

import pytest

from ropewalk import RopewalkError, cross, each, first_of, otherwise, pipeline, when
from ropewalk.core import expr as ex
from ropewalk.core.expr import Const, FirstOf, Op, Param, Ref
from ropewalk.core.graph import MapSpec
from tests.author.steps import (
    Scored,
    add,
    anything,
    best,
    evaluate,
    fail,
    halves,
    is_good,
    keep,
    numbers,
    register,
    split,
    train,
)


def nodes(function, **params):
    return pipeline(function).graph(**params).nodes


def test_each_maps_one_parameter():
    def wired():
        train([1, 2], depth=each([4, 6, 8]))

    node = nodes(wired)["train"]

    assert node.map == MapSpec("zip", ("depth",))
    assert node.bindings["depth"] == Const([4, 6, 8])


def test_several_each_go_in_step():
    @pipeline
    def wired():
        return add(each([1, 2]), each([10, 20]))

    assert wired.graph().nodes["add"].map == MapSpec("zip", ("a", "b"))
    assert wired() == [11, 22]


def test_cross_makes_every_combination():
    @pipeline
    def wired():
        return train([1], **cross(depth=[1, 2], rate=[0.1, 0.2]))

    assert wired.graph().nodes["train"].map == MapSpec("cross", ("depth", "rate"))
    assert wired() == [1, 1, 2, 2]


def test_each_goes_over_a_result_that_is_known_later():
    @pipeline
    def wired():
        return add(each(numbers(3)))

    assert wired.graph().nodes["add"].bindings["a"] == Ref("numbers")
    assert wired() == [1, 2, 3]


def test_each_follows_a_mapped_result_item_by_item():
    @pipeline
    def wired():
        models = train(each([[1], [2], [3]]))
        scores = evaluate(each(models), [1])
        return best(models, scores)

    graph = wired.graph()

    assert graph.nodes["evaluate"].bindings["model"] == Ref("train")
    assert graph.nodes["best"].bindings == {"models": Ref("train"), "scores": Ref("evaluate")}
    assert wired() == Scored(18, 0.18)


def test_fields_of_a_mapped_result_are_lists_of_fields():
    @pipeline
    def wired():
        scores = evaluate(each([10, 20]), [1])
        return anything(scores.auc)

    assert wired() == [0.1, 0.2]


def test_one_of_the_results_of_a_mapped_call_can_be_picked():
    @pipeline
    def wired():
        scores = evaluate(each([10, 20]), [1])
        return register(scores[1])

    assert wired.graph().nodes["register"].bindings["scored"] == Ref("evaluate", (("item", 1),))
    assert wired() == "v20"


def test_a_picked_result_cannot_be_mapped_over():
    def wired():
        lists = numbers(each([1, 2]))
        add(each(lists[0]))

    with pytest.raises(RopewalkError, match="one result of a mapped call"):
        nodes(wired)


def test_a_mapped_result_with_fields_unpacks_into_lists():
    @pipeline
    def wired():
        first, second = split(each([[1, 2], [3, 4]]))
        return [anything(first), anything(second)]

    assert wired() == [[[1], [3]], [[2], [4]]]


def test_a_mapped_result_of_plain_tuples_does_not_unpack():
    def wired():
        first, _ = halves(each([[1, 2]]))
        anything(first)

    with pytest.raises(RopewalkError, match="no entry can be taken from each of its results"):
        nodes(wired)


@pytest.mark.parametrize("items", [[], (), range(0), {}.keys()], ids=["list", "tuple", "range", "keys"])
def test_no_items_at_all_are_fine(items):
    @pipeline
    def wired():
        return add(each(items))

    assert wired() == []


@pytest.mark.parametrize(
    "items", [[1, 2], (1, 2), range(1, 3), {1: 0, 2: 0}.keys()], ids=["list", "tuple", "range", "keys"]
)
def test_each_takes_any_collection_with_an_order(items):
    @pipeline
    def wired():
        return add(each(items))

    assert wired() == [2, 3]


def test_each_over_a_list_with_results_in_it():
    @pipeline
    def wired(first: int = 1):
        return add(each([first, add(1), 5]))

    assert list(ex.refs(wired.graph().nodes["add:2"].bindings["a"])) == [Ref("add:1")]
    assert wired(7) == [8, 3, 6]


def test_each_over_a_list_that_is_a_parameter():
    @pipeline
    def wired(depths: list[int] = [1, 2]):  # noqa: B006
        return train([1], depth=each(depths))

    assert wired() == [1, 2]
    assert wired([3]) == [3]


def test_a_range_of_a_parameter_has_plain_numbers():
    @pipeline
    def wired(count: int = 3):
        return anything(each(range(count)))

    assert [type(v) for v in wired()] == [int, int, int]


def test_when_puts_the_condition_on_its_nodes():
    def wired(least: float = 0.5):
        scored = evaluate(1, [1])
        with when(scored.auc >= least):
            register(scored)
        keep(scored)

    made = nodes(wired)

    assert made["register"].when == Op("ge", (Ref("evaluate", (("attr", "auc"),)), Param("least")))
    assert made["keep"].when is None


def test_otherwise_is_the_opposite():
    def wired():
        scored = evaluate(1, [1])
        with when(is_good(scored)):
            register(scored)
        with otherwise():
            keep(scored)

    made = nodes(wired)

    assert made["register"].when == Ref("is_good")
    assert made["keep"].when == Op("not", (Ref("is_good"),))


@pytest.mark.parametrize(("model", "expected"), [(90, "high"), (60, "middle"), (10, "low")])
def test_otherwise_with_a_condition_is_tried_next(model, expected):
    @pipeline
    def wired():
        auc = evaluate(model, [1]).auc
        with when(auc > 0.8):
            high = anything("high")
        with otherwise(auc > 0.5):
            middle = anything("middle")
        with otherwise():
            low = anything("low")
        return first_of(high, middle, low)

    assert wired() == expected


@pytest.mark.parametrize(("a", "b", "expected"), [(2, 2, "both"), (2, 0, "first"), (0, 2, None), (0, 0, None)])
def test_conditions_nest(a, b, expected):
    @pipeline
    def wired():
        x, y = add(a, 0), add(b, 0)
        with when(x > 1):
            with when(y > 1):
                both = anything("both")
            with otherwise():
                first = anything("first")
        return first_of(both, first, None)

    assert wired() == expected


def test_otherwise_in_a_branch_belongs_to_the_when_in_that_branch():
    def wired():
        x = add(1)
        with when(x > 1):  # noqa: SIM117  # one inside the other is what this is about
            with when(x > 2):
                anything(1)
        with otherwise():
            anything(2)

    made = nodes(wired)

    assert made["anything:2"].when == Op("not", (Op("gt", (Ref("add"), Const(1))),))


def test_conditions_join_with_and_or_and_not():
    @pipeline
    def wired():
        scored = evaluate(60, [1])
        with when((scored.auc > 0.5) & ~(scored.model == 3) | (scored.model > 1000)):
            return register(scored)

    assert wired() == "v60"


@pytest.mark.parametrize(("flag", "expected"), [(True, "v1"), (False, None)])
def test_when_takes_a_plain_bool(flag, expected):
    @pipeline
    def wired(flag: bool):
        with when(flag):
            done = register(evaluate(1, [1]))
        return first_of(done, None)

    assert wired(flag) == expected


def test_a_branch_reaches_into_a_pipeline_that_is_called_in_it():
    @pipeline
    def inner(n: int) -> int:
        with when(add(n) > 1):
            return add(n, 2)

    def wired():
        with when(add(0) > 5):
            inner(3)

    made = nodes(wired)

    assert made["inner/add:1"].when == Op("gt", (Ref("add"), Const(5)))
    assert made["inner/add:2"].when == Op(
        "and", (Op("gt", (Ref("add"), Const(5))), Op("gt", (Ref("inner/add:1"), Const(1))))
    )


def test_an_error_in_a_branch_leaves_the_branch():
    def wired():
        try:
            with when(add(1) > 1):
                raise KeyError
        except KeyError:
            pass
        add(2)

    assert nodes(wired)["add:2"].when is None


@pytest.mark.parametrize("use", [when, otherwise, first_of])
def test_deciding_outside_a_pipeline_is_refused(use):
    with pytest.raises(RopewalkError, match="outside a pipeline") as caught:
        use(True) if use is not otherwise else otherwise()

    assert caught.value.code == "P208"


def test_first_of_takes_the_first_that_was_not_skipped():
    def wired():
        return first_of(add(1), add(2))

    graph = pipeline(wired).graph()

    assert graph.output == FirstOf((Ref("add:1"), Ref("add:2")))


def test_a_part_of_first_of_is_first_of_the_parts():
    @pipeline
    def wired():
        with when(add(1) > 5):
            one = evaluate(1, [1])
        with otherwise():
            two = evaluate(2, [1])
        return anything(first_of(one, two).auc)

    (choice,) = wired.graph().nodes["anything"].bindings.values()

    assert choice == FirstOf((Ref("evaluate:one", (("attr", "auc"),)), Ref("evaluate:two", (("attr", "auc"),))))
    assert wired() == 0.02


def test_first_of_is_checked_like_what_it_chooses_from():
    def wired():
        add(first_of(register(evaluate(1, [1])), keep(evaluate(2, [1]))))

    with pytest.raises(RopewalkError, match="needs an `int` for `a`") as caught:
        nodes(wired)

    assert caught.value.code == "P201"


def test_a_failing_task_fails_the_call_after_what_runs_on_failure():
    told = []

    @pipeline
    def wired():
        broken = fail()
        say.options(run_if="any_failed")("failed").after(broken)
        say("never").after(broken)
        say.options(run_if="always")(broken)

    from ropewalk import task

    @task(name="say")
    def say(text):
        told.append(text)

    with pytest.raises(ValueError, match="no such luck"):
        wired()

    assert told == ["failed", None]
