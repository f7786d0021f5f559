"""What the core knows of this device's shares, in the form that the key file needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

import msgspec

from cloister.client.identity import identity_of
from cloister.client.routing import relay_set_of, unlock_route
from cloister.client.seam import ClientCore
from cloister.client.share_keys import confirm_key, owner_key, unlock_seed
from cloister.crypto.signature import Ed25519Key
from cloister.device.vault.key_file import ShareReference, UnlockRoute
from cloister.roster.share import ShareReceipt

if TYPE_CHECKING:
    from cloister.client.core import Core

FIRST_GENERATION: Final = 1
"""What a relay makes when a device enrols."""


class EnrolledShare(msgspec.Struct, frozen=True):
    """A share that a relay has given a receipt for."""

    reference: ShareReference
    """In the generation it was enrolled with; the key file knows which is in force."""
    receipt: ShareReceipt
    confirm_key: Ed25519Key
    owner_key: Ed25519Key


SharesOf = Callable[[ClientCore], tuple[EnrolledShare, ...]]


def shares_of(core: ClientCore) -> tuple[EnrolledShare, ...]:
    """Return the shares in the order of the relay set; nothing before all are enrolled."""
    if not core.enrolled_shares:
        return ()
    own = cast("Core", core)
    relay_set = relay_set_of(own.state)
    if relay_set is None:
        return ()
    identity = identity_of(own.state)
    return tuple(
        EnrolledShare(
            ShareReference(
                relay_id=card.relay_id,
                handle=opened.receipt.handle,
                generation=FIRST_GENERATION,
                unlock_seed=unlock_seed(identity, card.relay_id).expose(),
                routes=tuple(UnlockRoute.of(route) for route in unlock_route(relay_set, card)),
            ),
            opened.receipt,
            confirm_key(identity, card.relay_id),
            owner_key(identity.owner_secret, opened.receipt.bind),
        )
        for opened, card in core.enrolled_shares
    )
