"""What fails where nobody listens is a line of the log, and says nothing of anybody."""

from __future__ import annotations

import asyncio
import io
import json
import ssl
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from cloister.relay.app import tell_of_the_unheard
from cloister.relay.logsafe import Log
from unit.relay.test_inspection import make

PLANTED = """
import asyncio, sys
from cloister.relay import app

begin = app.collector.begin


def begins():
    begin()
    asyncio.get_running_loop().call_soon(lambda: {}["whose"])


app.collector.begin = begins
app.run_relay(app.Path(sys.argv[1]), {})
"""


def _raise(error: Exception) -> None:
    raise error


def test_a_fault_in_a_callback_is_said_and_a_strangers_connection_is_not() -> None:
    said = io.StringIO()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(partial(tell_of_the_unheard, Log(lambda: 0, said)))
        for error in (
            ConnectionResetError("203.0.113.7"),
            ssl.SSLError("no certificate of 203.0.113.7"),
            TimeoutError(),
            KeyError("whose"),
        ):
            loop.call_soon(_raise, error)
        await asyncio.sleep(0)
        loop.call_exception_handler({"message": "something slow"})

    asyncio.run(main())
    (line,) = map(json.loads, said.getvalue().splitlines())
    assert (line["event"], line["cause"]) == ("callback-failed", "KeyError")
    assert line["line"] > 0
    assert "whose" not in said.getvalue()


@pytest.mark.process
def test_a_relay_says_it_and_goes_on(tmp_path: Path) -> None:
    folder = make(tmp_path / "relay", "home", "HK", "North")
    process = subprocess.Popen(
        [sys.executable, "-c", PLANTED, str(folder.path)], stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        lines = [json.loads(process.stderr.readline()) for _ in range(2)]
        assert {line["event"] for line in lines} == {"ready", "callback-failed"}
        assert process.poll() is None
        process.terminate()
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
