"""The roster: who belongs, as a frozen value derived from the log.

    roster = Roster.found(genesis, log_key_0)
    roster, events = roster.append(entry, log_keys)

``append`` raises only for what breaks the log itself (LogBroken) or what cannot be judged yet
(NeedsLogKey, UpdateNeeded). The roster it was called on is unchanged in every case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from cloister.crypto.hybrid_signature import HybridPublic
from cloister.crypto.secret import Secret
from cloister.ids import ChannelId, CircleId, DeviceId, InviteId, MemberId
from cloister.roster.admission import check_join_request, counted_vouches, spent_keys
from cloister.roster.content import Role
from cloister.roster.errors import WrongLogKey
from cloister.roster.events import Event
from cloister.roster.fold import apply_entry
from cloister.roster.form import check_form
from cloister.roster.genesis import open_founding, read_genesis
from cloister.roster.join_request import JoinRequest
from cloister.roster.log_keys import log_key_commitment
from cloister.roster.name import skeleton
from cloister.roster.policy import Policy, vouches_needed
from cloister.roster.readable import steward_key_id
from cloister.roster.relay_card import RelaySet
from cloister.roster.snapshot import SNAPSHOT_VERSION, RosterSnapshot, read_snapshot
from cloister.roster.state import (
    DeviceRecord,
    Draft,
    InviteRecord,
    Member,
    MemberState,
    OpenRequest,
    Proposal,
    RequestState,
    VouchRecord,
)
from cloister.transparency.merkle import Frontier, leaf_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Everything the log says about a circle, at one size of the log.

    ``ts`` is log time: that of the newest entry, in seconds since the Unix epoch. ``generation``
    is the number of the current log key. ``requests`` are all join requests by their hash,
    ``proposals`` the removals proposed and not carried out by the hash of their entry. Mappings
    are not to be changed.
    """

    circle_id: CircleId
    origin: str
    commons_channel: ChannelId
    policy: Policy
    relay_set: RelaySet
    steward_keys: Mapping[bytes, HybridPublic]
    frontier: Frontier
    root: bytes
    ts: int
    forming: bool
    generation: int
    log_key_commitment: bytes
    members: Mapping[MemberId, Member]
    devices: Mapping[DeviceId, DeviceRecord]
    invites: Mapping[InviteId, InviteRecord]
    requests: Mapping[bytes, OpenRequest]
    proposals: Mapping[bytes, Proposal]
    # What follows is derived from the fields above; it is here so that nothing is searched for.
    active_members: int = field(compare=False, repr=False)
    device_keys: Mapping[bytes, DeviceId] = field(compare=False, repr=False)
    spent: frozenset[bytes] = field(compare=False, repr=False)
    waiting: tuple[bytes, ...] = field(compare=False, repr=False)
    open_invites: Mapping[MemberId, tuple[InviteId, ...]] = field(compare=False, repr=False)

    @classmethod
    def found(cls, genesis: bytes, log_key_0: Secret) -> Self:
        """The roster after entry 0. Raises LogBroken, UpdateNeeded."""
        read = read_genesis(genesis)
        founding = open_founding(read, log_key_0)
        terms = read.terms
        card = founding.founder
        founder = Member(
            member_id=founding.member_id,
            name=founding.name,
            role=Role.STEWARD,
            state=MemberState.ACTIVE,
            admitted_at_size=1,
            admitted_at_ts=read.ts,
            probation_until=0,
            vouchers=(),
            invited_by=None,
            devices=(card.did,),
        )
        device = DeviceRecord(
            did=card.did, card=card, member_id=founder.member_id, active_from=1, active_until=None
        )
        return cls._derive(
            RosterSnapshot(
                version=SNAPSHOT_VERSION,
                circle_id=read.circle_id,
                origin=terms.origin,
                commons_channel=founding.commons_channel,
                policy=terms.policy,
                relay_set=terms.relay_set,
                steward_keys=(terms.steward_key,),
                frontier=Frontier.empty().append(leaf_hash(genesis)),
                ts=read.ts,
                forming=True,
                generation=0,
                log_key_commitment=terms.log_key_commitment,
                members=(founder,),
                devices=(device,),
                invites=(),
                requests=(),
                proposals=(),
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a stored roster back. Raises SnapshotError: fold the log anew then."""
        return cls._derive(read_snapshot(data))

    def encode(self) -> bytes:
        """The stored form; equal rosters have equal bytes. It holds private keys of invitations."""
        return RosterSnapshot(
            version=SNAPSHOT_VERSION,
            circle_id=self.circle_id,
            origin=self.origin,
            commons_channel=self.commons_channel,
            policy=self.policy,
            relay_set=self.relay_set,
            steward_keys=tuple(self.steward_keys.values()),
            frontier=self.frontier,
            ts=self.ts,
            forming=self.forming,
            generation=self.generation,
            log_key_commitment=self.log_key_commitment,
            members=tuple(self.members.values()),
            devices=tuple(self.devices.values()),
            invites=tuple(self.invites.values()),
            requests=tuple(self.requests.values()),
            proposals=tuple(self.proposals.values()),
        ).encode()

    @classmethod
    def _derive(cls, stored: RosterSnapshot) -> Self:
        """Put a roster together from its records, and derive what is not stored."""
        devices = {device.did: device for device in stored.devices}
        invites = {record.invite.invite_id: record for record in stored.invites}
        requests = {asked.request_hash: asked for asked in stored.requests}
        open_invites: dict[MemberId, tuple[InviteId, ...]] = {}
        for invite_id, record in invites.items():
            if record.is_open(stored.ts):
                open_invites[record.inviter] = (*open_invites.get(record.inviter, ()), invite_id)
        founder = stored.devices[0]
        return cls(
            circle_id=stored.circle_id,
            origin=stored.origin,
            commons_channel=stored.commons_channel,
            policy=stored.policy,
            relay_set=stored.relay_set,
            steward_keys={steward_key_id(key): key for key in stored.steward_keys},
            frontier=stored.frontier,
            root=stored.frontier.root,
            ts=stored.ts,
            forming=stored.forming,
            generation=stored.generation,
            log_key_commitment=stored.log_key_commitment,
            members={member.member_id: member for member in stored.members},
            devices=devices,
            invites=invites,
            requests=requests,
            proposals={proposal.entry_hash: proposal for proposal in stored.proposals},
            active_members=sum(member.is_active for member in stored.members),
            device_keys={device.card.device_key: did for did, device in devices.items()},
            spent=frozenset(
                spent_keys(
                    (founder.member_id, founder.card),
                    (record.invite for record in stored.invites),
                    (asked.request for asked in stored.requests),
                )
            ),
            waiting=tuple(
                request_hash
                for request_hash, asked in requests.items()
                if asked.state is RequestState.OPEN and asked.vouches
            ),
            open_invites=open_invites,
        )

    # --- the fold ----------------------------------------------------------------------------

    def append(
        self, entry: bytes, log_keys: Mapping[int, Secret]
    ) -> tuple[Self, tuple[Event, ...]]:
        """Take the next entry of the log.

        Args:
            entry: the encoded entry at position ``size``.
            log_keys: by generation; the current one, and the next once it is known.

        Returns: the roster after the entry, and what happened.

        Raises: LogBroken, NeedsLogKey, UpdateNeeded; WrongLogKey when the key handed in for the
        current generation is not the one the log committed to. Any other exception is a bug.
        """
        return self.extend((entry,), log_keys)

    def extend(
        self, entries: Iterable[bytes], log_keys: Mapping[int, Secret]
    ) -> tuple[Self, tuple[Event, ...]]:
        """Take many entries at the cost of one copy; all or none. See append."""
        self._check_log_key(log_keys)
        draft = self._thaw()
        frontier, root, ts = self.frontier, self.root, self.ts
        events: list[Event] = []
        for data in entries:
            entry = check_form(
                data, circle_id=self.circle_id, seq=frontier.size, root=root, last_ts=ts
            )
            events.extend(apply_entry(draft, entry, log_keys))
            frontier = frontier.append(leaf_hash(data))
            root, ts = frontier.root, entry.header.ts
        return self._freeze(draft, frontier, root, ts), tuple(events)

    def check_join_request(self, request: JoinRequest, *, ts: int) -> None:
        """Judge a request found in an invite box, before it is appended.

        ``ts`` is what the entry would carry, in seconds since the Unix epoch. Raises RuleViolation.
        """
        check_join_request(self._thaw(), request, seq=self.size, ts=ts)

    # --- questions ---------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """The number of entries in the log."""
        return self.frontier.size

    def active_devices(self) -> tuple[DeviceRecord, ...]:
        """The devices that belong now, in the order of their admission."""
        return tuple(device for device in self.devices.values() if device.active_until is None)

    def is_active(self, did: DeviceId) -> bool:
        """Whether a device belongs now."""
        device = self.devices.get(did)
        return device is not None and device.active_until is None

    def was_active_at(self, did: DeviceId, size: int) -> bool:
        """Whether a device belonged when the log had ``size`` entries, if it has had so many."""
        device = self.devices.get(did)
        return device is not None and size <= self.size and device.was_active_at(size)

    def did_of_key(self, device_key: bytes) -> DeviceId | None:
        """The device whose Ed25519 device key this is, if it ever belonged."""
        return self.device_keys.get(device_key)

    def vouches_needed(self) -> int:
        """How many members must vouch for a newcomer now."""
        return vouches_needed(self.policy, forming=self.forming, active_members=self.active_members)

    def counted_vouches(self, request_hash: bytes) -> tuple[VouchRecord, ...]:
        """The vouches for a request that count at log time ``ts``; empty when it is unknown."""
        asked = self.requests.get(request_hash)
        return () if asked is None else counted_vouches(self._thaw(), asked, self.ts)

    def shown_names(self) -> Mapping[MemberId, str]:
        """A name for each member that nobody else in the circle has.

        Who was admitted first keeps the plain name; a reader would take the later ones for the
        same person, so they get a number: ``Ada (2)``. Names of members who are out stay taken.
        """
        taken: set[str] = set()
        names: dict[MemberId, str] = {}
        for member_id, member in self.members.items():
            shown, number = member.name, 1
            while skeleton(shown) in taken:
                number += 1
                shown = f"{member.name} ({number})"
            taken.add(skeleton(shown))
            names[member_id] = shown
        return names

    def member_named(self, name: str) -> Member | None:
        """The member shown under this name, whatever case or form it is typed in."""
        wanted = skeleton(name)
        for member_id, shown in self.shown_names().items():
            if skeleton(shown) == wanted:
                return self.members[member_id]
        return None

    # --- thawing and freezing ----------------------------------------------------------------

    def _check_log_key(self, log_keys: Mapping[int, Secret]) -> None:
        log_key = log_keys.get(self.generation)
        if log_key is not None and log_key_commitment(log_key) != self.log_key_commitment:
            raise WrongLogKey(f"not the log key of generation {self.generation}")

    def _thaw(self) -> Draft:
        return Draft(
            circle_id=self.circle_id,
            policy=self.policy,
            steward_keys=self.steward_keys,
            forming=self.forming,
            generation=self.generation,
            log_key_commitment=self.log_key_commitment,
            active_members=self.active_members,
            members=dict(self.members),
            devices=dict(self.devices),
            device_keys=dict(self.device_keys),
            invites=dict(self.invites),
            requests=dict(self.requests),
            proposals=dict(self.proposals),
            spent=set(self.spent),
            waiting=dict.fromkeys(self.waiting),
            open_invites=dict(self.open_invites),
        )

    def _freeze(self, draft: Draft, frontier: Frontier, root: bytes, ts: int) -> Self:
        return type(self)(
            circle_id=self.circle_id,
            origin=self.origin,
            commons_channel=self.commons_channel,
            policy=self.policy,
            relay_set=self.relay_set,
            steward_keys=self.steward_keys,
            frontier=frontier,
            root=root,
            ts=ts,
            forming=draft.forming,
            generation=draft.generation,
            log_key_commitment=draft.log_key_commitment,
            members=draft.members,
            devices=draft.devices,
            invites=draft.invites,
            requests=draft.requests,
            proposals=draft.proposals,
            active_members=draft.active_members,
            device_keys=draft.device_keys,
            spent=frozenset(draft.spent),
            waiting=tuple(draft.waiting),
            open_invites=draft.open_invites,
        )
