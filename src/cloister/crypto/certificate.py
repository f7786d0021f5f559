"""The self-signed certificate of a relay: no authority, its only meaning is to be pinned."""

from __future__ import annotations

import datetime
import ipaddress
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cloister.crypto.entropy import Entropy

_VALIDITY: Final = datetime.timedelta(days=20 * 365)
"""A pinned certificate is replaced by a new relay card, not by running out."""
_BACKDATED: Final = datetime.timedelta(days=2)
"""Devices' clocks may be behind."""


def make_certificate(host: str, now: int, entropy: Entropy) -> tuple[bytes, bytes]:
    """Make a certificate for ``host``, an address or a name.

    Returns the certificate (DER) and its private key (PKCS #8, PEM; secret).  Ed25519: OpenSSL
    takes it in TLS 1.3 without more ado, and its signatures need no randomness.
    """
    key = Ed25519PrivateKey.from_private_bytes(entropy.random(32))
    public = key.public_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay")])
    begins = datetime.datetime.fromtimestamp(now, datetime.UTC) - _BACKDATED
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(int.from_bytes(entropy.random(16), "big") >> 1 | 1)
        .not_valid_before(begins)
        .not_valid_after(begins + _VALIDITY)
        .add_extension(x509.SubjectAlternativeName([_general_name(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, None)
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.DER), pem


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def pem_of(certificate: bytes) -> bytes:
    """Return a certificate (DER) in the form that TLS libraries load from a file."""
    return x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)


def validity_of(certificate: bytes) -> tuple[int, int]:
    """Return from when to when (s) a certificate (DER) is valid. Raises ValueError."""
    read = x509.load_der_x509_certificate(certificate)
    return int(read.not_valid_before_utc.timestamp()), int(read.not_valid_after_utc.timestamp())
