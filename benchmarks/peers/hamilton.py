"""Hamilton: a graph of nodes made from functions with `parameterize`, executed by a driver."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any

from benchmarks import bodies
from benchmarks.peer import Job, Peer, Variant

FRAME_STEPS = 5


@contextmanager
def quiet(_: Path) -> Iterator[None]:
    os.environ["HAMILTON_TELEMETRY_ENABLED"] = "false"
    sys.setrecursionlimit(20_000)  # it walks up a chain by recursion
    yield


# Functions that become nodes, once or many times.


def hello() -> str:
    return bodies.hello()


def step(x: int) -> int:
    return bodies.step(x)


def numbers(n: int) -> list[int]:
    return bodies.numbers(n)


def square_of(numbers: list[int], i: int) -> int:
    return bodies.square(numbers[i])


def nap_of(numbers: list[int], i: int) -> int:
    return bodies.nap(numbers[i])


def total(squares: list[int]) -> int:
    return bodies.total(squares)


def source_node(x: int) -> int:
    return bodies.source(x)


def mix_node(a: int, b: int, c: int) -> int:
    return bodies.mix(a, b, c)


def spin_node(seed: int) -> int:
    return bodies.spin(seed)


def frame_0(megabytes: int) -> Any:
    return bodies.make_frame(megabytes)


def touch(frame: Any) -> Any:
    return bodies.touch_frame(frame)


def digest(frame: Any) -> float:
    return bodies.digest_frame(frame)


def talk(n: int) -> int:
    return bodies.talk(n)


# Graphs.


def copied(function: Callable[..., Any], name: str = "") -> Any:
    """A copy of a function, since Hamilton writes into what it is given."""
    name = name or function.__name__
    copy = FunctionType(function.__code__.replace(co_name=name, co_qualname=name), function.__globals__, name)
    copy.__annotations__ = dict(function.__annotations__)
    return copy


def decorated(decorator: Any, function: Callable[..., Any], name: str = "") -> Any:
    return decorator(copied(function, name))


def typed(function: Callable[..., Any], name: str, *, result: Any, **inputs: Any) -> Any:
    """With types that this module cannot name before Hamilton is imported."""
    copy = copied(function, name)
    copy.__annotations__ = {**inputs, "return": result}
    return copy


def chained(n: int) -> list[Any]:
    from hamilton.function_modifiers import parameterize, source, value

    inputs = [value(0), *(source(f"x{i}") for i in range(1, n))]
    nodes = {f"x{i + 1}": {"x": given} for i, given in enumerate(inputs)}
    return [decorated(parameterize(**nodes), step)]


def fanned(n: int, body: Callable[..., int] = square_of) -> list[Any]:
    from hamilton.function_modifiers import group, inject, parameterize, source, value

    nodes = {f"square{i}": {"numbers": source("numbers"), "i": value(i)} for i in range(n)}
    squares = group(*map(source, nodes))
    return [numbers, decorated(parameterize(**nodes), body), decorated(inject(squares=squares), total)]


def layered_graph(n: int) -> list[Any]:
    from hamilton.function_modifiers import parameterize, source, value

    first, *later = bodies.layers(n)
    sources = {f"x0_{i}": {"x": value(i)} for i in range(len(first))}
    mixes = {
        f"x{level}_{i}": {name: source(f"x{level - 1}_{parent}") for name, parent in zip("abc", parents, strict=True)}
        for level, layer in enumerate(later, 1)
        for i, parents in enumerate(layer)
    }
    return [decorated(parameterize(**sources), source_node), decorated(parameterize(**mixes), mix_node)]


def spun(n: int) -> list[Any]:
    from hamilton.function_modifiers import parameterize, value

    return [decorated(parameterize(**{f"spin{i}": {"seed": value(i)} for i in range(n)}), spin_node)]


def framed() -> list[Any]:
    from hamilton.function_modifiers import parameterize, source

    touched = {f"frame_{i + 1}": {"frame": source(f"frame_{i}")} for i in range(FRAME_STEPS)}
    digested = {"digest": {"frame": source(f"frame_{FRAME_STEPS}")}}
    return [frame_0, decorated(parameterize(**touched), touch), decorated(parameterize(**digested), digest, "digested")]


# Drivers.


def builder(functions: list[Any], folder: Path, *, cache: bool) -> Any:
    from hamilton.ad_hoc_utils import create_temporary_module
    from hamilton.driver import Builder

    built = Builder().with_modules(create_temporary_module(*functions))
    return built.with_cache(path=folder / "cache") if cache else built


def execute(functions: list[Any], wanted: list[str], folder: Path, *, cache: bool, **inputs: Any) -> dict[str, Any]:
    return builder(functions, folder, cache=cache).build().execute(wanted, inputs=inputs)


def do_hello(_: int, folder: Path, *, cache: bool) -> str:
    return execute([hello], ["hello"], folder, cache=cache)["hello"]


def do_chain(n: int, folder: Path, *, cache: bool) -> int:
    return execute(chained(n), [f"x{n}"], folder, cache=cache)[f"x{n}"]


def do_fan_out(n: int, folder: Path, *, cache: bool, body: Callable[..., int] = square_of) -> int:
    return execute(fanned(n, body), ["total"], folder, cache=cache, n=n)["total"]


def do_layered(n: int, folder: Path, *, cache: bool) -> int:
    width = n // 10
    nodes = [f"x{level}_{i}" for level in range(10) for i in range(width)]  # one that nobody wants is not executed
    values = execute(layered_graph(n), nodes, folder, cache=cache)
    return sum(values[node] for node in nodes[-width:])


def do_frame(megabytes: int, folder: Path, *, cache: bool) -> float:
    return execute(framed(), ["digest"], folder, cache=cache, megabytes=megabytes)["digest"]


def do_cpu(n: int, folder: Path, *, cache: bool) -> int:
    return sum(execute(spun(n), [f"spin{i}" for i in range(n)], folder, cache=cache).values())


def do_log(n: int, folder: Path, *, cache: bool) -> int:
    return execute([talk], ["talk"], folder, cache=cache, n=n)["talk"]


def do_plan(n: int, folder: Path) -> int:
    """Build the driver, with its graph checked."""
    return len(builder(layered_graph(n), folder, cache=False).build().list_available_variables())


# A fan-out over items that are known only once it runs, on two processes.


def item(n: int) -> Any:
    yield from bodies.numbers(n)


def mapped_square(item: int) -> int:
    return bodies.square(item)


def mapped_nap(item: int) -> int:
    return bodies.nap(item)


def mapped_spin(item: int) -> int:
    return bodies.spin(item)


def collected(mapped: Any) -> int:
    return bodies.total(list(mapped))


def added(mapped: Any) -> int:
    return sum(mapped)


def seeds(n: int) -> Any:
    yield from range(n)


def do_parallel(n: int, _: Path, *, items: Any = item, body: Callable[[int], int], joined: Any = collected) -> int:
    from hamilton.ad_hoc_utils import create_temporary_module
    from hamilton.driver import Builder
    from hamilton.execution.executors import MultiProcessingExecutor, SynchronousLocalTaskExecutor
    from hamilton.htypes import Collect, Parallelizable

    functions = [
        typed(items, "item", n=int, result=Parallelizable[int]),
        typed(body, "mapped", item=int, result=int),
        typed(joined, "joined", mapped=Collect[int], result=int),
    ]
    driver = (
        Builder()
        .with_modules(create_temporary_module(*functions))
        .enable_dynamic_execution(allow_experimental_mode=True)
        .with_local_executor(SynchronousLocalTaskExecutor())
        .with_remote_executor(MultiProcessingExecutor(max_tasks=2))
        .build()
    )
    return driver.execute(["joined"], inputs={"n": n})["joined"]


JOBS: dict[str, Callable[..., Any]] = {
    "hello": do_hello, "chain": do_chain, "fanout": do_fan_out, "layered": do_layered, "frame": do_frame, "cpu": do_cpu,
    "log": do_log, "crash": partial(do_fan_out, body=nap_of), "resume": partial(do_fan_out, body=nap_of),
}  # fmt: skip
PLAIN: dict[str, Job] = {name: partial(job, cache=False) for name, job in JOBS.items()} | {"plan": do_plan}
CACHED: dict[str, Job] = {name: partial(job, cache=True) for name, job in [*JOBS.items(), ("rerun", do_fan_out)]}
PARALLEL: dict[str, Job] = {
    "fanout": partial(do_parallel, body=mapped_square),
    "cpu": partial(do_parallel, items=seeds, body=mapped_spin, joined=added),
    "crash": partial(do_parallel, body=mapped_nap),
    "resume": partial(do_parallel, body=mapped_nap),
}
NOTHING = "nothing: values in memory; after a crash everything is executed again"

PEER = Peer(
    name="hamilton",
    package="apache-hamilton",
    variants=(
        Variant(
            name="hamilton",
            configuration="nodes from @parameterize; building the driver is timed too; recursion limit 20,000 (tuned)",
            keeps="nothing",
            records=NOTHING,
            jobs=PLAIN,
            start=quiet,
            limits={"chain": 1000, "fanout": 10_000, "layered": 5000, "plan": 10_000, "frame": 1000},
            module="hamilton.driver",
        ),
        Variant(
            name="hamilton-cache",
            configuration="as `hamilton`, with Builder().with_cache(): SQLite for metadata, pickle files for results",
            keeps="process",
            records="version of code and data in SQLite (fsynced), result in a pickle file that is not fsynced",
            jobs=CACHED,
            start=quiet,
            limits={"chain": 1000, "fanout": 2000, "layered": 5000, "rerun": 2000, "frame": 200},
            module="hamilton.driver",
        ),
        Variant(
            name="hamilton-parallel",
            configuration="Parallelizable and Collect, dynamic execution, MultiProcessingExecutor of 2 processes",
            keeps="nothing",
            records=NOTHING,
            jobs=PARALLEL,
            start=quiet,
            limits={"fanout": 2000},
            module="hamilton.driver",
        ),
    ),
)
