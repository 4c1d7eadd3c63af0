"""The one file that knows the database driver.

SQLite comes with `apsw`, since the library that Python was built with may be older than 3.51.3 and then can corrupt a
write-ahead log that several processes write. Statements live in `sql/*.sql`, one a file, and are run by name.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeAlias, TypeVar

from ropewalk.core.errors import RopewalkError, StoreError, VersionError
from ropewalk.core.failpoint import failpoint

if TYPE_CHECKING:
    import apsw

Row: TypeAlias = tuple[Any, ...]
P = ParamSpec("P")
T = TypeVar("T")

DURABILITIES = {"power": "FULL", "process": "NORMAL"}  # what a commit survives, and how SQLite calls that
APPLICATION_ID = 0x526F7065  # "Rope"
BUSY_TIMEOUT_MS = 30_000
_SQL = Path(__file__).parent / "sql"
_MIGRATIONS = sorted((_SQL / "migrations").glob("*.sql"))
SCHEMA_VERSION = len(_MIGRATIONS)


class Database:
    """A connection to a store. Not to be shared by threads, nor with a forked child."""

    def __init__(self, path: Path, connection: apsw.Connection) -> None:
        self.path = path
        self._connection = connection
        self._queries: dict[str, str] = {}

    def query(self, name: str, /, **params: Any) -> list[Row]:
        """Run the statement in `sql/<name>.sql`; the rows that it gives."""
        import apsw

        try:
            return self._connection.execute(self._sql(name), params).fetchall()
        except apsw.Error as error:
            raise _store_error(self.path, error) from error

    def one(self, name: str, /, **params: Any) -> Row | None:
        """The first row of a statement, or None."""
        rows = self.query(name, **params)
        return rows[0] if rows else None

    def many(self, name: str, rows: Iterable[Row]) -> None:
        """Run the statement for each row of positional values."""
        import apsw

        try:
            self._connection.executemany(self._sql(name), rows)
        except apsw.Error as error:
            raise _store_error(self.path, error) from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is written at once, durably, or not at all."""
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                failpoint("commit.before")
                self._connection.execute("COMMIT")
                failpoint("commit.after")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read inside is of one moment, whatever others write meanwhile; it may lie in a transaction."""
        with self._translated(), self._connection:  # a savepoint
            yield

    @contextlib.contextmanager
    def keeping(self, durability: str) -> Iterator[None]:
        """What is committed inside survives this: "power" cuts, as everything else, or the end of a "process" only.

        Raises:
            VersionError: it is neither, but what a newer version calls something else.
        """
        import apsw

        if durability not in DURABILITIES:
            raise VersionError(
                f"the durability `{durability}` was asked for by a newer version",
                help=["pip install --upgrade ropewalk"],
            )
        try:
            self._connection.pragma("synchronous", DURABILITIES[durability])
            yield
        finally:
            with contextlib.suppress(apsw.ConnectionClosedError):  # whoever closed it keeps nothing more
                self._connection.pragma("synchronous", "FULL")

    def changes(self) -> int:
        """How many rows the last statement changed."""
        return self._connection.changes()

    def data_version(self) -> int:
        """A number that differs when another connection has written since the last call."""
        return int(self._connection.pragma("data_version"))

    def problems(self) -> list[str]:
        """What a full check of the file finds; empty: nothing."""
        with self._translated():
            found = [str(row[0]) for row in self._connection.execute("PRAGMA integrity_check(20)")]
        return [] if found == ["ok"] else found

    def close(self) -> None:
        """Give the file back; the last one to close it folds the write-ahead log into it."""
        self._connection.close()

    def _sql(self, name: str) -> str:
        if name not in self._queries:
            self._queries[name] = (_SQL / f"{name}.sql").read_text(encoding="utf-8")
        return self._queries[name]

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        import apsw

        try:
            yield
        except apsw.Error as error:
            raise _store_error(self.path, error) from error


def of_one_moment(read: Callable[Concatenate[Database, P], T]) -> Callable[Concatenate[Database, P], T]:
    """Decorator: what a function reads with several statements is of one moment."""

    @wraps(read)
    def at_once(db: Database, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with db.snapshot():
            return read(db, *args, **kwargs)

    return at_once


def open_database(path: Path) -> Database:
    """Open the store at `path`, making or migrating it first where needed.

    Raises:
        VersionError: a newer version wrote it.
        StoreError: it cannot be opened, is damaged, or is not a store.
    """
    import apsw

    try:
        connection = apsw.Connection(os.fspath(path))
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        connection.execute("PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL").fetchall()
        version = int(connection.pragma("user_version"))
        _check_ours(path, connection, version)
        _use_write_ahead_log(connection)
        if version < SCHEMA_VERSION:
            _migrate(connection)
    except apsw.Error as error:
        raise _store_error(path, error) from error
    return Database(path, connection)


def _use_write_ahead_log(connection: apsw.Connection) -> None:
    """Of those that make the switch at the same moment in a new store, SQLite refuses all but one without waiting."""
    import apsw

    until = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except apsw.BusyError:
            if time.monotonic() >= until:
                raise
            time.sleep(0.005)


def _check_ours(path: Path, connection: apsw.Connection, version: int) -> None:
    if version > SCHEMA_VERSION:
        raise VersionError(
            f"the store `{path}` has schema {version}, which is newer than this program ({SCHEMA_VERSION})",
            code="P801",
            help=["pip install --upgrade ropewalk", "or use another project folder: ROPEWALK_HOME=…"],
        )
    empty = next(iter(connection.execute("SELECT count(*) = 0 FROM sqlite_schema")))[0]
    if not empty and connection.pragma("application_id") != APPLICATION_ID:
        raise StoreError(
            f"`{path}` is a database, but not a Ropewalk store",
            code="P502",
            help=["move it away, or set ROPEWALK_HOME to another folder"],
        )


def _migrate(connection: apsw.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        # another process may have migrated while we waited for the lock
        version = int(connection.pragma("user_version"))
        for number, file in enumerate(_MIGRATIONS, start=1):
            if number > version:
                connection.execute(file.read_text(encoding="utf-8"))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _store_error(path: Path, error: apsw.Error) -> RopewalkError:
    import apsw

    text = str(error)
    if isinstance(error, (apsw.CorruptError, apsw.NotADBError)):
        return StoreError(
            f"the store `{path}` is damaged: {text}",
            code="P503",
            facts=["files of results are content-addressed and not affected"],
            help=[f"mv {path} {path}.damaged", "ropewalk run     makes a new store and computes again what is needed"],
        )
    if isinstance(error, apsw.BusyError):
        return StoreError(
            f"could not write to `{path}` for {BUSY_TIMEOUT_MS // 1000} s: another process is holding it",
            code="P510",
            help=["ropewalk runs     shows what is running"],
        )
    if isinstance(error, apsw.FullError) or getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_SHMSIZE:
        return StoreError(
            f"no space left for the store `{path}`",
            code="P520",
            facts=["everything that was committed is safe"],
            help=["make room, then: ropewalk resume", "ropewalk gc --dry-run     shows what old runs hold"],
        )
    if isinstance(error, (apsw.ReadOnlyError, apsw.CantOpenError, apsw.PermissionsError)):
        return StoreError(
            f"cannot write to the store `{path}`: {text}",
            code="P530",
            help=["check the permissions of its folder, or set ROPEWALK_HOME to another one"],
        )
    facts = ["everything that was committed is safe"]
    return StoreError(f"the store `{path}` failed: {text}", code="P500", facts=facts)
