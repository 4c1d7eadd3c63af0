"""What a task prints takes no more of the disk than its log may keep: while it runs, and when it dies."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from ropewalk import Retry, pipeline, task
from ropewalk.engine.executors import log, processes
from ropewalk.engine.executors.log import hollow, shorten
from tests.engine.live import Live

MIB = 1 << 20


def on_disk_bytes(path: Path) -> int:
    return path.stat().st_blocks * 512


def test_the_middle_of_a_long_log_gives_its_room_back_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    with path.open("wb") as file:
        file.write(b"a" * 8 * MIB + b"b" * 8 * MIB)
    before = on_disk_bytes(path)

    hollow(path, 2 * MIB)

    if on_disk_bytes(path) == before:
        pytest.skip("this file system cannot free the middle of a file")
    assert on_disk_bytes(path) <= 3 * MIB
    assert path.stat().st_size == 16 * MIB
    shorten(path, 2 * MIB)
    said = f"\n… {14 * MIB} bytes left out …\n".encode()
    assert path.read_bytes() == b"a" * MIB + said + b"b" * MIB


def test_a_log_that_is_not_too_long_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    path.write_bytes(b"a" * MIB)

    hollow(path, MIB)
    hollow(tmp_path / "none", MIB)

    assert path.read_bytes() == b"a" * MIB


def test_a_log_that_is_shortened_while_room_is_freed_keeps_its_end(tmp_path: Path) -> None:
    spool, ended = tmp_path / "spool", threading.Event()

    def watch() -> None:
        while not ended.is_set():
            hollow(spool, MIB)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for n in range(200):
            spool.write_bytes(b"a" * MIB + b"b" * MIB)
            shorten(spool, MIB, tmp_path / f"log{n}")
    finally:
        ended.set()
        watcher.join()

    whole = b"a" * (MIB // 2) + f"\n… {MIB} bytes left out …\n".encode() + b"b" * (MIB // 2)
    assert [n for n in range(200) if (tmp_path / f"log{n}").read_bytes() != whole] == []


@task(retry=Retry(not_on=["lost"]))
def printing_and_dying() -> None:
    os.write(1, b"x" * 4 * MIB)
    os._exit(1)


@pipeline
def prints_and_dies() -> None:
    printing_and_dying()


def test_the_log_of_an_attempt_whose_worker_died_is_kept_short_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (log, processes):
        monkeypatch.setattr(module, "LOG_MAX_BYTES", MIB)
    live = Live(tmp_path)

    result = live.run(prints_and_dies)

    kept = live.log(result.number, "printing_and_dying")
    assert MIB <= kept.stat().st_size < MIB + 100
    assert b" bytes left out " in kept.read_bytes()
