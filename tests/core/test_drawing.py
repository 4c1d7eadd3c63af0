"""Pictures of graphs: each node below what it needs, and no line that others imply."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import given, settings

from ropewalk.core import drawing
from ropewalk.core.graph import MAX_DRAWN, Graph
from ropewalk.testing.graphs import graphs
from tests.core.builders import IF, graph, node

SVG = "{http://www.w3.org/2000/svg}"


@given(made=graphs())
@settings(max_examples=30)
def test_every_node_stands_on_a_lower_layer_than_what_it_needs(made: Graph) -> None:
    rows = drawing.layers(made.upstream)
    depth = {name: number for number, row in enumerate(rows) for name in row}

    assert sorted(depth) == sorted(made.nodes)
    assert all(depth[up] < depth[name] for name, ups in made.upstream.items() for up in ups)


@given(made=graphs())
@settings(max_examples=30)
def test_lines_that_are_left_out_are_implied_by_those_that_are_drawn(made: Graph) -> None:
    drawn = drawing.direct(made.upstream)

    def above(name: str) -> set[str]:
        return {up for direct in drawn[name] for up in (direct, *above(direct))}

    for name, ups in made.upstream.items():
        assert set(drawn[name]) <= set(ups) <= above(name)


def test_a_notebook_gets_a_box_for_each_node_and_a_line_for_each_need() -> None:
    picture = ET.fromstring(graph(node("a"), node("m", "a", each=("i0",)), node("c", "m", when=IF))._repr_html_())

    assert [text.text for text in picture.iter(f"{SVG}text")] == ["a", "m[*]", "c ?"]
    assert len(list(picture.iter(f"{SVG}path"))) == 2


def test_a_label_cannot_break_out_of_the_picture() -> None:
    picture = ET.fromstring(drawing.svg({"a": ()}, {"a": "<script>&'\""}))

    assert [text.text for text in picture.iter(f"{SVG}text")] == ["<script>&'\""]


def test_a_graph_that_is_too_large_to_see_is_not_drawn() -> None:
    assert f"{MAX_DRAWN + 1:,} nodes" in graph(*(node(f"n{k}") for k in range(MAX_DRAWN + 1)))._repr_html_()


def test_documents_get_mermaid() -> None:
    assert graph(node("a"), node("b", "a")).mermaid().splitlines() == [
        "flowchart TD", '    n0["a"]', '    n1["b"]', "    n0 --> n1",
    ]  # fmt: skip
