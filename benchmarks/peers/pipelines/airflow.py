"""The workloads as Airflow DAGs. Their size is a parameter of the run, but for those whose graph depends on it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, task

from benchmarks import bodies

FRAME_STEPS = 5


def dag(name: str) -> DAG:
    lost = {"retries": 3, "retry_delay": timedelta(0)}  # for tasks whose process has gone
    params = {"n": 1, "folder": ""}
    return DAG(name, schedule=None, params=params, default_args=lost, is_paused_upon_creation=False)


@task
def numbers(params: Any = None) -> list[int]:
    return bodies.numbers(params["n"])


@task
def total(xs: Any) -> int:
    return bodies.total(list(xs))


@task
def summed(xs: Any) -> int:
    return sum(xs)


def hello() -> DAG:
    with dag("hello") as made:
        task(bodies.hello, task_id="value")()
    return made


def chain(n: int) -> DAG:
    with dag(f"chain_{n}") as made:
        x: Any = 0
        for i in range(1, n + 1):
            x = task(bodies.step, task_id="value" if i == n else f"step{i}")(x)
    return made


def fanout() -> DAG:
    with dag("fanout") as made:
        total.override(task_id="value")(task(bodies.square).expand(x=numbers()))
    return made


def layered(n: int) -> DAG:
    first, *later = bodies.layers(n)
    with dag(f"layered_{n}") as made:
        before = [task(bodies.source, task_id=f"source{i}")(i) for i in range(len(first))]
        for depth, layer in enumerate(later, 1):
            before = [
                task(bodies.mix, task_id=f"mix{depth}_{i}")(*(before[p] for p in parents))
                for i, parents in enumerate(layer)
            ]
        summed.override(task_id="value")(before)
    return made


def frame() -> DAG:
    """By way of files: a DataFrame of that size does not belong into a database."""

    def save(values: Any, params: Any, name: str) -> str:
        path = Path(params["folder"]) / f"{name}.pkl"
        values.to_pickle(path)
        return str(path)

    def load(path: str) -> Any:
        import pandas as pd  # not each time that Airflow reads this file

        return pd.read_pickle(path)

    @task
    def make(params: Any = None) -> str:
        return save(bodies.make_frame(params["n"]), params, "made")

    @task
    def touch(path: str, i: int, params: Any = None) -> str:
        return save(bodies.touch_frame(load(path)), params, f"touched{i}")

    @task
    def digest(path: str) -> float:
        return bodies.digest_frame(load(path))

    with dag("frame") as made:
        path = make()
        for i in range(FRAME_STEPS):
            path = touch.override(task_id=f"touch{i}")(path, i)
        digest.override(task_id="value")(path)
    return made


def cpu() -> DAG:
    @task
    def seeds(params: Any = None) -> list[int]:
        return list(range(params["n"]))

    with dag("cpu") as made:
        summed.override(task_id="value")(task(bodies.spin).expand(seed=seeds()))
    return made


def log() -> DAG:
    @task(task_id="value")
    def talk(params: Any = None) -> int:
        return bodies.talk(params["n"])

    with dag("log") as made:
        talk()
    return made


def crash() -> DAG:
    with dag("crash") as made:
        total.override(task_id="value")(task(bodies.nap).expand(x=numbers()))
    return made
