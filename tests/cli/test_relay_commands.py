"""The relay commands as an operator types them."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner

from cloister.cli.relay import relay
from cloister.errors import CloisterError, UsageError
from cloister.relay.backup import copying
from cloister.roster.relay_card import RelayCard, RelayRole, check_relay_card


def init(folder: Path, role: str, *more: str) -> dict[str, object]:
    result = CliRunner().invoke(
        relay,
        [
            *("init", str(folder), "--role", role, "--host", "127.0.0.1"),
            *("--jurisdiction", "HK", "--operator", "North", "--json", *more),
        ],
    )
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout.splitlines()[-1]))


def test_init_makes_a_valid_card_and_one_code(tmp_path: Path) -> None:
    made = init(tmp_path / "home", "home")
    card = RelayCard.decode(Path(str(made["card"])).read_bytes())
    check_relay_card(card)
    assert card.roles == RelayRole.HOME
    assert card.port == made["port"] != 0
    assert card.jurisdiction == "HK"
    assert len(str(made["activation_code"]).replace("-", "")) == 24
    stored = [path.name for path in (tmp_path / "home" / "codes").iterdir()]
    assert len(stored) == 1
    assert str(made["activation_code"]) not in stored[0]


def test_an_entry_has_a_mirror_address_and_no_code(tmp_path: Path) -> None:
    made = init(tmp_path / "entry", "entry", "--port", "8443", "--name", "gate")
    card = RelayCard.decode(Path(str(made["card"])).read_bytes())
    assert (card.port, card.name, card.roles) == (8443, "gate", RelayRole.ENTRY)
    assert card.mirror_port
    assert "activation_code" not in made


def test_init_never_overwrites_keys(tmp_path: Path) -> None:
    init(tmp_path / "home", "home")
    result = CliRunner().invoke(
        relay,
        [
            *("init", str(tmp_path / "home"), "--role", "home", "--host", "127.0.0.1"),
            *("--jurisdiction", "HK", "--operator", "North"),
        ],
    )
    assert isinstance(result.exception, UsageError)
    assert "already" in str(result.exception)


@pytest.mark.parametrize(
    ("role", "host", "jurisdiction", "said"),
    [
        ("home", "127.0.0.1", "Hong Kong", "two letters, not 'Hong Kong'"),
        ("home", "127.0.0.1", "hk", "two letters, not 'hk'"),
        ("entry", "relay.example", "HK", "an address, not 'relay.example'"),
    ],
)
def test_what_cannot_stand_on_a_card_is_named_and_nothing_is_made(
    tmp_path: Path, role: str, host: str, jurisdiction: str, said: str
) -> None:
    result = CliRunner().invoke(
        relay,
        [
            *("init", str(tmp_path / "x"), "--role", role, "--host", host),
            *("--jurisdiction", jurisdiction, "--operator", "North"),
        ],
    )
    assert isinstance(result.exception, UsageError)
    assert said in str(result.exception)
    assert not (tmp_path / "x").exists()


def test_peers_are_added_by_card(tmp_path: Path) -> None:
    init(tmp_path / "home", "home")
    made = init(tmp_path / "entry", "entry")
    result = CliRunner().invoke(relay, ["peer", str(tmp_path / "home"), str(made["card"])])
    assert result.exit_code == 0
    assert result.stdout.strip() == made["name"]
    nonsense = tmp_path / "nonsense.card"
    nonsense.write_bytes(b"nonsense")
    refused = CliRunner().invoke(relay, ["peer", str(tmp_path / "home"), str(nonsense)])
    assert isinstance(refused.exception, UsageError)


def test_status_of_a_relay_that_is_not_running_says_so(tmp_path: Path) -> None:
    init(tmp_path / "home", "home")
    result = CliRunner().invoke(relay, ["status", str(tmp_path / "home")])
    assert isinstance(result.exception, CloisterError)
    assert result.exception.exit_code == 4


def test_codes_are_only_for_homes(tmp_path: Path) -> None:
    init(tmp_path / "home", "home")
    init(tmp_path / "entry", "entry")
    first = CliRunner().invoke(relay, ["code", str(tmp_path / "home")]).stdout.strip()
    second = CliRunner().invoke(relay, ["code", str(tmp_path / "home")]).stdout.strip()
    assert first
    assert first != second
    refused = CliRunner().invoke(relay, ["code", str(tmp_path / "entry")])
    assert isinstance(refused.exception, UsageError)


def test_check_prints_each_finding_and_ends_as_the_first_thing_wrong(tmp_path: Path) -> None:
    init(tmp_path / "home", "home")
    folder = str(tmp_path / "home")
    result = CliRunner().invoke(relay, ["check", folder, "--json"])
    assert result.exit_code == 0, result.output
    view = json.loads(result.stdout)
    assert view["v"] == 1
    assert view["ok"] is True
    assert {one["grade"] for one in view["findings"]} <= {"good", "doubtful"}
    (tmp_path / "home" / "keys" / "relay.key").chmod(0o644)
    result = CliRunner().invoke(relay, ["check", folder])
    assert result.exit_code == 1
    assert "wrong     rights" in result.stdout
    assert "do: take their rights away" in result.stdout
    result = CliRunner().invoke(relay, ["check", folder], env={"CLOISTER__RELAY__ROLE": "third"})
    assert result.exit_code == 2
    assert isinstance(CliRunner().invoke(relay, ["check", str(tmp_path)]).exception, CloisterError)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_backup_that_is_told_to_stop_leaves_no_copy_of_the_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """As a job of cron is, or one whose terminal is closed."""
    init(tmp_path / "home", "home")

    def digest_of(_path: Path) -> str:
        assert signal.getsignal(number) != signal.SIG_DFL, "these tests would end with it"
        os.kill(os.getpid(), number)
        return ""

    before = signal.signal(number, signal.SIG_DFL)
    monkeypatch.setattr(copying, "digest_of", digest_of)
    try:
        result = CliRunner().invoke(
            relay, ["backup", str(tmp_path / "home"), str(tmp_path / "place" / "backup")]
        )
        assert isinstance(result.exception, SystemExit), result.exception
        assert list((tmp_path / "place").iterdir()) == []
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)
