"""Airflow: DAGs in files; tried out in process, or executed by its services with a database between them."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks.peer import Peer, Variant

DAGS = "benchmarks.peers.pipelines.airflow"
SIZED = ("chain", "layered")  # their graph depends on their size, which is a parameter of a run otherwise
UNSIZED = ("hello", "fanout", "frame", "cpu", "log", "crash")
CHAINS = (5, 10, 50, 200)  # what the services are given
AIRFLOW = (sys.executable, "-m", "airflow")
QUIET = {"AIRFLOW__CORE__LOAD_EXAMPLES": "false", "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "false"}
TOKEN: dict[str, str] = {}


@contextmanager
def start(folder: Path) -> Iterator[None]:
    """No service; its database is made, in ~/airflow, since Airflow reads its settings once, when it is imported."""
    os.environ |= QUIET
    from airflow.utils.db import initdb

    initdb()
    yield


def deploy(*dags: str) -> None:
    """Where Airflow looks for DAGs: a file that makes them."""
    folder = Path.home() / "airflow/dags"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"dag_{i} = {dag}" for i, dag in enumerate(dags)]
    (folder / "bench.py").write_text("\n".join([f"from {DAGS} import *", *lines, ""]))


def tried(workload: str, n: int, folder: Path) -> Any:
    """As one tries a DAG out: `dag.test()`; the value is the XCom of the task named so."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    from benchmarks.peers.pipelines import airflow

    size = (n,) if workload in SIZED else ()
    deploy(f"{workload}{size}")
    dag = getattr(airflow, workload)(*size)
    run = dag.test(run_conf={"n": n, "folder": str(folder)})
    with create_session() as session:
        query = XComModel.get_many(run_id=run.run_id, task_ids="value", dag_ids=dag.dag_id)
        return XComModel.deserialize_value(session.scalars(query).one())


@contextmanager
def services(folder: Path) -> Iterator[None]:
    """PostgreSQL, API server, scheduler and DAG processor, until they know each DAG; they listen on loopback only."""
    at, port = free_port(), free_port()
    os.environ |= QUIET | {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://airflow@127.0.0.1:{at}/postgres",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "true",
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
    }
    dags = [*(f"chain({n})" for n in CHAINS), *(f"{name}()" for name in UNSIZED)]
    deploy(*dags)
    api = ["api-server", "--workers=1", "--host=127.0.0.1", f"--port={port}"]
    with database(folder / "postgres", at), ExitStack() as stack:
        subprocess.run([*AIRFLOW, "db", "migrate"], check=True)
        for command in (api, ["scheduler", "--skip-serve-logs"], ["dag-processor"]):
            stack.enter_context(running([*AIRFLOW, *command]))
        wait_for(lambda: call("GET", "dags")["total_entries"] == len(dags))
        yield


@contextmanager
def database(data: Path, port: int) -> Iterator[None]:
    """PostgreSQL, which refuses to be root: who is root is somebody else in a user namespace."""
    somebody = ["unshare", "--user", "--map-user=1000"] if os.getuid() == 0 else []
    binaries = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not data.exists():
        made = [*somebody, binaries / "initdb", "-D", data, "-U", "airflow", "-A", "trust"]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
    with running([*somebody, binaries / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", ""]):
        ready = [binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        wait_for(lambda: subprocess.run(ready, check=False).returncode == 0)
        yield


@contextmanager
def running(command: list[Any]) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)  # to PostgreSQL: do not wait for clients
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for(reached: Callable[[], bool], every_s: float = 0.05, limit_s: float = 300) -> None:
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        with suppress(OSError):  # not listening yet
            if reached():
                return
        time.sleep(every_s)
    raise TimeoutError(f"not within {limit_s} s")


def call(method: str, path: str, body: Any = None) -> Any:
    """The REST API, whose token anybody may have here."""
    base = os.environ["AIRFLOW__API__BASE_URL"]
    if "token" not in TOKEN:
        with urllib.request.urlopen(f"{base}/auth/token") as answer:
            TOKEN["token"] = json.load(answer)["access_token"]
    headers = {"Authorization": f"Bearer {TOKEN['token']}", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"{base}/api/v2/{path}", data, headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def triggered(workload: str, n: int, folder: Path) -> Any:
    dag = f"{workload}_{n}" if workload in SIZED else workload
    conf = {"n": n, "folder": str(folder)}
    return finished(call("POST", f"dags/{dag}/dagRuns", {"logical_date": None, "conf": conf}))


def finished(run: Any) -> Any:
    """The XCom of its task named `value`, once the run has ended."""
    place = f"dags/{run['dag_id']}/dagRuns/{quote(run['dag_run_id'])}"
    wait_for(lambda: call("GET", place)["state"] in ("success", "failed"))
    if (state := call("GET", place)["state"]) != "success":
        raise RuntimeError(f"the run ended as {state}")
    return call("GET", f"{place}/taskInstances/value/xcomEntries/return_value?stringify=false")["value"]


def resume(n: int, folder: Path) -> Any:
    """Nothing but to start the services again: the scheduler finds out which tasks have gone."""
    (run,) = call("GET", "dags/crash/dagRuns")["dag_runs"]
    return finished(run)


PEER = Peer(
    name="airflow",
    package="apache-airflow",
    variants=(
        Variant(
            name="airflow",
            module="airflow.sdk",
            configuration="dag.test() in process, TaskFlow with XCom, SQLite (WAL, synchronous=FULL); cannot go on with"
            " a run that was killed; frame: pickle files, whose paths are handed on",
            keeps="power",
            records="state and XCom of each task in SQLite, fsynced",
            jobs={name: partial(tried, name) for name in (*SIZED, "hello", "fanout", "frame", "cpu", "log")},
            start=start,
            limits={"chain": 200, "fanout": 100, "layered": 100},
        ),
        Variant(
            name="airflow-local",
            module="airflow.sdk",
            configuration="LocalExecutor with parallelism 2; PostgreSQL (fsync on), API server, scheduler and DAG"
            " processor are services; runs are triggered and awaited over REST; TaskFlow with XCom; frame: pickle"
            " files, whose paths are handed on; log level WARNING, lost tasks found in 30 s and retried (tuned: 5 min)",
            keeps="power",
            records="state and XCom of each task in PostgreSQL, fsynced",
            jobs={
                **{name: partial(triggered, name) for name in ("chain", *UNSIZED)},
                "resume": resume,
            },
            start=services,
            limits={"chain": 10, "fanout": 10, "frame": 0, "cpu": 0, "log": 0, "crash": 0},
        ),
    ),
)
