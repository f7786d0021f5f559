"""A circle to test with: devices with their private keys, and a log that any of them can extend.

Keys come from a seeded source, so that every run has the same circle. Only the KEM draws its own
randomness, and nothing of it enters the log.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cache

from cloister.codec import Struct
from cloister.crypto.hashing import sha256
from cloister.crypto.hpke import HpkeKey
from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.ids import ChannelId, CircleId, DeviceId, Handle, InboxId, MemberId
from cloister.roster.content import (
    STEWARD_KEY_LABEL,
    Acquaintance,
    Approve,
    DeviceRevoke,
    Export,
    Invite,
    InviteKind,
    InviteRevoke,
    Leave,
    Objection,
    Reinstate,
    RemovalKind,
    Remove,
    Role,
    StewardKey,
    Suspend,
    Tick,
    Vouch,
    VouchRevoke,
)
from cloister.roster.device_card import DeviceCard
from cloister.roster.entry import SealedType, seal_entry
from cloister.roster.events import Event, Ignored
from cloister.roster.genesis import make_genesis
from cloister.roster.invitation import InvitationSeed
from cloister.roster.join_request import JoinRequest, make_join_request
from cloister.roster.log_keys import make_log_key, next_log_key
from cloister.roster.orders import EntryReference, StewardSet
from cloister.roster.policy import Policy, default_policy
from cloister.roster.readable import ReadableType, make_readable, steward_key_id
from cloister.roster.relay_card import RelayCard, RelayRole, RelaySet, make_relay_card
from cloister.roster.roster import Roster
from cloister.roster.rules import Rule
from cloister.roster.share import (
    UNSIGNED,
    ErasureReceipt,
    OpenedReceipt,
    SeatTerm,
    ShareReceipt,
    bind_of,
    share_relays,
    sign_by_relay,
)
from cloister.roster.share_renewal import Shares
from cloister.values import replace

FOUNDED = 1_800_000_000
DAY = 86_400
TERM_S = 30 * DAY
"""How long the seats of the test circle are paid at first."""
ORIGIN = "home.example/5d0c3a7b9e214f86"
COMMONS = ChannelId(b"commons channel!")
TYPES = {
    Invite: SealedType.INVITE,
    JoinRequest: SealedType.JOIN_REQUEST,
    Vouch: SealedType.VOUCH,
    Remove: SealedType.REMOVE,
    Approve: SealedType.APPROVE,
    Leave: SealedType.LEAVE,
    Tick: SealedType.TICK,
    InviteRevoke: SealedType.INVITE_REVOKE,
    VouchRevoke: SealedType.VOUCH_REVOKE,
    DeviceRevoke: SealedType.DEVICE_REVOKE,
    Suspend: SealedType.SUSPEND,
    Reinstate: SealedType.REINSTATE,
    StewardKey: SealedType.STEWARD_KEY,
    Policy: SealedType.POLICY,
    Objection: SealedType.OBJECTION,
    SeatTerm: SealedType.SEAT,
    ErasureReceipt: SealedType.ERASE_RECEIPT,
    Shares: SealedType.SHARES,
    Export: SealedType.EXPORT,
}


class SeededEntropy:
    """Bytes that depend on the seed and on how often it was asked."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._count = 0

    def random(self, n: int) -> bytes:
        """The next ``n`` bytes."""
        self._count += 1
        return hashlib.shake_128(f"{self._seed} {self._count}".encode()).digest(n)


def secret(name: str) -> Secret:
    """32 bytes that depend on the name alone."""
    return Secret(hashlib.sha256(name.encode()).digest())


@dataclass(frozen=True)
class Person:
    """Somebody with one device, inside or outside the circle."""

    name: str
    member_id: MemberId
    device_key: Ed25519Key
    card: DeviceCard
    device: str

    @property
    def did(self) -> DeviceId:
        """The device's name."""
        return self.card.did


