"""`python -m cloister.mls`: two clients with nothing but files between them."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from cloister.mls.__main__ import main
from cloister.mls.message import MLSMessage
from unit.mls.members import (
    CLASSICAL,
    ENTROPY,
    NOW,
    add,
    founder,
    join,
    package,
    update,
    welcome_of,
)


def run(*arguments: object) -> None:
    assert main([str(one) for one in arguments]) == 0


@pytest.mark.parametrize("suite", ["0xF002", "1"])
@pytest.mark.parametrize("tree_outside", [False, True])
def test_two_clients_talk_through_files(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    suite: str,
    tree_outside: bool,
) -> None:
    alice, bob = tmp_path / "alice.state", tmp_path / "bob.state"
    tree = ["--tree", tmp_path / "tree"] if tree_outside else []
    run("create", "--identity", "alice", "--group-id", "c0ffee", "--suite", suite, "--state", alice)
    run(
        *("key-package", "--identity", "bob", "--suite", suite),
        *("--secrets", tmp_path / "bob.secrets", "--out", tmp_path / "bob.kp"),
    )
    run(
        *("commit", "--state", alice, "--add", tmp_path / "bob.kp"),
        *("--out", tmp_path / "commit", "--welcome", tmp_path / "welcome", *tree),
    )
    run(
        *("join", "--secrets", tmp_path / "bob.secrets", "--welcome", tmp_path / "welcome"),
        *("--state", bob, *tree),
    )
    assert not (tmp_path / "bob.secrets").exists()
    assert bob.stat().st_mode & 0o777 == 0o600
    capsys.readouterr()
    run("show", "--state", alice)
    shown = capsys.readouterr().out.replace(" (this client)", "")
    run("show", "--state", bob)
    assert capsys.readouterr().out.replace(" (this client)", "") == shown
    assert "member 1: b'bob'" in shown

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"hello bob")))
    run("encrypt", "--state", alice, "--out", tmp_path / "text")
    run("process", "--state", bob, tmp_path / "text")
    assert capsys.readouterr().out == "text: from 0: b'hello bob'\n"
    assert main(["process", "--state", str(bob), str(tmp_path / "text")]) == 1
    assert "refused: key of generation 0 is gone" in capsys.readouterr().err

    exports = []
    for state in (alice, bob):
        run("export", "--state", state, "--label", "test", "--context", "00ff", "--length", 20)
        exports.append(capsys.readouterr().out)
    assert exports[0] == exports[1]
    assert len(bytes.fromhex(exports[0])) == 20

    run("commit", "--state", bob, "--out", tmp_path / "update")
    run("commit", "--state", alice, "--remove", 1, "--out", tmp_path / "lost race")
    assert main(["process", "--state", str(alice), str(tmp_path / "update")]) == 1


def test_removal_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secrets = package("removed")
    staged = add(founder(), secrets)
    (tmp_path / "state").write_bytes(join(staged, secrets).encode())
    removal = staged.next.commit(removes=[1], now=NOW, entropy=ENTROPY)
    (tmp_path / "removal").write_bytes(removal.message)
    run("process", "--state", tmp_path / "state", tmp_path / "removal")
    assert capsys.readouterr().out == "removal: removed from the group\n"


def test_missing_files_and_bad_arguments_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", "--state", str(tmp_path / "absent")]) == 1
    assert "No such file" in capsys.readouterr().err
    (tmp_path / "bad").write_bytes(b"not a state")
    assert main(["show", "--state", str(tmp_path / "bad")]) == 1
    assert "refused" in capsys.readouterr().err


def passive_case(suite: int = CLASSICAL) -> dict[str, Any]:
    secrets = package("passive", suite)
    staged = add(founder(suite), secrets, tree_in_welcome=False)
    later = update(staged.next)
    return {
        "cipher_suite": suite,
        "external_psks": [],
        "key_package": MLSMessage(body=secrets.parsed()).encode().hex(),
        "signature_priv": secrets.signature_key.expose().hex(),
        "encryption_priv": secrets.encryption_key.expose().hex(),
        "init_priv": secrets.init_key.expose().hex(),
        "welcome": welcome_of(staged).hex(),
        "ratchet_tree": staged.ratchet_tree.hex(),
        "initial_epoch_authenticator": staged.next.epoch_authenticator.hex(),
        "epochs": [
            {
                "proposals": [],
                "commit": later.message.hex(),
                "epoch_authenticator": later.next.epoch_authenticator.hex(),
            }
        ],
    }


def test_passive_reports_each_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, product = passive_case(), passive_case(0xF002)
    bare = {**good, "key_package": good["key_package"][8:]}
    unknown = {**good, "cipher_suite": 0x0A0A}
    file = tmp_path / "cases.json"
    file.write_text(json.dumps([good, product, bare, unknown]))
    run("passive", file)
    assert capsys.readouterr().out.splitlines() == [
        "case 0: ok, suite 0x0001, 1 epochs",
        "case 1: ok, suite 0xf002, 1 epochs",
        "case 2: ok, suite 0x0001, 1 epochs",
        "case 3: unsupported, suite 0x0a0a, 0 epochs (cipher suite 0x0a0a is not supported)",
        "cases.json: 4 cases: 3 ok, 0 failed, 1 unsupported",
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"initial_epoch_authenticator": "00" * 32},
        {"signature_priv": "11" * 32},
        {"encryption_priv": "11" * 32},
        {"init_priv": "11" * 32},
        {"welcome": "00"},
        {"welcome": "not hexadecimal"},
        {"ratchet_tree": None},
        {"epochs": [{"proposals": [], "commit": "00", "epoch_authenticator": ""}]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_passive_fails_where_something_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any]
) -> None:
    file = tmp_path / "cases.json"
    file.write_text(json.dumps([passive_case() | change, passive_case()]))
    assert main(["passive", "--json", str(file)]) == 1
    output = capsys.readouterr()
    first, second = (json.loads(line) for line in output.out.splitlines())
    assert (first["verdict"], second["verdict"]) == ("failed", "passed")
    assert first["reason"]
    assert "2 cases: 1 ok, 1 failed, 0 unsupported" in output.err


@pytest.mark.parametrize("content", [b"", b"{}", b"[{}]", b"\xff", b"[1]"])
def test_passive_refuses_what_is_no_file_of_cases(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    file = tmp_path / "cases.json"
    file.write_bytes(content)
    assert main(["passive", str(file)]) == 1
    assert "refused" in capsys.readouterr().err


@pytest.mark.parametrize("lifetimes", [["--ignore-lifetimes"], []], ids=["ignored", "checked"])
def test_client_made_elsewhere_joins_with_its_private_keys(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    lifetimes: list[str],
) -> None:
    monkeypatch.setattr("cloister.mls.__main__._now", lambda: 0)
    case = passive_case()
    for name in ("key_package", "welcome", "ratchet_tree"):
        (tmp_path / name).write_bytes(bytes.fromhex(case[name]))
    (tmp_path / "commit").write_bytes(bytes.fromhex(case["epochs"][0]["commit"]))
    state = ["--state", tmp_path / "state"]
    arguments = [
        *("join", "--key-package", tmp_path / "key_package", "--welcome", tmp_path / "welcome"),
        *("--tree", tmp_path / "ratchet_tree", "--init-priv", case["init_priv"]),
        *("--encryption-priv", case["encryption_priv"]),
        *("--signature-priv", case["signature_priv"], *state, *lifetimes),
    ]
    if not lifetimes:
        assert main([str(one) for one in arguments]) == 1
        assert "LIFETIME" in capsys.readouterr().err
        return
    run(*arguments)
    assert f"epoch authenticator {case['initial_epoch_authenticator']}" in capsys.readouterr().out
    run("process", *state, *lifetimes, tmp_path / "commit")
    run("show", *state)
    assert case["epochs"][0]["epoch_authenticator"] in capsys.readouterr().out


def test_join_needs_secrets_of_one_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--welcome", str(tmp_path / "w"), "--state", str(tmp_path / "s")]
    assert main(["join", *common]) == 1
    assert "either --secrets" in capsys.readouterr().err
