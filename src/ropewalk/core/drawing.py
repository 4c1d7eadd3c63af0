"""Pictures of a graph: layers from top to bottom, as SVG for notebooks and as Mermaid text for documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

_CHARACTER, _HEIGHT, _GAP, _MARGIN = 7.6, 30, 44, 16


def layers(needs: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Nodes by the length of the longest way to them; within a layer near what they need.

    Args:
        needs: for each node, in topological order, the nodes that it needs.
    """
    depth: dict[str, int] = {}
    for node, ups in needs.items():
        depth[node] = max((depth[up] + 1 for up in ups), default=0)
    found: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for node in needs:
        found[depth[node]].append(node)
    place: dict[str, float] = {}
    for layer in found:
        wish = {n: sum(place[up] for up in needs[n]) / len(needs[n]) if needs[n] else 0.0 for n in layer}
        layer.sort(key=lambda n: wish[n])
        place.update({n: (i + 0.5) / len(layer) for i, n in enumerate(layer)})
    return found


def direct(needs: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Each node's needs without those that another of its needs implies: what a picture has to show."""
    above: dict[str, frozenset[str]] = {}
    found: dict[str, list[str]] = {}
    for node, ups in needs.items():
        implied = frozenset().union(*(above[up] for up in ups))
        found[node] = [up for up in ups if up not in implied]
        above[node] = implied.union(ups)
    return found


def svg(needs: Mapping[str, Sequence[str]], labels: Mapping[str, str]) -> str:
    """The graph as an SVG element that follows the colours of the page around it; implied lines are left out.

    Args:
        needs: for each node, in topological order, the nodes that it needs.
        labels: what stands in each node's box.
    """
    rows = layers(needs)
    widths = {n: len(labels[n]) * _CHARACTER + 20 for n in needs}
    spans = [sum(widths[n] + _MARGIN for n in row) + _MARGIN for row in rows]
    width = max(spans, default=0)
    centre: dict[str, tuple[float, float]] = {}
    for index, row in enumerate(rows):
        x = (width - spans[index]) / 2 + _MARGIN
        for node in row:
            centre[node] = (x + widths[node] / 2, _MARGIN + index * (_HEIGHT + _GAP) + _HEIGHT / 2)
            x += widths[node] + _MARGIN
    height = 2 * _MARGIN + len(rows) * (_HEIGHT + _GAP) - _GAP
    lines = [_line(centre[up], centre[node]) for node, ups in direct(needs).items() for up in ups]
    boxes = [_box(centre[node], widths[node], labels[node]) for node in needs]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'role="img" style="max-width:100%;font:13px ui-monospace,monospace">{"".join(lines + boxes)}</svg>'
    )


def _line(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x, y), (to_x, to_y) = start, end
    y, to_y = y + _HEIGHT / 2, to_y - _HEIGHT / 2
    middle = (y + to_y) / 2
    curve = f"M{x:.1f} {y:.1f}C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}"
    return f'<path d="{curve}" fill="none" stroke="currentColor" stroke-opacity=".4"/>'


def _box(centre: tuple[float, float], width: float, label: str) -> str:
    x, y = centre
    return (
        f'<rect x="{x - width / 2:.1f}" y="{y - _HEIGHT / 2:.1f}" width="{width:.1f}" height="{_HEIGHT}" rx="6" '
        'fill="currentColor" fill-opacity=".07" stroke="currentColor" stroke-opacity=".5"/>'
        f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle" fill="currentColor">{escape(label)}</text>'
    )


def told(needs: Mapping[str, Sequence[str]], labels: Mapping[str, str]) -> str:
    """A small graph in one line: "days → score[*] → total", or, where it is no chain, "a, b ← a, c ← a"."""
    order = list(needs)
    drawn = direct(needs)
    if all(list(drawn[node]) == order[max(0, index - 1) : index] for index, node in enumerate(order)):
        return " → ".join(labels[node] for node in order)
    return ", ".join(
        f"{labels[node]} ← {' + '.join(labels[up] for up in ups)}" if ups else labels[node]
        for node, ups in drawn.items()
    )


def mermaid(
    needs: Mapping[str, Sequence[str]],
    labels: Mapping[str, str],
    inside: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
) -> str:
    """The graph as Mermaid text, which many document viewers draw.

    Args:
        needs, labels: as for `svg`, labels also for what is inside of nodes.
        inside: for nodes with others inside, what each of these needs there.
    """
    bodies = inside or {}
    names: dict[str, str] = {}
    lines, edges = ["flowchart TD"], list[str]()

    def add(some: Mapping[str, Sequence[str]], indent: str) -> None:
        for node in some:
            names[node] = f"n{len(names)}"
        for node in some:
            shown = escape(labels[node], quote=True).replace("#", "&num;")
            if node in bodies:
                lines.append(f'{indent}subgraph {names[node]}["{shown}"]')
                add(bodies[node], f"{indent}    ")
                lines.append(f"{indent}end")
            else:
                lines.append(f'{indent}{names[node]}["{shown}"]')
        edges.extend(f"    {names[up]} --> {names[node]}" for node, ups in some.items() for up in ups)

    add(needs, "    ")
    return "\n".join([*lines, *edges])
