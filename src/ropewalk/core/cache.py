"""Whether and for how long a result may be reused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ropewalk.core.quantity import seconds
from ropewalk.core.values import fields_of


@dataclass(frozen=True, slots=True, init=False)
class Cache:
    """Whether and for how long a result may be reused.

    Args:
        enabled: False makes every run execute the task; `cache=False` on a task says the same.
        ttl: results older than this are not reused; None: for ever.
        version: a text of the author's; changing it makes old results unusable.
        ignore: names of parameters that do not count.
        env: names of environment variables whose values count.
    """

    enabled: bool
    ttl_s: float | None
    version: str
    ignore: tuple[str, ...]
    env: tuple[str, ...]

    def __init__(
        self,
        enabled: bool = True,
        *,
        ttl: float | str | None = None,
        version: str = "",
        ignore: Iterable[str] = (),
        env: Iterable[str] = (),
    ) -> None:
        set_ = object.__setattr__
        set_(self, "enabled", bool(enabled))
        set_(self, "ttl_s", None if ttl is None else seconds(ttl, "ttl"))
        set_(self, "version", str(version))
        set_(self, "ignore", (ignore,) if isinstance(ignore, str) else tuple(ignore))
        set_(self, "env", (env,) if isinstance(env, str) else tuple(env))

    def to_json(self) -> dict[str, Any]:
        return fields_of(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Cache:
        return cls(data["enabled"], ttl=data["ttl_s"], version=data["version"], ignore=data["ignore"], env=data["env"])
