"""What the items of a map are called, where they have keys: their identity when the list changes around them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

ITSELF = "."
_ODD = re.compile(r"[^\w.:=+@-]+")
MAX_LENGTH = 80


def item_labels(items: Iterable[Any], key: str) -> tuple[str, ...]:
    """A short name for each item, fit for the name of a node.

    Args:
        key: a field of the items (an attribute, or an entry of a dict), or ITSELF for their own text.

    Raises:
        ValueError: an item has no such field, its key is empty, or two items have the same.
    """
    places: dict[str, int] = {}
    for place, item in enumerate(items):
        label = _ODD.sub("-", str(item if key == ITSELF else _field(item, key, place)))[:MAX_LENGTH]
        if not label.strip("-"):
            raise ValueError(f"item {place} has an empty key")
        if label in places:
            raise ValueError(f"items {places[label]} and {place} have the same key, `{label}`")
        places[label] = place
    return tuple(places)


def _field(item: Any, key: str, place: int) -> Any:
    try:
        return item[key] if isinstance(item, Mapping) else getattr(item, key)
    except (KeyError, AttributeError):
        raise ValueError(f"item {place} has no `{key}`: {item!r:.80}") from None
