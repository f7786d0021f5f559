"""The measurements run and count what they say; how long things take is not tested."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from cloister.bench import cover, fleet, fleet_device, mls, start, vault
from cloister.bench.mls_groups import ENTROPY, NOW, sparse_group
from cloister.bench.mls_primitives import count
from cloister.bench.paired_load import BenchFailed
from cloister.crypto.aead import Aead
from cloister.crypto.hpke import HpkeSuite
from cloister.crypto.kem import Kem
from cloister.crypto.signature import Ed25519Key
from cloister.errors import LocalError
from cloister.mls import suite
from cloister.wire import events

PAIR = sparse_group(2)


def test_the_primitives_of_a_text_are_counted() -> None:
    group = PAIR.committer
    _, group = group.encrypt(b"first", entropy=ENTROPY)
    calls = count(lambda: group.encrypt(b"text", entropy=ENTROPY))
    # Key, nonce and next secret of the chain; key and nonce of the sender data.
    assert calls.by_name() == {"sign": 1, "AEAD seal": 2, "expand": 5}


def test_the_primitives_of_a_commit_are_counted() -> None:
    """One node above the two: a key of it and one of the leaf, one ciphertext."""
    calls = count(lambda: PAIR.committer.commit(now=NOW, entropy=ENTROPY)).by_name()
    assert calls["sign"] == 2
    assert calls["HPKE seal"] == 1
    assert calls["KEM derive"] == calls["KEM key pair"] == 2
    assert "verify" not in calls


def test_counting_leaves_nothing_behind() -> None:
    chosen = PAIR.committer.suite

    def primitives() -> list[object]:
        in_the_engine = [getattr(suite, one) for one in ("digest", "mac", "hkdf_expand")]
        return [HpkeSuite.seal, Kem.parse_public, Aead.seal, Ed25519Key.sign_raw, *in_the_engine]

    def broken() -> None:
        chosen.hash(b"x")
        assert primitives() != before
        raise ZeroDivisionError

    before = primitives()
    with pytest.raises(ZeroDivisionError):
        count(broken)
    assert primitives() == before
    assert count(lambda: chosen.hash(b"x")).by_name() == {"hash": 1}


def test_every_operation_has_its_floor_and_the_goals_are_marked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    mls.run((2,), json=True, seconds=0)
    report = json.loads(capsys.readouterr().out)
    found = {one["operation"]: one for one in report["operations"]}
    assert {name for name, _ in mls.GOALS_MS} <= set(found)
    assert found["join"]["goal_ms"] is None
    assert found["encrypt"]["goal_ms"] == 0.1
    assert isinstance(found["encrypt"]["is_met"], bool)
    for name, one in found.items():
        assert bool(one["calls"]) == (not name.startswith("store"))
        assert (one["floor_ms"] > 0) == bool(one["calls"])
        assert one["ms"] > 0
    [sizes] = report["sizes"]
    assert 0 < sizes["change_bytes"] < sizes["ratchet_records_bytes"]
    mls.run((2,), seconds=0)
    table = capsys.readouterr().out
    assert all(f"\n{name} " in table for name in found)


def test_what_a_text_writes_is_measured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault, "TEXTS", 2)
    vault.run((3,), json=True)
    report = json.loads(capsys.readouterr().out)
    assert [one["senders"] for one in report["results"]] == [0, 1]
    assert all(one["is_met"] for one in report["results"])
    # Its envelope, one KiB, is in what is written when it is sent.
    assert all(one["steps"]["send"]["row_bytes"] > 1024 for one in report["results"])
    vault.run((3,))
    assert capsys.readouterr().out.count(" met") == 2


def test_what_cover_costs_is_measured_and_multiplied(capsys: pytest.CaptureFixture[str]) -> None:
    cover.run((2,), hours=0.5, json=True)
    report = json.loads(capsys.readouterr().out)
    [price] = report["prices"]
    assert price["counted"] > 0
    # The envelope goes up once, and down to its sender and to the other device.
    assert 1024 < price["up_bytes"] < 2048 < price["down_bytes"] < 3072
    assert report["stored_bytes"] > 1024
    days = {one["per_day"]: one for one in report["days"]}
    assert set(days) == set(cover.RATES)
    assert (days[48]["relay_puts"], days[48]["device_received"]) == (96, 48)
    cover.run((2,), hours=0.5)
    assert "relay puts" in capsys.readouterr().out


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="the fleet needs Linux")
def test_a_small_fleet_gets_every_message_once_and_comes_back(tmp_path: Path) -> None:
    """Real processes of every kind; what it would find lost, doubled or out of order ends it."""
    bench = fleet.FleetBench(tmp_path, 24, 2)
    with bench.running() as load:
        processes = [*bench.fronts.pids, *bench.tunnels.pids, *bench.clients.pids]
        assert len(processes) == 6
        assert sum(one["connected"] for one in load.ask("connect", seconds=30)) == 24
        served = bench.at_rate(load, 100, 0.5, bench.idle(0.1))
        assert served.accepted_per_s > 0
        assert 0 < served.p50_ms <= served.p99_ms
        back = bench.cut_and_return(load)
        assert back.share_back == 1
        assert back.attempts_per_device >= 1
        assert sum(one["seen"] for one in load.ask("settle")) >= 2 * 40
    assert not any(Path(f"/proc/{number}").exists() for number in processes)


def test_a_device_of_the_fleet_does_not_take_a_message_twice_or_early() -> None:
    device = fleet_device.FleetDevice(None, 1, b"c" * 16)  # type: ignore[arg-type]
    for n in (1, 0):
        item = events.Item(b"c" * 16, n, 0, (n + 1).to_bytes(16, "big"), b"")
        with pytest.raises(BenchFailed):
            device.take(None, item)  # type: ignore[arg-type]


@pytest.mark.process
def test_each_program_is_started_and_what_it_took_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = {name: start.PROGRAMS[name] for name in ("Python alone", "cloister --help")}
    monkeypatch.setattr(start, "PROGRAMS", few)
    python, command = start.run(json=True, rounds=1)
    told = json.loads(capsys.readouterr().out)
    assert [one["program"] for one in told["starts"]] == list(few)
    assert 0 < python.cpu_s < command.cpu_s
    start.run(rounds=1)
    assert "cloister --help" in capsys.readouterr().out


@pytest.mark.process
def test_a_program_that_does_not_start_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "PROGRAMS", {"broken": ("-c", "import nothing_of_this_name")})
    with pytest.raises(LocalError, match="broken did not start"):
        start.run(rounds=1)
