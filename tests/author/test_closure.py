"""Which code a task reaches."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ropewalk.author.source import fingerprint
from tests.author.reuse_modules import Load, digest_of, loader, names_of


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    with loader(tmp_path) as load:
        yield load


def test_recursion_and_cycles_end(load: Load) -> None:
    flow = load(
        flow="""
        def even(n): return n == 0 or odd(n - 1)
        def odd(n): return n != 0 and even(n - 1)
        class Node:
            def __init__(self): self.next = self
            def make(self): return Node()
        RING = Node()
        LIST = [1]
        LIST.append(LIST)
        TABLE = {"even": even}
        TABLE["table"] = TABLE
        def f(): return even(3), RING, LIST, TABLE
        """
    )

    assert sorted(names_of(fingerprint(flow.f))) == [
        "flow:LIST", "flow:Node", "flow:RING", "flow:TABLE", "flow:even", "flow:f", "flow:odd",
    ]  # fmt: skip


def test_a_module_that_is_passed_around_counts_as_a_whole(load: Load) -> None:
    flow = load(
        flow="""
        import helpers
        from importlib import import_module
        def f(name): return getattr(helpers, name)()
        def g(): return helpers.a()
        def h(): return import_module("helpers").b()
        def k(): return getattr(helpers, "b")()
        """,
        helpers="import os\ndef a(): return LIMIT\ndef b(): return 2\nLIMIT = 1\n",
    )

    assert names_of(fingerprint(flow.f)) == ["flow:f", "helpers:", "helpers:LIMIT", "helpers:a", "helpers:b"]
    assert names_of(fingerprint(flow.g)) == ["flow:g", "helpers:a", "helpers:LIMIT"]
    assert "helpers:b" in names_of(fingerprint(flow.h))
    assert names_of(fingerprint(flow.k)) == ["flow:k", "helpers:b"]


def test_eval_reaches_the_whole_module(load: Load) -> None:
    flow = load(flow="def a(): return 1\ndef f(text): return eval(text)\ndef g(frame, text): return frame.eval(text)\n")

    assert "flow:a" in names_of(fingerprint(flow.f))
    assert names_of(fingerprint(flow.g)) == ["flow:g"]


def test_relative_imports_in_functions_are_followed(load: Load) -> None:
    load(
        **{
            "pkg/__init__": "",
            "pkg/flow": "def f():\n    from . import helpers as h\n    from .helpers import b\n    return h.a(), b()\n",
            "pkg/helpers": "def a(): return 1\ndef b(): return 2\ndef c(): return 3\n",
        }
    )

    found = fingerprint(importlib.import_module("pkg.flow").f)

    assert names_of(found) == ["pkg.flow:f", "pkg.helpers:a", "pkg.helpers:b"]


def test_an_import_that_fails_is_left_to_the_task(load: Load) -> None:
    flow = load(
        flow="def f():\n    import broken, no_such_package\n    return broken.x(), no_such_package.y()\n",
        broken="raise SystemExit(1)\n",
    )

    assert names_of(fingerprint(flow.f)) == ["flow:f"]


def test_the_types_of_a_tasks_inputs_and_result_are_reached(load: Load) -> None:
    """A task calls methods of its inputs without naming their class."""
    text = """
        from dataclasses import dataclass
        @dataclass
        class Model:
            depth: int
            def predict(self, x): return x
        class Scores:
            pass
        def f(model: "Model", more: list["Model"]) -> Scores: return helper(model)
        def helper(model: Model) -> Model: return model.predict(1)
        """
    base = load(flow=text)

    assert names_of(fingerprint(base.f)) == ["flow:f", "flow:helper", "flow:Model", "flow:Scores"]
    assert names_of(fingerprint(base.helper)) == ["flow:helper", "flow:Model"]
    assert digest_of(load, text) != digest_of(load, text.replace("return x\n", "return -x\n"))


def test_names_bound_inside_a_function_are_not_looked_up_outside(load: Load) -> None:
    flow = load(
        flow="""
        a = b = c = d = e = g = h = i = k = m = n = p = q = 1
        def f(a, *b, c=0, **d):
            for e in a: pass
            with open("x") as g: pass
            try: pass
            except ValueError as h: print(h)
            i = [k for k in b]
            if (m := 1): print(m)
            match a:
                case [n, *p]: print(n, p)
                case {"x": 1, **q}: print(q)
            return a, b, c, d, e, g, i
        def outer():
            total = 0
            def inner():
                nonlocal total
                total += k
                return total
            return inner
        inner = outer()
        """
    )

    assert names_of(fingerprint(flow.f)) == ["flow:f"]
    assert names_of(fingerprint(flow.inner)) == [
        "flow:outer.<locals>.inner", "flow:outer.<locals>.total", "flow:k",
    ]  # fmt: skip


def test_decorators_of_others_are_looked_through(load: Load) -> None:
    flow = load(
        flow="""
        import functools
        from contextlib import contextmanager
        from functools import cached_property, singledispatch
        @contextmanager
        def opened(): yield helper()
        def helper(): return 1
        @singledispatch
        def show(x): return str(x)
        @show.register
        def _(x: int): return helper()
        class Lazy:
            @cached_property
            def value(self): return helper()
        def f(x):
            with opened(): return show(x)
        def g(): return Lazy().value
        """
    )

    assert set(names_of(fingerprint(flow.f))) == {"flow:f", "flow:opened", "flow:helper", "flow:show", "flow:_"}
    assert names_of(fingerprint(flow.g)) == ["flow:g", "flow:Lazy", "flow:helper"]


def test_what_others_made_and_do_not_show_counts_by_its_statement(load: Load) -> None:
    text = """
        from operator import attrgetter
        from threading import Lock
        BY = {by}
        LOCK = Lock() if BY else Lock()
        def f(): return LOCK
        """

    assert digest_of(load, text.format(by=1)) != digest_of(load, text.format(by=2))


def test_classes_made_by_a_call_count_by_what_they_hold(load: Load) -> None:
    text = """
        from collections import namedtuple
        from dataclasses import make_dataclass
        from enum import Enum
        A = namedtuple("A", "x y", defaults=[1])
        B = Enum("B", "RED GREEN")
        C = type("C", (), {"limit": 1, "get": lambda self: 5})
        D = make_dataclass("D", ["x"])
        def f(): return A(1), B.RED, C, D(1)
        """
    edits = [("x y", "x z"), ("[1]", "[2]"), ("RED GREEN", "RED BLUE"), ('"limit": 1', '"limit": 2'), ("5", "6")]

    digests = [digest_of(load, text), *(digest_of(load, text.replace(*edit)) for edit in edits)]

    assert len(set(digests)) == len(digests)


def test_nothing_of_ropewalk_itself_is_read(load: Load) -> None:
    flow = load(
        flow="""
        import ropewalk
        import ropewalk.author.task as t
        from ropewalk.core.retry import Retry
        gpu = t.task(timeout=3)
        @t.task(retry=Retry(3))
        def f(): return Retry, ropewalk.__version__, ropewalk.core.policy.Resources()
        @gpu
        def g(): return f()
        """
    )

    assert names_of(fingerprint(flow.g)) == ["flow:g", "flow:f"]
    assert fingerprint(flow.g).packages == ()
