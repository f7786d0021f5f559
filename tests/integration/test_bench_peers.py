"""The bench of peers: with what is installed, under a load too small to be a measurement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cloister.bench.peer_servers import PEERS, Ejabberd, Mosquitto, PeerAbsent, PeerServer
from cloister.bench.peers import COLUMNS, Comparison, Row, measure_peer
from cloister.bench.relay import RelayBench

pytestmark = pytest.mark.process

TINY: dict[str, Any] = {"seconds": 0.2, "pairs": 2, "rate": 50.0, "devices": 4}


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("cloister.bench.peer_servers._PLACES", str(tmp_path))
    monkeypatch.setattr("cloister.bench.peer_servers._DEBIAN_ERL_LIBS", (tmp_path,))


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize("kind", PEERS)
def test_a_peer_that_is_absent_is_left_out_with_the_reason(
    kind: type[PeerServer], tmp_path: Path
) -> None:
    row = measure_peer(kind, tmp_path / "peer", **TINY)
    assert row.skipped == f"{kind.name} is not installed; install it with: apt install {kind.apt}"
    comparison = Comparison(50.0, 4, 2, (Row("Cloister home", "", cpu_us=10.0), row))
    assert f"{kind.name:18}  left out: {row.skipped}" in comparison.lines()
    assert not (tmp_path / "peer").exists()


def test_ratios_and_who_is_ahead() -> None:
    home = Row("Cloister home", "on disk", cpu_us=20.0, messages_per_s=1000, rss_kib=40.0)
    peer = Row("Peer", "nothing", cpu_us=30.0, messages_per_s=3000, rss_kib=15.0)
    comparison = Comparison(1000.0, 2000, 64, (home, peer))
    assert comparison.ratio(peer, "cpu_us") == 1.5
    assert comparison.ratio(peer, "p50_ms") is None
    assert [one for one in COLUMNS if comparison.is_ahead(peer, one)] == [
        "messages_per_s",
        "rss_kib",
    ]
    line = next(line for line in comparison.lines() if line.startswith("Peer"))
    assert line.split()[1:] == ["30", "(1.5)", "3000", "(3)*", "-", "-", "-", "15", "(0.38)*"]
    assert comparison.as_json()["rows"][1]["ratio_to_home"]["rss_kib"] == 0.375


def test_the_home_bears_the_load_and_is_measured(tmp_path: Path) -> None:
    # The kernel counts processor time in hundredths of a second: a shorter load may take none.
    bench = RelayBench(tmp_path, 5 * TINY["seconds"], TINY["pairs"])
    figures = bench.with_home("saturated", in_flight=4)
    assert figures["messages"] > 0
    assert figures["cpu_us_per_message"] > 0
    assert figures["messages_per_fsync"] > 0


@pytest.mark.parametrize("kind", [Mosquitto, Ejabberd])
def test_a_peer_that_is_installed_is_measured(kind: type[PeerServer], tmp_path: Path) -> None:
    try:
        kind(tmp_path / "peer").find()
    except PeerAbsent as absent:
        pytest.skip(f"{absent}; {absent.hint}")
    row = measure_peer(kind, tmp_path / "peer", modes=("saturated",), **TINY)
    assert row.skipped == ""
    assert row.cpu_us is not None
    assert row.messages_per_s is not None
    assert row.messages_per_s > 0
