"""A log of readable entries alone, as a relay folds it: stewards, officers, orders and holds.

Keys are named by single words. Every act comes one second after the one before, unless ``wait``
moves log time; ``tick`` puts an entry there that nobody can read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from cloister.codec import Struct
from cloister.crypto.hybrid_signature import HybridPublic
from cloister.ids import ChannelId, Handle
from cloister.roster.entry import Entry, EntryKind
from cloister.roster.errors import RuleViolation
from cloister.roster.governance import Governance
from cloister.roster.orders import (
    ChannelReset,
    EntryReference,
    Erase,
    EraseReason,
    Hold,
    HoldScope,
    StewardSet,
    StewardSuspend,
    Target,
    Unlock,
)
from cloister.roster.policy import DAY_S, Policy, default_policy
from cloister.roster.readable import ReadableType, make_readable, steward_key_id
from cloister.roster.relay_fold import RelayFold
from cloister.roster.rules import Rule
from cloister.values import replace
from unit.roster.circle import COMMONS, genesis_of, person, relay_set, steward_key

HOUR = 3600
DAY = DAY_S
NEXT_COMMONS = ChannelId(b"the next commons")


@cache
def key_id(name: str) -> bytes:
    """The name of somebody's steward key."""
    return steward_key_id(steward_key(name).public)


def keys(names: Sequence[str]) -> tuple[HybridPublic, ...]:
    """Public keys by name."""
    return tuple(steward_key(name).public for name in names)


def target(name: str, *, at_home: bool = True) -> Target:
    """One share of somebody's device."""
    relays = relay_set()
    return Target(
        relay_id=(relays.home if at_home else relays.entries[0]).relay_id,
        handle=Handle(name.encode().ljust(16, b".")),
        opening=bytes(32),
    )


def reference(entry_hash: bytes) -> EntryReference:
    """The content of approve, refuse, pause and hold_release."""
    return EntryReference(entry_hash=entry_hash)


@dataclass
class Governed:
    """A log under test, with its relay fold. The founder's key is ``steward``."""

    policy: Policy

    def __post_init__(self) -> None:
        genesis = genesis_of(person("Ada"), self.policy)
        self.fold = RelayFold.found(genesis)
        self.entries = [genesis]
        self.now = self.fold.ts

    @property
    def governance(self) -> Governance:
        """What the entries so far have established."""
        return self.fold.governance

    @property
    def stewards(self) -> set[bytes]:
        """Key ids."""
        return set(self.governance.steward_keys)

    def entry(self, signer: str, kind: int, content: Struct | bytes) -> bytes:
        """A readable entry for the end of the log."""
        return make_readable(
            kind,
            content if isinstance(content, bytes) else content.encode(),
            steward_key=steward_key(signer),
            circle_id=self.fold.circle_id,
            seq=self.fold.size,
            root=self.fold.root,
            ts=self.now,
        )

    def act(self, signer: str, kind: int, content: Struct | bytes) -> bytes:
        """Append; returns the entry's hash. Raises RuleViolation, and nothing has changed."""
        self.now += 1
        entry = self.entry(signer, kind, content)
        self.fold = self.fold.append(entry)
        self.entries.append(entry)
        return Entry.decode(entry).entry_hash

    def broken(self, signer: str, kind: int, content: Struct | bytes) -> Rule | None:
        """The rule for which the relay refuses, None when it takes the entry."""
        before = self.fold.encode()
        try:
            self.act(signer, kind, content)
        except RuleViolation as violation:
            assert self.fold.encode() == before
            return violation.rule
        return None

    def wait(self, seconds: int) -> None:
        """Let log time pass, of which the log knows nothing yet."""
        self.now += seconds

    def tick(self, seconds: int = 1) -> None:
        """Let log time pass, and append a sealed entry then."""
        self.now += seconds
        # To a relay any sealed entry is its header.
        read = Entry.decode(self.entry("steward", ReadableType.HOLD, b""))
        header = replace(read.header, kind=EntryKind.SEALED, lk_gen=0)
        entry = Entry(header=header, body=bytes(256)).encode()
        self.fold = self.fold.append(entry)
        self.entries.append(entry)

    # --- acts --------------------------------------------------------------------------------

    def propose_set(
        self, author: str, stewards: Sequence[str], officers: Sequence[str] = ()
    ) -> bytes:
        """Propose another set."""
        content = StewardSet(stewards=keys(stewards), officers=keys(officers))
        return self.act(author, ReadableType.STEWARD_SET, content)

    def approve(self, signer: str, entry_hash: bytes) -> Rule | None:
        """Approve something."""
        return self.broken(signer, ReadableType.APPROVE, reference(entry_hash))

    def refuse(self, signer: str, entry_hash: bytes) -> Rule | None:
        """Withdraw or stop something."""
        return self.broken(signer, ReadableType.REFUSE, reference(entry_hash))

    def suspend(self, signer: str, subject: str, *, lift: bool = False) -> Rule | None:
        """Suspend a key, or lift its suspension."""
        content = StewardSuspend(key_id=key_id(subject), lift=lift)
        return self.broken(signer, ReadableType.STEWARD_SUSPEND, content)

    def erase(self, signer: str, *names: str) -> bytes:
        """Propose to erase shares."""
        content = Erase(
            targets=tuple(target(one) for one in names), reason=EraseReason.LOST, sealed_note=b""
        )
        return self.act(signer, ReadableType.ORDER_ERASE, content)

    def unlock(self, signer: str, *names: str) -> bytes:
        """Propose to unlock shares, without their owner."""
        content = Unlock(targets=tuple(target(one) for one in names), consents=())
        return self.act(signer, ReadableType.ORDER_UNLOCK, content)

    def hold(self, signer: str, *names: str) -> bytes:
        """Hold shares, or the whole circle when none is named."""
        content = Hold(
            scope=HoldScope.MEMBER if names else HoldScope.CIRCLE,
            targets=tuple(target(one) for one in names),
            channel=None,
            authority_hash=bytes(32),
            sealed_note=b"",
        )
        return self.act(signer, ReadableType.HOLD, content)

    def reset(
        self, signer: str, *, old: ChannelId = COMMONS, new: ChannelId = NEXT_COMMONS
    ) -> bytes:
        """Propose to move the commons."""
        content = ChannelReset(
            old_id=old, new_id=new, key=steward_key(signer).public.ed25519, generation=0
        )
        return self.act(signer, ReadableType.CHANNEL_RESET, content)

    def is_locked(self, name: str) -> bool:
        """Whether somebody's share at home is locked."""
        one = target(name)
        return self.governance.is_locked(one.relay_id, one.handle)


def governed(
    *stewards: str, officers: Sequence[str] = (), change_delay_s: int = 0, cool_off_s: int = DAY
) -> Governed:
    """A circle with these stewards and officers; without names, with the founder alone."""
    policy = default_policy(test_circle=True, cool_off_s=cool_off_s, change_delay_s=change_delay_s)
    log = Governed(policy)
    if stewards:
        proposal = log.propose_set("steward", stewards, officers)
        for name in dict.fromkeys((*stewards, *officers)):
            if name != "steward":
                assert log.approve(name, proposal) is None
        log.tick(change_delay_s + 1)
        assert log.stewards == {key_id(name) for name in stewards}
    return log
