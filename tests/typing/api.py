"""How the public names look to a type checker. This file is never run: `make types` reads it.

A line that must be refused carries an ignore; mypy complains about ignores that are not needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple, assert_type

from ropewalk import (
    Answer,
    Cache,
    Client,
    Doc,
    Range,
    Resources,
    Retry,
    RopewalkError,
    approval,
    breaker,
    context,
    cross,
    each,
    first_of,
    limit,
    otherwise,
    pipeline,
    shell,
    task,
    wait_for,
    when,
)


@dataclass(frozen=True)
class Model:
    depth: int
    auc: float


class Split(NamedTuple):
    train: list[float]
    test: list[float]


@task
def ingest(month: int) -> list[float]:
    context().log_metric("rows", month)
    return [float(month)]


@task(retry=Retry(3, delay="1s", backoff=2, jitter=True), timeout="2h", resources=Resources(cpu=2, memory="4Gi"))
def train(rows: list[float], *, depth: int = 6) -> Model:
    return Model(depth, rows[0])


@task(cache=Cache(ttl="7d", version="2"))
def split(rows: list[float]) -> Split:
    return Split(rows, rows)


@task
def best(models: list[Model]) -> Model:
    return models[0]


@task
async def fetch(address: str) -> bytes:
    return address.encode()


@pipeline
def flights(month: int = 6, depth: int = 4) -> Model:
    rows = ingest(month)
    assert_type(rows, list[float])  # a reference looks like the value that it stands for
    parts = split(rows)
    assert_type(parts.train, list[float])
    first = train(parts.train, depth=depth)
    with when(first.auc >= 0.7):
        kept = train.options(timeout="1h", guards=[limit("api", "5/s"), breaker("db")], expires="1h")(parts.train)
    with otherwise():
        other = train(parts.test)
    return first_of(kept, other)


@pipeline
def mapped() -> Model:
    models = train(ingest(1), depth=each([4, 6, 8]))
    train(ingest(2), **cross(depth=[4, 6]))
    return best(models)  # type: ignore[arg-type]  # a checker does not see that the call before it is mapped


@pipeline
def grouped(month: Annotated[int, Range(1, 12), Doc("month to test on")] = 6) -> Model:
    found = flights(month, depth=3)  # a pipeline in a pipeline looks like the value that it returns
    assert_type(found, Model)
    cleaned = shell(["clean", month], inputs=[Path("raw.csv")], outputs=["clean.csv"], timeout="1h")
    return train.options(name="last", retry=2, after=[cleaned, found])([1.0])  # order that a checker understands


@pipeline(name="nightly-fetch")
def nightly(address: str) -> bytes:
    raw = fetch(address)
    assert_type(raw, bytes)  # a coroutine is awaited by Ropewalk
    return raw


@task
def newest(folder: str) -> Path | None:
    return Path(folder)


@pipeline
def guarded(folder: str) -> bytes:
    found = wait_for(newest, folder, every="1m", timeout="6h", backoff=2, soft_fail=True, hold=False, name="data")
    assert_type(found, Path | None)  # a checker does not see that it is there
    ok = approval("Deploy it?", role="boss", expires="7d", exclude_author=True)
    assert_type(ok, Answer)
    with when(ok.approved):
        return fetch(ok.by)


def calls_that_are_refused() -> None:
    ingest("6")  # type: ignore[arg-type]  # an int is needed
    train(split([1.0]))  # type: ignore[arg-type]  # a split is no list of numbers
    train([1.0], dept=4)  # type: ignore[call-arg]  # there is no such parameter
    flights(month="6")  # type: ignore[arg-type]
    task(retries=3)  # type: ignore[call-overload]  # there is no such option
    train.options(time_out="1h")  # type: ignore[call-arg]
    train.options(run_if="sometimes")  # type: ignore[arg-type]
    train.options(guards=["api"])  # type: ignore[list-item]
    limit("api", 100)  # type: ignore[arg-type]  # of what time?
    approval("Deploy it?", expire="7d")  # type: ignore[call-arg]
    wait_for("newest")  # type: ignore[arg-type]
    pipeline(nightly, names="x")  # type: ignore[call-overload]


def tasks_are_plain_functions_outside_a_pipeline() -> None:
    assert_type(ingest(6), list[float])
    assert_type(flights(month=7), Model)
    assert_type(train.fn([1.0], depth=3), Model)


def pipelines_tell_what_they_are() -> None:
    assert_type(flights.graph(month=7).digest, str)
    flights.graph(moth=7)  # type: ignore[call-arg]
    assert_type(Client().graph("0").name, str)
    assert_type(RopewalkError("no").code, str)
