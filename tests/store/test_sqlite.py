"""The store on SQLite: conformance, and what only a file can do: be old, foreign, damaged, full, read-only or busy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import apsw
import pytest

from ropewalk.core import events as ev
from ropewalk.core.errors import RopewalkError, StoreError, VersionError
from ropewalk.core.state import RunState
from ropewalk.store import database, runs
from ropewalk.store.database import Database, open_database
from ropewalk.testing.store_suite import StoreSuite, append, new_run, small_graph, succeed
from tests.faults.powercut import tmpfs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def db(path: Path) -> Iterator[Database]:
    opened = open_database(path)
    yield opened
    opened.close()


@pytest.fixture
def other(db: Database, path: Path) -> Iterator[Database]:
    opened = open_database(path)
    yield opened
    opened.close()


class TestSqliteStore(StoreSuite):
    pass


def refused(path: Path) -> RopewalkError:
    """The error that opening and using a store gives."""
    with pytest.raises(RopewalkError) as caught:
        use(path)
    return caught.value


def use(path: Path) -> None:
    db = open_database(path)
    try:
        new_run(db)
        runs.listing(db)
    finally:
        db.close()


def schema(path: Path) -> set[str]:
    rows = apsw.Connection(str(path)).execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")
    return {" ".join(row[0].split()) for row in rows}


def test_commits_are_synced_and_sqlite_is_one_that_cannot_corrupt_its_log(db: Database) -> None:
    assert db._connection.pragma("journal_mode") == "wal"
    assert db._connection.pragma("synchronous") == 2
    assert db._connection.pragma("foreign_keys") == 1
    assert tuple(map(int, apsw.sqlite_lib_version().split("."))) >= (3, 51, 3)


def test_a_durability_of_a_newer_version_is_refused_by_name(db: Database) -> None:
    with pytest.raises(VersionError, match="`quantum`") as caught, db.keeping("quantum"):
        pass

    assert "pip install --upgrade ropewalk" in caught.value.help
    assert db._connection.pragma("synchronous") == 2


def test_opening_a_store_again_changes_nothing(path: Path) -> None:
    use(path)
    before = schema(path)

    use(path)

    assert schema(path) == before
    assert len(runs.listing(open_database(path))) == 2


@pytest.mark.parametrize("version", range(database.SCHEMA_VERSION))
def test_an_old_store_is_migrated_to_what_a_new_one_is(tmp_path: Path, version: int) -> None:
    fresh, old = tmp_path / "fresh.db", tmp_path / "old.db"
    use(fresh)
    connection = apsw.Connection(str(old))
    for file in database._MIGRATIONS[:version]:
        connection.execute(file.read_text())
    marked = f"PRAGMA application_id = {database.APPLICATION_ID}; " if version else ""
    connection.execute(f"{marked}PRAGMA user_version = {version}")
    connection.close()

    use(old)

    assert schema(old) == schema(fresh)


def test_a_migration_that_fails_leaves_the_store_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = path.with_name("0002_bad.sql")
    bad.write_text("CREATE TABLE half (x); CREATE TABLE half (x);")
    use(path)
    before = schema(path)
    monkeypatch.setattr(database, "_MIGRATIONS", [*database._MIGRATIONS, bad])
    monkeypatch.setattr(database, "SCHEMA_VERSION", database.SCHEMA_VERSION + 1)

    error = refused(path)

    assert isinstance(error, StoreError)
    assert schema(path) == before
    monkeypatch.undo()
    use(path)


def test_a_store_of_a_newer_version_is_left_alone(path: Path) -> None:
    use(path)
    apsw.Connection(str(path)).execute("PRAGMA user_version = 99")
    before = path.read_bytes()

    error = refused(path)

    assert isinstance(error, VersionError)
    assert f"has schema 99, which is newer than this program ({database.SCHEMA_VERSION})" in error.title
    assert "pip install --upgrade ropewalk" in error.help
    assert path.read_bytes() == before


def test_a_database_that_is_not_ours_is_left_alone(path: Path) -> None:
    apsw.Connection(str(path)).execute("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)")
    before = path.read_bytes()

    error = refused(path)

    assert error.code == "P502"
    assert "is a database, but not a Ropewalk store" in error.title
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"just a text\n" * 200, b"SQLite format 3\x00" + b"\x00" * 50, os.urandom(8192)])
def test_a_file_that_is_no_database_is_said_to_be_damaged(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    error = refused(path)

    assert error.code == "P503"
    assert f"mv {path} {path}.damaged" in error.help
    assert path.read_bytes() == content


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    """It is what is left when a process dies between making and filling it."""
    path.touch()

    use(path)


@pytest.mark.parametrize("seed", range(8))
def test_a_page_of_noise_is_noticed_and_never_ends_in_a_traceback(path: Path, seed: int) -> None:
    db = open_database(path)
    for number in range(30):
        run, state = new_run(db), RunState(small_graph())
        append(db, run, 1, state, *succeed("a", 1, key=f"key{number}"), ev.Opened("b", 1))
    db.close()
    rng = Random(seed)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(rng.randrange(size // 4096) * 4096)
        file.write(rng.randbytes(4096))

    try:
        damaged = open_database(path)
        found = damaged.problems()
        damaged.close()
    except StoreError as error:
        found = [error.code]

    assert found


def test_cutting_off_the_log_gives_an_earlier_state_and_not_a_broken_one(path: Path, tmp_path: Path) -> None:
    db = open_database(path)
    for _ in range(10):
        new_run(db)
    log = path.with_name("store.db-wal")
    whole = log.read_bytes()
    seen = set()

    for number, cut in enumerate(range(0, len(whole), len(whole) // 40)):
        copy = tmp_path / f"copy{number}" / "store.db"
        copy.parent.mkdir()
        shutil.copy(path, copy)
        copy.with_name("store.db-wal").write_bytes(whole[:cut])
        again = open_database(copy)
        assert again.problems() == []
        seen.add(len(runs.listing(again)))
        again.close()
    db.close()

    assert {0, 9} <= seen


def test_a_statement_that_breaks_a_rule_of_the_schema_is_refused(db: Database) -> None:
    run = new_run(db)

    for sql in (
        "UPDATE runs SET state = 'done'",
        "UPDATE runs SET state = 'failed'",
        "INSERT INTO task_runs (run, node, item, state, attempts, finished_at) VALUES (1, 'a', 0, 'succeeded', 1, 1)",
        "INSERT INTO task_runs (run, node, item, state, attempts, finished_at) VALUES (1, 'a', 0, 'failed', 1, 1)",
        "INSERT INTO events (run, seq, at, body) VALUES (99, 1, 1, '[]')",
        "INSERT INTO leases (run, token, node, items, keys, worker, at) VALUES (1, 'x', 'a', '[]', '[]', 'w', 1)",
    ):
        with pytest.raises(apsw.ConstraintError):
            db._connection.execute(sql)

    assert runs.get(db, run.number) == run


# disks


@contextmanager
def as_nobody() -> Iterator[None]:
    """As somebody whom permissions bind: root may do anything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may reach; pytest's own are only for who runs it."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_that_may_not_be_written_to_is_named(open_folder: Path, exists: bool) -> None:
    path = open_folder / "store.db"
    if exists:
        use(path)
        path.chmod(0o444)
    os.chmod(open_folder, 0o555)

    with as_nobody():
        error = refused(path)

    assert error.code == "P530"
    assert f"cannot write to the store `{path}`" in error.title


