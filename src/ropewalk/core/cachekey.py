"""The cache key: everything that decides what a task run computes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ropewalk.core.cache import Cache
from ropewalk.core.graph import TaskSpec

KEY_VERSION = 1


def prefix(
    spec: TaskSpec, cache: Cache, environment: Mapping[str, str | None], seed: int, turn: tuple[int, ...] = ()
) -> bytes:
    """What all task runs of a node have in common: code, shape of the outputs, declared environment, seed, turn."""
    parts: list[Any] = [
        KEY_VERSION,
        spec.code.digest,
        [spec.outputs.kind, list(spec.outputs.names), spec.outputs.type if spec.outputs.kind == "fields" else ""],
        cache.version,
        [[name, environment.get(name)] for name in sorted(cache.env)],
        seed,
    ]
    if turn:
        parts.append(turn)
    return json.dumps(parts, separators=(",", ":")).encode()


def cache_key(prefix: bytes, inputs: Iterable[tuple[str, str]]) -> str:
    """The key of one task run from its node's prefix and the identities of its inputs, sorted by name."""
    text = "\n".join(f"{name}={identity}" for name, identity in inputs)
    return hashlib.sha256(prefix + b"\n" + text.encode()).hexdigest()


def seed_of(key: str) -> int:
    """The seed of a task run: equal work has equal seeds wherever it is done, so reuse and execution agree."""
    return int(key[:8], 16)
