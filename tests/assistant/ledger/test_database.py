"""The ledger's file: private, shared by several processes, and never in the way."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from dsassist.ledger.database import (
    MIGRATIONS,
    Hasher,
    LedgerDamaged,
    LedgerError,
    erase,
    is_empty,
    ledger_dir,
    migrate,
    opened,
)

# A process that counts offers, and says when they are on disk.
WRITER = """
import sys, time
from dsassist.ledger.entries import ShownOffer
from dsassist.ledger.ledger import Ledger
ledger = Ledger(lambda sentence: print(sentence, flush=True))
for number in range(int(sys.argv[1])):
    ledger.shown(ShownOffer("python", "m", "/r", 10, 1, 0.5, 100.0))
    if number % 10 == 9:
        assert ledger.flush(60)
print("written", ledger.flush(60), flush=True)
if sys.argv[2] == "wait":
    ledger.shown(ShownOffer("python", "m", "/r", 10, 1, 0.5, 100.0))
    time.sleep(60)
"""


def writer(count: int, then: str = "end") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(count), then]
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path})


def count() -> int:
    with opened(ledger_dir(), create=False) as connection:
        assert connection is not None
        [number] = connection.execute("SELECT count(*) FROM offers").fetchone()
        return int(number)


def begin() -> Path:
    with opened(ledger_dir()):
        pass
    return ledger_dir() / "ledger.sqlite3"


def test_what_was_reported_as_written_survives_kill_9() -> None:
    process = writer(25, "wait")
    assert process.stdout is not None
    assert process.stdout.readline() == "written True\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert count() in (25, 26)  # the last one was never reported


def test_several_processes_write_at_once_and_no_entry_is_lost() -> None:
    processes = [writer(60) for _ in range(4)]
    assert [process.communicate(timeout=120)[0] for process in processes] == ["written True\n"] * 4
    assert count() == 240


def test_only_the_user_may_read_the_files() -> None:
    with opened(ledger_dir()) as connection:
        assert connection is not None
        connection.execute("DELETE FROM offers")
        Hasher(ledger_dir())
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in ledger_dir().iterdir()}
    assert set(modes) == {"ledger.sqlite3", "ledger.sqlite3-wal", "ledger.sqlite3-shm", "lock", "salt"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(ledger_dir().stat().st_mode) == 0o700


def test_the_file_is_in_wal_mode() -> None:
    with closing(sqlite3.connect(begin())) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("content", [b"no database" * 1000, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_damaged_file_is_moved_aside_and_a_new_one_begun(content: bytes) -> None:
    file = begin()
    file.write_bytes(content)
    with pytest.raises(LedgerDamaged, match="it lies aside as damaged-"), opened(ledger_dir()):
        pass
    [aside] = ledger_dir().glob("damaged-*.sqlite3")
    assert aside.read_bytes() == content
    assert is_empty(ledger_dir())
    with opened(ledger_dir()) as connection:
        assert connection is not None


def test_damage_within_a_table_is_found_when_it_is_read() -> None:
    process = writer(500)
    process.communicate(timeout=120)
    file = ledger_dir() / "ledger.sqlite3"
    data = bytearray(file.read_bytes())
    data[8192:] = b"\xa5" * (len(data) - 8192)  # the first pages hold the schema
    file.write_bytes(data)
    with pytest.raises(LedgerDamaged):
        count()
    assert is_empty(ledger_dir())


def test_a_database_of_somebody_else_is_no_ledger() -> None:
    file = begin()
    file.unlink()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE offers (id)")
    with pytest.raises(LedgerDamaged, match="file is not a ledger"), opened(ledger_dir()):
        pass


def test_the_file_of_a_newer_dsassist_is_left_alone() -> None:
    with closing(sqlite3.connect(begin())) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(LedgerError, match="newer dsassist; update this one"), opened(ledger_dir()):
        pass
    assert not list(ledger_dir().glob("damaged-*"))


def test_a_file_of_an_older_form_is_brought_to_the_newest_with_its_rows() -> None:
    later = (*MIGRATIONS, ("CREATE TABLE extra (a)", "ALTER TABLE offers ADD COLUMN extra INTEGER NOT NULL DEFAULT 7"))
    writer(3).communicate(timeout=120)
    with closing(sqlite3.connect(ledger_dir() / "ledger.sqlite3", isolation_level=None)) as connection:
        assert migrate(connection, later)
        assert connection.execute("SELECT language, extra FROM offers").fetchall() == [("python", 7)] * 3
        assert connection.execute("PRAGMA user_version").fetchone() == (len(later),)
        assert migrate(connection, later)  # nothing is left to do
        assert not migrate(connection, MIGRATIONS)


def test_a_folder_that_cannot_be_made_is_an_error_in_words(isolated: Path) -> None:
    (isolated / "d").write_text("a file in the place of the folder")
    with pytest.raises(Exception, match=r"^cannot write to .*not a directory; make it writable"), opened(ledger_dir()):
        pass


def test_nothing_is_created_only_to_be_read() -> None:
    with opened(ledger_dir(), create=False) as connection:
        assert connection is None
    assert not ledger_dir().exists()


def test_erasing_leaves_no_row_no_salt_and_no_damaged_file() -> None:
    file = begin()
    salted = Hasher(ledger_dir()).name("/r")
    file.write_bytes(b"damaged" * 1000)
    with pytest.raises(LedgerDamaged), opened(ledger_dir()):
        pass
    begin()
    assert erase(ledger_dir())
    assert [left.name for left in ledger_dir().iterdir()] == ["lock"]
    assert not erase(ledger_dir())
    assert Hasher(ledger_dir()).name("/r") != salted


def test_hashes_are_stable_and_say_nothing() -> None:
    one, other = Hasher(ledger_dir()), Hasher(ledger_dir())
    assert one.name("/home/me/r") == other.name("/home/me/r")
    assert len(one.name("/home/me/r")) == 16
    assert len(one.line("return 1")) == 8
    assert one.name("") == ""


def test_a_damaged_salt_is_replaced() -> None:
    Hasher(ledger_dir())
    (ledger_dir() / "salt").write_bytes(b"short")
    assert Hasher(ledger_dir()).name("/r") == Hasher(ledger_dir()).name("/r")
    assert len((ledger_dir() / "salt").read_bytes()) == 32
