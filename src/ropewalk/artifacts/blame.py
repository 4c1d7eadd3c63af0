"""Kinds of things that cannot be kept: what to call them, why, and what to do instead."""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import Any

from ropewalk.artifacts.format import names_of, type_name


@dataclass(frozen=True, slots=True)
class Blame:
    """What is said of the part that cannot be kept."""

    noun: str  # with its article, e.g. "a `generator`"
    why: str
    help: tuple[str, ...] = ()
    known: bool = True


_RUNNING = "is code in the middle of running, which cannot be kept"
_HERE = "belongs to this process and means nothing in another one, or after a restart"
_REOPEN = "keep what is needed to open it again (an address, a path), and open it in the task that uses it"

_LIVE: dict[str, tuple[str, str]] = {  # class → noun, help
    "_thread.lock": ("a lock", "make the lock in the task that uses it, or leave it out with __getstate__"),
    "_thread.RLock": ("a lock", "make the lock in the task that uses it, or leave it out with __getstate__"),
    "threading.Condition": ("a condition", "make it in the task that uses it"),
    "threading.Event": ("an event", "make it in the task that uses it"),
    "threading.Semaphore": ("a semaphore", "make it in the task that uses it"),
    "threading.Barrier": ("a barrier", "make it in the task that uses it"),
    "threading.Thread": ("a thread", "wait for it, and return what it made"),
    "_thread._local": ("thread-local data", "return a plain object with the same attributes"),
    "queue.Queue": ("a queue", "return its items: [queue.get() for _ in range(queue.qsize())]"),
    "_queue.SimpleQueue": ("a queue", "return its items as a list"),
    "multiprocessing.Process": ("a process", "wait for it, and return what it made"),
    "multiprocessing.Connection": ("a pipe", _REOPEN),
    "multiprocessing.Queue": ("a queue", "return its items as a list"),
    "multiprocessing.Pool": ("a pool of processes", "wait for its results, and return them"),
    "concurrent.Future": ("a future", "wait for it: future.result()"),
    "concurrent.Executor": ("a pool of workers", "wait for its results, and return them"),
    "_asyncio.Task": ("an asyncio task", "await it, and return what it made"),
    "_asyncio.Future": ("a future", "await it, and return what it made"),
    "asyncio.AbstractEventLoop": ("an event loop", "await what runs in it, and return that"),
    "socket.socket": ("a socket", _REOPEN),
    "_socket.socket": ("a socket", _REOPEN),
    "ssl.SSLContext": ("a TLS context", _REOPEN),
    "subprocess.Popen": ("a running command", "wait for it, and return its output"),
    "mmap.mmap": ("a memory map", "return the bytes, or the path of the file as a pathlib.Path"),
    "select.epoll": ("a poll object", _REOPEN),
    "tempfile.TemporaryDirectory": ("a temporary folder", "return pathlib.Path(folder.name) before it is removed"),
    "tempfile._TemporaryFileWrapper": ("an open file", "close it, and return its path as a pathlib.Path"),
    "zipfile.ZipFile": ("an open archive", "close it, and return its path as a pathlib.Path"),
    "tarfile.TarFile": ("an open archive", "close it, and return its path as a pathlib.Path"),
    "sqlite3.Connection": ("a database connection", _REOPEN),
    "sqlite3.Cursor": ("a database cursor", "return the rows: cursor.fetchall()"),
    "apsw.Connection": ("a database connection", _REOPEN),
    "apsw.Cursor": ("a database cursor", "return the rows: list(cursor)"),
    "psycopg.Connection": ("a database connection", _REOPEN),
    "psycopg.Cursor": ("a database cursor", "return the rows: cursor.fetchall()"),
    "psycopg2.connection": ("a database connection", _REOPEN),
    "duckdb.DuckDBPyConnection": ("a database connection", _REOPEN),
    "_duckdb.DuckDBPyConnection": ("a database connection", _REOPEN),
    "duckdb.DuckDBPyRelation": ("a query that has not run yet", "return the table: relation.arrow()"),
    "_duckdb.DuckDBPyRelation": ("a query that has not run yet", "return the table: relation.arrow()"),
    "sqlalchemy.Engine": ("a database engine", _REOPEN),
    "sqlalchemy.Connection": ("a database connection", _REOPEN),
    "sqlalchemy.Session": ("a database session", _REOPEN),
    "pyspark.SparkSession": ("a Spark session", _REOPEN),
    "pyspark.SparkContext": ("a Spark session", _REOPEN),
    "pyspark.DataFrame": ("a Spark table", "write it to a path and return that, or .toPandas()"),
    "polars.LazyFrame": ("a query that has not run yet", "return the table: frame.collect()"),
    "_contextvars.ContextVar": ("a context variable", "return its value: variable.get()"),
    "_contextvars.Context": ("a context", "return the values that are needed"),
    "weakref.ReferenceType": ("a weak reference", "return the object itself: reference()"),
    "weakref.WeakValueDictionary": ("a weak dictionary", "return dict(it)"),
    "weakref.WeakKeyDictionary": ("a weak dictionary", "return dict(it)"),
    "_ctypes._Pointer": ("a pointer", "return the bytes that it points to"),
    "_io._IOBase": ("an open file", "close it, and return its path as a pathlib.Path (the content is kept)"),
}
_LIVE["_weakref.ReferenceType"] = _LIVE["weakref.ReferenceType"]

