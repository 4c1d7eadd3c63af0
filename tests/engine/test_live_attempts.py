"""What an attempt leaves besides its result: its log, what it used, its numbers and figures; and what it may not do."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ropewalk import context, each, pipeline, task
from ropewalk.engine.executors import log
from tests.engine.live import Live, Watch, both_executors, note

MIB = 1024 * 1024


@task
def speaking(x: int) -> int:
    print(f"print {x}")  # noqa: T201
    print(f"warn {x}", file=sys.stderr)  # noqa: T201
    logging.getLogger("library").warning("library %s", x)
    context().logger.info("own %s", x)
    return x


@pipeline
def speaks() -> list[int]:
    return speaking(each([1, 2, 3]))


@both_executors
def test_each_attempt_has_its_own_log(tmp_path: Path, executor: str) -> None:
    live = Live(tmp_path)

    result = live.run(speaks, executor)

    for item, x in enumerate([1, 2, 3]):
        text = live.log(result.number, "speaking", item).read_text()
        assert [word in text for word in (f"print {x}", f"warn {x}", f"library {x}", f"own {x}")] == [True] * 4
        assert f"print {x + 1}" not in text


@task
def writing_bytes() -> None:
    os.write(1, b"descriptor\n")
    subprocess.run([sys.executable, "-c", "print('program')"], check=True)
    os.write(2, b"\xff\xfe no text\n")
    os.write(1, b"no end of line")


@pipeline
def writes_bytes() -> None:
    writing_bytes()


def test_a_log_has_whatever_was_written_by_whomever(tmp_path: Path) -> None:
    live = Live(tmp_path)

    result = live.run(writes_bytes)

    content = live.log(result.number, "writing_bytes").read_bytes()
    assert content == b"descriptor\nprogram\n\xff\xfe no text\nno end of line"


@task
def writing_much() -> None:
    for line in range(1000):
        print(f"{line:09}")  # noqa: T201


@pipeline
def writes_much() -> None:
    writing_much()


def test_a_log_that_is_too_long_keeps_its_beginning_and_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "LOG_MAX_BYTES", 1000)
    live = Live(tmp_path)

    result = live.run(writes_much)

    text = live.log(result.number, "writing_much").read_text()
    assert text.startswith("000000000\n")
    assert text.endswith("000000999\n")
    assert "9000 bytes left out" in text
    assert len(text) < 1100


@task
def working(ledger: str) -> int:
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", burn], check=True)
    return len(bytearray(b"x") * (200 * MIB))


@task
def after_it(x: int) -> int:
    time.sleep(0.05)
    return x


@pipeline
def works(ledger: str) -> int:
    return after_it(working(ledger))


def test_what_an_attempt_used_is_known(tmp_path: Path) -> None:
    live = Live(tmp_path)

    result = live.run(works, ledger=live.ledger, workers=1)

    (row,), (later,) = live.rows(result.number, "working"), live.rows(result.number, "after_it")
    assert row.wall_s >= 0.45
    assert 0.5 <= row.cpu_s <= row.wall_s * 1.5
    assert row.peak_bytes > 200 * MIB
    assert later.peak_bytes < row.peak_bytes - 100 * MIB, "the peak is that of each attempt, in the same worker"
    assert later.started_at >= row.started_at + row.wall_s - 0.01


@task
def measuring(x: int) -> int:
    context().log_metric("loss", 0.5 / (x + 1))
    for step in range(3):
        context().log_metric("auc", step / 10, step=step)
    context().log_figure("curve", {"points": [1, 2, x]})
    context().progress(1, 2)
    context().progress(2, 2)
    return x


@pipeline
def measures() -> list[int]:
    return measuring(each([0, 1]))


@both_executors
def test_metrics_and_figures_are_kept_and_come_with_a_reused_result(tmp_path: Path, executor: str) -> None:
    live = Live(tmp_path)

    for _ in range(2):
        result = live.run(measures, executor)

        assert result.metrics["measuring[0].loss"] == 0.5
        assert (result.metrics["measuring[1].auc"], result.metrics["measuring[1].auc@1"]) == (0.2, 0.1)
        figure = result.artifacts("measuring")[1]["figure:curve"]
        with live.client() as client:
            assert client.load(figure) == {"points": [1, 2, 1]}


def test_progress_reaches_the_listener(tmp_path: Path) -> None:
    watch = Watch()

    Live(tmp_path).run(measures, listener=watch)

    assert sorted(watch.told)[-2:] == [2, 2]


@task
def draw(x: int) -> tuple[float, int]:
    return random.random(), context().seed


@pipeline
def draws() -> list[tuple[float, int]]:
    return draw(each([1, 2]))


@both_executors
def test_chance_depends_on_the_key_and_on_the_seed_of_the_run(tmp_path: Path, executor: str) -> None:
    live = Live(tmp_path)

    first = live.run(draws, executor).output
    again = live.run(draws, executor, reuse=False).output
    other = live.run(draws, executor, seed=1).output

    assert first == again
    assert len({*first, *other}) == 4, "items and seeds of runs have their own chance"


@task
def frame() -> Any:
    import numpy as np

    return np.arange(5000.0)


@task
def spoiling(data: Any) -> float:
    data[0] = 1.0
    return float(data.sum())


@task
def summing(data: Any) -> float:
    return float(data.sum())


@pipeline
def spoils() -> tuple[float, float]:
    data = frame()
    return summing(data), spoiling(data)


@both_executors
def test_an_input_cannot_be_changed(tmp_path: Path, executor: str) -> None:
    live = Live(tmp_path)

    result = live.run(spoils, executor)

    assert result["summing"] == sum(range(5000))
    (failure,) = live.failures(result.number, "spoiling")
    assert "read-only" in failure.message


@task
def unstorable(ledger: str) -> Any:
    note(ledger, "unstorable")
    return {"fine": 1, "models": [0, {"lock": __import__("threading").Lock()}]}


@pipeline
def stores(ledger: str) -> Any:
    return unstorable.options(retry=3)(ledger)


@both_executors
def test_what_cannot_be_stored_is_named_by_its_path_and_not_tried_again(tmp_path: Path, executor: str) -> None:
    live = Live(tmp_path)

    result = live.run(stores, executor, ledger=live.ledger)

    (failure,) = live.failures(result.number, "unstorable")
    assert failure.kind == "unstorable"
    assert "models" in failure.message
    assert "lock" in failure.message
    assert live.done() == ["unstorable"]
