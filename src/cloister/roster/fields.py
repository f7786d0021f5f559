"""Field kinds for identifiers, so that a decoded member id is a MemberId and nothing else.

Like ``cloister.codec.TEXT`` these stand in a layout as they are, without a call.
"""

from __future__ import annotations

from typing import Final, cast

from cloister.codec import fixed
from cloister.ids import (
    LONG_ID_BYTES,
    SHORT_ID_BYTES,
    BoxId,
    ChannelId,
    CircleId,
    DeviceId,
    Handle,
    InboxId,
    InviteId,
    MemberId,
    RelayId,
)

CIRCLE_ID: Final = cast(CircleId, fixed(LONG_ID_BYTES))
DEVICE_ID: Final = cast(DeviceId, fixed(LONG_ID_BYTES))
INVITE_ID: Final = cast(InviteId, fixed(LONG_ID_BYTES))
RELAY_ID: Final = cast(RelayId, fixed(LONG_ID_BYTES))
MEMBER_ID: Final = cast(MemberId, fixed(SHORT_ID_BYTES))
CHANNEL_ID: Final = cast(ChannelId, fixed(SHORT_ID_BYTES))
INBOX_ID: Final = cast(InboxId, fixed(SHORT_ID_BYTES))
BOX_ID: Final = cast(BoxId, fixed(SHORT_ID_BYTES))
HANDLE: Final = cast(Handle, fixed(SHORT_ID_BYTES))

ED25519_PUBLIC_BYTES: Final = 32
ED25519_SIGNATURE_BYTES: Final = 64
HASH_BYTES: Final = 32
HPKE_PUBLIC_BYTES: Final = 1216
LOG_KEY_BYTES: Final = 32
