# ruff: noqa: B015, B018, E501, SIM117  # written wrongly on purpose, and explained on one line
"""Pipelines that are written wrongly. Each says in its docstring the code of the error and a part of its text; the line
to which the error must point ends with `# here`."""

from __future__ import annotations

import copy
import functools
import math
import pickle
import threading
from collections.abc import Iterator

import numpy as np
import pandas as pd

from ropewalk import Cache, Resources, cross, each, first_of, otherwise, pipeline, shell, task, when
from tests.author.steps import (
    Scored,
    Split,
    add,
    anything,
    evaluate,
    halves,
    keep,
    numbers,
    of_settings,
    prepared,
    register,
    split,
    train,
)

STORED = []


# --- a reference used as a value ---


def if_on_a_comparison():
    """P205: `evaluate.auc > 0.9` is not known until `evaluate` has run | with when(score.auc > 0.9): …"""
    score = evaluate(1, [1])
    if score.auc > 0.9:  # here
        register(score)


def if_on_a_result():
    """P205: with when(rows): …"""
    rows = numbers()
    if rows:  # here
        split(rows)


def conditional_expression():
    """P205: with when(rows): …"""
    rows = numbers()
    add(1 if rows else 2)  # here


def while_loop():
    """P205: decide with when(add(1) < 3), or repeat inside a task"""
    while add(1) < 3:  # here
        pass


def joined_with_and():
    """P205: `and` and `or` need the value now; write (score.auc > 0.9) & (score.model > 3)"""
    score = evaluate(1, [1])
    with when(score.auc > 0.9 and score.model > 3):  # here
        register(score)


def joined_with_or():
    """P205: write (score.auc > 0.9) | (score.model > 3)"""
    score = evaluate(1, [1])
    with when(score.auc > 0.9 or score.model > 3):  # here
        register(score)


def negated_with_not():
    """P205: `not` needs the value now; write ~(score.auc > 0.9)"""
    score = evaluate(1, [1])
    with when(not score.auc > 0.9):  # here
        register(score)


def chained_comparison():
    """P205: split the chained comparison"""
    score = evaluate(1, [1])
    with when(0.5 < score.auc < 0.9):  # here
        register(score)


def asserted():
    """P205: with when(add(1)): …"""
    assert add(1)  # here


def in_an_f_string():
    """P205: so it cannot be put into a text | make the text inside a task that takes numbers"""
    anything(f"rows: {numbers()}")  # here


def in_str():
    """P205: make the text inside a task"""
    anything(str(numbers()))  # here


def length():
    """P205: count inside a task, or map over the items: some_task(each(numbers))"""
    add(len(numbers()))  # here


def loop_over_a_list():
    """P205: so it cannot be iterated over | some_task(each(numbers)) | -> tuple[A, B] or a NamedTuple"""
    for row in numbers():  # here
        add(row)


def unpacking_what_is_not_a_tuple():
    """P205: to unpack, annotate what the task returns"""
    first, second = numbers()  # here
    add(first, second)


def membership():
    """P205: look inside a task that returns bool"""
    anything(3 in numbers())  # here


def calling_a_method():
    """P205: `anything.fit` is not known until `anything` has run, so it cannot be called | value.fit(…)"""
    model = anything()
    model.fit(3)  # here


def to_float():
    """P205: do it inside a task"""
    anything(float(add(1)))  # here


def to_int():
    """P205: do it inside a task"""
    anything(int(add(1)))  # here


def as_an_index():
    """P205: do it inside a task"""
    anything([10, 20][add(1)])  # here


def in_range():
    """P205: do it inside a task"""
    for _ in range(add(1)):  # here
        add(1)


def in_math():
    """P205: do it inside a task"""
    anything(math.floor(add(1)))  # here


