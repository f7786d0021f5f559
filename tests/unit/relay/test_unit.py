"""The systemd unit of a relay: complete, hardened, and one that systemd itself takes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cloister.cli.relay import relay
from cloister.errors import UsageError
from cloister.relay.settings import LimitsSection, ListenSection, RelaySection, Role, Settings
from cloister.relay.unit import Program, unit_name, unit_text

ANALYZE = shutil.which("systemd-analyze")
MOST_EXPOSED = 1.9
"""Of ten, as `systemd-analyze security` counts; "OK" in its words."""
PROGRAM = Program((sys.executable, "-P", "-m", "cloister"), (Path("/opt/cloister"),))


def settings_of(role: Role, port: int = 8443) -> Settings:
    return Settings(
        relay=RelaySection(
            role=role, name="n", jurisdiction="HK", operator="North", host="127.0.0.1", port=port,
            mirror_port=8444 if role == "entry" else 0, unlock_port=8445 if role == "entry" else 0,
        ),
        listen=ListenSection(host="127.0.0.1", health_port=8446),
        limits=LimitsSection(max_connections=1000),
    )  # fmt: skip


def made(
    folder: str = "/srv/hk", role: Role = "home", port: int = 8443, peers: list[str] | None = None
) -> str:
    return unit_text(Path(folder), settings_of(role, port), PROGRAM, "relay", peers)


def values(text: str, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", text, re.M)


def test_it_checks_then_runs_this_folder_with_this_program() -> None:
    text = made()
    start = f"{sys.executable} -P -m cloister relay"
    assert values(text, "ExecStartPre") == [f"{start} check /srv/hk"]
    assert values(text, "ExecStart") == [f"{start} run /srv/hk"]
    assert values(text, "User") == ["relay"]
    assert values(text, "ReadWritePaths") == ["/srv/hk"]
    assert unit_name(Path("/srv/hk")) in text


@pytest.mark.parametrize(("role", "each"), [("home", 1), ("entry", 2)])
def test_there_are_open_files_for_every_connection(role: Role, each: int) -> None:
    assert int(values(made(role=role), "LimitNOFILE")[0]) > each * 1000


@pytest.mark.parametrize(
    ("folder", "home", "tmp"),
    [
        ("/srv/hk", "yes", "yes"),
        ("/home/north/hk", "read-only", "yes"),
        ("/tmp/hk", "yes", "no"),
    ],
)
def test_the_folder_stays_in_sight(folder: str, home: str, tmp: str) -> None:
    text = made(folder)
    assert (values(text, "ProtectHome"), values(text, "PrivateTmp")) == ([home], [tmp])


def test_a_low_port_takes_one_right_and_no_other() -> None:
    assert values(made(), "CapabilityBoundingSet") == [""]
    assert values(made(port=443), "CapabilityBoundingSet") == ["CAP_NET_BIND_SERVICE"]
    # A capability inside a user namespace is none for a port of the machine.
    assert values(made(port=443), "PrivateUsers") == []


def test_peers_alone_may_be_spoken_with() -> None:
    assert values(made(), "IPAddressDeny") == []
    text = made(peers=["198.51.100.9"])
    assert values(text, "IPAddressDeny") == ["any"]
    assert values(text, "IPAddressAllow") == ["localhost 198.51.100.9"]


def test_a_path_is_written_so_that_systemd_reads_it_as_it_is() -> None:
    text = made('/srv/a "b" 100% $HOME \\')
    assert values(text, "ReadWritePaths") == ['"/srv/a \\"b\\" 100%% $$HOME \\\\"']
    with pytest.raises(UsageError):
        made("/srv/a\nUser=root")


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
class TestSystemdItself:
    @pytest.mark.parametrize("folder", ["/srv/hk", "/srv/a b 100%"])
    @pytest.mark.parametrize("role", ["home", "entry"])
    @pytest.mark.parametrize("port", [443, 8443])
    def test_it_takes_every_line(self, tmp_path: Path, folder: str, role: Role, port: int) -> None:
        path = tmp_path / unit_name(Path(folder))
        text = unit_text(Path(folder), settings_of(role, port), PROGRAM, "root", ["198.51.100.9"])
        path.write_text(text, "utf-8")
        said = analyze("verify", str(path))
        # It reads the machine's other units too; what it says of those is none of ours.
        assert path.name not in said.stdout + said.stderr

    @pytest.mark.parametrize("role", ["home", "entry"])
    @pytest.mark.parametrize("port", [443, 8443])
    def test_little_is_left_exposed(self, tmp_path: Path, role: Role, port: int) -> None:
        path = tmp_path / "cloister-hk.service"
        path.write_text(made(role=role, port=port), "utf-8")
        said = analyze("security", "--offline=yes", str(path))
        exposure = re.search(r"exposure level for \S+: ([\d.]+)", said.stdout)
        if exposure is None:
            pytest.skip("this systemd-analyze cannot look at a file offline")
        assert float(exposure.group(1)) <= MOST_EXPOSED


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ANALYZE), *arguments, "--no-pager"], capture_output=True, text=True, check=False
    )


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    for name, role in (("hk", "home"), ("pa", "entry")):
        arguments = ["init", str(tmp_path / name), "--role", role, "--host", "127.0.0.1"]
        result = CliRunner().invoke(relay, [*arguments, "--jurisdiction", "HK", "--operator", "N"])
        assert result.exit_code == 0
    CliRunner().invoke(relay, ["peer", str(tmp_path / "hk"), str(tmp_path / "pa/relay.card")])
    return tmp_path


def test_the_command_prints_the_unit_of_a_folder(pair: Path) -> None:
    arguments = ["unit", str(pair / "hk"), "--user", "relay", "--peers-only"]
    result = CliRunner().invoke(relay, arguments, env={"CLOISTER__LISTEN__HEALTH_PORT": "1"})
    assert result.exit_code == 0
    assert values(result.stdout, "IPAddressAllow") == ["localhost 127.0.0.1"]
    assert values(result.stdout, "AmbientCapabilities") == [""]  # the shell's setting is not there
    view = json.loads(CliRunner().invoke(relay, [*arguments, "--json"]).stdout)
    assert view["name"] == "cloister-hk.service"
    assert view["unit"] == result.stdout


@pytest.mark.parametrize(
    "arguments", [["pa", "--user", "relay", "--peers-only"], ["hk", "--user", "a\nExecStart=x"]]
)
def test_what_makes_no_unit_is_refused(pair: Path, arguments: list[str]) -> None:
    name, *options = arguments
    result = CliRunner().invoke(relay, ["unit", str(pair / name), *options])
    assert isinstance(result.exception, UsageError)
