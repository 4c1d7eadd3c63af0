"""Graphs for comparing orders: random ones, and shapes that are known from the literature on scheduling."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from ropewalk.plan.workload import Load


def random_graph(random: Random, most: int = 40, least: int = 2) -> list[Load]:
    """Tasks of very different lengths, some of them mapped, each in need of some of those before it."""
    share = random.choice((0.05, 0.1, 0.2, 0.4))
    loads: list[Load] = []
    for index in range(random.randint(least, most)):
        needs = tuple(load.node for load in loads if random.random() < share)
        items = random.choice((1, 1, 1, random.randint(2, 12)))
        loads.append(Load(f"n{index}", items, _seconds(random), needs))
    return loads


def small_graph(random: Random, size: int) -> list[Load]:
    """`size` tasks; either lengths are integers, so that many orders tie, or they differ widely."""
    share, even = random.choice((0.1, 0.2, 0.35, 0.5)), random.random() < 0.5
    loads: list[Load] = []
    for index in range(size):
        needs = tuple(load.node for load in loads if random.random() < share)
        loads.append(Load(f"n{index}", 1, float(random.randint(1, 10)) if even else _seconds(random), needs))
    return loads


def _seconds(random: Random) -> float:
    return round(random.lognormvariate(1.0, 1.0), 3)


def fork_join(random: Random, stages: int = 4, width: int = 12) -> list[Load]:
    """A task, then tasks side by side, then one that needs them all; again and again."""
    loads = [Load("start", 1, 1.0)]
    for stage in range(stages):
        before = loads[-1].node
        branches = [Load(f"s{stage}b{i}", 1, _seconds(random), (before,)) for i in range(width)]
        loads += [*branches, Load(f"join{stage}", 1, 1.0, tuple(b.node for b in branches))]
    return loads


def montage(random: Random, images: int = 12) -> list[Load]:
    """Mosaics of the sky: project each image, compare neighbours, fit a background, correct each, add, shrink."""
    projected = [Load(f"project{i}", 1, 10 + _seconds(random)) for i in range(images)]
    pairs = [(i, j) for i in range(images) for j in (i + 1, i + 3) if j < images]
    compared = [Load(f"diff{i}_{j}", 1, 1 + _seconds(random), (f"project{i}", f"project{j}")) for i, j in pairs]
    fit = [Load("concat", 1, 5.0, tuple(c.node for c in compared)), Load("model", 1, 20.0, ("concat",))]
    corrected = [Load(f"correct{i}", 1, 2 + _seconds(random), ("model", f"project{i}")) for i in range(images)]
    table = Load("table", 1, 3.0, tuple(c.node for c in corrected))
    return [*projected, *compared, *fit, *corrected, table, Load("add", 1, 15.0, ("table",)),
            Load("shrink", 1, 4.0, ("add",)), Load("picture", 1, 2.0, ("shrink",))]  # fmt: skip


def cholesky(_: Random, tiles: int = 7) -> list[Load]:
    """The tiled factorisation of a matrix: potrf, trsm, syrk and gemm, as long as their floating-point operations."""
    wrote: dict[tuple[int, int], str] = {}  # tile → the task that wrote it last
    loads: list[Load] = []

    def add(name: str, seconds: float, tile: tuple[int, int], *read: tuple[int, int]) -> None:
        needs = tuple(dict.fromkeys(wrote[t] for t in (tile, *read) if t in wrote))
        loads.append(Load(name, 1, seconds, needs))
        wrote[tile] = name

    for k in range(tiles):
        add(f"potrf{k}", 1.0, (k, k))
        for i in range(k + 1, tiles):
            add(f"trsm{i}_{k}", 3.0, (i, k), (k, k))
        for i in range(k + 1, tiles):
            add(f"syrk{i}_{k}", 3.0, (i, i), (i, k))
            for j in range(k + 1, i):
                add(f"gemm{i}_{j}_{k}", 6.0, (i, j), (i, k), (j, k))
    return loads


def strassen(_: Random, depth: int = 2) -> list[Load]:
    """Strassen's product of matrices: ten sums, seven products of half the size, and the sums that join them."""
    return list(_product("m", (), depth))


def _product(name: str, needs: tuple[str, ...], depth: int) -> Iterator[Load]:
    if depth == 0:
        yield Load(name, 1, 4.0, needs)
        return
    sum_s = 0.5 * 4.0 ** (depth - 1)
    for i in range(10):
        yield Load(f"{name}s{i}", 1, sum_s, needs)
    for i, sums in enumerate(((0, 1), (2,), (3,), (4,), (5,), (6, 7), (8, 9))):  # what each product is made of
        yield from _product(f"{name}p{i}", tuple(f"{name}s{s}" for s in sums), depth - 1)
    joins = ((0, 3, 4, 6), (2, 4), (1, 3), (0, 1, 2, 5))
    for i, products in enumerate(joins):
        yield Load(f"{name}j{i}", 1, sum_s * (len(products) - 1), tuple(f"{name}p{p}" for p in products))
    yield Load(name, 1, 0.1, tuple(f"{name}j{i}" for i in range(4)))


SHAPES: dict[str, Callable[[Random], list[Load]]] = {
    "fork-join": fork_join,
    "Montage-like": montage,
    "Cholesky-like": cholesky,
    "Strassen-like": strassen,
}
