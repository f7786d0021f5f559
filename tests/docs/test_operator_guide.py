"""docs/guide/operator.md: its blocks run as they are printed, on relays of their own."""

from __future__ import annotations

import json
import os
import re
import socket

import pytest

from cloister import __version__
from docs.prepared_circle import PreparedCircle
from docs.shell_session import Guide, Shell, Telling, lines_with
from docs.stand_ins import AGE, StandIns

GUIDE = Guide("docs/guide/operator.md")
INSTALL = GUIDE.part("Install")
SERVICE = GUIDE.part(
    "Make a relay",
    "Peers",
    "Check",
    "Run",
    "Health and logs",
    "Alerts",
    "Sell seats",
    "If somebody demands data",
    "Backup",
    "Restore",
)
CODE = re.compile(r"(?:[0-9a-z]{6}-){3}[0-9a-z]{6}")
pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.nightly]


def test_an_installation(developer: Shell) -> None:
    """It makes an environment, so packages are fetched."""
    with INSTALL.told(developer) as telling:
        said = telling.block("git clone")
    assert said.out == f"cloister {__version__}\n"


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def test_a_relay_from_its_making_to_its_restore(shell: Shell, elsewhere: Shell) -> None:
    stand_ins = StandIns(shell)
    circle = PreparedCircle(elsewhere)
    # Addresses and places of the guide, and those that can be had here.
    shell.values |= {
        "203.0.113.7": "127.0.0.1",
        "198.51.100.9": "127.0.0.1",
        "/etc/systemd/system": str(shell.folder / "units"),
        "/srv/cloister": str(shell.folder),
        "/srv/figures": str(shell.folder / "figures"),
    }
    for name in ("units", "figures", "backups"):
        (shell.folder / name).mkdir()
    with SERVICE.told(shell) as telling:
        shell.values["8443"] = free_port()
        said = telling.block("./cloister relay init hk")
        card, code = said.out.splitlines()
        assert card == "hk/relay.card"
        assert CODE.fullmatch(code)
        shell.values["8443"] = free_port()
        telling.block("./cloister relay init pa")
        assert "gate.south" in (shell.folder / "pa/relay.toml").read_text()

        shell.type("cp hk/relay.card hk.card; cp pa/relay.card pa.card")
        telling.block("./cloister relay peer")
        assert len(list((shell.folder / "hk/peers").iterdir())) == 1
        said = telling.block("./cloister relay code")
        assert CODE.fullmatch(said.out.strip())
        said = telling.block("./cloister relay check")
        assert not lines_with(said.out, "wrong")
        assert json.loads(said.out.splitlines()[-1])["ok"]

        def drain() -> None:
            elsewhere.type("until ./cloister relay status hk > is; do sleep 0.1; done 2> not")
            telling.block("./cloister relay drain", shell=elsewhere)

        said = telling.block("./cloister relay run", meanwhile=drain)
        events = [json.loads(line)["event"] for line in said.err.splitlines()]
        assert "ready" in events
        assert events[-3:] == ["signal", "stopping", "stopped"]
        write_unit(shell, telling)
        circle.start("pa", "hk")
        said = telling.block("./cloister relay status hk")
        assert re.search(r"^ready +True$", said.out, re.M)
        assert re.search(r'^{"v":1,.*"ready":true', said.out, re.M)
        assert re.search(r"^cloister_relay_ready{.*} 1$", said.out, re.M)
        telling.block("./cloister relay status /srv")
        figures = (shell.folder / "figures/cloister-hk.prom").read_text()
        assert lines_with(figures, "cloister_relay_up{")

        said = telling.block("./cloister operator plan add")
        assert re.search(r"^team +1600.00 +EUR +6$", said.out, re.M)
        assert CODE.fullmatch(said.out.splitlines()[-1])
        # Its founder comes, and a second device.
        (shell.folder / "hk.code").write_text(said.out.splitlines()[-1])
        circle.found("Amira")
        circle.let_in("Jonas", "Amira")
        channel = circle.do("Amira", "conversation new Desk Jonas").out.strip()
        shown = shell.type('./cloister operator seats hk "North Clinic"').out
        handle, _ = re.findall(r"^  ([0-9a-f]{32})$", shown, re.M)
        shell.values["6f1c0d3b5a7e4c2f8b9d0e1f2a3b4c5d"] = handle
        said = telling.block("./cloister operator seats")
        assert re.findall(r"^bought +(\d+)$", said.out, re.M) == ["12", "15", "15"]
        assert re.findall(r"^used +(\d+)$", said.out, re.M) == ["2", "2", "1"]
        assert lines_with(said.out, "row 1: 19200.00 EUR of North Clinic")
        assert lines_with(said.out, "paid through 2027-08-31, counted from the end of the term")

        said = telling.block("./cloister operator report")
        assert said.out.splitlines()[0] == "none"
        (account,) = json.loads(said.out.splitlines()[1])["accounts"]
        assert (account["seats"], account["standing"]) == (15, "active")
        ledger = (shell.folder / "ledger.csv").read_text()
        assert "North Clinic,2026-09-01,19200.00,EUR,INV 7" in ledger

        shell.values["4b1c0d3b5a7e4c2f8b9d0e1f2a3b4c5d"] = channel
        said = telling.block("./cloister relay disclose hk")
        assert "What it cannot hand over" in said.out
        assert f'"handle":"{handle}"' in said.out
        assert channel in said.out
        assert not re.search("Amira|Jonas", said.out)

        stand_ins.add("age", AGE)
        telling.block("./cloister relay backup hk")
        assert not list((shell.folder / "backups").iterdir())
        elsewhere.type("./cloister relay drain hk")
        shell.type("mv hk lost")
        telling.block("age -d")
        assert stand_ins.calls("age") == ["-r age1...", "-d -i key.txt hk-2026-08-31.tar.age"]
        circle.start("hk")
        # Whose vault is open goes on; who was away has no share here any more.
        assert circle.do("Amira", "send Desk 'it is back' --wait").out == "sent\n"
        away = elsewhere.type("./cloister status || echo $?", who="Jonas")
        assert away.out.splitlines()[-1] == "7"


def write_unit(shell: Shell, telling: Telling) -> None:
    """A relay has a user of its own, and here everything may belong to root."""
    stand_ins = StandIns(shell)
    stand_ins.add("systemctl")
    shell.type("mkdir srv && cp -r hk srv")
    if os.geteuid() == 0:
        shell.type("chown -R nobody srv/hk")
    place = shell.folder / "srv"
    shell.values["/srv/cloister"] = str(place)
    telling.block("./cloister relay unit")
    shell.values["/srv/cloister"] = str(shell.folder)
    assert stand_ins.calls("systemctl") == ["daemon-reload", "enable --now cloister-hk"]
    unit = shell.folder / "units/cloister-hk.service"
    assert re.search(
        rf"^ExecStart=.* relay run {re.escape(str(place))}/hk$", unit.read_text(), re.M
    )
    assert lines_with(unit.read_text(), "ExecStartPre=")
