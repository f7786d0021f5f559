"""docs/guide/bots.md: its commands run as printed, on relays, agents and bots of their own."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from docs.shell_session import Guide

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs/guide/bots.md").read_text(encoding="utf-8")
BLOCKS = [block.text for block in Guide("docs/guide/bots.md").part("Let it in", "Run it").blocks]
UNITS = re.findall(r"^```ini\n(.*?)^```$", GUIDE, re.M | re.S)

CIRCLE = """
for one in "hk home HK North" "pa entry PA South"; do
    set -- $one
    ./cloister relay init $1 --role $2 --host 127.0.0.1 --jurisdiction $3 --operator $4 > $1.said
done
tail -n 1 hk.said > code
./cloister relay peer hk pa/relay.card
./cloister relay peer pa hk/relay.card
./cloister relay run pa 2> pa.log &
./cloister relay run hk 2> hk.log &
until grep -q ready hk.log && grep -q ready pa.log; do sleep 0.1; done
export CLOISTER_ACTIVATION_CODE_FILE=code
./cloister circle new --name Amira --home hk/relay.card --entry pa/relay.card --profile amira
"""

# Two programs on one device.
REST = """
.venv/bin/python examples/echo_bot.py alerts &
./cloister send "On call" "!ack 1" --wait --profile amira
./cloister send "On call" "!echo one two" --wait --profile amira
sleep 1
until ./cloister read "On call" --json --profile amira > texts \
    && grep -q acknowledged texts && grep -q '"text":"one two"' texts; do sleep 0.3; done
./cloister read "On call" --profile amira
cat texts
./cloister members --profile amira
./cloister members --tree --profile amira
./cloister log list --profile amira
kill %1 %2
"""


@pytest.mark.nightly
@pytest.mark.process
@pytest.mark.slow
def test_both_bots_are_let_in_and_answer(tmp_path: Path) -> None:
    if not shutil.which("curl") or not shutil.which("openssl"):
        pytest.skip("the guide uses curl and openssl")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    let_in, run, door = (block.replace("9099", port) for block in BLOCKS)
    program = tmp_path / "cloister"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m cloister "$@"\n')
    program.chmod(0o700)
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o700)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "pin").write_text("only for trying")
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    session = "trap 'jobs -p | xargs -r kill' EXIT\n" + CIRCLE + let_in + run + door + REST
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", session],
        cwd=tmp_path,
        env={
            **kept,
            "HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "CLOISTER_PASSPHRASE_FILE": str(tmp_path / "pin"),
            "CLOISTER_ERRAND_DELAY_S": "0",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    said = result.stdout
    assert result.returncode == 0, said + result.stderr
    assert re.search(r"^Alerts \(a bot\): ", said, re.M), "the request names it"
    assert re.search(r"^Alerts \(bot\), .*: #1 disk full on db1$", said, re.M)
    assert re.search(r"^Alerts \(bot\), .*: #1 load high on db1$", said, re.M), "a new program"
    assert re.search(r"^Alerts \(bot\), .*: #1 acknowledged by Amira: load high", said, re.M)
    assert re.search(r'"name":"Alerts","bot":true.*"text":"one two"', said)
    assert re.search(r'"name":"Amira","bot":false.*"text":"!echo one two"', said)
    assert re.search(r"^Alerts: member, a bot, active, vouched by Amira", said, re.M)
    assert "└─ Alerts  (member, a bot" in said
    assert "Alerts (a bot) is a member" in said
    assert f"listening on 127.0.0.1:{port}" in result.stderr


@pytest.mark.parametrize("unit", UNITS, ids=["agent", "bot"])
def test_the_units_are_in_order(tmp_path: Path, unit: str) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd here")
    for number, text in enumerate(UNITS):
        text = text.replace("%h/cloister/.venv/bin/python", sys.executable)
        text = text.replace("%h/cloister/cloister", sys.executable)
        name = re.search(r"user/(\S+)", text)
        assert name is not None, number
        (tmp_path / name.group(1)).write_text(text)
    named = re.search(r"user/(\S+)", unit)
    assert named is not None
    result = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(tmp_path / named.group(1))],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert named.group(1) not in result.stderr, result.stderr
