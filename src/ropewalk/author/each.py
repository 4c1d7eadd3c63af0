"""`each` and `cross`: one call of a task for every item of a list."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ropewalk.author.callsite import here
from ropewalk.author.constants import parameter_of, plain
from ropewalk.author.hints import UNKNOWN, show_type
from ropewalk.author.refs import handle_of, is_reference
from ropewalk.author.types import is_listable, item_of
from ropewalk.core.errors import DefinitionError
from ropewalk.core.labels import ITSELF, item_labels

MAX_ITEMS = 100_000


class Each:
    """An argument that a task call takes apart item by item. Not a dataclass, which could pass for a constant."""

    def __init__(self, items: Any, length: int | None) -> None:
        self.items = items  # a list, a range or a reference
        self.length = length  # None: known when the pipeline runs
        self.key = ""  # as in core.graph.MapSpec
        self.crossed = False

    @property
    def item_hint(self) -> Any:
        """What is known of the type of one item; UNKNOWN for a list of constants, whose items can be looked at."""
        if not is_reference(self.items):
            return UNKNOWN
        handle = handle_of(self.items)
        return handle.hint if handle.mapped else item_of(handle.hint)


def each(items: Any, /, *, key: str | type[str] = "") -> Any:
    """Call the task once for every item; the result is a list of results, in order.

    Several `each` in one call go in step. `items` is a list, tuple or range, a reference to a list that a task
    returns, or the result of another mapped call, which is then followed item by item. No items at all is fine.

    Args:
        items: what is taken apart.
        key: what an item is called instead of its place in the list, so that `train[berlin]` stays `train[berlin]` when
            another comes before it: the name of a field (`key="name"`), or `str` for the item itself.

    Raises:
        DefinitionError: `items` is not a collection with a length and an order, or two items have the same key.
    """
    made = _each("each", items)
    made.key = _key(made, key)
    return made


def _key(made: Each, key: str | type[str]) -> str:
    if key == "":
        return ""
    text = ITSELF if key is str else key
    if not isinstance(text, str) or (text != ITSELF and not text.isidentifier()):
        raise _refusal(f"`key` must be the name of a field or `str`, not {key!r:.60}", 'each(stores, key="name")')
    if is_reference(made.items):
        if handle_of(made.items).mapped:
            raise _refusal("items of a mapped call have the keys of that call", "give the key to its `each`")
        return text
    try:
        item_labels([plain(item) for item in made.items], text)
    except ValueError as error:
        raise _refusal(
            f"`each` cannot name its items: {error}", "choose another key, or make the items different"
        ) from None
    return text


def cross(**lists: Any) -> dict[str, Any]:
    """Call the task once for every combination: `train(data, **cross(depth=[4, 6], rate=[0.1, 0.3]))`.

    The last name varies fastest.

    Raises:
        DefinitionError: one of `lists` is not a collection, or there is none.
    """
    if not lists:
        raise DefinitionError(
            "`cross` needs at least one list", code="P213", where=here().where(), help=["**cross(depth=[4, 6, 8])"]
        )
    made = {name: _each(f"cross(…, {name}=…)", items) for name, items in lists.items()}
    for part in made.values():
        part.crossed = True
    return made


def _each(what: str, items: Any) -> Each:
    if is_reference(items):
        handle = handle_of(items)
        if handle.picked:
            raise _refusal(
                f"`{what}` cannot go through `{handle.label}`, one result of a mapped call",
                "pass it through a task that returns the list",
            )
        if not handle.mapped and not is_listable(handle.hint):
            raise _refusal(
                f"`{what}` needs a list, but `{handle.label}` is a {show_type(handle.hint)}",
                "let the task return a list, and annotate it: -> list[…]",
            )
        return Each(items, handle.length)
    if isinstance(items, Each):
        raise _refusal(f"`{what}` is given another `each`", "write each(...) once")
    if isinstance(items, range):
        listed: Any = range(plain(items.start), plain(items.stop), plain(items.step))
    else:
        listed = _listed(what, items)
    if len(listed) > MAX_ITEMS:
        raise _refusal(
            f"`{what}` has {len(listed):,} items; at most {MAX_ITEMS:,} fit in one mapped call",
            "map over lists of items, and loop inside the task",
        )
    return Each(listed, len(listed))


def _listed(what: str, items: Any) -> list[Any]:
    if parameter_of(items) or isinstance(items, (str, bytes)) or not isinstance(items, Iterable):
        raise _refusal(f"`{what}` needs a list, not {_shown(items)}", "each([first, second])")
    if isinstance(items, Mapping):
        raise _refusal(f"`{what}` is given a dict, which could mean its keys or its values", "each(list(d.items()))")
    if isinstance(items, (set, frozenset)):
        raise _refusal(f"`{what}` is given a set, which has no order", "each(sorted(items))")
    if type(items).__module__.partition(".")[0] in ("numpy", "pandas", "polars"):
        raise _refusal(f"`{what}` needs a list, not {_shown(items)}", "each(items.tolist()), or make it in a task")
    if not isinstance(items, Collection):
        raise _refusal(
            f"`{what}` is given a `{type(items).__name__}`, whose length is not known; it may never end",
            "make it a list first: each(list(items))",
        )
    return list(items)


def _shown(value: Any) -> str:
    text = repr(plain(value))
    return f"{text if len(text) <= 40 else text[:39] + '…'} ({type(plain(value)).__name__})"


def _refusal(title: str, fix: str) -> DefinitionError:
    return DefinitionError(title, code="P213", where=here().where(), help=[fix])


def mapped_length(arguments: list[Each]) -> int | None:
    """How many calls these arguments make together; None: known when the pipeline runs."""
    lengths = [a.length for a in arguments]
    if arguments[0].crossed:
        known = [n for n in lengths if n is not None]
        return math.prod(known) if len(known) == len(lengths) or 0 in known else None
    return next((n for n in lengths if n is not None), None)
