"""Names of the nodes of a graph, stable when unrelated lines are added, removed or reordered.

A task that is called once gives its node its own name. Called several times, its nodes are `task:variable` after the
variables that take their results, and `task:1`, `task:2` where there is none of its own. A pipeline called in
another is a group with such a name, whose nodes are `group/node`. `.options(name=…)` fixes a node's name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ropewalk.author.callsite import CallSite
from ropewalk.author.names import is_name
from ropewalk.core import expr as ex
from ropewalk.core.errors import DefinitionError


@dataclass(slots=True, eq=False)
class Place:
    """A call of a task, or of a pipeline with the calls in it, that needs a name."""

    number: str  # what references say while names are not known
    base: str  # name of the task or pipeline
    site: CallSite
    pinned: str = ""
    inner: list[Place] | None = None  # of a pipeline
    link: str = "/"  # between its name and those of the inner ones; TEMPLATE for those that it has often


@dataclass(slots=True)
class _Names:
    taken: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)

    def numbered(self, base: str) -> str:
        while True:
            self.counts[base] += 1
            name = f"{base}:{self.counts[base]}"
            if name not in self.taken:
                return name


def assign(places: list[Place], prefix: str = "") -> dict[str, str]:
    """The node id for each number.

    Raises:
        DefinitionError: two calls have the same fixed name.
    """
    found: dict[str, str] = {}
    for place, name in zip(places, _names(places), strict=True):
        if place.number:
            found[place.number] = prefix + name
        if place.inner is not None:
            found |= assign(place.inner, f"{prefix}{name}{place.link}")
    return found


def _names(places: list[Place]) -> list[str]:
    names = _Names(_pinned(places))
    bases = Counter(p.base for p in places if not p.pinned)
    variables = Counter((p.base, p.site.variable) for p in places if not p.pinned)
    found = []
    for place in places:
        variable = place.site.variable
        if place.pinned:
            name = place.pinned
        elif bases[place.base] == 1 and place.base not in names.taken:
            name = place.base
        elif variable and is_name(variable) and variables[place.base, variable] == 1:
            name = f"{place.base}:{variable}"
        else:
            name = names.numbered(place.base)
        found.append(name)
    return found


def _pinned(places: list[Place]) -> set[str]:
    sites: dict[str, CallSite] = {}
    for place in places:
        if not place.pinned:
            continue
        if place.pinned in sites:
            raise DefinitionError(
                f"two calls have the name `{place.pinned}`",
                code="P215",
                where=place.site.where(),
                facts=[f"first at {sites[place.pinned]}", f"again at {place.site}"],
                help=["give one of them another name: .options(name=…)"],
            )
        sites[place.pinned] = place.site
    return set(sites)


def rename(expr: ex.Expr, ids: Mapping[str, str], slots: Mapping[str, ex.Expr]) -> ex.Expr:
    """The expression with node ids in place of numbers."""
    return ex.fill(expr, slots, ids.__getitem__)
