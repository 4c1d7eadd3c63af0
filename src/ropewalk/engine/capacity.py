"""What this machine has to give, and whether a graph asks for more than that."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ropewalk.core.errors import RopewalkError, UsageError, did_you_mean
from ropewalk.core.graph import Graph, Node
from ropewalk.core.quantity import show_size

_UNLIMITED_BYTES = 1 << 60  # what version 1 of control groups writes for "no limit" is larger
_ASK_DRIVER_S = 20.0


@dataclass(frozen=True)  # without slots, for `gpus`
class Capacity:
    """What attempts on one machine can have together.

    Attributes:
        known_gpus: names of the graphics processors as CUDA_VISIBLE_DEVICES takes them; None: find them when asked.
    """

    cpu: float
    memory_bytes: int
    disk_bytes: int
    known_gpus: tuple[str, ...] | None = None

    @cached_property
    def gpus(self) -> tuple[str, ...]:
        """The graphics processors, looked for no earlier than somebody asks: that takes up to a second."""
        return find_gpus() if self.known_gpus is None else self.known_gpus


def measure(slots: int, folder: Path) -> Capacity:
    """What this machine can give to an executor with so many slots, and to scratch files beside `folder`."""
    there = next((f for f in (folder, *folder.parents) if f.exists()), Path("/"))
    cores = len(os.sched_getaffinity(0))
    return Capacity(float(max(slots, cores)), _memory_bytes(), shutil.disk_usage(there).free)


def _memory_bytes() -> int:
    """The memory of this machine, or what the control group of this process may have of it."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in _group_limits():
        with contextlib.suppress(OSError, ValueError):  # not there, or "max"
            limits.append(int(file.read_text()))
    return min(limits)


def _group_limits() -> Iterator[Path]:
    """Files that may hold a limit, of the control group of this process and those above it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, name = line.split(":", 2)
            if controllers == "":
                top, file = Path("/sys/fs/cgroup"), "memory.max"
            elif "memory" in controllers.split(","):
                top, file = Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"
            else:
                continue
            group = top / name.lstrip("/")
            yield from (folder / file for folder in (group, *group.parents) if folder.is_relative_to(top))


def find_gpus() -> tuple[str, ...]:
    """The graphics processors that are there and that CUDA_VISIBLE_DEVICES, where it is set, lets be used."""
    there = tuple(str(number) for number in range(_count_gpus()))
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is None or not there:
        return there
    named = [name.strip() for name in allowed.split(",")]
    return tuple(name for name in named if name in there or name.startswith(("GPU-", "MIG-")))


def _count_gpus() -> int:
    if shutil.which("nvidia-smi") is not None:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            asked = subprocess.run(
                ["nvidia-smi", "-L"],  # noqa: S607  # where it lies differs from system to system
                capture_output=True, text=True, timeout=_ASK_DRIVER_S, check=True,
            )  # fmt: skip
            return sum(line.startswith("GPU ") for line in asked.stdout.splitlines())
    with contextlib.suppress(OSError):
        return len(os.listdir("/proc/driver/nvidia/gpus"))
    return 0


def check_schedulable(graph: Graph, capacity: Capacity, pools: Mapping[str, int]) -> None:
    """Refuse a graph with a task that could never start.

    Args:
        pools: the slots of each pool that there is.

    Raises:
        UsageError: a task asks for more than there is (P315), or for slots of a pool that there is not (P316).
    """
    problems = [problem for node in all_nodes(graph) if (problem := misfit(node, capacity, pools)) is not None]
    if problems:
        first, *others = problems
        first.facts += tuple(other.title for other in others)
        raise first


def all_nodes(graph: Graph) -> list[Node]:
    """The nodes of a graph and those of its bodies, which come into being while a run goes on."""
    return [*graph.nodes.values(), *(node for body in graph.bodies.values() for node in body.nodes.values())]


def misfit(node: Node, capacity: Capacity, pools: Mapping[str, int]) -> RopewalkError | None:
    """Why the task runs of a node could never start; None: they could."""
    asked = node.policy.resources
    if asked.is_plain:
        return None
    if asked.cpu > capacity.cpu:
        return _too_much(node, f"{asked.cpu:g} cores", f"{capacity.cpu:g}", f"cpu={capacity.cpu:g}")
    if asked.memory_bytes and asked.memory_bytes > capacity.memory_bytes:
        most = max(1, capacity.memory_bytes >> 20)
        has = show_size(capacity.memory_bytes)
        return _too_much(node, f"{show_size(asked.memory_bytes)} of memory", has, f'memory="{most}Mi"')
    if asked.gpu and asked.gpu > len(capacity.gpus):
        has = str(len(capacity.gpus) or "none")
        return _too_much(node, "1 GPU" if asked.gpu == 1 else f"{asked.gpu} GPUs", has, f"gpu={len(capacity.gpus)}")
    if asked.disk_bytes and asked.disk_bytes > capacity.disk_bytes:
        most, has = max(1, capacity.disk_bytes >> 20), f"{show_size(capacity.disk_bytes)} free"
        return _too_much(node, f"{show_size(asked.disk_bytes)} of disk", has, f'disk="{most}Mi"')
    return next((p for name, slots in asked.pools if (p := _pool_misfit(node, name, slots, pools)) is not None), None)


def _too_much(node: Node, asked: str, has: str, less: str) -> UsageError:
    return UsageError(
        f"task `{node.id}` is unschedulable: it asks for {asked}, and this machine has {has}",
        code="P315",
        help=[f"Resources({less})     asks for what there is", "or run it on a larger machine"],
    )


def _pool_misfit(node: Node, name: str, slots: int, pools: Mapping[str, int]) -> UsageError | None:
    if name not in pools:
        guess = did_you_mean(name, pools)
        return UsageError(
            f"task `{node.id}` asks for slots of the pool `{name}`, which does not exist",
            code="P316",
            help=[*([f"did you mean `{guess}`?"] if guess else []), f"ropewalk pools set {name} {slots}"],
        )
    if slots > pools[name]:
        noun = "slot" if slots == 1 else "slots"
        return UsageError(
            f"task `{node.id}` is unschedulable: it asks for {slots} {noun} of the pool `{name}`, "
            f"which has {pools[name]}",
            code="P315",
            help=[f"ropewalk pools set {name} {slots}"],
        )
    return None
