"""A peer that misbehaves on request, found as any other one."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import benchmarks.peers
from benchmarks.host import Cell, load
from benchmarks.measure import Terms, measure
from benchmarks.results import Measured, Results
from benchmarks.runner import Request, run

Fake = Callable[..., Measured]


@pytest.fixture
def peers(tmp_path) -> Iterator[Path]:
    """A folder with a peer `fake`, which needs no environment of its own."""
    with fake_in(tmp_path):
        yield tmp_path


@contextmanager
def fake_in(folder: Path) -> Iterator[None]:
    shutil.copy(Path(__file__).with_name("fake.py"), folder / "fake.py")
    (folder / "fake.txt").write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_PEERS", str(folder))
        patch.setattr(benchmarks.peers, "__path__", [*benchmarks.peers.__path__, str(folder)])
        yield


@pytest.fixture(scope="session")
def results(tmp_path_factory) -> Results:
    """A run of two repetitions with all that can go wrong."""
    with fake_in(tmp_path_factory.mktemp("peers")):
        cells = [("fanout", 5), ("chain", 5), ("chain", 6)]
        return run(Request([load("floors"), load("fake")], cells, repeat=2, limit_s=5.0))


@pytest.fixture
def fake(peers) -> Fake:
    """Measure a workload of one of its variants."""

    def take(variant: str, workload: str = "fanout", n: int = 10, *, limit_s: float = 20.0) -> Measured:
        return measure(Cell("fake", variant, workload, n, module="json"), Terms(limit_s))

    return take
