"""Frames: one WebSocket binary message carries a MessagePack array of messages.

Several messages share a frame whenever they are ready together: at load this saves most of the
cost of TLS records and system calls.  Size is checked before decoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from cloister.errors import RemoteError
from cloister.limits import MAX_FRAME_BYTES, MAX_FRAME_MESSAGES
from cloister.wire.commands import AnyRequest
from cloister.wire.events import AnyEvent
from cloister.wire.mirror import AnyMirrorMessage

PROTOCOL_VERSION: Final = 1
SUBPROTOCOL: Final = f"cloister.v{PROTOCOL_VERSION}"
HOME_PATH: Final = "/home"
MIRROR_PATH: Final = "/mirror"

T = TypeVar("T")

_encoder: Final = msgspec.msgpack.Encoder()
_requests: Final = msgspec.msgpack.Decoder(list[AnyRequest])
_events: Final = msgspec.msgpack.Decoder(list[AnyEvent])
_mirror: Final = msgspec.msgpack.Decoder(list[AnyMirrorMessage])


class WireError(RemoteError):
    """The peer sent something that is no frame of this protocol."""


def encode_frame(messages: Sequence[msgspec.Struct]) -> bytes:
    """Encode up to ``MAX_FRAME_MESSAGES`` messages of one direction as one frame."""
    return _encoder.encode(messages)


def encode_message(message: msgspec.Struct) -> bytes:
    """Encode one message, to be put into several frames by :func:`join_messages`."""
    return _encoder.encode(message)


def join_messages(messages: Sequence[bytes]) -> bytes:
    """Make a frame of up to ``MAX_FRAME_MESSAGES`` encoded messages."""
    count = len(messages)
    # MessagePack: fixarray up to 15 items, array 16 above.
    head = bytes((0x90 | count,)) if count < 16 else b"\xdc" + count.to_bytes(2, "big")
    return head + b"".join(messages)


def decode_requests(frame: bytes | memoryview) -> list[AnyRequest]:
    """Decode a frame from a device.  Raises ``WireError``; any other exception is a bug."""
    return _decode(_requests, frame)


def decode_events(frame: bytes | memoryview) -> list[AnyEvent]:
    """Decode a frame from a home relay.  Raises ``WireError``; any other exception is a bug."""
    return _decode(_events, frame)


def decode_mirror(frame: bytes | memoryview) -> list[AnyMirrorMessage]:
    """Decode a frame between relays.  Raises ``WireError``; any other exception is a bug."""
    return _decode(_mirror, frame)


def _decode(decoder: msgspec.msgpack.Decoder[list[T]], frame: bytes | memoryview) -> list[T]:
    if len(frame) > MAX_FRAME_BYTES:
        raise WireError(f"a frame of {len(frame)} bytes is over the limit of {MAX_FRAME_BYTES}")
    try:
        messages = decoder.decode(frame)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # The library's text could quote the peer's bytes.
        raise WireError("a frame does not have the form of the protocol") from None
    if not 0 < len(messages) <= MAX_FRAME_MESSAGES:
        raise WireError(f"a frame carries {len(messages)} messages, not 1 to {MAX_FRAME_MESSAGES}")
    return messages
