"""As much of MQTT 3.1.1 as a load needs: packets of a client at QoS 1.

Section numbers are of the OASIS standard of 29 October 2014.  No will, no user name, no QoS 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cloister.errors import RemoteError

CONNACK: Final = 0x20
PUBLISH: Final = 0x32
"""QoS 1, neither a duplicate nor retained."""
PUBACK: Final = 0x40
SUBACK: Final = 0x90
MAX_PACKET_ID: Final = 65_535
_CONNECT: Final = 0x10
_SUBSCRIBE: Final = 0x82
_LEVEL: Final = 4
_DUPLICATE: Final = 0x08
_MAX_PACKET_BYTES: Final = 64 * 1024


class MqttError(RemoteError):
    """The broker sent what the load did not ask for."""


def connect(client_id: str) -> bytes:
    """Open a session that outlives its connection (3.1): clean session off, no keep-alive."""
    return _packet(_CONNECT, _text("MQTT") + bytes([_LEVEL, 0, 0, 0]) + _text(client_id))


def subscribe(packet_id: int, topic: str) -> bytes:
    """Subscribe to one topic at QoS 1 (3.8)."""
    return _packet(_SUBSCRIBE, packet_id.to_bytes(2, "big") + _text(topic) + b"\x01")


def publish(packet_id: int, topic: str, payload: bytes) -> bytes:
    """Publish at QoS 1 (3.3)."""
    return _packet(PUBLISH, _text(topic) + packet_id.to_bytes(2, "big") + payload)


def puback(packet_id: bytes) -> bytes:
    """Acknowledge a publication (3.4)."""
    return bytes([PUBACK, 2]) + packet_id


def published(body: bytes) -> tuple[bytes, bytes]:
    """Take a publication at QoS 1 apart: packet id and payload.  Raises MqttError."""
    start = 2 + int.from_bytes(body[:2], "big")
    if len(body) < start + 2:
        raise MqttError("a publication that ends before its packet id")
    return body[start : start + 2], body[start + 2 :]


class Packets:
    """Takes what has come apart into packets, however it was cut."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the first byte and the body of every packet that is complete.

        Raises MqttError for a length of more than four bytes, or beyond 64 KiB."""
        data = self._rest + data if self._rest else data
        start = 0
        while (found := _length(data, start)) is not None:
            body, size = found
            if body + size > len(data):
                break
            yield data[start] & ~_DUPLICATE, data[body : body + size]
            start = body + size
        self._rest = data[start:]


def _length(data: bytes, start: int) -> tuple[int, int] | None:
    """Read the remaining length (2.2.3): where the body begins, and its size."""
    size = shift = 0
    for place in range(start + 1, min(start + 5, len(data))):
        size |= (data[place] & 0x7F) << shift
        shift += 7
        if data[place] < 0x80:
            if size > _MAX_PACKET_BYTES:
                raise MqttError(f"a packet of {size} bytes")
            return place + 1, size
    if len(data) - start >= 5:
        raise MqttError("a length of more than four bytes")
    return None


def _packet(first: int, body: bytes) -> bytes:
    length = bytearray()
    rest = len(body)
    while True:
        rest, low = divmod(rest, 128)
        length.append(low | (0x80 if rest else 0))
        if not rest:
            return bytes([first]) + bytes(length) + body


def _text(value: str) -> bytes:
    encoded = value.encode("utf-8")
    return len(encoded).to_bytes(2, "big") + encoded
