"""Graphs: what is refused, in which order nodes stand, and what makes two of them the same."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.core import expr as ex
from ropewalk.core.errors import DefinitionError, VersionError
from ropewalk.core.expr import Ref
from ropewalk.core.graph import Graph, Node, ParamSpec, make_graph
from ropewalk.core.wiring import Wiring, wire
from ropewalk.testing.graphs import graphs
from tests.core.builders import graph, node, task


@given(made=graphs())
@settings(max_examples=60)
def test_a_graph_is_read_back_as_it_was_written(made: Graph) -> None:
    again = Graph.from_json(json.loads(json.dumps(made.to_json())))

    assert again.to_json() == made.to_json()
    assert again.digest == made.digest
    assert list(again.nodes) == list(made.nodes)


@given(made=graphs())
@settings(max_examples=60)
def test_every_node_stands_after_what_it_needs_and_is_wired_to_all_of_it(made: Graph) -> None:
    order = list(made.nodes)

    for name, node_ in made.nodes.items():
        wiring = wire(made.nodes.__getitem__, node_)
        assert all(order.index(up) < order.index(name) for up in made.upstream[name])
        assert sorted(wiring.barriers + wiring.aligned) == sorted(made.upstream[name])
        assert all(name in made.downstream[up] for up in made.upstream[name])
        assert all(made.nodes[up].map is not None for up in wiring.aligned)


def test_nodes_keep_the_order_in_which_they_were_called_as_far_as_it_goes() -> None:
    made = graph(node("c", "b"), node("z"), node("a"), node("b", "a"))

    assert list(made.nodes) == ["z", "a", "b", "c"]


def test_a_pipeline_without_tasks_is_refused() -> None:
    with pytest.raises(DefinitionError, match="pipeline `p` has no tasks"):
        make_graph("p", {}, {})


def test_a_reference_to_nothing_is_refused() -> None:
    for bad in (node("a", "b"), node("a", when=Ref("b")), node("a", after=("b",)), node("a", ex.FirstOf((Ref("b"),)))):
        with pytest.raises(DefinitionError, match="`a` refers to `b`"):
            graph(bad)


def test_a_kind_of_node_that_is_not_known_is_refused() -> None:
    data = graph(node("a")).to_json()
    data["nodes"][0]["kind"] = "oracle"

    with pytest.raises(VersionError, match="`a` is of kind `oracle`"):
        Graph.from_json(data)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("a", "a")], "task `a` depends on itself"),
        ([node("a", "b"), node("b", "a")], "b → a → b"),
        ([node("a", "c"), node("b", "a"), node("c", "b")], "b → c → a → b"),
        ([node("a", "c"), node("b", "a"), node("c", "b"), node("y", "c", "z"), node("z", "y")], "z → y → z"),
        ([node("ok"), node("a", "ok", "b"), node("b", after=("a",))], "b → a → b"),
    ],
)
def test_the_shortest_cycle_is_named(nodes: list[Node], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        graph(*nodes)


def test_places_in_files_do_not_make_another_graph_but_code_does() -> None:
    made = graph(replace(node("a"), file="p.py", line=3), file="p.py", doc="A.")
    moved = graph(replace(node("a"), file="q.py", line=9), file="q.py", doc="B.")
    changed = make_graph("test", {"do": replace(task(), code=task("other").code)}, {"a": node("a")})

    assert made.digest == moved.digest
    assert made.digest != changed.digest


def test_one_parameter_of_a_task_can_be_replaced_by_a_constant() -> None:
    made = graph(node("a", ex.constant(1)), node("b", "a"))

    other = made.with_constant(("a",), "i0", 7)

    assert other.nodes["a"].bindings == {"i0": ex.constant(7)}
    assert made.nodes["a"].bindings == {"i0": ex.constant(1)}
    assert other.digest != made.digest


def test_parameters_are_part_of_a_graph() -> None:
    made = graph(node("a"), params=(ParamSpec("month", "int", default=6, minimum=1, maximum=12, choices=(1, 6)),))

    assert Graph.from_json(made.to_json()).params == made.params


def test_a_graph_of_a_newer_version_is_refused_by_name() -> None:
    data = graph(node("a")).to_json() | {"version": 99}

    with pytest.raises(VersionError, match="graph `test` has format 99"):
        Graph.from_json(data)


def test_a_deep_graph_is_no_deeper_for_python() -> None:
    chain = graph(node("n0"), *(node(f"n{k}", f"n{k - 1}") for k in range(1, 5_000)))

    assert len(Graph.from_json(chain.to_json()).nodes) == 5_000


@pytest.mark.parametrize(
    ("node_", "wiring"),
    [
        (node("x", "m", each=("i0",)), Wiring((), ("m",))),
        (node("x", "m"), Wiring(("m",), ())),
        (node("x", "list", each=("i0",)), Wiring(("list",), ())),
        (node("x", "m", "m", each=("i0",)), Wiring(("m",), ())),
        (node("x", "m", each=("i0",), when=Ref("m")), Wiring(("m",), ())),
        (node("x", "m", each=("i0",), after=("m",)), Wiring(("m",), ())),
        (node("x", "m", "m", each=("i0", "i1")), Wiring((), ("m",))),
        (node("x", Ref("m", (("attr", "score"),)), "list", each=("i0",)), Wiring(("list",), ("m",))),
        (node("x", ex.FirstOf((Ref("m"), Ref("list"))), each=("i0",)), Wiring(("m", "list"), ())),
    ],
)
def test_a_map_is_followed_item_by_item_where_nothing_else_of_it_is_needed(node_: Node, wiring: Wiring) -> None:
    made = graph(node("list"), node("m", "list", each=("i0",)), node_)

    assert wire(made.nodes.__getitem__, made.nodes["x"]) == wiring


@given(data=st.data())
@settings(max_examples=20)
def test_equal_seeds_make_equal_graphs(data: st.DataObject) -> None:
    from random import Random

    from ropewalk.testing.graphs import random_graph

    seed, size = data.draw(st.integers()), data.draw(st.integers(1, 8))

    assert random_graph(Random(seed), size).digest == random_graph(Random(seed), size).digest
