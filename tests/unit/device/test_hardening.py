"""A process that holds keys is quiet: what libraries log does not reach the person."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.process


def test_what_libraries_log_reaches_nobody() -> None:
    program = (
        "import logging; from cloister.device.hardening import harden_process; harden_process();"
        "logging.getLogger('library').error('bytes of the peer')"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
