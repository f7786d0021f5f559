"""Small parts: rates, logging, settings, CONNECT lines, retention, the certificate."""

from __future__ import annotations

import io
import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from cloister.crypto.certificate import make_certificate, pem_of
from cloister.crypto.entropy import SystemEntropy
from cloister.errors import LocalError, UsageError
from cloister.relay.entry import parse_connect
from cloister.relay.logsafe import Cause, Count, Log, Word
from cloister.relay.ratelimit import Bucket
from cloister.relay.settings import (
    ListenSection,
    RelaySection,
    Settings,
    load_settings,
    write_settings,
)

SETTINGS = Settings(
    relay=RelaySection(
        role="home", name="h", jurisdiction="HK", operator='No "rth"\n', host="::1", port=1
    ),
    listen=ListenSection(host="::", health_port=2),
)


def test_a_bucket_gives_a_burst_then_one_per_interval() -> None:
    bucket = Bucket(burst=3, interval_s=10)
    for _ in range(3):
        assert bucket.wait_s(100.0) == 0
        bucket.take(100.0)
    assert bucket.wait_s(100.0) == 10
    assert bucket.wait_s(109.0) == 1
    assert bucket.wait_s(110.0) == 0
    bucket.take(110.0)
    assert bucket.wait_s(110.0) == 10
    assert bucket.wait_s(1000.0) == 0


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"CONNECT 192.0.2.1:443 HTTP/1.1", ("192.0.2.1", 443)),
        (b"CONNECT Home.Example:443 HTTP/1.1", ("home.example", 443)),
        (b"CONNECT [2001:db8::1]:443 HTTP/1.1", ("2001:db8::1", 443)),
        (b"CONNECT 2001:db8::1:443 HTTP/1.1", None),
        (b"CONNECT :443 HTTP/1.1", None),
        (b"CONNECT a: HTTP/1.1", None),
        (b"CONNECT a:4\xc2\xb23 HTTP/1.1", None),
        (b"CONNECT a:443 HTTP/2", None),
        (b"GET a:443 HTTP/1.1", None),
        (b"CONNECT  a:443 HTTP/1.1", None),
        (b"", None),
    ],
)
def test_connect_lines(line: bytes, expected: tuple[str, int] | None) -> None:
    assert parse_connect(line) == expected


def test_the_log_takes_registered_types_only() -> None:
    stream = io.StringIO()
    log = Log(lambda: 7, stream)
    log.info("expired", envelopes=Count(3), cause=Cause(ValueError("secret text")))
    assert json.loads(stream.getvalue()) == {
        "time": 7,
        "level": "info",
        "event": "expired",
        "envelopes": 3,
        "cause": "ValueError",
    }
    foreign: Any = "a text of somebody"
    values: tuple[Any, ...] = (foreign, 5, b"bytes", None)
    for value in values:
        with pytest.raises(LocalError):
            log.info("event", field=value)
    with pytest.raises(LocalError):
        Word("192.0.2.1")
    with pytest.raises(LocalError):
        log.info("event of 192.0.2.1")
    assert "secret" not in stream.getvalue()


def test_a_bug_is_logged_by_class_and_line_without_its_text() -> None:
    stream = io.StringIO()
    log = Log(lambda: 7, stream)
    try:
        raise ZeroDivisionError("canary")
    except ZeroDivisionError as error:
        log.bug("request-failed", error)
    line = json.loads(stream.getvalue())
    assert (line["cause"], line["level"]) == ("ZeroDivisionError", "error")
    assert line["line"] > 0
    assert "canary" not in stream.getvalue()


def test_settings_survive_the_file_and_the_environment_overrides(tmp_path: Path) -> None:
    path = tmp_path / "relay.toml"
    path.write_text(write_settings(SETTINGS), "utf-8")
    assert load_settings(path, {}) == SETTINGS
    changed = load_settings(
        path, {"CLOISTER__LISTEN__HOST": "0.0.0.0", "CLOISTER__RETENTION__DAYS": "7", "X": "y"}
    )
    assert (changed.listen.host, changed.retention.days) == ("0.0.0.0", 7)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLOISTER__RETENTION__DAYS", "31"),
        ("CLOISTER__RETENTION__DAYS", "x"),
        ("CLOISTER__RELAY__PORT", "70000"),
        ("CLOISTER__RELAY__ROLE", "both"),
        ("CLOISTER__LISTEN__HOTS", "x"),
    ],
)
def test_wrong_settings_are_usage_errors(tmp_path: Path, name: str, value: str) -> None:
    path = tmp_path / "relay.toml"
    path.write_text(write_settings(SETTINGS), "utf-8")
    with pytest.raises(UsageError):
        load_settings(path, {name: value})


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "home.example"])
def test_a_certificate_is_taken_by_the_tls_library(tmp_path: Path, host: str) -> None:
    certificate, key = make_certificate(host, 1_800_000_000, SystemEntropy())
    (tmp_path / "crt").write_bytes(pem_of(certificate))
    (tmp_path / "key").write_bytes(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=certificate)
    assert len(certificate) < 1024
