"""The owner's consent to an unlock, as a line of text that people hand to a steward.

    CLOISTER-CONSENT:<base64url of struct { DeviceConsent devices<V>; } without padding>

The line is no secret: it says that these devices may be unlocked until they are locked again, and
does nothing without a steward.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Final

from cloister.client.identity import identity_of
from cloister.client.naming import roster_in_force
from cloister.client.share_keys import owner_key
from cloister.client.state import State
from cloister.codec import OPAQUE, DecodeError, Struct, layout, vector
from cloister.errors import UsageError
from cloister.ids import DeviceId
from cloister.roster.fields import DEVICE_ID
from cloister.roster.orders import (
    MAX_TARGETS,
    UNLOCK_CONSENT_LABEL,
    CarriedConsent,
    UnlockConsent,
)
from cloister.roster.share import SHARE_RELAYS
from cloister.roster.state import DeviceRecord

PREFIX: Final = "CLOISTER-CONSENT:"
MAX_LINE: Final = 64 * 1024


@layout
class DeviceConsent(Struct):
    """``consents`` are encoded ``CarriedConsent``, in the order of the device's receipts."""

    did: DeviceId = DEVICE_ID
    consents: tuple[bytes, ...] = vector(OPAQUE, min_items=1, max_items=SHARE_RELAYS)


@layout
class ConsentLine(Struct):
    """What a line carries."""

    devices: tuple[DeviceConsent, ...] = vector(DeviceConsent, min_items=1, max_items=MAX_TARGETS)


def consent_line(state: State, records: Sequence[DeviceRecord]) -> str:
    """Sign the unlock of these devices of one's own, for the log as it stands."""
    roster = roster_in_force(state)
    secret = identity_of(state).owner_secret
    devices = []
    for record in records:
        consents = []
        for opened, target in zip(record.all_receipts, record.targets, strict=True):
            signed = UnlockConsent(
                circle_id=roster.circle_id, log_size=roster.size, target=target
            ).encode()
            signature = owner_key(secret, opened.receipt.bind).sign(UNLOCK_CONSENT_LABEL, signed)
            carried = CarriedConsent(log_size=roster.size, signature=signature)
            consents.append(carried.encode())
        devices.append(DeviceConsent(did=record.did, consents=tuple(consents)))
    encoded = base64.urlsafe_b64encode(ConsentLine(devices=tuple(devices)).encode())
    return PREFIX + encoded.decode().rstrip("=")


def consents_in(lines: Sequence[str], dids: Sequence[DeviceId]) -> tuple[bytes, ...]:
    """Return the consents of all these devices, in their order; none when there is no line.

    Raises ``UsageError`` for a line that is damaged, or that leaves a device out.
    """
    if not lines:
        return ()
    given: dict[DeviceId, tuple[bytes, ...]] = {}
    for line in lines:
        for device in _parse(line).devices:
            given[device.did] = device.consents
    missing = [did for did in dids if did not in given]
    if missing:
        raise UsageError(
            f"the consent does not name the device {missing[0].hex()[:8]}",
            hint="The owner runs `cloister unlock-device DEVICE --consent` anew.",
        )
    return tuple(consent for did in dids for consent in given[did])


def _parse(line: str) -> ConsentLine:
    text = "".join(line.split())
    body = text[len(PREFIX) :]
    try:
        if not text.startswith(PREFIX) or len(text) > MAX_LINE:
            raise DecodeError("no line of consent", 0)
        return ConsentLine.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (DecodeError, binascii.Error, ValueError):
        raise UsageError(
            "this is not a line of consent, or a part of it is missing",
            hint=f"It begins with {PREFIX}",
        ) from None
