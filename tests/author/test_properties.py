"""What holds for every pipeline: random ones, written as source and loaded from a file."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ropewalk.author.callsite import CallSite
from ropewalk.author.ids import Place, assign
from ropewalk.core import expr as ex
from ropewalk.core.graph import Graph
from tests.author.modules import as_before, made
from tests.author.programs import Program, programs


@contextmanager
def loaded(program: Program, extra: dict[int, str] | None = None):
    with tempfile.TemporaryDirectory() as folder, as_before():
        flow = made(Path(folder), program.source(extra))
        yield flow, sys.modules[flow.fn.__module__].plain


@given(program=programs())
def test_the_same_pipeline_gives_the_same_graph(program):
    with loaded(program) as (flow, _):
        first, second = flow.graph(), flow.graph()

    assert json.dumps(first.to_json()) == json.dumps(second.to_json())
    assert first.digest == second.digest


@given(program=programs(), p=st.integers(-9, 9))
def test_a_parameter_that_does_not_shape_the_graph_does_not_change_its_digest(program, p):
    with loaded(program) as (flow, _):
        assert flow.graph(p).digest == flow.graph().digest


@given(program=programs())
def test_every_graph_survives_json(program):
    with loaded(program) as (flow, _):
        graph = flow.graph()

    back = Graph.from_json(json.loads(json.dumps(graph.to_json())))

    assert back == graph
    assert back.digest == graph.digest


@given(program=programs(), p=st.integers(-9, 9))
def test_a_pipeline_computes_what_plain_python_computes(program, p):
    with loaded(program) as (flow, plain):
        assert flow(p) == plain(p)


@given(program=programs())
def test_nodes_come_after_what_they_need(program):
    with loaded(program) as (flow, _):
        graph = flow.graph()

    seen = set()
    for node in graph.nodes.values():
        assert {ref.node for ref in node.refs()} <= seen
        seen.add(node.id)


@given(
    program=programs(),
    at=st.integers(0, 20),
    line=st.sampled_from(["spare(1)", "# a comment", "s = spare(a=2)", "pass"]),
)
def test_an_unrelated_line_changes_no_other_node(program, at, line):
    with loaded(program) as (flow, _):
        before = flow.graph().nodes
    with loaded(program, {at: line}) as (flow, _):
        after = flow.graph().nodes

    assert {name: _essence(n) for name, n in before.items()} == {
        name: _essence(n) for name, n in after.items() if name != "spare"
    }


def _essence(node):
    when = None if node.when is None else ex.to_json(node.when)
    return node.task, {k: ex.to_json(b) for k, b in node.bindings.items()}, node.map, when, node.after


BASES = st.sampled_from(["a", "b"])
VARIABLES = st.sampled_from(["", "x", "y", "größe"])


@st.composite
def place_lists(draw, depth=2):
    found = []
    for _ in range(draw(st.integers(0, 5))):
        inner = draw(place_lists(depth - 1)) if depth and draw(st.booleans()) else None
        found.append(Place("", draw(BASES), CallSite("f.py", 1, "", draw(VARIABLES)), inner=inner))
    return found


def _numbered(places, count):
    for place in places:
        count += 1
        place.number = f"#{count}"
        count = _numbered(place.inner or [], count)
    return count


def _calls(places):
    return sum(1 + _calls(p.inner or []) for p in places)


@given(places=place_lists())
def test_every_call_gets_a_name_of_its_own(places):
    _numbered(places, 0)

    ids = assign(places)

    assert len(ids) == len(set(ids.values())) == _calls(places)


@given(places=place_lists(), at=st.integers(0, 5))
def test_a_call_of_another_task_changes_no_name(places, at):
    _numbered(places, 0)
    before = assign(places)
    places.insert(at, Place("new", "another", CallSite("f.py", 1)))

    after = assign(places)

    assert after == before | {"new": "another"}


def test_the_check_of_unrelated_lines_notices_a_related_one():
    """A negative control: another call of the same task does change a name."""
    program = Program(["v0 = one(p)", "return v0"], ["v0 = one(p)", "return v0"])

    with loaded(program) as (flow, _):
        before = set(flow.graph().nodes)
    with loaded(program, {0: "w = one(1)"}) as (flow, _):
        after = set(flow.graph().nodes)

    assert before == {"one"}
    assert after == {"one:v0", "one:w"}
