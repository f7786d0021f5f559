"""A circle's log for the oracle bench: three stewards, of whom one has suspended another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cloister.bench.paired_load import BenchFailed
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.hpke import HpkeKey
from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.ids import ChannelId, InboxId, MemberId
from cloister.roster.device_card import DeviceCard
from cloister.roster.entry import Entry
from cloister.roster.genesis import make_genesis
from cloister.roster.orders import EntryReference, Hold, HoldScope, StewardSet, StewardSuspend
from cloister.roster.policy import default_policy
from cloister.roster.readable import ReadableType, make_readable, steward_key_id
from cloister.roster.relay_card import RelayCard, RelaySet
from cloister.roster.relay_fold import RelayFold

FOUNDED: Final = 1_800_000_000
ENTROPY: Final = SystemEntropy()


def fresh_key() -> HybridKey:
    """Make a hybrid key."""
    return HybridKey(Secret(ENTROPY.random(32)), Secret(ENTROPY.random(32)))


@dataclass(frozen=True, slots=True)
class Step:
    """An entry, and what the relay keeps of the log after it."""

    entry: bytes
    fold: bytes
    root: bytes


class StandingLog:
    """Entries one after the other."""

    def __init__(self, genesis: bytes) -> None:
        self.fold = RelayFold.found(genesis)
        self.steps = [Step(genesis, self.fold.encode(), self.fold.root)]

    def append(self, kind: ReadableType, content: bytes, key: HybridKey) -> bytes:
        """Append a steward's entry; returns its hash."""
        entry = make_readable(
            kind,
            content,
            steward_key=key,
            circle_id=self.fold.circle_id,
            seq=self.fold.size,
            root=self.fold.root,
            ts=FOUNDED,
        )
        self.fold = self.fold.append(entry)
        self.steps.append(Step(entry, self.fold.encode(), self.fold.root))
        return Entry.decode(entry).entry_hash


class OracleCircle:
    """The log and the keys of its stewards: ``steward`` is obeyed, ``suspended`` is not."""

    def __init__(self, origin: str, home: RelayCard, entry: RelayCard) -> None:
        self.origin: Final = origin
        self.suspended: Final = fresh_key()
        self.steward: Final = fresh_key()
        self.commons_id: Final = ChannelId(ENTROPY.random(16))
        device_key = Ed25519Key(Secret(ENTROPY.random(32)))
        genesis = make_genesis(
            origin=origin,
            relay_set=RelaySet(home=home, entries=(entry,)),
            policy=default_policy(test_circle=True, change_delay_s=0),
            steward_key=self.suspended,
            device_key=device_key,
            device=DeviceCard(
                device_key=device_key.public,
                hpke_key=HpkeKey(Secret(ENTROPY.random(32))).public,
                inbox_id=InboxId(ENTROPY.random(16)),
                inbox_key=device_key.public,
                bot=False,
            ),
            member_id=MemberId(ENTROPY.random(16)),
            name="Amira",
            commons_channel=self.commons_id,
            log_key=Secret(ENTROPY.random(32)),
            ts=FOUNDED,
            entropy=ENTROPY,
        )
        self.log: Final = StandingLog(genesis)
        # The last other steward could not be suspended, so there is a third.
        third = fresh_key()
        wanted = StewardSet(
            stewards=(self.suspended.public, self.steward.public, third.public), officers=()
        ).encode()
        proposal = self.log.append(ReadableType.STEWARD_SET, wanted, self.suspended)
        consent = EntryReference(entry_hash=proposal).encode()
        self.log.append(ReadableType.APPROVE, consent, self.steward)
        self.log.append(ReadableType.APPROVE, consent, third)
        # A change is in force from the next entry on.
        self.log.append(ReadableType.HOLD, hold_of(ENTROPY.random(16)), self.suspended)
        suspend = StewardSuspend(key_id=steward_key_id(self.suspended.public), lift=False)
        self.log.append(ReadableType.STEWARD_SUSPEND, suspend.encode(), self.steward)
        governance = self.log.fold.governance
        obeyed = [governance.obeys(steward_key_id(one.public)) for one in self.keys]
        if obeyed != [False, True]:
            raise BenchFailed("the bench's stewards are not what it takes them for")

    @property
    def genesis(self) -> bytes:
        """The first entry."""
        return self.log.steps[0].entry

    @property
    def keys(self) -> tuple[HybridKey, HybridKey]:
        """The suspended key and the one in force."""
        return self.suspended, self.steward


def hold_of(channel_id: bytes) -> bytes:
    """Encode a hold on a conversation: an entry that a steward may append at any time."""
    return Hold(
        scope=HoldScope.CONVERSATION,
        targets=(),
        channel=ChannelId(channel_id),
        authority_hash=bytes(32),
        sealed_note=b"",
    ).encode()
