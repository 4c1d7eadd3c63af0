"""Values that cannot be kept: the error names the path inside the value, the kind of thing, and the way out."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import functools
import queue
import socket
import sqlite3
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from ropewalk.artifacts.blobs import Blobs
from ropewalk.artifacts.materialize import load, save
from ropewalk.core.errors import UnstorableError


class Holder:
    def __init__(self, value: Any) -> None:
        self.value = value


class Slotted:
    __slots__ = ("empty", "value")

    def __init__(self, value: Any) -> None:
        self.value = value


@dataclass
class Record:
    frame: Any
    extra: Any


class Pair(NamedTuple):
    left: Any
    right: Any


class RaisingReduce:
    def __reduce__(self) -> Any:
        raise ValueError("no, \n not me")


class NonsenseReduce:
    def __reduce__(self) -> Any:
        return 5


class RaisingEverything:
    """Each special method that a careless walk might call raises."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    __repr__ = __eq__ = __hash__ = __str__ = __bool__ = __len__ = __iter__ = __getattribute__  # type: ignore[assignment]


class LyingClass:
    @property
    def __class__(self) -> Any:  # type: ignore[override]
        raise OSError("hostile")

    def __reduce__(self) -> Any:
        raise ValueError


class UnhashableType(type):
    __hash__ = None  # type: ignore[assignment]

    def __eq__(cls, other: object) -> bool:
        raise ValueError("hostile")


class RaisingMessage(Exception):
    def __str__(self) -> str:
        raise RuntimeError


class RaisingRaise:
    def __reduce__(self) -> Any:
        raise RaisingMessage


class HostileDict(dict):
    def items(self) -> Any:
        raise RuntimeError

    __iter__ = keys = values = items


class HostileKey:
    def __repr__(self) -> str:
        raise RuntimeError


class UnreadableError(Exception):
    def __init__(self, a: int, b: int) -> None:
        super().__init__("lost its arguments")


def generator() -> Iterator[int]:
    yield 1


async def coroutine() -> None: ...


async def async_generator() -> Any:
    yield 1


def local_instance() -> object:
    class Local: ...

    return Local()


def self_containing() -> list[Any]:
    loop: list[Any] = []
    loop += [loop, {"again": loop, "lock": threading.Lock()}]
    return loop


def chain(length: int) -> Holder:
    link = Holder(None)
    for _ in range(length):
        link = Holder(link)
    return link


FRAME = pd.DataFrame({"a": [1.0, 2.0]})

CASES: list[tuple[str, Callable[[], Any], str, str, str]] = [
    # name, value, path, what it is, what to do
    ("generator", lambda: {"rows": generator(), "n": 1}, '["rows"]', "a `generator`", "make it a list"),
    ("bare generator", generator, "", "a `generator`", "make it a list"),
    ("async generator", lambda: [async_generator()], "[0]", "an `async generator`", "async for"),
    ("lambda", lambda: Holder({"callbacks": [1, 2, lambda: 0]}), '.value["callbacks"][2]', "a `lambda`", "with `def`"),
    ("nested function", lambda: [generator, lambda: 0], "[1]", "a `lambda`", "with `def`"),
    ("lock in slots", lambda: Slotted(threading.Lock()), ".value", "a lock", "__getstate__"),
    ("lock in a tuple", lambda: (1, (2, threading.RLock())), "[1][1]", "a lock", "__getstate__"),
    ("event", lambda: Record(FRAME, threading.Event()), ".extra", "an event", "in the task that uses it"),
    ("queue", lambda: Pair(FRAME, queue.Queue()), ".right", "a queue", "return its items"),
    ("thread", lambda: [threading.Thread()], "[0]", "a thread", "return what it made"),
    ("pool", lambda: {"pool": concurrent.futures.ThreadPoolExecutor(1)}, '["pool"]', "a pool of workers", "results"),
    ("module", lambda: {"sys": sys}, '["sys"]', "the module `sys`", "import it"),
    ("view", lambda: {"keys": {}.keys()}, '["keys"]', "a `dict_keys`", "list(it)"),
    ("memory view", lambda: [memoryview(b"x")], "[0]", "a `memoryview`", "bytes(it)"),
    ("weak reference", lambda: [weakref.ref(Holder)], "[0]", "a weak reference", "the object itself"),
    ("code", lambda: [generator.__code__], "[0]", "a code object", "computes"),
    ("frame", lambda: [sys._getframe()], "[0]", "a `frame`", "values that are needed"),
    ("default factory", lambda: collections.defaultdict(lambda: 0), ".default_factory", "a `lambda`", "with `def`"),
    ("partial", lambda: {"f": functools.partial(lambda: 0)}, '["f"].func', "a `lambda`", "with `def`"),
    ("local class", lambda: {"x": local_instance()}, '["x"]', "an instance of", "at the top of a module"),
    ("namespace", lambda: types.SimpleNamespace(a=[generator()]), ".a[0]", "a `generator`", "make it a list"),
    ("cell of a frame", lambda: pd.DataFrame({"col": [1, generator()]}), '["col"][1]', "a `generator`", "list"),
    ("cell of a series", lambda: {"s": pd.Series([1, generator()])}, '["s"][1]', "a `generator`", "list"),
    ("cell of an array", lambda: np.array([[1], [threading.Lock()]], dtype=object), "[1]", "a lock", "__getstate__"),
    ("key", lambda: {threading.Lock(): 1}, " key <lock>", "a lock", "__getstate__"),
    ("key in a set", lambda: {frozenset([Holder(generator())]): 1}, ".value", "a `generator`", "list"),
    ("deque", lambda: collections.deque([1, generator()]), "[1]", "a `generator`", "list"),
    ("bound method", lambda: [Holder(generator()).__init__], ".value", "a `generator`", "list"),
    ("contains itself", self_containing, '[1]["lock"]', "a lock", "__getstate__"),
    ("raising reduce", lambda: [RaisingReduce()], "[0]", "RaisingReduce`", "only the parts that matter"),
    ("nonsense reduce", lambda: [NonsenseReduce()], "[0]", "NonsenseReduce`", "only the parts that matter"),
    ("raising message", lambda: [RaisingRaise()], "[0]", "RaisingRaise`", "only the parts that matter"),
    ("raising everything", lambda: [1, RaisingEverything()], "[1]", "RaisingEverything`", "only the parts"),
    ("lying class", lambda: {"x": LyingClass()}, '["x"]', "LyingClass`", "only the parts"),
    ("unhashable class", lambda: [UnhashableType("Odd", (), {})()], "[0]", "Odd`", ""),
    ("hostile dict", lambda: [HostileDict(a=threading.Lock())], "[0]", "", ""),
    ("hostile key", lambda: {HostileKey(): generator()}, "[<HostileKey>]", "a `generator`", "list"),
    ("long chain", lambda: chain(50_000), "", "nested too deeply", "flat list"),
    ("long key", lambda: {"k" * 500: generator()}, "…", "a `generator`", "list"),
]


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def refused(value: Any, blobs: Blobs) -> UnstorableError:
    with pytest.raises(UnstorableError) as caught:
        save(value, blobs)
    return caught.value