_RUNNING_KINDS: dict[type, tuple[str, str]] = {
    types.GeneratorType: ("a `generator`", "make it a list: [… for … in …] instead of (… for … in …), or list(it)"),
    types.CoroutineType: ("a `coroutine`", "await it, and return what it gives"),
    types.AsyncGeneratorType: ("an `async generator`", "collect it: [x async for x in it]"),
    types.FrameType: ("a `frame`", "return the values that are needed from it"),
    types.TracebackType: ("a `traceback`", "return its text: ''.join(traceback.format_exception(error))"),
}
_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()), memoryview, types.MappingProxyType)


def is_known(value: Any) -> bool:
    """Whether the thing itself has an entry here, so that it is told rather than its insides."""
    return _running(value) is not None or _live(value) is not None


def blame_of(value: Any, reason: BaseException | None) -> Blame:
    """What to say of the part that pickle stumbled over."""
    kind = type(value)  # never isinstance(value, …), which believes what the object says of its __class__
    running, live = _running(value), _live(value)
    if running is not None:
        noun, help_ = running
        return Blame(noun, f"{noun.replace('`', '')} {_RUNNING}", (help_,))
    if live is not None:
        noun, help_ = live
        return Blame(f"{noun} (`{kind.__module__}.{kind.__qualname__}`)", f"{noun} {_HERE}", (help_,))
    if issubclass(kind, types.FunctionType):
        return _function(value)
    if issubclass(kind, type):
        return _class(value)
    if issubclass(kind, types.ModuleType):
        return Blame(
            f"the module `{value.__name__}`", "modules are imported, not kept", ("import it in the task that uses it",)
        )
    if kind is types.CodeType:
        return Blame("a code object", "code is imported, not kept", ("return what the code computes",))
    if any(kind is view for view in _VIEWS):
        help_ = "return a copy: list(it), dict(it), bytes(it)"
        return Blame(f"a `{kind.__name__}`", "it is a view of something else", (help_,))
    return _instance(value, reason)


def _running(value: Any) -> tuple[str, str] | None:
    return next((entry for kind, entry in _RUNNING_KINDS.items() if type(value) is kind), None)


def _live(value: Any) -> tuple[str, str] | None:
    return next((_LIVE[name] for name in names_of(type(value)) if name in _LIVE), None)


def _function(value: types.FunctionType) -> Blame:
    name = value.__qualname__
    if value.__name__ == "<lambda>":
        return Blame(
            "a `lambda`",
            "functions are kept by their name, and a lambda has none",
            ("write it as a function with `def`, at the top of a module",),
        )
    return Blame(
        f"the function `{name}`",
        "functions are kept by their name, and this one is not found under its own",
        ("define it at the top of a module, not inside another function",),
    )


def _class(value: type) -> Blame:
    return Blame(
        f"the class `{type_name(value)}`",
        "classes are kept by their name, and this one is not found under its own",
        ("define it at the top of a module, not inside a function",),
    )


def _instance(value: Any, reason: BaseException | None) -> Blame:
    name = type_name(type(value))
    if isinstance(reason, RecursionError):
        return Blame(
            f"nested too deeply (`{name}`)",
            "it is a chain of objects longer than Python's recursion limit",
            ("return the chain as a flat list",),
        )
    if "<locals>" in name:
        return Blame(
            f"an instance of `{name}`",
            "its class is defined inside a function, where no other process can find it",
            ("define the class at the top of a module",),
        )
    return Blame(
        f"a `{name}`",
        "no format knows this class, and pickle cannot keep it",
        (
            "return only the parts that matter",
            "or give the class __getstate__ and __setstate__ that leave out the rest",
        ),
        known=False,
    )
