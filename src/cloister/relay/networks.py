"""Whom an address counts as, where people are told apart by theirs."""

from __future__ import annotations

import socket
from typing import Final

_NETWORK_BYTES: Final = 8
"""Of 16: a /64 is the least that a provider gives to one customer, who takes any address in it."""


def network_of(host: str) -> str:
    """Return the address itself, or of IPv6 the first of its /64; what is none is returned as it
    is."""
    if ":" not in host:
        return host
    try:
        packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    except OSError:
        return host
    network = packed[:_NETWORK_BYTES] + bytes(len(packed) - _NETWORK_BYTES)
    return socket.inet_ntop(socket.AF_INET6, network)
