"""Loading libsodium leaves nothing on the disk, with files in memory and without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[3] / "src"
LOAD = """
import os, sys, tempfile
original = tempfile.NamedTemporaryFile
if sys.argv[1] == "forbidden":
    def memfd_create(name, flags=0):
        raise PermissionError(1, "Operation not permitted")
    os.memfd_create = memfd_create
from cloister.crypto.oprf import blind
from cloister.crypto.entropy import SystemEntropy
blind(b"input", SystemEntropy())
assert tempfile.NamedTemporaryFile is original
"""


@pytest.mark.parametrize("files_in_memory", ["allowed", "forbidden"])
def test_nothing_is_left_of_loading_it(tmp_path: Path, files_in_memory: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", LOAD, files_in_memory], check=True, env=environment)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="there are no files in memory here")
def test_it_loads_where_no_file_can_be_written(tmp_path: Path) -> None:
    nowhere = tmp_path / "folder"
    nowhere.mkdir()
    program = f"import tempfile; tempfile.tempdir = {str(nowhere / 'absent')!r}\n{LOAD}"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    subprocess.run([sys.executable, "-c", program, "allowed"], check=True, env=environment)
