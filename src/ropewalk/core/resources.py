"""What one attempt needs of the machine that runs it, and of pools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ropewalk.core.errors import DefinitionError
from ropewalk.core.quantity import cores, size_bytes


@dataclass(frozen=True, slots=True, init=False)
class Resources:
    """What one attempt needs.

    Args:
        cpu: cores; a number or a text such as "500m".
        memory: bytes or a text such as "4Gi"; an attempt that takes more is ended. None: no limit.
        gpu: graphics processors, whole ones.
        disk: bytes of scratch space, or a text such as "50Gi".
        pools: slots of named pools, such as `{"warehouse": 1}`.
    """

    cpu: float
    memory_bytes: int | None
    gpu: int
    disk_bytes: int | None
    pools: tuple[tuple[str, int], ...]

    def __init__(
        self,
        *,
        cpu: float | str = 1,
        memory: float | str | None = None,
        gpu: int = 0,
        disk: float | str | None = None,
        pools: Mapping[str, int] | None = None,
    ) -> None:
        set_ = object.__setattr__
        set_(self, "cpu", cores(cpu))
        set_(self, "memory_bytes", None if memory is None else size_bytes(memory))
        if type(gpu) is not int or gpu < 0:
            raise DefinitionError(f"`gpu` must be an integer of at least 0, not {gpu!r}", code="P222", help=["gpu=1"])
        set_(self, "gpu", gpu)
        set_(self, "disk_bytes", None if disk is None else size_bytes(disk, "disk"))
        set_(self, "pools", _pools(pools))

    @property
    def is_plain(self) -> bool:
        """Whether one core is all that is asked for."""
        return self.cpu <= 1 and not (self.memory_bytes or self.gpu or self.disk_bytes or self.pools)

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {"cpu": self.cpu, "memory_bytes": self.memory_bytes}
        if self.gpu:
            data["gpu"] = self.gpu
        if self.disk_bytes is not None:
            data["disk_bytes"] = self.disk_bytes
        if self.pools:
            data["pools"] = dict(self.pools)
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Resources:
        return cls(
            cpu=data["cpu"], memory=data["memory_bytes"], gpu=data.get("gpu", 0), disk=data.get("disk_bytes"),
            pools=data.get("pools"),
        )  # fmt: skip


def _pools(pools: Mapping[str, int] | None) -> tuple[tuple[str, int], ...]:
    if pools is None:
        return ()
    well = isinstance(pools, Mapping) and all(
        isinstance(name, str) and name and type(slots) is int and slots > 0 for name, slots in pools.items()
    )
    if not well:
        raise DefinitionError(
            f"`pools` must say how many slots of which pool, not {pools!r}",
            code="P222", help=['pools={"warehouse": 1}'],
        )  # fmt: skip
    return tuple(sorted(pools.items()))
