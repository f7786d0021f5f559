"""This device's own keys and card."""

from __future__ import annotations

from typing import Final, TypeVar

from cloister import mls
from cloister.client.binding import (
    SUITE,
    SUPPORTED_EXTENSIONS,
    bind_leaf,
    key_package_lifetime,
)
from cloister.client.records import RECORD_VERSION, Identity
from cloister.client.state import State
from cloister.crypto.entropy import Entropy
from cloister.crypto.hpke import HpkeKey
from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.errors import LocalError
from cloister.ids import SHORT_ID_BYTES, DeviceId, InboxId
from cloister.roster.device_card import DeviceCard
from cloister.roster.readable import steward_key_id

_SEED_BYTES = 32
_T = TypeVar("_T")


class NoIdentity(LocalError):
    """This profile is not in a circle yet."""

    exit_code = 3


def make_identity(name: str, entropy: Entropy, *, steward: bool, bot: bool = False) -> Identity:
    """Make all keys of a new device from fresh entropy."""

    def seed() -> Secret:
        return Secret(entropy.random(_SEED_BYTES))

    return Identity(
        version=RECORD_VERSION,
        member_id=entropy.random(SHORT_ID_BYTES),
        name=name,
        device_seed=seed(),
        hpke_seed=seed(),
        inbox_id=entropy.random(SHORT_ID_BYTES),
        inbox_seed=seed(),
        steward=steward,
        steward_ed25519_seed=seed(),
        steward_ml_dsa_seed=seed(),
        unlock_seed=seed(),
        confirm_seed=seed(),
        owner_secret=seed(),
        bot=bot,
    )


def identity_of(state: State) -> Identity:
    """Return the identity.  Raises ``NoIdentity``."""
    if state.identity is None:
        raise NoIdentity(
            "this profile belongs to no circle",
            hint="Join one with `cloister join CODE`, or found one with `cloister circle new`.",
        )
    return state.identity


def device_card(identity: Identity) -> DeviceCard:
    """Make the device's card: its public keys and its inbox."""
    return DeviceCard(
        device_key=Ed25519Key(identity.device_seed).public,
        hpke_key=HpkeKey(identity.hpke_seed).public,
        inbox_id=InboxId(identity.inbox_id),
        inbox_key=Ed25519Key(identity.inbox_seed).public,
        bot=identity.bot,
    )


def did_of(state: State) -> DeviceId:
    """Return this device's did, 32 bytes.  Raises ``NoIdentity``."""
    return _did(identity_of(state))


def _did(identity: Identity) -> DeviceId:
    did = _dids.get(identity.inbox_id)
    if did is None:
        did = device_card(identity).did
        _remember(_dids, identity, did)
    return did


def steward_key(identity: Identity) -> HybridKey:
    """Return the steward key of this device."""
    return HybridKey(identity.steward_ed25519_seed, identity.steward_ml_dsa_seed)


def own_steward_key_id(identity: Identity) -> bytes:
    """Return the id of ``steward_key``, 32 bytes."""
    key_id = _steward_key_ids.get(identity.inbox_id)
    if key_id is None:
        key_id = steward_key_id(steward_key(identity).public)
        _remember(_steward_key_ids, identity, key_id)
    return key_id


# Both names are asked for with every input, and each begins with keys derived from their seeds
# (0.2 and 0.3 ms).  An inbox id names one identity for ever; a process has few of them.
_MOST_KNOWN: Final = 64
_dids: dict[bytes, DeviceId] = {}
_steward_key_ids: dict[bytes, bytes] = {}


def _remember(known: dict[bytes, _T], identity: Identity, name: _T) -> None:
    if len(known) >= _MOST_KNOWN:
        known.clear()
    known[identity.inbox_id] = name


def make_key_package(
    state: State, circle_id: bytes, now: int, entropy: Entropy, *, knock: int = 0
) -> mls.KeyPackageSecrets:
    """Make a key package whose leaf key this device's key has signed for this circle."""
    identity = identity_of(state)
    did = did_of(state)
    signature_seed = Secret(entropy.random(_SEED_BYTES))
    leaf_key = Ed25519Key(signature_seed).public
    binding = bind_leaf(Ed25519Key(identity.device_seed), did, circle_id, leaf_key, knock)
    return mls.make_key_package(
        SUITE,
        signature_seed=signature_seed,
        credential=mls.basic_credential(did),
        lifetime=key_package_lifetime(now),
        leaf_extensions=(binding,),
        supported_extensions=SUPPORTED_EXTENSIONS,
        entropy=entropy,
    )


def make_group(
    state: State,
    circle_id: bytes,
    channel_id: bytes,
    extensions: tuple[mls.Extension, ...],
    now: int,
    entropy: Entropy,
) -> mls.Group:
    """Make the MLS group of a new channel with this device as its only member."""
    identity = identity_of(state)
    did = did_of(state)
    signature_seed = Secret(entropy.random(_SEED_BYTES))
    leaf_key = Ed25519Key(signature_seed).public
    binding = bind_leaf(Ed25519Key(identity.device_seed), did, circle_id, leaf_key, 0)
    return mls.Group.create(
        SUITE,
        channel_id,
        signature_seed=signature_seed,
        credential=mls.basic_credential(did),
        lifetime=key_package_lifetime(now),
        leaf_extensions=(binding,),
        supported_extensions=SUPPORTED_EXTENSIONS,
        group_extensions=extensions,
        entropy=entropy,
    )