def write_for_ever(db: Database, written: list[int]) -> None:
    while True:
        written.append(new_run(db).number)


def test_a_full_disk_is_named_and_nothing_committed_is_lost(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "small", size_bytes=1 << 20) as folder:
        db = open_database(folder / "store.db")
        written: list[int] = []

        with pytest.raises(StoreError) as caught:
            write_for_ever(db, written)

        assert caught.value.code == "P520"
        assert [r.number for r in runs.all_runs(db)] == written[::-1]
        db.close()
        again = open_database(folder / "store.db")
        assert [r.number for r in runs.all_runs(again)] == written[::-1]
        assert again.problems() == []
        again.close()


def test_a_store_without_a_folder_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere" / "store.db").code == "P530"


# several processes

WRITE = """
import sys
from pathlib import Path
from ropewalk.testing.store_suite import new_run
from ropewalk.store.database import open_database
sys.stdin.read(1)
db = open_database(Path(sys.argv[1]))
for number in range(int(sys.argv[2])):
    new_run(db, at=float(number))
db.close()
"""


def start(path: Path, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITE, str(path), str(count)], env={"PYTHONPATH": ":".join(sys.path)},
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_processes_that_make_and_write_a_store_at_once_all_get_their_turn(tmp_path: Path) -> None:
    for trial in range(4):
        path = tmp_path / f"{trial}.db"
        processes = [start(path, 25) for _ in range(3)]

        errors = [process.communicate("!")[1] for process in processes]

        assert errors == [""] * 3
        db = open_database(path)
        assert len(runs.listing(db, most=1000)) == 75
        assert db.problems() == []
        db.close()


def test_who_waits_for_another_writer_too_long_is_told_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(path)
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 50)
    waiting = open_database(path)
    busy = apsw.Connection(str(path))
    busy.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreError, match="another process is holding it") as caught:
        new_run(waiting)

    assert caught.value.code == "P510"
    assert caught.value.retryable
    busy.execute("ROLLBACK")
    new_run(waiting)
    waiting.close()


def test_a_reader_does_not_keep_a_writer_waiting(
    db: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_run(db)
    other._connection.execute("BEGIN")
    assert len(runs.listing(other)) == 1

    new_run(db)

    assert len(runs.listing(other)) == 1
    other._connection.execute("COMMIT")
    assert len(runs.listing(other)) == 2
