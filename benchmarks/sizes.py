"""Which workloads in which sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SMALL: Mapping[str, Sequence[int]] = {
    "hello": (1,), "import": (1,), "chain": (50, 200), "fanout": (100, 1_000), "layered": (500,), "rerun": (1_000,),
    "frame": (200,), "cpu": (8,), "log": (10_000,), "plan": (10_000,), "crash": (200,),
}  # fmt: skip
FULL = {
    **SMALL, "chain": (50, 200, 1_000), "fanout": (100, 1_000, 10_000), "layered": (500, 5_000),
    "rerun": (1_000, 10_000),
}  # fmt: skip
QUICK: Mapping[str, Sequence[int]] = {
    "hello": (1,), "import": (1,), "chain": (10,), "fanout": (50,), "layered": (50,), "rerun": (50,), "frame": (4,),
    "cpu": (4,), "log": (100,), "plan": (200,), "crash": (20,),
}  # fmt: skip
SETS = {"small": SMALL, "full": FULL, "quick": QUICK}
OURS_ONLY = {"fanout": 100_000}  # a size that only we are asked for, with `full`
SPIN_S = {"small": 2.0, "full": 2.0, "quick": 0.05}


def cells(workloads: str, sizes: str) -> list[tuple[str, int]]:
    """Workloads and their sizes.

    Args:
        workloads: `chain,fanout`, or empty: all of them.
        sizes: `small`, `full`, `quick`, or sizes of each: `fanout=100+1000,chain=50`, which chooses the workloads too.

    Raises:
        SystemExit: there is no such workload.
    """
    chosen = SETS[sizes] if sizes in SETS else _explicit(sizes)
    asked = [name for name in workloads.split(",") if name] or list(chosen)
    for name in asked:
        if name not in SMALL:
            raise SystemExit(f"no workload `{name}`; there are {', '.join(SMALL)}")
    return [(name, n) for name in asked for n in chosen.get(name, SMALL[name])]


def _explicit(text: str) -> dict[str, list[int]]:
    try:
        pairs = [part.split("=") for part in text.split(",")]
        return {name: [int(n.replace("_", "")) for n in numbers.split("+")] for name, numbers in pairs}
    except ValueError:
        raise SystemExit(f"--sizes {text}: write small, full, quick, or fanout=100+1000,chain=50") from None