def integer_division():
    """P205: this operator cannot be used on it | use one of >= > <="""
    anything(add(1) // 2)  # here


def set_attribute():
    """P205: a result is never changed"""
    score = evaluate(1, [1])
    score.auc = 1.0  # here


def set_item():
    """P205: a result is never changed"""
    rows = numbers()
    rows[0] = 1  # here


def sliced():
    """P205: take the slice inside a task"""
    split(numbers()[1:3])  # here


def pickled():
    """P205: return it from the pipeline, or pass it to a task"""
    pickle.dumps(numbers())  # here


def part_of_an_expression():
    """P205: take the part inside a task"""
    anything((add(1) + add(2)).real)  # here


def comparing_a_mapped_result():
    """P205: train is a list of results; pass it whole to a task that compares them"""
    models = train(each([[1], [2]]))
    with when(models > 3):  # here
        add(1)


def entry_of_each_mapped_result():
    """P205: let the task return a NamedTuple or dataclass"""
    anything(anything(each([1, 2]))["auc"])  # here


# --- parts that are not there ---


def unknown_field():
    """P206: `evaluate` has no `.acu` | it has model, auc, after | did you mean `.auc`?"""
    register(evaluate(1, [1]).acu)  # here


def unknown_field_of_a_named_tuple():
    """P206: `split` has no `.trian` | did you mean `.train`?"""
    train(split([1]).trian)  # here


def item_beyond_a_tuple():
    """P206: `halves` has no `[2]`"""
    train(halves([1])[2])  # here


def attribute_of_a_list():
    """P206: `numbers` has no `.mean`"""
    anything(numbers().mean)  # here


def odd_key():
    """P206: named by a text or a whole number"""
    anything(anything()[1.5])  # here


# --- calls that do not fit ---


def unknown_argument():
    """P203: there is no parameter `dept` | train(rows: list[int], *, depth: int = 6 | did you mean `depth`?"""
    train([1], dept=3)  # here


def missing_argument():
    """P203: `rows` is missing | add rows=…"""
    train(depth=3)  # here


def too_many_arguments():
    """P203: 2 positional arguments, but it takes 1"""
    train([1], 3)  # here


def argument_given_twice():
    """P203: `a` is given twice"""
    add(1, a=2)  # here


def several_problems_at_once():
    """P203: 2 problems | `a` is given twice | there is no parameter `c`"""
    add(1, a=2, c=3)  # here


def after_a_value():
    """P203: waits for results of tasks, not for a `int`"""
    add(1).after(3)  # here


def shifted_to_a_value():
    """P203: `>>` joins results of tasks, not a `int`"""
    add(1) >> 3  # here


def after_an_expression():
    """P205: `add + add` is not the result of one task"""
    (add(1) + add(2)).after(add(3))  # here


# --- types ---


def wrong_constant():
    """P201: `train` needs a `list[int]` for `rows`, but it is given `'rows'` (str) | is declared at"""
    train("rows")  # here


def wrong_item():
    """P201: it is given `[1, 'two']`"""
    train([1, "two"])  # here


def wrong_result():
    """P201: `train` needs a `list[int]` for `rows`, but `add` returns `int` | return list[int] from `add` | rows: Any"""
    train(add(1))  # here


def wrong_field():
    """P201: `add` needs an `int` for `a`, but `split.train` is a `list[int]`"""
    add(split([1]).train)  # here


def mapped_result_for_one():
    """P201: is a list, with one `int` for each item | a=each(train)"""
    add(train(each([[1], [2]])))  # here


def wrong_items_of_each():
    """P201: the items of `numbers` are `int`"""
    train(each(numbers()))  # here


def wrong_constant_in_each():
    """P201: it is given `'six'` (str)"""
    train([1], depth=each([4, "six"]))  # here


def wrong_list_of_results():
    """P201: `add` returns `int`"""
    from_scores([add(1), add(2)])  # here


@task
def from_scores(scores: list[Scored]) -> int:
    return len(scores)


def wrong_argument_of_a_pipeline():
    """P201: `prepared` needs a `list[int]` for `rows`"""
    prepared(add(1))  # here


def condition_that_is_a_number():
    """P207: `evaluate.auc` is a `float` | when(evaluate.auc > 0)"""
    score = evaluate(1, [1])
    with when(score.auc):  # here
        register(score)


def condition_that_is_a_list():
    """P207: is a list of results"""
    with when(anything(each([1]))):  # here
        add(1)


# --- constants that no graph can hold ---


def frame():
    """P204: `anything` is given a `DataFrame` for `value` | load or make it in a task"""
    anything(pd.DataFrame({"a": [1]}))  # here


def array_in_a_list():
    """P204: `value[1]` is a `numpy.ndarray` | load or make it in a task"""
    anything([1, np.zeros(3)])  # here


def lock():
    """P204: `lock` | pass plain values, and make the object inside the task"""
    anything(threading.Lock())  # here


def open_file():
    """P204: pass the path, and open the file inside the task"""
    with open(__file__) as file:
        anything(file)  # here


def generator():
    """P204: make it a list"""
    anything(n for n in range(3))  # here


def function():
    """P204: call it inside the task; to pass what a task returns, call that: add(...)"""
    anything(add)  # here


def set_of_results():
    """P204: references may stand in lists | pass a list"""
    anything({add(1)})  # here


def each_inside_a_list():
    """P204: each(...) must be an argument itself"""
    anything([each([1, 2])])  # here


def list_that_contains_itself():
    """P204: nested deeper than 200 levels"""
    endless = []
    endless.append(endless)
    anything(endless)  # here


def default_that_cannot_be_kept():
    """P204: `odd_default` is given a `object` for `marker`"""
    odd_default()  # here


@task
def odd_default(marker=object()) -> int:
    return 1


def comparing_with_a_frame():
    """P204: compared and computed with plain values, not with a `DataFrame`"""
    add(1) == pd.DataFrame()  # here


# --- each and cross ---


def each_over_a_number():
    """P213: `each` needs a list, not 3 (int)"""
    add(each(3))  # here


def each_over_a_text():
    """P213: `each` needs a list, not 'rows' (str)"""
    add(each("rows"))  # here


def each_over_a_dict():
    """P213: which could mean its keys or its values | each(list(d.items()))"""
    anything(each({"a": 1}))  # here


def each_over_a_set():
    """P213: which has no order | each(sorted(items))"""
    add(each({1, 2}))  # here


def each_over_a_generator():
    """P213: whose length is not known; it may never end | each(list(items))"""
    add(each(n for n in range(3)))  # here


def each_over_an_array():
    """P213: each(items.tolist())"""
    add(each(np.arange(3)))  # here


def each_over_too_much():
    """P213: has 100,001 items; at most 100,000"""
    add(each(range(100_001)))  # here


def each_over_a_result_that_is_no_list():
    """P213: `add` is a int | let the task return a list"""
    add(each(add(1)))  # here


def each_twice():
    """P213: write each(...) once"""
    add(each(each([1])))  # here


def each_with_different_lengths():
    """P219: `a` has 2 items | `b` has 3 items | **cross(...)"""
    add(each([1, 2]), each([1, 2, 3]))  # here


def each_follows_a_mapped_call_of_another_length():
    """P219: `a` has 2 items | `b` has 3 items"""
    models = add(each([1, 2]))
    add(each(models), each([1, 2, 3]))  # here


def each_and_cross():
    """P219: cannot stand in one call"""
    train(each([[1], [2]]), **cross(depth=[1]))  # here


def cross_of_nothing():
    """P213: `cross` needs at least one list"""
    train([1], **cross())  # here


def cross_of_too_much():
    """P213: makes 1,000,000 combinations"""
    train([1], **cross(depth=range(1000), rate=[float(n) for n in range(1000)]))  # here


# --- branches ---


def otherwise_alone():
    """P214: `otherwise` does not follow a `when`"""
    with otherwise():  # here
        add(1)


def otherwise_after_a_call():
    """P214: directly after that block"""
    with when(add(1) > 1):
        add(2)
    add(3)
    with otherwise():  # here
        add(4)


def otherwise_after_otherwise():
    """P214: does not follow a `when`"""
    with when(add(1) > 1):
        add(2)
    with otherwise():
        add(3)
    with otherwise():  # here
        add(4)


def otherwise_on_another_level():
    """P214: on the level of its `with when(…):`"""
    with when(add(1) > 1):
        with otherwise():  # here
            add(2)


def when_without_with():
    """P214: `when` is called without `with` | with when(condition): …"""
    when(add(1) > 1)  # here
    add(2)


def when_on_a_text():
    """P207: 'yes' is neither"""
    with when("yes"):  # here
        add(1)


def first_of_nothing():
    """P207: needs results of tasks to choose from"""
    add(first_of(1, 2))  # here


# --- cycles ---


def waits_for_itself():
    """P210: task `add` depends on itself"""
    a = add(1)
    a.after(a)  # here


def waits_for_itself_by_shift():
    """P210: task `add` depends on itself"""
    a = add(1)
    a >> a  # here


# --- names ---


def name_of_another_place():
    """P216: '../../etc/passwd' cannot be the name of a node | letters, digits, _ and -"""
    add.options(name="../../etc/passwd")(1)  # here


def empty_name():
    """P216: '' cannot be the name of a node"""
    add.options(name="")(1)  # here


def long_name():
    """P216: cannot be the name of a node | 1 to 128 characters"""
    add.options(name="a" * 129)(1)  # here


def name_with_a_dot():
    """P216: 'a.b' cannot be the name of a node"""
    add.options(name="a.b")(1)  # here


def name_with_markup():
    """P216: '<img src=x onerror=alert(1)>' cannot"""
    add.options(name="<img src=x onerror=alert(1)>")(1)  # here


def name_that_windows_keeps():
    """P216: Windows keeps this word"""
    add.options(name="con")(1)  # here


def two_calls_with_one_name():
    """P215: two calls have the name `it` | first at"""
    add.options(name="it")(1)
    add.options(name="it")(2)  # here


def two_tasks_with_one_name():
    """P217: two tasks are named `add` | one is declared at tests/author/steps.py | the other at tests/author/misuses.py"""
    add(1)

    @task(name="add")
    def other(a: int) -> int:
        return a

    other(2)  # here


def lambda_without_a_name():
    """P216: '<lambda>' cannot be the name of a task | @task(name="…")"""
    task(lambda value: value)  # here


# --- options ---


def unknown_option():
    """P224: unknown option `retries` | did you mean `retry`?"""
    add.options(retries=3)(1)  # here


def negative_retries():
    """P223: retries must be an integer from 0 to 100, not -1"""
    add.options(retry=-1)(1)  # here


def retries_as_a_text():
    """P223: retries must be an integer from 0 to 100, not '3'"""
    add.options(retry="3")(1)  # here


def timeout_of_nothing():
    """P220: `timeout` must be longer than 0"""
    add.options(timeout=0)(1)  # here


def negative_cores():
    """P222: `cpu` is not a number of cores: -1"""
    add.options(resources=Resources(cpu=-1))(1)  # here


def odd_run_if():
    """P224: did you mean run_if="all_done"?"""
    add.options(run_if="all_dne")(1)  # here


def ignoring_what_is_not_there():
    """P224: `ignore` names `verbos`, which is not a parameter of `add`"""
    add.options(cache=Cache(ignore=["verbos"]))(1)  # here


# --- functions that cannot be tasks or pipelines ---


def generator_as_a_task():
    """P202: `rows` cannot be a task: it is a generator | return a list"""

    @task
    def rows() -> Iterator[int]:  # here
        yield 1


def async_generator_as_a_task():
    """P202: it is a generator"""

    @task
    async def rows():  # here
        yield 1


def class_as_a_task():
    """P202: `Split` cannot be a task: it is a class"""
    task(Split)  # here


def built_in_as_a_task():
    """P202: `sum` cannot be a task: it is built in | def step(x): return sum(x)"""
    task(sum)  # here


def partial_as_a_task():
    """P202: it is a `partial`"""
    task(functools.partial(print, 1))  # here


def task_of_a_task():
    """P202: it is a task already | remove one @task"""
    task(add)  # here


def method_as_a_task():
    """P202: it is a method of `Trainer`"""
    Outer.make()


class Outer:
    @staticmethod
    def make():
        namespace = {}
        source = "from ropewalk import task\nclass Trainer:\n    @task\n    def train(self, rows): ...\n"
        exec(compile(source, __file__, "exec"), namespace)


def anonymous_arguments():
    """P202: the arguments in `*rows` have no names | rows: list[…]"""

    @task
    def merge(*rows: int) -> int:  # here
        return sum(rows)


def positional_only_arguments():
    """P202: `a` is positional only | remove the `/`"""

    @task
    def merge(a: int, /) -> int:  # here
        return a


def async_pipeline():
    """P202: it is `async` | tasks may be `async def`"""

    @pipeline
    async def inner():  # here
        add(1)


def pipeline_with_open_parameters():
    """P202: what may stand in `**rest` is not known"""

    @pipeline
    def inner(**rest):  # here
        add(1)


# --- references elsewhere ---


def reference_of_another_build():
    """P218: `add` is a reference of another build of pipeline `keeps`"""
    pipeline(keeps).graph()
    add(STORED.pop())  # here


def keeps():
    STORED.append(add(1))


def comparing_references_of_two_builds():
    """P218: reference of another build"""
    pipeline(keeps).graph()
    add(1) > STORED.pop()  # here


def pipeline_that_calls_itself():
    """P209: pipeline `again` calls itself"""
    again()


@pipeline
def again():
    add(1)
    again()  # other


def empty_pipeline():
    """P211: pipeline `empty_pipeline` has no tasks | call at least one @task function"""


def frame_as_a_result():
    """P204: returns a `DataFrame` | return results of tasks"""
    add(1)
    return pd.DataFrame()


def error_of_ones_own():
    """P229: ZeroDivisionError: division by zero | move what needs values into a task"""
    add(1)
    1 / 0  # here


def private_attribute():
    """P229: AttributeError: a reference has no `_x`"""
    anything()._x  # here


# --- commands ---


def empty_command():
    """P225: the command is empty"""
    shell("  ")  # here


def unbalanced_quote():
    """P225: the command cannot be split into words | close the quote"""
    shell("echo 'a")  # here


def value_in_braces(month: int = 6):
    """P225: `{month}` in a command is not replaced by the value of `month` | env={"MONTH": month}"""
    shell("python prepare.py {month}")  # here


def odd_argument_of_a_command():
    """P225: an argument of a command cannot be None"""
    shell(["prepare", None])  # here


def settings_with_a_wrong_field():
    """P201: `of_settings` needs a `Settings`"""
    of_settings({"depth": 3})  # here


def copies_are_the_same():
    """P201: `add` needs an `int` for `a`, but `keep` returns `str`"""
    add(copy.deepcopy(keep(evaluate(1, [1]))))  # here
