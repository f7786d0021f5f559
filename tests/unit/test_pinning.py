"""A pinned context demands the pinned certificate, whatever it answers to who asks it."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from cloister.pinning import pinned_context
from unit.device.relays import Identity, make_identity


def shake_hands(
    server: Identity, client: ssl.SSLContext, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> None:
    """Both sides in memory, until neither waits for the other."""
    context = server.server_context()
    context.minimum_version = context.maximum_version = version
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server),
        context.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(3):
        for side in tuple(sides):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            sides.remove(side)
    assert sides == []


def test_the_pinned_certificate_is_believed_and_no_other(tmp_path: Path) -> None:
    one, other = make_identity(tmp_path, "one"), make_identity(tmp_path, "other")
    shake_hands(one, pinned_context(one.certificate))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(other, pinned_context(one.certificate))


def test_nothing_is_authenticated_without_a_pin(tmp_path: Path) -> None:
    shake_hands(make_identity(tmp_path, "any"), pinned_context(None))


def test_what_is_demanded_cannot_be_taken_back(tmp_path: Path) -> None:
    context = pinned_context(make_identity(tmp_path, "one").certificate)
    with pytest.raises(AttributeError):
        context.verify_mode = ssl.CERT_NONE
    assert ssl.SSLContext.verify_mode.__get__(context) is ssl.CERT_REQUIRED  # type: ignore[attr-defined]


def test_tls_before_1_3_is_not_spoken(tmp_path: Path) -> None:
    context = pinned_context(make_identity(tmp_path, "one").certificate)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    with pytest.raises(ssl.SSLError):
        shake_hands(make_identity(tmp_path, "two"), pinned_context(None), ssl.TLSVersion.TLSv1_2)


def test_what_is_no_certificate_is_no_pin() -> None:
    for garbage in (b"", b"\x30\x03\x02\x01\x01"):
        with pytest.raises((ssl.SSLError, ValueError)):
            pinned_context(garbage)