@cache
def person(name: str, device: str = "") -> Person:
    """A person by name; ``device`` names another device of the same person."""
    key_name = name + device
    device_key = Ed25519Key(secret(f"device {key_name}"))
    return Person(
        name=name,
        member_id=MemberId(secret(f"member {name}").expose()[:16]),
        device_key=device_key,
        card=DeviceCard(
            device_key=device_key.public,
            hpke_key=HpkeKey(secret(f"hpke {key_name}")).public,
            inbox_id=InboxId(secret(f"inbox id {key_name}").expose()[:16]),
            inbox_key=Ed25519Key(secret(f"inbox {key_name}")).public,
            bot=False,
        ),
        device=device,
    )


@cache
def steward_key(name: str = "steward") -> HybridKey:
    """A steward's hybrid key."""
    return HybridKey(secret(f"{name} ed25519"), secret(f"{name} ml-dsa"))


def relay_key(name: str) -> HybridKey:
    """The key of a relay, by its host."""
    return HybridKey(secret(f"{name} ed25519"), secret(f"{name} ml-dsa"))


@cache
def relay(name: str, role: RelayRole, jurisdiction: str, operator: str) -> RelayCard:
    """A relay with a signed card."""
    is_entry = bool(role & RelayRole.ENTRY)
    return make_relay_card(
        relay_key(name),
        tls_certificate=b"certificate of " + name.encode(),
        jurisdiction=jurisdiction,
        operator=operator,
        host=name,
        port=443,
        roles=role,
        name=name,
        mirror_host=name if is_entry else "",
        mirror_port=8443 if is_entry else 0,
        unlock_host=name if is_entry else "",
        unlock_port=9443 if is_entry else 0,
    )


def relay_set() -> RelaySet:
    """One home and one entry relay that keep the pair rule."""
    return RelaySet(
        home=relay("home.example", RelayRole.HOME, "HK", "Harbour"),
        entries=(relay("entry.example", RelayRole.ENTRY, "PA", "Canal"),),
    )


def owner_key(owner: Person, card: RelayCard) -> Ed25519Key:
    """The key that locks a device's share at a relay."""
    return Ed25519Key(secret(f"owner {owner.name}{owner.device} {card.host}"))


@cache
def receipt(owner: Person, card: RelayCard, origin: str = ORIGIN) -> OpenedReceipt:
    """What a relay signed when a device enrolled there."""
    name = f"{owner.name}{owner.device} {card.host}"
    opening = secret(f"opening {name}").expose()
    unsigned = ShareReceipt(
        relay_id=card.relay_id,
        handle=Handle(secret(f"handle {name}").expose()[:16]),
        bind=bind_of(origin, opening),
        unlock_key=Ed25519Key(secret(f"unlock {name}")).public,
        owner_key=owner_key(owner, card).public,
        signature=UNSIGNED,
    )
    signature = sign_by_relay(unsigned, relay_key(card.host))
    return OpenedReceipt(receipt=replace(unsigned, signature=signature), opening=opening)


def receipts_of(owner: Person) -> tuple[OpenedReceipt, ...]:
    """Of both relays of the test circle."""
    return tuple(receipt(owner, card) for card in share_relays(relay_set()))


def seat_term(
    *owners: Person, term_end: int, signer: str = "home.example", handles: tuple[Handle, ...] = ()
) -> SeatTerm:
    """The home relay's word that these devices, and handles, have seats."""
    home = relay_set().home
    unsigned = SeatTerm(
        relay_id=home.relay_id,
        term_end=term_end,
        handles=(*(receipt(owner, home).receipt.handle for owner in owners), *handles),
        signature=UNSIGNED,
    )
    return replace(unsigned, signature=sign_by_relay(unsigned, relay_key(signer)))


