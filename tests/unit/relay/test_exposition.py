"""Figures for Prometheus: every count of a relay, in the form that collectors read."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from cloister.cli.relay import relay
from cloister.errors import NetworkError, UsageError
from cloister.relay import app, health
from cloister.relay.exposition import ALL, FROM_FOLDER, FROM_STATUS, exposition
from cloister.relay.gate import Gate
from cloister.relay.home import Home
from cloister.relay.metrics import Metrics
from cloister.relay.shares.keeper import ShareKeeper

# The text form, as its specification has it; values here are whole numbers.
LINE = re.compile(r'[a-z_]+\{[a-z]+="(?:[^"\\\n]|\\.)*"(?:,[a-z]+="(?:[^"\\\n]|\\.)*")*\} \d+')
STATUS = {"v": 1, "version": "0.1.0", "role": "home", "ready": True, "uptime_s": 7, "circles": 2}


def test_every_count_of_status_is_a_figure() -> None:
    asked = (Home.counts, Gate.counts, ShareKeeper.counts, app._App._status)
    named = re.findall(r'"(\w+)":', "".join(inspect.getsource(one) for one in asked))
    counts = {*named, *Metrics().as_counts()}
    assert set(FROM_STATUS) == counts - {"v", "version", "role"}


def test_names_are_of_one_kind_each() -> None:
    assert len({figure.name for figure in ALL}) == len(ALL)
    for figure in ALL:
        assert re.fullmatch(r"cloister_relay_[a-z_]+", figure.name)
        assert figure.name.endswith("_total") == (figure.kind == "counter")


def test_the_text_has_help_type_and_value_of_each() -> None:
    text = exposition("hk", STATUS, {"disk_free": 5})
    assert "# TYPE cloister_relay_circles gauge" in text
    assert 'cloister_relay_circles{relay="hk"} 2' in text
    assert 'cloister_relay_ready{relay="hk"} 1' in text
    assert 'cloister_relay_info{relay="hk",version="0.1.0",role="home"} 1' in text
    assert 'cloister_relay_disk_free_bytes{relay="hk"} 5' in text
    for line in text.splitlines():
        assert line.startswith("# ") or LINE.fullmatch(line), line
    assert text.endswith("\n")


def test_a_name_cannot_end_its_label() -> None:
    text = exposition('a"} 1\n\\', None, {})
    assert text.splitlines()[-1] == 'cloister_relay_up{relay="a\\"} 1\\n\\\\"} 0'


@pytest.fixture
def folder(tmp_path: Path) -> str:
    arguments = ["init", str(tmp_path / "hk"), "--role", "home", "--host", "127.0.0.1"]
    more = ["--jurisdiction", "HK", "--operator", "North", "--name", "north"]
    assert CliRunner().invoke(relay, [*arguments, *more]).exit_code == 0
    return str(tmp_path / "hk")


def test_a_silent_relay_is_down_and_its_disk_is_still_told(folder: str) -> None:
    result = CliRunner().invoke(relay, ["status", folder, "--prometheus"])
    assert isinstance(result.exception, NetworkError)
    assert 'cloister_relay_up{relay="north"} 0' in result.stdout
    for figure in FROM_FOLDER.values():
        assert f"\n{figure.name}{{" in result.stdout
    assert "cloister_relay_circles" not in result.stdout


def test_a_running_relay_is_up(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "ask_status", lambda port: STATUS)
    result = CliRunner().invoke(relay, ["status", folder, "--prometheus"])
    assert result.exit_code == 0
    assert 'cloister_relay_up{relay="north"} 1' in result.stdout
    assert 'cloister_relay_circles{relay="north"} 2' in result.stdout


def test_one_form_at_a_time(folder: str) -> None:
    result = CliRunner().invoke(relay, ["status", folder, "--prometheus", "--json"])
    assert isinstance(result.exception, UsageError)
