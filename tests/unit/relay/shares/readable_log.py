"""A log of readable entries, as its relays keep it: three stewards, and time by hand."""

from __future__ import annotations

from cloister.crypto.hpke import HpkeKey
from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.secret import Secret
from cloister.ids import ChannelId, InboxId, MemberId, RelayId
from cloister.relay.shares.logs import KeptLog
from cloister.roster.device_card import DeviceCard
from cloister.roster.entry import Entry
from cloister.roster.genesis import make_genesis
from cloister.roster.orders import (
    UNLOCK_CONSENT_LABEL,
    CarriedConsent,
    EntryReference,
    Erase,
    EraseReason,
    Hold,
    HoldScope,
    LockOrder,
    SignedLock,
    StewardSet,
    StewardSuspend,
    Target,
    Unlock,
    UnlockConsent,
    sign_lock_as_owner,
    sign_lock_as_steward,
)
from cloister.roster.policy import default_policy
from cloister.roster.readable import ReadableType, make_readable, steward_key_id
from cloister.roster.relay_card import RelaySet
from cloister.roster.relay_fold import RelayFold
from unit.relay.shares.world import ENTROPY, ENTRY, HOME, NOW, ORIGIN, Device, ed25519, hybrid

COOL_OFF_S = 3600


class ReadableLog:
    """Appends entries and keeps them (``shares.logs.KeptLogs``)."""

    def __init__(self, origin: str = ORIGIN, now: int = NOW) -> None:
        self.origin = origin
        self.ts = now
        self.is_settled = True
        self.first, self.second, self.third = (
            hybrid(f"{name} {origin}") for name in ("first", "second", "third")
        )
        device_key = ed25519(f"founder {origin}")
        genesis = make_genesis(
            origin=origin,
            relay_set=RelaySet(home=HOME.card, entries=(ENTRY.card,)),
            policy=default_policy(test_circle=True, cool_off_s=COOL_OFF_S, change_delay_s=0),
            steward_key=self.first,
            device_key=device_key,
            device=DeviceCard(
                device_key=device_key.public,
                hpke_key=HpkeKey(Secret(ENTROPY.random(32))).public,
                inbox_id=InboxId(bytes(16)),
                inbox_key=ed25519("inbox").public,
                bot=False,
            ),
            member_id=MemberId(bytes(16)),
            name="Amira",
            commons_channel=ChannelId(bytes(16)),
            log_key=Secret(bytes(32)),
            ts=now,
            entropy=ENTROPY,
        )
        self.entries = [genesis]
        self.fold = RelayFold.found(genesis)
        keys = (self.first.public, self.second.public, self.third.public)
        stewards = StewardSet(stewards=keys, officers=())
        proposal = self.append(ReadableType.STEWARD_SET, stewards.encode(), self.first)
        self.approve(proposal)
        self.approve(proposal, self.third)
        # Changes are in force from the next entry on.
        self.tick()
        assert len(self.fold.governance.steward_keys) == 3

    # --- kept logs -------------------------------------------------------------------------------

    def origins(self) -> list[str]:
        return [self.origin]

    def kept(self, origin: str) -> KeptLog | None:
        return KeptLog(self.fold, self.is_settled) if origin == self.origin else None

    def entries_of(self, _origin: str, from_seq: int, to_seq: int) -> list[bytes]:
        # A page is smaller than the log, as it may be.
        return self.entries[from_seq : min(to_seq, from_seq + 2)]

    # --- appending -------------------------------------------------------------------------------

    def append(self, kind: ReadableType, content: bytes, key: HybridKey) -> bytes:
        """Append an entry; returns its hash."""
        entry = make_readable(
            kind,
            content,
            steward_key=key,
            circle_id=self.fold.circle_id,
            seq=self.fold.size,
            root=self.fold.root,
            ts=self.ts,
        )
        self.fold = self.fold.append(entry)
        self.entries.append(entry)
        return Entry.decode(entry).entry_hash

    def tick(self) -> None:
        """An entry that moves log time and settles what waits: a hold on another conversation."""
        hold = Hold(
            scope=HoldScope.CONVERSATION,
            targets=(),
            channel=ChannelId(ENTROPY.random(16)),
            authority_hash=bytes(32),
            sealed_note=b"",
        )
        self.append(ReadableType.HOLD, hold.encode(), self.first)

    def approve(self, entry_hash: bytes, key: HybridKey | None = None) -> None:
        reference = EntryReference(entry_hash=entry_hash).encode()
        self.append(ReadableType.APPROVE, reference, key or self.second)

    def refuse(self, entry_hash: bytes) -> None:
        self.append(
            ReadableType.REFUSE, EntryReference(entry_hash=entry_hash).encode(), self.second
        )

    def suspend(self, key: HybridKey, *, by: HybridKey) -> None:
        suspend = StewardSuspend(key_id=steward_key_id(key.public), lift=False)
        self.append(ReadableType.STEWARD_SUSPEND, suspend.encode(), by)

    # --- orders ----------------------------------------------------------------------------------

    def target(self, device: Device, relay_id: RelayId = HOME.card.relay_id) -> Target:
        return Target(relay_id=relay_id, handle=device.handle, opening=device.opening)

    def order(self, *targets: Target, log_size: int | None = None) -> LockOrder:
        return LockOrder(
            circle_id=self.fold.circle_id,
            log_size=self.fold.size if log_size is None else log_size,
            ts=self.ts,
            targets=targets,
        )

    def steward_lock(self, order: LockOrder, key: HybridKey | None = None) -> SignedLock:
        key = key or self.first
        return sign_lock_as_steward(order, key, steward_key_id(key.public))

    def owner_lock(self, order: LockOrder, *devices: Device) -> SignedLock:
        return sign_lock_as_owner(order, tuple(one.owner for one in devices))

    def lock(self, device: Device) -> None:
        lock = self.steward_lock(self.order(self.target(device)))
        self.append(ReadableType.ORDER_LOCK, lock.encode(), self.first)

    def unlock(self, device: Device, consent: bytes | None = None) -> bytes:
        consents = () if consent is None else (consent,)
        unlock = Unlock(targets=(self.target(device),), consents=consents)
        return self.append(ReadableType.ORDER_UNLOCK, unlock.encode(), self.first)

    def consent(self, device: Device, signer: str = "") -> bytes:
        key = device.owner if not signer else ed25519(signer)
        content = UnlockConsent(
            circle_id=self.fold.circle_id, log_size=self.fold.size, target=self.target(device)
        )
        return CarriedConsent(
            log_size=self.fold.size,
            signature=key.sign(UNLOCK_CONSENT_LABEL, content.encode()),
        ).encode()

    def erase(self, *targets: Target) -> bytes:
        erase = Erase(targets=targets, reason=EraseReason.STOLEN, sealed_note=b"")
        return self.append(ReadableType.ORDER_ERASE, erase.encode(), self.first)

    def hold(self, *targets: Target) -> bytes:
        hold = Hold(
            scope=HoldScope.MEMBER if targets else HoldScope.CIRCLE,
            targets=targets,
            channel=None,
            authority_hash=bytes(32),
            sealed_note=b"",
        )
        return self.append(ReadableType.HOLD, hold.encode(), self.first)

    def release(self, hold: bytes) -> None:
        reference = EntryReference(entry_hash=hold).encode()
        self.approve(self.append(ReadableType.HOLD_RELEASE, reference, self.first))