@pytest.mark.parametrize(
    ("make", "path", "noun", "help"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_the_error_names_the_path_the_kind_and_the_way_out(blobs, make, path, noun, help):
    error = refused(make(), blobs)

    assert error.code == "P310"
    assert path in error.title
    assert noun in error.title
    assert help in str(error)
    assert not error.retryable
    assert len(error.title) < 400
    assert all(line.isprintable() for line in str(error).splitlines())


def test_there_are_enough_hostile_values() -> None:
    assert len(CASES) >= 25


def test_a_coroutine_is_refused(blobs):
    waiting = coroutine()
    with closing(waiting):
        assert "a `coroutine`" in refused({"x": waiting}, blobs).title


def test_an_asyncio_task_is_refused(blobs):
    async def main() -> str:
        return refused([asyncio.get_running_loop().create_task(asyncio.sleep(0))], blobs).title

    assert "an asyncio task" in asyncio.run(main())


def test_connections_files_and_sockets_are_refused_with_how_to_go_on(blobs):
    with closing(sqlite3.connect(":memory:")) as database, socket.socket() as line, open(__file__) as file:
        assert "a database connection" in refused({"db": database}, blobs).title
        assert "a database cursor" in refused([database.cursor()], blobs).title
        assert "a socket" in refused(Holder(line), blobs).title
        assert "pathlib.Path" in str(refused(Record(FRAME, file), blobs))
        assert "an open file" in refused(file.read, blobs).title


def test_the_whole_text_of_the_error(blobs):
    error = refused({"rows": generator(), "n": 3}, blobs)

    assert str(error) == (
        'error[P310]: `result["rows"]` cannot be stored: it is a `generator`\n'
        '  = the path inside the value: result["rows"]\n'
        "  = a generator is code in the middle of running, which cannot be kept\n"
        "  help: make it a list: [… for … in …] instead of (… for … in …), or list(it)"
    )


def test_the_name_of_the_output_starts_the_path(blobs):
    with pytest.raises(UnstorableError, match=r"model\.value"):
        save(Holder(generator()), blobs, name="model")


def test_an_unknown_kind_says_what_pickle_said(blobs):
    assert "pickling it said: ValueError: no,   not me" in str(refused(RaisingReduce(), blobs))


def test_what_can_be_pickled_but_not_read_back_is_told_now(blobs):
    error = refused(UnreadableError(1, 2), blobs)

    assert "not read back" in error.title
    assert "missing 1 required positional argument" in str(error)


def test_a_failure_leaves_no_temporary_file(blobs):
    refused({"frame": pd.DataFrame({"a": np.zeros(5000)}), "bad": generator()}, blobs)

    assert list((blobs.root / "tmp").iterdir()) == []


def test_objects_that_are_odd_but_can_be_pickled_are_kept(blobs):
    assert type(load(save(Answering(), blobs), blobs)) is Answering


class Answering:
    """Says yes to whatever it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return 5


@pytest.mark.slow
def test_a_million_keys_do_not_hide_the_one_bad_value(blobs):
    big = {n: str(n) for n in range(1_000_000)} | {"last": threading.Lock()}

    assert '["last"]' in refused({"big": big}, blobs).title


@pytest.mark.slow
def test_a_million_objects_end_the_search_for_the_path_but_not_the_error(blobs):
    big = [[n] for n in range(600_000)]
    big.append(generator())

    assert refused(big, blobs).title == "`result …` cannot be stored: it is a `generator`"
