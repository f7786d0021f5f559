"""The disk fails under the files with a rollback journal: unlock shares and the operator's books.

Their commits flush journal, file and folder, in this order. Whatever of it fails is said, and the
file is as it was before or after. The one flush whose error SQLite drops is that of the folder
when the journal is made: docs/security/limitations.md, section 7.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from cloister.books.schema import open_file as open_books
from cloister.relay.shares.schema import open_file as open_shares
from counts import is_long
from crash.tracing import started_under_strace

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("tracing")]

ROWS: Final = {"shares": "meta VALUES (1, x'00', 0)", "books": "plan VALUES ('a', 1, 'EUR', 12)"}
OPENERS: Final = {"shares": open_shares, "books": open_books}
PROGRAM: Final = """
import sys; from pathlib import Path; import sqlcipher3.dbapi2 as sqlite
from cloister.{package}.schema import open_file
connection = open_file(Path(sys.argv[1]))
try:
    connection.execute("INSERT INTO {row}")
    print("stored")
except sqlite.Error as error:
    print(error)
"""
PACKAGES: Final = {"shares": "relay.shares", "books": "books"}
JOURNAL, FOLDER, JOURNAL_HEAD, FILE, GONE = range(1, 6)
"""Which of the flushes of one commit fails."""


@pytest.mark.parametrize("kept", list(ROWS))
@pytest.mark.parametrize("moment", range(JOURNAL, GONE + 1) if is_long() else [FILE, GONE])
def test_a_flush_that_fails_is_said_and_the_file_is_whole(
    tmp_path: Path, kept: str, moment: int
) -> None:
    path = tmp_path / f"{kept}.sqlite3"
    OPENERS[kept](path).close()
    trace = tmp_path / "trace"
    inject = f"inject=fsync,fdatasync:error=EIO:when={moment}"
    program = PROGRAM.format(package=PACKAGES[kept], row=ROWS[kept])
    done = subprocess.run(
        [*started_under_strace(trace, "-e", inject), sys.executable, "-c", program, str(path)],
        capture_output=True,
        check=True,
        text=True,
    )
    assert trace.read_text().count("(INJECTED)") == 1
    said = "stored" if moment == FOLDER else "disk I/O error"
    assert done.stdout.strip() == said
    connection = OPENERS[kept](path)
    table = ROWS[kept].split()[0]
    (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    assert rows == 1 or said != "stored"
