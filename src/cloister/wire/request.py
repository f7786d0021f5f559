"""What requests are made of: their base, and the lengths and ranges of their fields."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from cloister.ids import LONG_ID_BYTES, SHORT_ID_BYTES
from cloister.limits import (
    MAX_BOX_ITEM_BYTES,
    MAX_ENTRY_BYTES,
    MAX_KEY_PACKAGE_BYTES,
    MAX_PARTS,
    PART_BYTES,
)

_LONG = msgspec.Meta(min_length=LONG_ID_BYTES, max_length=LONG_ID_BYTES)

Uint = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A count, an index or a time; what a database column holds."""
ShortId = Annotated[bytes, msgspec.Meta(min_length=SHORT_ID_BYTES, max_length=SHORT_ID_BYTES)]
Key = Annotated[bytes, _LONG]
Hash = Annotated[bytes, _LONG]
OptionalHash = Annotated[bytes, msgspec.Meta(max_length=LONG_ID_BYTES)]
"""A hash of 32 bytes, or empty."""
Signature = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]
Kind = Annotated[int, msgspec.Meta(ge=1, le=3)]
"""A value of ``auth.ObjectKind``."""
Index = Annotated[int, msgspec.Meta(ge=0, lt=MAX_PARTS)]
Envelope = Annotated[bytes, msgspec.Meta(max_length=PART_BYTES)]
Part = Annotated[bytes, msgspec.Meta(min_length=1, max_length=PART_BYTES)]
Entry = Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_ENTRY_BYTES)]
BoxItem = Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_BOX_ITEM_BYTES)]
Origin = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
MAX_CODE_BYTES: Final = 64
Code = Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_CODE_BYTES)]
MAX_ORDER_BYTES: Final = 16 * 1024
MAX_HYBRID_SIGNATURE_BYTES: Final = 4096
"""Ed25519 and ML-DSA-44 with their lengths are 2,488 bytes."""
MAX_NOTE_BYTES: Final = 64 * 1024
MAX_ADOPTED_INBOXES: Final = 4096
"""Devices of a circle that have not gone for good; each group has at most 1,000 of them."""
Package = Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_KEY_PACKAGE_BYTES)]


class Request(
    msgspec.Struct,
    frozen=True,
    array_like=True,
    forbid_unknown_fields=True,
    tag_field="t",
    gc=False,
):
    """Base of all requests.  The collector of garbage need not look at them: they hold numbers,
    bytes, and rows of such, and never each other.  A device may send 256 in a frame."""

    rid: Uint