@cache
def genesis_of(founder: Person, policy: Policy) -> bytes:
    """The genesis of the test circle."""
    return make_genesis(
        origin=ORIGIN,
        relay_set=relay_set(),
        policy=policy,
        steward_key=steward_key(),
        device_key=founder.device_key,
        device=founder.card,
        member_id=founder.member_id,
        name=founder.name,
        commons_channel=COMMONS,
        log_key=secret("log key 0"),
        ts=FOUNDED,
        entropy=SeededEntropy("genesis"),
        receipts=receipts_of(founder) if policy.unlock_shares else (),
        seat=seat_term(founder, term_end=FOUNDED + TERM_S) if policy.seats else None,
    )


@dataclass
class Circle:
    """A log under test. Acts are appended one second apart unless ``now`` is moved."""

    founder: Person = field(default_factory=lambda: person("Ada"))
    policy: Policy = field(default_factory=default_policy)

    def __post_init__(self) -> None:
        self.entropy = SeededEntropy("circle")
        self.log_keys = {0: secret("log key 0")}
        self.exported: dict[int, Secret] = {}
        self.entries = [genesis_of(self.founder, self.policy)]
        self.roster = Roster.found(self.entries[0], self.log_keys[0])
        self.now = FOUNDED
        self.count = 0
        self.seeds: dict[bytes, InvitationSeed] = {}
        self.keys = {self.founder.name: steward_key()}

    def clone(self) -> Circle:
        """A copy that goes on by itself."""
        other = Circle(self.founder, self.policy)
        other.entropy.__dict__.update(self.entropy.__dict__)
        other.log_keys = dict(self.log_keys)
        other.exported = dict(self.exported)
        other.entries = list(self.entries)
        other.roster = self.roster
        other.keys = dict(self.keys)
        other.now, other.count, other.seeds = self.now, self.count, dict(self.seeds)
        return other

    # --- entries -----------------------------------------------------------------------------

    def sealed(
        self,
        author: Person,
        content: Struct | bytes,
        *,
        sealed_type: int | None = None,
        did: DeviceId | None = None,
        circle_id: CircleId | None = None,
        seq: int | None = None,
        root: bytes | None = None,
        ts: int | None = None,
        generation: int | None = None,
        log_key: Secret | None = None,
    ) -> bytes:
        """A sealed entry for the end of the log; everything about it can be made wrong."""
        if generation is None:
            generation = self.roster.generation
        if sealed_type is None:
            assert isinstance(content, Struct)
            sealed_type = TYPES[type(content)]
        return seal_entry(
            sealed_type,
            content if isinstance(content, bytes) else content.encode(),
            author=did or author.did,
            device_key=author.device_key,
            circle_id=circle_id or self.roster.circle_id,
            seq=self.roster.size if seq is None else seq,
            root=root or self.roster.root,
            ts=self.now if ts is None else ts,
            generation=generation,
            log_key=log_key or self.log_keys[generation],
            entropy=self.entropy,
        )

    def append(self, entry: bytes) -> tuple[Event, ...]:
        """Let the log go on with these bytes."""
        self.roster, events = self.roster.append(entry, self.log_keys)
        self.entries.append(entry)
        self.now = max(self.now, self.roster.ts)
        return events

    def act(self, author: Person, content: Struct) -> tuple[Event, ...]:
        """Append what an author says, a second later."""
        self.now += 1
        return self.append(self.sealed(author, content))

    def rule_broken(self, author: Person, content: Struct) -> Rule | None:
        """Append and return the rule for which the entry was ignored."""
        return ignored(self.act(author, content))

    # --- acts --------------------------------------------------------------------------------

    def new_invite(
        self,
        *,
        role: Role = Role.MEMBER,
        kind: InviteKind = InviteKind.MEMBER,
        lifetime: int = 7 * DAY,
        seed: InvitationSeed | None = None,
        subject: Person | None = None,
    ) -> tuple[InvitationSeed, Invite]:
        """A fresh invitation, not yet in the log."""
        if seed is None:
            seed = InvitationSeed.generate(self.entropy)
        invite = Invite(
            inv_key=seed.inv_key.public,
            box_id=seed.box_id,
            box_seed=seed.box_key.seed.expose(),
            invite_hpke_seed=self.entropy.random(32),
            kind=kind,
            role=role,
            expires=self.now + 1 + lifetime,
            subject=None if subject is None else subject.member_id,
        )
        return seed, invite

    def invite(
        self,
        inviter: Person,
        *,
        role: Role = Role.MEMBER,
        lifetime: int = 7 * DAY,
        kind: InviteKind = InviteKind.MEMBER,
        subject: Person | None = None,
    ) -> InvitationSeed:
        """Invite somebody, or have a device come for somebody."""
        seed, invite = self.new_invite(role=role, lifetime=lifetime, kind=kind, subject=subject)
        events = self.act(inviter, invite)
        assert ignored(events) is None, events
        return seed

    def request(self, newcomer: Person, seed: InvitationSeed, **changes: object) -> JoinRequest:
        """A newcomer's request."""
        fields: dict[str, object] = {
            "circle_id": self.roster.circle_id,
            "inv_key": seed.inv_key,
            "member_id": newcomer.member_id,
            "device": newcomer.card,
            "device_key": newcomer.device_key,
            "name": newcomer.name,
            "seen_size": self.roster.size,
            "seen_root": self.roster.root,
            "receipts": receipts_of(newcomer) if self.policy.unlock_shares else (),
        }
        if self.policy.seats:
            fields["seat"] = seat_term(newcomer, term_end=self.now + TERM_S)
        return make_join_request(**(fields | changes))  # type: ignore[arg-type]

    def ask(self, newcomer: Person, seed: InvitationSeed, poster: Person) -> JoinRequest:
        """Have a member append a newcomer's request."""
        request = self.request(newcomer, seed)
        events = self.act(poster, request)
        assert ignored(events) is None, events
        return request

    def vouch(self, voucher: Person, request: JoinRequest) -> tuple[Event, ...]:
        """Vouch for a request."""
        return self.act(voucher, vouch_for(request))

    def admit(self, newcomer: Person, *vouchers: Person, role: Role = Role.MEMBER) -> JoinRequest:
        """Invite, ask and vouch until the newcomer is in."""
        seed = self.invite(vouchers[0], role=role)
        request = self.ask(newcomer, seed, vouchers[0])
        for voucher in vouchers:
            self.vouch(voucher, request)
        assert self.roster.is_active(newcomer.did)
        return request

    def add_device(self, device: Person, owner: Person, *vouchers: Person) -> JoinRequest:
        """Let a member have a further device."""
        seed = self.invite(owner, kind=InviteKind.DEVICE, subject=owner)
        return self._let_in(device, seed, owner, vouchers)

    def bring_back(self, device: Person, *vouchers: Person) -> JoinRequest:
        """Let a member return on a new device."""
        seed = self.invite(vouchers[0], kind=InviteKind.RETURN, subject=device)
        return self._let_in(device, seed, vouchers[0], vouchers)

    def _let_in(
        self, device: Person, seed: InvitationSeed, poster: Person, vouchers: tuple[Person, ...]
    ) -> JoinRequest:
        request = self.ask(device, seed, poster)
        for voucher in vouchers:
            assert ignored(self.vouch(voucher, request)) is None
        assert device.did in self.roster.devices
        return request

    def remove(
        self,
        steward: Person,
        subject: Person,
        approver: Person,
        *,
        kind: RemovalKind = RemovalKind.DEPARTURE,
        since: int = 0,
    ) -> tuple[Event, ...]:
        """Propose and approve a removal."""
        self.act(
            steward, Remove(kind=kind, since=since, member_id=subject.member_id, reason="test")
        )
        proposal = list(self.roster.sealed_proposals)[-1]
        events = self.act(approver, Approve(entry_hash=proposal))
        assert not self.roster.is_active(subject.did)
        return events

    def announce(self, author: Person) -> HybridKey:
        """Announce the steward key named after the author."""
        key = steward_key(author.name)
        proof = key.sign(STEWARD_KEY_LABEL, author.did)
        assert ignored(self.act(author, StewardKey(key=key.public, proof=proof))) is None
        return key

    def readable(
        self, key: HybridKey, readable_type: ReadableType, content: Struct
    ) -> tuple[Event, ...]:
        """Append what a key says, a second later."""
        self.now += 1
        return self.append(self.readable_entry(key, readable_type, content))

    def readable_entry(self, key: HybridKey, readable_type: ReadableType, content: Struct) -> bytes:
        """What a key says, for the end of the log."""
        return make_readable(
            readable_type,
            content.encode(),
            steward_key=key,
            circle_id=self.roster.circle_id,
            seq=self.roster.size,
            root=self.roster.root,
            ts=self.now,
        )

    def set_offices(self, stewards: tuple[Person, ...], officers: tuple[Person, ...] = ()) -> None:
        """Have relays obey these keys and no others, with every signature there can be."""
        keys = self.keys
        wanted = StewardSet(
            stewards=tuple(keys[one.name].public for one in stewards),
            officers=tuple(keys[one.name].public for one in officers),
        )
        governance = self.roster.governance
        signers = [key for key in keys.values() if governance.obeys(steward_key_id(key.public))]
        signers += [
            keys[one.name] for one in (*stewards, *officers) if keys[one.name] not in signers
        ]
        self.readable(signers[0], ReadableType.STEWARD_SET, wanted)
        proposal = EntryReference(entry_hash=self.last_hash)
        for key in signers[1:]:
            self.readable(key, ReadableType.APPROVE, proposal)
        self.tick(self.founder, self.now + self.policy.change_delay_s)
        assert set(self.roster.steward_keys) == {steward_key_id(key) for key in wanted.stewards}

    def appoint(self, *members: Person) -> None:
        """Make members stewards beside the founder."""
        for member in members:
            self.keys[member.name] = self.announce(member)
        self.set_offices((self.founder, *members))

    @property
    def last_hash(self) -> bytes:
        """The hash of the newest entry."""
        return sha256(self.entries[-1])

    def rotate(self, author: Person) -> tuple[Event, ...]:
        """Begin the next generation of the log key."""
        self.now += 1
        return self.append(self.log_key_entry(author))

    def log_key_entry(self, author: Person) -> bytes:
        """The entry that begins the next generation; its key is known to the circle from here."""
        before = self.roster.generation
        generation = before + 1
        exported = secret(f"exported {generation}")
        self.exported[generation] = exported
        self.log_keys[generation] = next_log_key(generation, exported, self.log_keys[before])
        content = make_log_key(
            generation, exported=exported, previous=self.log_keys[before], entropy=self.entropy
        )
        return self.sealed(author, content, sealed_type=SealedType.LOG_KEY, generation=generation)

    def tick(self, author: Person, ts: int) -> tuple[Event, ...]:
        """Let log time pass to ``ts``."""
        self.now = ts
        return self.append(self.sealed(author, Tick()))


def vouch_for(request: JoinRequest, how: Acquaintance = Acquaintance.MET) -> Vouch:
    """A vouch for exactly this request."""
    return Vouch(request_hash=request.request_hash, how=how)


def ignored(events: tuple[Event, ...]) -> Rule | None:
    """The rule for which an entry was ignored, if it was."""
    for event in events:
        if isinstance(event, Ignored):
            return event.rule
    return None


def forming_circle() -> Circle:
    """Ada alone."""
    return Circle()


def circle_of_three(policy: Policy | None = None) -> Circle:
    """Ada, Ben and Cleo: the circle has just stopped forming, nobody is on probation."""
    return _circle_of_three(policy or default_policy()).clone()


@cache
def _circle_of_three(policy: Policy) -> Circle:
    circle = Circle(policy=policy)
    ada, ben, cleo = person("Ada"), person("Ben"), person("Cleo")
    circle.admit(ben, ada)
    circle.admit(cleo, ada)
    assert not circle.roster.forming
    return circle
